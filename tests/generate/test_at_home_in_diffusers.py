"""What people of diffusers do with any pipeline: half precision, compilation, offloading, the Hub."""

from pathlib import Path

import diffusers.utils.hub_utils as hub
import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub.errors import EntryNotFoundError
from talking_head import FRAMES, PROMPTS, noise, picture, pipeline, speech

from tbd.generate.load import load_pipeline
from tbd.generate.pipeline import TalkingHeadPipeline


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "model"
    pipeline().save_pretrained(folder)
    return folder


def drawn(pipe, count=FRAMES + 1):
    """Frames of two windows, ``(count, 64, 64, 3)``."""
    how = {"num_inference_steps": 2, "guidance_scale": 1.0, "output_type": "np", "crop_face": False}
    return pipe(picture(), speech(count), PROMPTS, generator=noise(), **how).frames.astype(int)


@pytest.fixture(scope="module")
def plain(saved):
    return drawn(load_pipeline(saved))


def test_bfloat16_draws_nearly_the_same(saved, plain):
    pipe = load_pipeline(saved, precision="bfloat16")
    assert pipe.unet.dtype == pipe.reference_net.dtype == torch.bfloat16 and pipe.vae.dtype == torch.float32
    found = drawn(pipe)
    assert 0 < np.abs(found - plain).mean() < 6


def test_compiled_blocks_draw_the_same(saved, plain, monkeypatch):
    compiled, compile = [], torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self, **_: (compiled.append(self), compile(self, backend="eager"))
    )
    pipe = load_pipeline(saved, compile=True)
    assert {type(one).__name__ for one in compiled} >= {"SpatialLayer"} and all(
        one in set(pipe.unet.modules()) for one in compiled
    )
    assert np.abs(drawn(pipe) - plain).max() <= 1


def test_parts_wait_on_the_cpu_until_they_are_asked(saved, plain):
    pipe, moved = load_pipeline(saved), []
    pipe.enable_model_cpu_offload(device="cpu")
    for name in ("unet", "vae", "text_encoder", "reference_net", "audio_projection"):
        hook = getattr(pipe, name)._hf_hook
        monkey = hook.pre_forward
        hook.pre_forward = lambda *given, name=name, monkey=monkey, **more: (
            moved.append(name),
            monkey(*given, **more),
        )[1]
    np.testing.assert_array_equal(drawn(pipe), plain)
    assert {"unet", "reference_net", "text_encoder", "audio_projection"} <= set(moved)


@pytest.fixture
def uploaded(monkeypatch):
    """A Hub without network: what was uploaded, by file name."""
    found = {}

    def upload(*, repo_id, folder_path, **_):
        files = [path for path in Path(folder_path).rglob("*") if path.is_file()]
        found.update({str(path.relative_to(folder_path)): path.read_bytes() for path in files})

    def no_card(*_, **__):
        raise EntryNotFoundError("no card yet")

    monkeypatch.setattr(hub, "create_repo", lambda name, **_: huggingface_hub.RepoUrl(f"https://huggingface.co/{name}"))
    monkeypatch.setattr(hub, "upload_folder", upload)
    monkeypatch.setattr(hub.ModelCard, "load", no_card)
    return found


def test_it_is_pushed_with_its_card_and_comes_back(saved, plain, uploaded, tmp_path):
    TalkingHeadPipeline.from_pretrained(saved).push_to_hub("someone/talking")
    card = uploaded["README.md"].decode()
    assert 'from_pretrained("someone/talking")' in card and "library_name: diffusers" in card and "2 prompts" in card
    for name, held in uploaded.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(held)
    np.testing.assert_array_equal(drawn(load_pipeline(tmp_path)), plain)


def test_a_card_that_people_wrote_on_the_hub_stays(saved, uploaded, monkeypatch):
    own = huggingface_hub.ModelCard("---\nlibrary_name: diffusers\n---\n\nOur own words.")
    monkeypatch.setattr(hub.ModelCard, "load", lambda *_, **__: own)
    TalkingHeadPipeline.from_pretrained(saved).push_to_hub("someone/talking")
    assert "Our own words." in uploaded["README.md"].decode()


def test_a_saved_folder_has_its_card(saved):
    assert f'from_pretrained("{saved}")' in (saved / "README.md").read_text()
