"""What an annotation will take: the formula by hand, and what a timed run keeps for it."""

import json

import pytest
from known_replies import honest
from lying_server import LyingServer, slow
from scripted import mead_tree

from tbd.annotate import run
from tbd.annotate.cost import ClipCost, cost_line, measured_cost
from tbd.annotate.journal import Journal
from tbd.annotate.pace import META, PaceClock, RunPace
from tbd.annotate.recipe import AnnotateRecipe
from tbd.cli import main
from tbd.errors import InputError
from tbd.manifest.run import ManifestRun
from tbd.selection import Selection

MEAD = 281_400
QWEN = ClipCost(chain=2.4, look=0.9, row=0.003, start=60)
LATENCY = 0.02
pytestmark = pytest.mark.usefixtures("no_pixels")


def _annotate(tmp_path, clips, name="out", **given):
    dataset = tmp_path / "mead"
    if not dataset.is_dir():
        mead_tree(dataset, [("M003", "angry", 2, index) for index in range(1, 21)])
    recipe = AnnotateRecipe(backend={"name": given.pop("backend", "facs")}, server={"concurrency": 4})
    request = run.AnnotationRequest(
        dataset, recipe, tmp_path / name, workers=0, quiet=True, **given, selection=Selection(limit=clips)
    )
    return run.run_annotation(run.prepare_annotation(request))


def test_the_table_by_hand():
    one, many = (cost_line(QWEN, MEAD, MEAD, gpus, 8 * gpus, price=2.5) for gpus in (1, 64))
    assert one.wall == pytest.approx((60 + MEAD * 2.4) / 3600)  # 187.6 hours
    assert (one.gpu_hours, one.money) == (one.wall, pytest.approx(2.5 * one.wall))
    assert many.wall == pytest.approx((60 + MEAD * 2.4 / 64) / 3600)
    assert many.gpu_hours == pytest.approx(64 * many.wall)
    assert (one.waits_for, many.waits_for) == ("GPUs", "GPUs")


def test_what_is_slowest_sets_the_pace():
    shared = cost_line(QWEN, MEAD, 1_100, 8, 64)  # one chain for each identity: looking is what is left
    assert (shared.waits_for, shared.money) == ("CPU cores", None)
    assert shared.wall == pytest.approx((60 + MEAD * 0.903 / 64) / 3600)
    assert cost_line(QWEN, MEAD, 1_100, 64, 10_000).waits_for == "driver"
    assert cost_line(QWEN, MEAD, 1_100, 64, 10_000).wall == pytest.approx((60 + MEAD * 0.003) / 3600)


def test_a_measured_run_is_taken_apart():
    pace = RunPace(
        200, 100, 150, seconds=90, start=7, asking=480, looking=45, driving=2, sessions=16, gpus=2, workers=4
    )
    cost = ClipCost.of_run(pace, 4_000, 400, ManifestRun(asked=("server", "qwen")))
    assert cost == ClipCost(0.6, 0.3, 0.01, 7, 10.0, "server", "qwen", 200)
    alone = RunPace(
        200, 100, 150, seconds=90, start=7, asking=480, looking=45, driving=47, sessions=16, gpus=0, workers=0
    )
    assert ClipCost.of_run(alone, 0, 0, ManifestRun()) == ClipCost(0.0, 0.3, 0.01, 7, 0.0, rows=200)


def test_a_clock_adds_up_what_sessions_and_looks_took():
    clock = PaceClock()
    clock.looked(0.5)
    clock.looked(0.25)
    with clock.asking(3):
        pass
    pace = clock.read(3, 1, 1, 0)
    assert (pace.rows, pace.chains, pace.looks, pace.looking) == (3, 3, 2, 0.75)
    assert 0 <= pace.start <= pace.seconds and 0 <= pace.asking <= pace.seconds


def test_a_kept_look_counts_as_what_it_took_and_changes_nothing_that_the_driver_did():
    clock = PaceClock()
    clock.looked(50.0, 49.9)
    pace = clock.read(1, 1, 0, workers=0)
    assert pace.looking == 50 and 49.9 <= pace.driving < 55
    assert clock.read(1, 1, 0, workers=2).driving < 5


def test_a_run_keeps_its_pace_and_a_small_one_does_not_replace_it(tmp_path):
    with LyingServer(then=slow(LATENCY, honest)) as server:
        _annotate(tmp_path, 12, backend="server", endpoints=(server.url,))
        cost = measured_cost(tmp_path / "out")
        assert (cost.rows, cost.backend) == (12, "server")
        assert cost.chain >= 4 * LATENCY / 4  # four replies a chain, four chains at a time, one endpoint
        _annotate(tmp_path, 14, backend="server", endpoints=(server.url,))  # two new clips
    assert measured_cost(tmp_path / "out").rows == 12
    with Journal(tmp_path / "out", read_only=True) as journal:
        assert (journal.meta(META)["gpus"], journal.meta(META)["sessions"]) == (1, 4)


def test_the_pace_changes_no_byte_of_a_manifest(tmp_path):
    _annotate(tmp_path, 5, "one")
    _annotate(tmp_path, 5, "other")
    one, other = (tmp_path / name / "manifest.parquet" for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()
    assert measured_cost(tmp_path / "one").chain == 0.0


def test_a_folder_without_a_timed_run_says_how_to_get_one(tmp_path):
    with pytest.raises(InputError, match="holds no run") as nothing:
        measured_cost(tmp_path)
    assert nothing.value.next.startswith("tbd annotate DATASET --sample")
    _annotate(tmp_path, 2)
    with Journal(tmp_path / "out") as journal:
        journal.set_meta(META, None)
    with pytest.raises(InputError, match="was not timed"):
        measured_cost(tmp_path / "out")


def _doctor(capsys, *words, expected=0):
    assert main(["doctor", "--plan", *words]) == expected
    return capsys.readouterr()


def test_a_plan_is_a_table_and_a_document(capsys, tmp_path):
    words = ("--clips", "281400", "--rate", "1500", "--price", "2.5", "--model", "Qwen2-VL-7B")
    table = _doctor(capsys, *words).out.splitlines()
    assert "Qwen2-VL-7B" in table[0] and "(assumed)" in table[1]
    assert [line.split()[0] for line in table[-7:]] == ["1", "2", "4", "8", "16", "32", "64"]
    document = json.loads(_doctor(capsys, *words, "--json").out)
    assert document["lines"][0]["gpu_hours"] == pytest.approx(281400 / 1500)
    assert document["lines"][0]["money"] == pytest.approx(2.5 * 281400 / 1500)
    _annotate(tmp_path, 6)
    measured = _doctor(capsys, "--clips", "1000", "--measured", str(tmp_path / "out")).out
    assert "(measured on 6 rows)" in measured and "no GPU" in measured and "facs" in measured


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "needs the number of clips"),
        (("--clips", "9"), "needs a pace"),
        (("--clips", "9", "--rate", "0"), "not a number of chains"),
        (("--clips", "0", "--rate", "5"), "greater than or equal to 1"),
    ],
)
def test_a_plan_without_its_numbers_says_what_to_type(capsys, words, said):
    assert said in _doctor(capsys, *words, expected=2).err
