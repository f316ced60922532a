"""What ``tbd train stage1|stage2`` was asked for. Needs no torch, so that mistakes are told at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tbd import recipe as recipes
from tbd.errors import InputError, UsageError
from tbd.media.lip_window import FRAMES
from tbd.model.checkpoint_meta import CheckpointMeta
from tbd.model.checkpoints import find_checkpoint, latest_checkpoint
from tbd.selection import Selection
from tbd.train.clips import TrainingClips
from tbd.train.recipe import Hardware, TrainRecipe
from tbd.workspace import refuse_elsewhere

DEVICES = ("auto", "cpu")


@dataclass(frozen=True)
class TrainingRequest:
    """One run of a stage.

    Attributes:
        manifests: folders or Parquet files.
        recipe: the whole recipe, fitted to the card.
        stage: 1 or 2.
        output: folder of the run.
        first: the run or checkpoint of stage 1 that it begins with: stage 2 needs one, another stage 1 may have one.
        cache: folder of the cache; None reads the media.
        selection: narrows the rows.
        roots: where a dataset lies, instead of where it lay when its manifest was made.
        device: ``auto`` or ``cpu``.
        changed: go on although recipe or data are not those of the last checkpoint; that is recorded.
        gpu_memory: preset that was laid over the recipe, for advice.
    """

    manifests: tuple[Path, ...]
    recipe: TrainRecipe
    stage: int
    output: Path
    first: Path | None = None
    cache: Path | None = None
    selection: Selection = field(default_factory=Selection)
    roots: Mapping[str, Path] = field(default_factory=dict)
    device: str = "auto"
    changed: bool = False
    gpu_memory: int | None = None


def run_identity(request: TrainingRequest, clips: TrainingClips) -> dict[str, Any]:
    """What decides about every weight of a run: it must not change between two checkpoints."""
    essence = _of_a_stage(recipes.essence(request.recipe))
    return {
        "stage": request.stage,
        "recipe": essence,
        "clips": clips.digest(labels_that_count(request.recipe, request.stage)),
    }


def labels_that_count(recipe: TrainRecipe, stage: int) -> list[str]:
    """What of each clip decides about a run besides its row, texts and window, as attributes of ``TrainingClip``.

    Args:
        recipe: where references are from, what is drawn equally often, where the loss looks.
        stage: 1 or 2.
    """
    data, loss = recipe.data, recipe.loss
    counts = {
        "person": data.reference == "person",
        data.balance: data.balance != "none",
        "face": loss.by_region or (stage == 2 and loss.sync > 0),
    }
    return [name for name, does in counts.items() if does]


def recorded_recipe(meta: CheckpointMeta) -> dict[str, Any]:
    """The recipe of a checkpoint as ``run_identity`` has it; keys that are younger than it have their defaults."""
    return _of_a_stage(recipes.completed(TrainRecipe, meta.recipe))


def _of_a_stage(essence: Mapping[str, Any]) -> dict[str, Any]:
    return {name: section for name, section in essence.items() if name != "autoencoder"}  # which is another run's


def check_device(name: str) -> None:
    """Refuse what ``--device`` does not know.

    Raises:
        UsageError: it is none of ``DEVICES``.
    """
    if name not in DEVICES:
        raise UsageError(
            f"--device {name}: neither auto, which is a GPU where there is one, nor cpu",
            next="--device auto; of several GPUs CUDA_VISIBLE_DEVICES=N before the command chooses one",
        )


def check_precision(hardware: Hardware, *, card: bool) -> None:
    """Refuse float16 on a CPU: its gradients vanish unless they are scaled, which accelerate does on GPUs alone.

    Raises:
        UsageError: that is asked for.
    """
    if hardware.precision == "float16" and not card:
        raise UsageError(
            "hardware.precision = float16: it is for GPUs, and this run is on the CPU",
            next="--set hardware.precision=bfloat16, or float32",
        )


def check_request(request: TrainingRequest) -> None:
    """What can be seen without loading a network.

    Raises:
        UsageError: stage 2 without a stage 1, an output that is not on this machine, too few frames for SyncNet, an
            unknown device, or float16 on the CPU.
        InputError: stage 1 is not there, or the folder holds a run of another stage.
    """
    refuse_elsewhere(request.output)
    check_device(request.device)
    check_precision(request.recipe.hardware, card=request.device != "cpu")
    last = latest_checkpoint(request.output)
    if last is not None and last.stage != request.stage:
        raise InputError(
            f"{request.output}: holds a run of stage {last.stage}",
            next=f"tbd train stage{request.stage} … -o {request.output}-stage{request.stage}",
        )
    if request.stage == 2 and last is None and request.first is None:
        raise UsageError("stage 2 goes on from stage 1", next="tbd train stage2 … --from checkpoints/stage1")
    frames = request.recipe.stage2.frames
    if request.stage == 2 and request.recipe.loss.sync and frames <= FRAMES:
        raise UsageError(
            f"loss.sync: SyncNet looks at {FRAMES} frames and hears a little more, and stage2.frames is {frames}",
            next=f"--set stage2.frames={FRAMES + 1} or more, or --set loss.sync=0",
        )
    if last is None and request.first is not None:
        before = find_checkpoint(request.first)
        if before.stage != 1:
            raise InputError(f"{before.path}: a checkpoint of stage {before.stage}; stage 1 is needed")
