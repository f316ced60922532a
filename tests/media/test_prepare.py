import csv
import shutil

import numpy as np
import pytest
from media import number, numbered, tone, video
from PIL import Image

from tbd.clip_failures import BUGS
from tbd.errors import InputError
from tbd.media import prepare as preparing
from tbd.media.canonical import CanonicalClip, ClipRule
from tbd.media.prepare import prepare
from tbd.media.video import frames, probe

RULE = ClipRule(size=64)


def row(clip_id, file_name="a.mp4", **changes):
    made = {"audio_file_name": None, "start": None, "end": None, "crop_box": [0, -8, 64, 56], "reference_frame": 5}
    return {"clip_id": clip_id, "file_name": file_name} | made | changes


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    video(folder / "a.mp4", frames=30, fps=30, audio=tone(1))
    video(folder / "silent.mp4", frames=20)
    return folder


def test_a_prepared_clip_is_the_canonical_clip(root, tmp_path):
    done = prepare([row("one")], root, tmp_path / "out", RULE)
    clip = CanonicalClip(root / "a.mp4", None, None, (0, -8, 64, 56), RULE)
    folder = tmp_path / "out/one"
    assert np.array_equal(np.asarray(Image.open(folder / "reference.png")), clip.picture(5))
    assert [number(f[8:56]) for _, f in frames(folder / "video.mp4")] == clip.indices.tolist()
    assert (probe(folder / "video.mp4").fps, probe(folder / "video.mp4").has_audio) == (25, True)
    assert (folder / "audio.wav").stat().st_size == 44 + 2 * 16_000
    assert done.failed == {}


def test_the_table_lists_what_lies_there(root, tmp_path):
    prepare([row("b"), row("a", "silent.mp4"), row("c", "gone.mp4")], root, tmp_path, RULE)
    with (tmp_path / "clips.csv").open(newline="") as file:
        listed = list(csv.DictReader(file))
    assert [(r["clip_id"], r["video"], r["audio"], r["num_frames"]) for r in listed] == [
        ("b", "b/video.mp4", "b/audio.wav", "25"),
        ("a", "a/video.mp4", "", "20"),
    ]
    assert not (tmp_path / "a/audio.wav").exists()


def test_rows_that_cannot_be_prepared_are_reported_and_the_others_go_on(root, tmp_path):
    (root / "text.mp4").write_text("hello")
    rows = [
        row("gone", "gone.mp4"),
        row("text", "text.mp4"),
        row("faceless", crop_box=None),
        row("late", reference_frame=99),
        row("../up"),
        row("good"),
    ]
    told = []
    done = prepare(rows, root, tmp_path / "out", RULE, told=lambda *args: told.append(args))
    assert [clip["clip_id"] for clip in done.clips] == ["good"]
    assert {name: words in done.failed[name] for name, words in WORDS.items()} == dict.fromkeys(WORDS, True)
    assert told[-1] == ("good", None)
    assert told[0] == ("gone", done.failed["gone"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["clips.csv", "good"]


WORDS = {
    "gone": "No such file",
    "text": "a text",
    "faceless": "no crop box",
    "late": "frame 99 asked for",
    "../up": "cannot be the name of a folder",
}


def test_it_goes_on_where_it_ended_and_makes_anew_what_has_changed(root, tmp_path):
    rows = [row("one"), row("two", "silent.mp4")]
    prepare(rows[:1], root, tmp_path, RULE)
    first = (tmp_path / "one/video.mp4").stat().st_mtime_ns
    again = prepare(rows, root, tmp_path, RULE)
    assert (again.reused, len(again.clips)) == (1, 2)
    assert (tmp_path / "one/video.mp4").stat().st_mtime_ns == first
    other = prepare([row("one", crop_box=[0, 0, 40, 40]), rows[1]], root, tmp_path, RULE)
    assert other.reused == 1
    video(root / "silent.mp4", frames=[numbered(9)] * 40)
    assert prepare([rows[1]], root, tmp_path, RULE).clips[0]["num_frames"] == 40


def test_a_clip_that_was_killed_halfway_is_not_taken_for_whole(root, tmp_path, monkeypatch):
    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(preparing.audio, "write_wav", killed)
    with pytest.raises(KeyboardInterrupt):
        prepare([row("one")], root, tmp_path / "out", RULE)
    assert not (tmp_path / "out/one").exists()
    monkeypatch.undo()
    assert prepare([row("one")], root, tmp_path / "out", RULE).reused == 0


def test_a_folder_that_cannot_be_written(root, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        prepare([row("one")], root, tmp_path / "file", RULE)


def test_a_bug_in_one_clip_is_that_clips_failure(root, tmp_path, monkeypatch):
    plain = preparing._fill

    def odd(clip, reference, folder):
        return 1 / 0 if clip.path.name == "a.mp4" else plain(clip, reference, folder)

    monkeypatch.setattr(preparing, "_fill", odd)
    rows = [row("bad"), row("good", "two.mp4")]
    shutil.copy(root / "a.mp4", root / "two.mp4")
    done = prepare(rows, root, tmp_path / "out", RULE)
    assert [clip["clip_id"] for clip in done.clips] == ["good"]
    assert "a bug in tbd (ZeroDivisionError" in done.failed["bad"]
    assert "Traceback" in (tmp_path / "out" / BUGS).read_text()
