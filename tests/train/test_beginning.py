"""What a run begins with, told from what checkpoints recorded: nothing is loaded, so these checkpoints are hollow."""

import shutil
from dataclasses import replace

import pytest
import training

from tbd.errors import InputError, MissingError
from tbd.hashes import sha256_file
from tbd.model import checkpoints
from tbd.model.checkpoint_meta import CheckpointMeta
from tbd.model.encoder_files import encoder_identities
from tbd.train.beginning import find_beginning, with_change
from tbd.train.checkpoint_writer import rotate, write_checkpoint
from tbd.train.request import TrainingRequest, run_identity

RECIPE = training.recipe()
ENCODERS = encoder_identities(RECIPE.network, RECIPE.weights, RECIPE.seed)
WEIGHTS = {"weights": {"unet": "random-0"}}


@pytest.fixture
def clips(tmp_path):
    return training.clips(path=tmp_path / "clip.mp4")


def _request(output, stage=1, recipe=RECIPE, **more):
    return TrainingRequest((), recipe, stage, output, device="cpu", **more)


def _save(folder, clips, step=1, stage=1, recipe=RECIPE, content=b"w", **meta):
    """A checkpoint whose record is true and whose one file of weights is ``content``."""

    def fill(temporary):
        (temporary / "unet").mkdir()
        (temporary / "unet/weights.safetensors").write_bytes(content)

    record = {**run_identity(_request(folder, stage, recipe), clips), "encoders": ENCODERS, "history": WEIGHTS, **meta}
    return write_checkpoint(folder, fill, CheckpointMeta(step=step, **record))


def _begun(folder, step=1):
    """The history of a run that began with a step of a stage 1."""
    before = checkpoints.read_checkpoint(checkpoints.checkpoint_folder(folder, step))
    return {"stage1": {"checkpoint": str(before.path), "weights": before.recorded_hash}, "weights": {}}


def test_a_run_goes_on_with_what_it_was_trained_with(tmp_path, clips):
    path = _save(tmp_path, clips, 3)
    begun = find_beginning(_request(tmp_path), clips)
    assert (begun.before.path, begun.resumed, begun.step, begun.changes, begun.notes) == (path, True, 3, (), ())
    fresh = find_beginning(_request(tmp_path / "new"), clips)
    assert (fresh.before, fresh.resumed, fresh.step) == (None, False, 0)


@pytest.mark.parametrize(("stage", "name", "part"), [(1, "image", "vae"), (2, "text", "text_encoder"), (2, "speech", "speech")])  # fmt: skip
def test_another_frozen_network_at_a_resume_is_refused_and_allowed_if_that_is_meant(tmp_path, clips, stage, name, part):
    _save(tmp_path, clips, stage=stage, encoders=ENCODERS | {name: "0123456789abcdef" * 4})
    with pytest.raises(InputError, match=rf"weights\.{part}: sha256 0123456789ab… -> random-tiny-0") as error:
        find_beginning(_request(tmp_path, stage), clips)
    assert "-o DIR" in error.value.next and "--changed" in error.value.next
    begun = find_beginning(_request(tmp_path, stage, changed=True), clips)
    assert len(begun.changes) == 1 and f"{name} encoder" in begun.changes[0]


def test_other_bytes_in_the_folder_that_the_recipe_names_are_another_network(tmp_path, clips, monkeypatch):
    file = tmp_path / "vae/diffusion_pytorch_model.safetensors"
    file.parent.mkdir()
    file.write_bytes(b"one")
    recipe = training.recipe({"weights.vae": str(file.parent)})
    _save(tmp_path / "run", clips, recipe=recipe, encoders=ENCODERS | {"image": sha256_file(file)})
    assert find_beginning(_request(tmp_path / "run", recipe=recipe), clips).changes == ()
    file.write_bytes(b"other")
    with pytest.raises(InputError, match=r"weights\.vae: sha256"):
        find_beginning(_request(tmp_path / "run", recipe=recipe), clips)


def test_stage_1_hears_nothing_so_its_speech_encoder_may_be_any(tmp_path, clips):
    _save(tmp_path / "a", clips, encoders=ENCODERS | {"speech": "0" * 64})
    assert find_beginning(_request(tmp_path / "a"), clips).changes == ()
    assert find_beginning(_request(tmp_path / "b", 2, first=tmp_path / "a"), clips).changes == ()


@pytest.mark.parametrize("stage", [1, 2])
def test_a_stage_1_beside_encoders_of_another_seed_is_not_grown_out_of(tmp_path, clips, stage):
    _save(tmp_path / "a", clips)
    other = _request(tmp_path / "b", stage, training.recipe(seed=7), first=tmp_path / "a")
    with pytest.raises(InputError, match=r"weights\.vae: random-tiny-0 -> random-tiny-7") as error:
        find_beginning(other, clips)
    assert "speech" not in error.value.message and "--changed" in error.value.next
    begun = find_beginning(replace(other, changed=True), clips)
    assert not begun.resumed and len(begun.changes) == 2


def test_a_warm_start_that_heard_with_other_ears_is_refused(tmp_path, clips):
    _save(tmp_path / "a", clips)
    _save(tmp_path / "warm", clips, stage=2, encoders=ENCODERS | {"speech": "0" * 64})
    recipe = training.recipe({"weights.warm_start": str(tmp_path / "warm")})
    request = _request(tmp_path / "b", 2, recipe, first=tmp_path / "a")
    with pytest.raises(InputError, match=r"warm/step-1: its layers[^\n]*\n  weights\.speech: sha256"):
        find_beginning(request, clips)
    begun = find_beginning(replace(request, changed=True), clips)
    assert begun.warm_start.path == tmp_path / "warm/step-1" and begun.changes[0].startswith("warm start: ")


def test_a_checkpoint_from_before_they_were_recorded_goes_on_with_a_word(tmp_path, clips):
    _save(tmp_path, clips, encoders={}, history={})
    begun = find_beginning(_request(tmp_path, first=tmp_path / "nowhere"), clips)
    assert begun.changes == () and len(begun.notes) == 2
    assert "--from is not compared" in begun.notes[0] and "frozen networks" in begun.notes[1]


def test_only_a_dry_run_goes_without_the_weights_and_says_what_it_cannot_tell(tmp_path, clips, monkeypatch):
    monkeypatch.setattr("tbd.weights.find", lambda entry: None)
    recipe = training.recipe(weights={})
    _save(tmp_path, clips, recipe=recipe)
    with pytest.raises(MissingError):
        find_beginning(_request(tmp_path, recipe=recipe), clips)
    begun = find_beginning(_request(tmp_path, recipe=recipe), clips, dry=True)
    assert begun.step == 1 and "cannot be told" in begun.notes[0] and "tbd weights pull" in begun.notes[0]
    other = training.recipe({"optimizer.lr": 0.5}, weights={})
    with pytest.raises(InputError, match=r"optimizer\.lr"):
        find_beginning(_request(tmp_path, recipe=other), clips, dry=True)


@pytest.fixture
def second(tmp_path, clips):
    """Stage 2 that began with step 1 of stage 1 ``a``."""
    _save(tmp_path / "a", clips, content=b"a")
    _save(tmp_path / "run", clips, stage=2, history=_begun(tmp_path / "a"))
    return tmp_path / "run"


def test_another_stage_1_than_the_run_began_with_is_refused(second, tmp_path, clips):
    _save(tmp_path / "b", clips, content=b"b")
    for changed in (False, True):  # nothing could come of it either way
        with pytest.raises(InputError, match=r"began with .*a/step-1 as it was then, and --from names .*/b") as error:
            find_beginning(_request(second, 2, first=tmp_path / "b", changed=changed), clips)
        assert "without --from" in error.value.next and "-o" in error.value.next
    assert find_beginning(_request(second, 2), clips).resumed


def _as_it_was(place, clips):
    return place


def _by_its_step(place, clips):
    return place / "step-1"


def _moved(place, clips):
    return shutil.move(place, place.parent / "moved") and place.parent / "moved"


def _trained_on(place, clips):
    _save(place, clips, 2, content=b"later")
    return place


def _trained_on_and_moved(place, clips):
    return _moved(_trained_on(place, clips), clips)


def _trained_on_and_its_step_gone(place, clips):
    _trained_on(place, clips)
    rotate(place, 1, None)
    return place


def _removed(place, clips):
    shutil.rmtree(place)
    return place


@pytest.mark.parametrize("change", [_as_it_was, _by_its_step, _moved, _trained_on, _trained_on_and_moved,
                                    _trained_on_and_its_step_gone, _removed])  # fmt: skip
def test_the_same_stage_1_is_known_again_wherever_it_is_by_now(second, tmp_path, clips, change):
    asked = change(tmp_path / "a", clips)
    assert find_beginning(_request(second, 2, first=asked), clips).step == 1


def test_a_stage_1_that_was_trained_anew_is_another_under_the_same_name(second, tmp_path, clips):
    shutil.rmtree(tmp_path / "a")
    _save(tmp_path / "a", clips, content=b"anew")
    with pytest.raises(InputError, match="as it was then"):
        find_beginning(_request(second, 2, first=tmp_path / "a"), clips)


def test_a_record_without_bytes_is_compared_by_its_place(tmp_path, clips):
    _save(tmp_path / "a", clips)
    _save(tmp_path / "b", clips)
    history = {"stage1": {"checkpoint": str(tmp_path / "a/step-1")}}
    _save(tmp_path / "run", clips, stage=2, history=history)
    assert find_beginning(_request(tmp_path / "run", 2, first=tmp_path / "a"), clips).resumed
    with pytest.raises(InputError, match="began with"):
        find_beginning(_request(tmp_path / "run", 2, first=tmp_path / "b"), clips)


def test_a_run_that_began_without_a_stage_1_does_not_take_one_up(tmp_path, clips):
    _save(tmp_path / "run", clips)
    _save(tmp_path / "a", clips, content=b"a")
    with pytest.raises(InputError, match="began with no stage 1"):
        find_beginning(_request(tmp_path / "run", first=tmp_path / "a"), clips)


def test_the_recorded_hash_is_the_hash(tmp_path, clips):
    one = checkpoints.read_checkpoint(_save(tmp_path, clips, content=b"some"))
    assert one.recorded_hash == one.hash
    assert checkpoints.Checkpoint(tmp_path, CheckpointMeta(stage=1, step=1)).recorded_hash == ""


def test_changes_are_added_to_a_history_and_nothing_leaves_it_as_it_is():
    assert with_change({"a": 1}, 3, []) == {"a": 1}
    twice = with_change(with_change({"a": 1}, 3, ["x"]), 5, ["y"])
    assert twice == {"a": 1, "changes": [{"step": 3, "what": ["x"]}, {"step": 5, "what": ["y"]}]}
