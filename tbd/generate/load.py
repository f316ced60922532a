"""From a checkpoint, or a saved pipeline, to a pipeline on a device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tbd.errors import InputError
from tbd.generate.recipe import settled_precision
from tbd.hashes import sha256_file
from tbd.model.checkpoints import find_checkpoint
from tbd.recipe import digest

if TYPE_CHECKING:
    from tbd.generate.pipeline import TalkingHeadPipeline

INDEX = "model_index.json"


def load_pipeline(
    path: Path, *, device: str = "auto", precision: str = "auto", compile: bool = False
) -> TalkingHeadPipeline:
    """The pipeline of a checkpoint of stage 2, with its moving averages where some were kept.

    Args:
        path: a ``step-N`` folder, a run of ``tbd train stage2``, or a folder of ``save_pretrained``.
        device: ``auto``, ``cpu``, ``cuda:0`` ….
        precision: ``float32``, ``bfloat16``, or ``auto``: bfloat16 on a GPU.
        compile: torch.compile of the repeated blocks.

    Raises:
        InputError: there is no checkpoint, it is damaged, or one of stage 1 only.
        MissingError: weights that it needs are not on this machine.
    """
    import torch

    device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    half = settled_precision(precision, [device]) == "bfloat16"
    pipe = _saved(path) if (path / INDEX).is_file() else _from_checkpoint(path)
    pipe.to(device)
    if half:
        for part in (pipe.unet, pipe.reference_net, pipe.audio_projection):
            part.to(torch.bfloat16)
    if device.startswith("cuda"):
        pipe.unet.to(memory_format=torch.channels_last)
    if compile:
        pipe.unet.compile_repeated_blocks()
    quiet: Any = pipe.set_progress_bar_config
    quiet(disable=True)
    return pipe


def weights_hash(path: Path) -> str:
    """sha256 over the weights of a checkpoint or a saved pipeline, 64 hex digits.

    Raises:
        InputError: there is neither.
    """
    if (path / INDEX).is_file():
        files = sorted(path.rglob("*.safetensors"))
        return digest({str(file.relative_to(path)): sha256_file(file) for file in files})
    return find_checkpoint(path).hash


def _saved(path: Path) -> TalkingHeadPipeline:
    from tbd.generate.pipeline import TalkingHeadPipeline
    from tbd.model.frozen_encoders import quiet_loading

    try:
        with quiet_loading():
            found: TalkingHeadPipeline = TalkingHeadPipeline.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"{path}: no pipeline that can be loaded ({str(error).splitlines()[0]})") from None
    return found


def _from_checkpoint(path: Path) -> TalkingHeadPipeline:
    from tbd.generate.pipeline import TalkingHeadPipeline

    saved = find_checkpoint(path)
    if saved.stage != 2:
        raise InputError(
            f"{saved.path}: a checkpoint of stage 1, which has neither sound nor motion",
            next=f"tbd train stage2 MANIFEST --from {path} -o checkpoints/stage2",
        )
    network, encoders = saved.network(), saved.encoders()
    recipe: Any = saved.meta.recipe
    return TalkingHeadPipeline(
        network.unet.eval(),
        network.reference_net.eval(),
        network.audio_projection.eval(),  # type: ignore[union-attr]  # stage 2 has one
        encoders.image.model,
        encoders.text.model,
        encoders.speech.model,
        saved.scheduler(),
        recipe=saved.recipe.model_dump(mode="json"),
        frames=recipe["stage2"]["frames"],
        size=recipe["data"]["size"],
        clip_rule={key: value for key, value in saved.meta.clip_rule.items() if key == "fps"},
    )
