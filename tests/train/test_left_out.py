"""Clips that prove unreadable while a run goes: passed over, said once, recorded, and too many of them."""

import json

import pytest
import trained
import training

from tbd.errors import InputError
from tbd.model import checkpoints
from tbd.train.approved_clips import read_training_clips
from tbd.train.left_out import LeftOutClips, most_left_out

CHANGES = {"stage1.steps": 8, "watch.log_every": 1, "data.validation_clips": 3, "watch.clips": 3}


@pytest.mark.parametrize(("share", "clips", "most"), [(0.05, 10, 1), (0.05, 1000, 50), (0.0, 10, 0), (1.0, 7, 7)])
def test_a_share_of_the_clips_may_be_unreadable(share, clips, most):
    assert most_left_out(clips, training.recipe({"watch.max_unreadable": share})) == most


def test_each_is_said_once_and_one_too_many_ends_the_run():
    notes = []
    met = LeftOutClips(20, training.recipe(), notes.append, {"toy/before": "gone"})
    batch = {"left_out": [{}, {"toy/a": "why"}]}
    assert met.seen(batch) is batch and met.seen({"parts": [batch, batch]}) and met.seen({"error": "x"})
    assert len(notes) == 1 and "toy/a: why" in notes[0]
    assert met.record() == {"toy/before": "gone", "toy/a": "why"}
    with pytest.raises(InputError, match=r"2 of 20 clips cannot be read.*allows 1 \(e\.g\. toy/b: too\)") as ended:
        met.seen({"left_out": [{"toy/b": "too"}]})
    assert "watch.max_unreadable=1" in ended.value.next


def _broken(folder, *names):
    """A manifest over ten clips, some of which are no videos."""
    media = folder / "media"
    media.mkdir()
    for file in training.media().iterdir():
        (media / file.name).symlink_to(file)
    rows = training.usable()
    for row in rows:
        if row["clip_id"] in names:
            row["file_name"] = f"broken-{row['file_name']}"
            (media / row["file_name"]).write_bytes(b"no video")
    return training.manifest(folder / "toy", rows, root=media)


def _sides(toy):
    clips = read_training_clips([toy], trained.recipe(CHANGES), 1)
    return [[clip.clip_id for clip in side] for side in (clips.train, clips.validation)]


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A manifest of which one clip to learn from and one to validate with cannot be read, and their names."""
    folder = tmp_path_factory.mktemp("odd")
    train, validation = _sides(training.manifest(folder / "first" / "toy", training.usable()))
    return _broken(folder, train[2], validation[1]), [f"toy/{train[2]}", f"toy/{validation[1]}"]


def test_one_odd_clip_is_passed_over_recorded_and_ends_no_run_and_a_stopped_run_ends_with_the_same_bits(odd, tmp_path):
    toy, names = odd
    chosen = trained.recipe(CHANGES | {"watch.max_unreadable": 0.2})
    seen, ended = trained.run(tmp_path / "whole", toy, chosen)
    meta = json.loads((ended.checkpoint / "meta.json").read_text())
    assert (ended.step, ended.left_out, sorted(meta["left_out"])) == (8, 2, sorted(names))
    assert all(sum(f"{name}: " in note for note in seen.notes) == 1 for name in names)
    assert json.loads((tmp_path / "whole/train.jsonl").read_text().splitlines()[-1])["left_out"] == 2
    last = json.loads((tmp_path / "whole/validation.jsonl").read_text().splitlines()[-1])
    assert last["samples"] == 2 * chosen.watch.bins and last["loss"] > 0
    trained.run(tmp_path / "run", toy, chosen, stop_at=5)
    _, again = trained.run(tmp_path / "run", toy, chosen)
    assert trained.differing(again.checkpoint, ended.checkpoint) == []
    assert sorted(checkpoints.read_checkpoint(again.checkpoint).meta.left_out) == sorted(names)


def test_more_than_may_be_left_out_end_the_run_and_a_higher_share_goes_on(odd, tmp_path):
    toy, _ = odd
    with pytest.raises(InputError, match="2 of 10 clips cannot be read") as ended:
        trained.run(tmp_path / "run", toy, trained.recipe(CHANGES))
    assert "tbd train cache" in ended.value.next
    _, found = trained.run(tmp_path / "run", toy, trained.recipe(CHANGES | {"watch.max_unreadable": 1.0}))
    assert found.step == 8


def test_where_no_clip_that_validates_can_be_read_the_run_ends(tmp_path):
    _, validation = _sides(training.manifest(tmp_path / "first" / "toy", training.usable()))
    toy = _broken(tmp_path, *validation)
    with pytest.raises(InputError, match="none of the 3 clips that validate can be read"):
        trained.run(tmp_path / "run", toy, trained.recipe(CHANGES | {"watch.max_unreadable": 1.0}))
