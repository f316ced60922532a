"""Four shards that are run apart and merged are the one run; what does not belong together is refused."""

import itertools
import json
import shlex

import pytest
from scripted import mead_tree

from tbd.annotate import run
from tbd.annotate.recipe import AnnotateRecipe
from tbd.errors import InputError, MissingError
from tbd.manifest import merge_manifests
from tbd.selection import Selection

CLIPS = [(speaker, emotion, 1, index) for speaker in ("M003", "W009") for emotion in ("happy", "angry", "sad")
         for index in range(1, 6)]  # fmt: skip
pytestmark = pytest.mark.usefixtures("no_pixels")


@pytest.fixture
def annotate(tmp_path):
    dataset = mead_tree(tmp_path / "mead", CLIPS)

    def one(name, shard=None, recipe=None, **selection):
        recipe = recipe or AnnotateRecipe(backend={"name": "facs"})
        request = run.AnnotationRequest(
            dataset, recipe, tmp_path / name, selection=Selection(shard=shard, **selection), workers=0, quiet=True
        )
        run.run_annotation(run.prepare_annotation(request))
        return tmp_path / name

    return one


@pytest.fixture
def shards(annotate):
    return [annotate(f"part{part}", f"{part}/4") for part in range(1, 5)]


@pytest.mark.parametrize("order", [1, -1])
def test_four_shards_are_one_run_byte_for_byte(annotate, shards, tmp_path, order):
    merge_manifests(shards[::order], tmp_path / "merged")
    whole = annotate("whole")
    assert (tmp_path / "merged/manifest.parquet").read_bytes() == (whole / "manifest.parquet").read_bytes()


def test_a_missing_shard_is_named_with_the_command_that_makes_it(shards, tmp_path):
    with pytest.raises(InputError, match="shards are missing: 2/4") as refused:
        merge_manifests([shards[0], *shards[2:]], tmp_path / "merged")
    assert "--shard 2/4" in refused.value.next
    assert not (tmp_path / "merged/manifest.parquet").exists()


def test_overlapping_shards_are_named(annotate, shards, tmp_path):
    again = annotate("again", "3/4")
    with pytest.raises(InputError, match=r"overlap: 3/4 is in .*part3 and in .*again"):
        merge_manifests([*shards, again], tmp_path / "merged")


@pytest.mark.parametrize(("change", "why"), [({"recipe": AnnotateRecipe(chain={"attempts": 5}, backend={"name": "facs"})},
                                              "another recipe"), ({"limit": 20}, "another selection")])  # fmt: skip
def test_a_foreign_shard_is_refused_with_what_is_foreign(annotate, shards, tmp_path, change, why):
    foreign = annotate("foreign", "4/4", **change)
    with pytest.raises(InputError, match=f"foreign shard: it was made with {why}"):
        merge_manifests([*shards[:3], foreign], tmp_path / "merged")


def test_a_shard_of_another_count_is_foreign(annotate, shards, tmp_path):
    with pytest.raises(InputError, match=r"one of 8, .* is one of 4"):
        merge_manifests([*shards[:3], annotate("eighth", "8/8")], tmp_path / "merged")


def test_shards_may_share_a_folder_and_a_whole_run_ends_them(annotate, shards, tmp_path):
    two = annotate("two", "1/4")
    annotate("two", "2/4")
    merge_manifests([two, *shards[2:]], tmp_path / "merged")
    annotate("two")
    assert run.read_run(two).shards == {}


@pytest.mark.parametrize("per", ["clip", "identity"])
def test_a_shard_that_was_cut_short_is_refused_until_its_own_command_has_finished_it(
    annotate, tmp_path, monkeypatch, per
):
    recipe = AnnotateRecipe(chain={"per": per}, backend={"name": "facs"})
    one, write, written = annotate("part1", "1/2", recipe), run.Runner._write, itertools.count()

    def cut(*row):
        if next(written) >= 2:
            raise MissingError("the disk is full", next="make room")
        write(*row)

    with monkeypatch.context() as patch:
        patch.setattr(run.Runner, "_write", cut)
        with pytest.raises(MissingError, match="disk is full"):
            annotate("part2", "2/2", recipe)
    with pytest.raises(InputError, match=r"part2: shard 2/2 is not finished: \d+ of its \d+ clips") as refused:
        merge_manifests([one, tmp_path / "part2"], tmp_path / "merged")
    command = ["tbd", "annotate", str(tmp_path / "mead"), "--backend", "facs", "--shard", "2/2"]
    assert shlex.split(refused.value.next, comments=True) == [*command, "-o", str(tmp_path / "part2")]
    merge_manifests([one, annotate("part2", "2/2", recipe)], tmp_path / "merged")
    whole = annotate("whole", None, recipe)
    assert (tmp_path / "merged/manifest.parquet").read_bytes() == (whole / "manifest.parquet").read_bytes()


def test_a_pilot_in_the_folder_of_a_shard_does_not_count_as_its_clips(annotate, shards, tmp_path):
    annotate("part4", limit=25)  # rows of every shard; the record says that the folder is a shard no more
    run_file = tmp_path / "part4" / "run.json"
    record = json.loads(run_file.read_text()) | {"shards": {"4/4": 25}, "part_of": run.read_run(shards[0]).part_of}
    run_file.write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"shard 4/4 is not finished: \d of its 25 clips"):
        merge_manifests(shards, tmp_path / "merged")
