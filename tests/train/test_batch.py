import pytest
import torch
import training

from tbd.errors import InputError
from tbd.train.batch import BatchEncoder
from tbd.train.dataset import TrainingDataset, collate
from tbd.train.sampling import clip_order

CPU = torch.device("cpu")


def _batch(recipe, stage, keep=None, numbers=(0, 1, 2), clips=None):
    clips = clips or training.clips(4).train
    samples = TrainingDataset(clips, clip_order(clips, recipe, stage, 16), recipe, stage, keep, training.FACTOR)
    return BatchEncoder(training.base(), recipe, CPU).batch(collate([samples[number] for number in numbers]))


@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("moments", ["both", "mean"])
def test_training_from_the_cache_sees_the_numbers_of_training_from_media(tmp_path, stage, moments):
    recipe = training.recipe({"data.moments": moments})
    live = _batch(recipe, stage)
    kept = _batch(recipe, stage, training.filled(tmp_path, training.clips(4), recipe))
    assert live.__dict__.keys() == kept.__dict__.keys()
    for name, one in vars(live).items():
        other = getattr(kept, name)
        if one is None:
            off = name in ("region", "lips", "mfcc")
            assert other is None and (off or (stage == 1 and name in ("earlier", "audio")))
        else:  # both were rounded to half precision, so a rounding can at most fall to the other side
            assert one.dtype == other.dtype and one.shape == other.shape
            torch.testing.assert_close(other.float(), one.float(), rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(("stage", "frames", "earlier"), [(1, 1, 0), (2, 4, 2), (2, 5, 0)])
def test_a_batch_has_the_shapes_that_the_network_takes(stage, frames, earlier):
    recipe = training.recipe({"stage2.frames": frames, "model.network.motion_frames": earlier})
    batch = _batch(recipe, stage)
    assert batch.latents.shape == batch.noise.shape == (3, 4, frames, 8, 8)
    assert batch.reference.shape == (3, 4, 8, 8) and batch.text.shape == (3, 2, 77, 16)
    assert (batch.earlier is None) if not earlier else batch.earlier.shape == (3, 4, earlier, 8, 8)
    assert (batch.audio is None) if stage == 1 else batch.audio.shape == (3, frames, 5, 12, 16)
    for name in ("reference", "text", "audio", "motion"):
        flags = getattr(batch, f"keep_{name}")
        assert flags.shape == (3,) and flags.dtype == torch.bool
    assert batch.timesteps.shape == (3,) and batch.timesteps.dtype == torch.int64


def test_latents_are_drawn_from_the_autoencoders_posterior_frame_by_frame():
    recipe, clips = training.recipe(), training.clips(3).train
    samples = TrainingDataset(clips, clip_order(clips, recipe, 2, 16), recipe, 2, None, training.FACTOR)
    batch, model = _batch(recipe, 2, clips=clips), training.base().image.model
    for number in range(3):
        found = samples[number]
        posterior = model.encode(found["frames"].permute(0, 3, 1, 2) / 127.5 - 1).latent_dist
        wanted = (posterior.mean + posterior.std * found["posterior"]) * model.config.scaling_factor
        torch.testing.assert_close(batch.reference[number], wanted[0], rtol=5e-3, atol=5e-3)
        torch.testing.assert_close(batch.earlier[number].transpose(0, 1), wanted[1:3], rtol=5e-3, atol=5e-3)
        torch.testing.assert_close(batch.latents[number].transpose(0, 1), wanted[3:], rtol=5e-3, atol=5e-3)


def test_the_mean_alone_trains_on_the_mode():
    recipe, clips, model = (
        training.recipe({"data.moments": "mean"}),
        training.clips(4).train,
        training.base().image.model,
    )
    frames = TrainingDataset(clips, clip_order(clips, recipe, 1, 16), recipe, 1, None, training.FACTOR)[0]["frames"]
    wanted = model.encode(frames.permute(0, 3, 1, 2) / 127.5 - 1).latent_dist.mode() * model.config.scaling_factor
    batch = _batch(recipe, 1)
    torch.testing.assert_close(batch.latents[0, :, 0], wanted[1], rtol=2e-3, atol=2e-3)
    assert not torch.allclose(_batch(training.recipe(), 1).latents[0, :, 0], wanted[1], rtol=2e-3, atol=2e-3)


def test_a_text_is_embedded_once(monkeypatch):
    recipe, asked = training.recipe(), []
    encoders, encode = BatchEncoder(training.base(), recipe, CPU), training.base().text.encode
    monkeypatch.setattr(
        training.base().text, "encode", lambda texts, *more: asked.extend(texts) or encode(texts, *more)
    )
    first = encoders.text(["a", "b", "a"])
    assert asked == ["a", "b"] and torch.equal(first[0], first[2]) and not torch.equal(first[0], first[1])
    assert torch.equal(encoders.text(["b"])[0], first[1]) and asked == ["a", "b"]
    torch.testing.assert_close(first[:1], encode(["a"]), rtol=1e-3, atol=1e-3)


def test_the_levels_stand_coarse_to_fine():
    recipe, clips = training.recipe(), training.clips(1).train
    batch = _batch(recipe, 1, numbers=(0,), clips=clips)
    wanted = BatchEncoder(training.base(), recipe, CPU).text(clips[0].prompts)
    assert torch.equal(batch.text[0], wanted)


def test_a_batch_with_an_unreadable_clip_is_refused_with_its_words(tmp_path):
    with pytest.raises(InputError, match=r"toy/c005: .*gone.mp4"):
        _batch(training.recipe(), 1, clips=(training.clip(5, path=tmp_path / "gone.mp4"),))
