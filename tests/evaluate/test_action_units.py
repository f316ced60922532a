import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sync import clip, windows

from tbd.errors import InputError, MissingError
from tbd.evaluate.measures.openface import Measured, read_table
from tbd.evaluate.metrics.action_units import METRICS, ActionUnits, au_f1
from tbd.evaluate.metrics.base import ClipScore

PROGRAM, TABLE = METRICS
UNITS = [1, 4, 12, 25, 45]
SETS = st.sets(st.integers(1, 30), min_size=1)


class Planted:
    """Measures what the test says."""

    def __init__(self, present, frames=10, of=10):
        self.found = Measured(present, frames, of)
        self.shown = 0

    def update(self, frames):
        self.shown += len(frames)

    def finish(self):
        return self.found


def row(*units):
    return {"action_units": [{"au": unit, "name": "", "side": None, "intensity": "C"} for unit in units]}


def frames(count=10):
    return np.zeros((count, 8, 8, 3), np.uint8)


def score(asked, recorder):
    passing = ActionUnits("planted", lambda clip: recorder).open(clip(frames(), None, row=row(*asked)))
    for window in windows(frames()):
        passing.update(window)
    return passing.finish()


def table(path, lines, units=UNITS, space=" "):
    """An OpenFace table with these values of success, confidence and presence; ``lines`` also names the face."""
    names = ["frame", "face_id", "timestamp", "confidence", "success"]
    names += [f"AU{unit:02d}_{kind}" for kind in "rc" for unit in units]
    rows = [
        [i + 1, face, i / 25, confidence, success, *(2.5 * p for p in present), *present]
        for i, (face, confidence, success, present) in enumerate(lines)
    ]
    path.write_text("\n".join(f",{space}".join(map(str, one)) for one in [names, *rows]) + "\n")
    return path


def good(*present):
    return (0, 0.98, 1, present)


@given(SETS, SETS)
def test_f1_is_one_for_equal_sets_zero_for_disjoint_ones_and_symmetric(one, other):
    assert au_f1(one, one) == 1
    assert au_f1(one, {unit + 100 for unit in other}) == 0
    assert au_f1(one, other) == au_f1(other, one)


def test_f1_by_hand():
    assert au_f1({1, 4, 15}, {1, 4, 6, 7}) == pytest.approx(2 * 2 / 7)
    with pytest.raises(ValueError, match="either side"):
        au_f1(set(), set())


def test_units_that_show_in_half_of_the_frames_count():
    found = score([1, 4], Planted({1: 0.5, 4: 0.49, 12: 1.0}))
    assert found.details["shown"] == [1, 12]
    assert found.value == pytest.approx(0.5)


def test_speech_blinks_and_what_the_detector_cannot_see_are_not_judged():
    found = score([12, 25, 45, 11], Planted({12: 1.0, 25: 1.0, 26: 0.0, 45: 1.0}))
    assert found.value == 1
    assert found.details["not_judged"] == [11, 25, 45]
    assert "none of the action units" in score([11, 25], Planted({12: 1.0, 25: 1.0})).reason


def test_nothing_shown_is_zero_and_not_missing():
    assert score([12], Planted({12: 0.0})).value == 0


def test_a_face_on_less_than_half_of_the_frames_is_a_reason():
    assert score([12], Planted({12: 1.0}, 5, 10)).usable
    assert "only 4 of 10 frames" in score([12], Planted({12: 1.0}, 4, 10)).reason
    assert "only 0 of 0 frames" in score([12], Planted({12: 1.0}, 0, 0)).reason


def test_every_frame_is_shown_to_the_detector():
    recorder = Planted({12: 1.0})
    score([12], recorder)
    assert recorder.shown == 10


@pytest.mark.parametrize("told", [None, {"action_units": None}, {"action_units": []}])
def test_a_clip_that_asks_for_nothing_is_refused(told):
    with pytest.raises(InputError, match="no action units"):
        ActionUnits("planted", lambda clip: Planted({})).open(clip(frames(), None, row=told))


def test_the_headline_counts_every_unit():
    scores = [ClipScore(1.0, 9, details={"asked": [1, 4], "shown": [1]}), ClipScore(None, 0, "no face")]
    found = PROGRAM.aggregate([*scores, ClipScore(0.0, 9, details={"asked": [4], "shown": [12]})])
    assert (found.value, found.n, found.of) == (0.5, 2, 3)
    assert found.details["units"] == {
        "AU1": {"asked": 1, "shown": 1, "both": 1},
        "AU4": {"asked": 2, "shown": 0, "both": 0},
        "AU12": {"asked": 0, "shown": 1, "both": 0},
    }


@pytest.mark.parametrize("space", [" ", ""])
def test_a_table_of_either_version_is_read(tmp_path, space):
    lines = [good(1, 0, 1, 0, 0), good(1, 1, 1, 0, 0), (0, 0.5, 1, (0, 0, 0, 1, 1)), (0, 0.9, 0, (0, 0, 0, 1, 1))]
    found = read_table(table(tmp_path / "clip.csv", lines, space=space))
    assert (found.frames, found.of) == (2, 4)
    assert found.present == {1: 1.0, 4: 0.5, 12: 1.0, 25: 0.0, 45: 0.0}
    assert found.intensity == {1: 2.5, 4: 1.25, 12: 2.5, 25: 0.0, 45: 0.0}


def test_of_several_faces_the_one_seen_most_counts(tmp_path):
    lines = [(1, 0.98, 1, (0, 1, 0, 0, 0)), (0, 0.98, 1, (1, 0, 0, 0, 0)), (1, 0.98, 1, (0, 1, 0, 0, 0))]
    found = read_table(table(tmp_path / "clip.csv", lines))
    assert (found.of, found.present[4], found.present[1]) == (2, 1.0, 0.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a,b\n1,2\n",
        "confidence,success,AU01_r\n1,1,1\n",
        "confidence,success,AU01_c\n1,1,x\n",
        "confidence,success,AU01_c\n1,1\n",
        "confidence,success,AU01_c\n1,1,nan\n",
        "success,AU01_c\n1,1\n",
        "\xff\xfe\x00broken",
    ],
)
def test_what_is_no_table_is_refused(tmp_path, text):
    path = tmp_path / "clip.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"clip\.csv"):
        read_table(path)


def test_a_table_beside_the_video_is_compared_with_what_was_asked(tmp_path):
    path = table(tmp_path / "clip.csv", [good(1, 0, 1, 1, 0)] * 10)
    passing = TABLE.open(clip(frames(), None, row=row(1, 4), beside=path))
    passing.update(windows(frames())[0])
    assert passing.finish().value == pytest.approx(0.5)


def test_a_table_of_another_video_and_no_table_are_refused(tmp_path):
    path = table(tmp_path / "clip.csv", [good(1, 0, 1, 1, 0)] * 20)
    with pytest.raises(InputError, match="20 frames, the video 10"):
        TABLE.open(clip(frames(), None, row=row(1), beside=path)).finish()
    with pytest.raises(InputError, match="no OpenFace table"):
        TABLE.open(clip(frames(), None, row=row(1)))


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A program in OpenFace's place that writes AU12 for as many frames as it was given, or does what it is told."""

    def write(body):
        path = tmp_path / "FeatureExtraction"
        path.write_text(f"#!{sys.executable}\nimport sys, pathlib\nargs = sys.argv[1:]\n{body}\n")
        path.chmod(0o755)
        monkeypatch.setenv("TBD_OPENFACE", str(path))

    return write


WRITES = """
frames = sorted(pathlib.Path(args[args.index("-fdir") + 1]).glob("*.jpg"))
out = pathlib.Path(args[args.index("-out_dir") + 1])
out.mkdir()
lines = ["frame, confidence, success, AU12_r, AU12_c"] + [f"{i}, 0.98, 1, 3.0, 1" for i, _ in enumerate(frames)]
(out / (args[args.index("-of") + 1] + ".csv")).write_text("\\n".join(lines))
"""


def test_the_program_is_given_the_frames_and_its_table_is_read(program):
    program(WRITES)
    assert PROGRAM.missing() == ""
    passing = PROGRAM.open(clip(frames(40), None, row=row(12)))
    for window in windows(frames(40)):
        passing.update(window)
    found = passing.finish()
    assert (found.value, found.n) == (1.0, 40)


def test_a_program_that_fails_is_told_with_its_last_words(program):
    program("print('cannot load model', file=sys.stderr); sys.exit(3)")
    with pytest.raises(MissingError, match="failed with 3: cannot load model"):
        PROGRAM.open(clip(frames(), None, row=row(12))).finish()


def test_without_the_program_the_metric_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("TBD_OPENFACE", str(tmp_path / "nowhere"))
    assert "export TBD_OPENFACE=" in PROGRAM.missing()
    assert "academic" in PROGRAM.missing()
    assert TABLE.missing() == ""
    with pytest.raises(MissingError, match="FeatureExtraction"):
        PROGRAM.open(clip(frames(), None, row=row(12)))
