"""Four shards that are run apart and merged are the one run; what does not belong together is refused."""

import pytest
from scripted import fake_examine, mead_tree

from tbd.annotate import examine_pool, run
from tbd.annotate.recipe import AnnotateRecipe
from tbd.errors import InputError
from tbd.manifest import merge_manifests
from tbd.selection import Selection

CLIPS = [(speaker, emotion, 1, index) for speaker in ("M003", "W009") for emotion in ("happy", "angry", "sad")
         for index in range(1, 6)]  # fmt: skip


@pytest.fixture(autouse=True)
def no_pixels(monkeypatch):
    monkeypatch.setattr(examine_pool, "examine_clip", fake_examine)


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
    assert run.read_run(two).shards == ()
