"""What a run writes down while it goes: ``train.jsonl``, ``validation.jsonl``, and a tracker such as TensorBoard."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DistributedType
from accelerate.state import AcceleratorState
from accelerate.tracking import filter_trackers
from accelerate.utils import AutocastKwargs, DistributedDataParallelKwargs, ProjectConfiguration

from tbd import workspace
from tbd.errors import MissingError
from tbd.recipe import essence
from tbd.train.arithmetic import set_arithmetic
from tbd.train.launch import check_processes, check_sharding, launched_share
from tbd.train.recipe import TrainRecipe
from tbd.train.request import TrainingRequest, check_precision
from tbd.train.validation import Validation

PRECISION = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}
STEPS, VALIDATIONS = "train.jsonl", "validation.jsonl"


class RunLog:
    """The accelerator and everything that is logged through it; only the first process writes.

    Args:
        request: its folder, device and stage.
        recipe: precision, tracker, how often.

    Raises:
        MissingError: accelerate does not know the tracker, or its package is not installed; processes or GPUs are
            fewer than were asked for; or accelerate's own settings do not fit this machine.
        UsageError: float16 without a GPU.
    """

    def __init__(self, request: TrainingRequest, recipe: TrainRecipe) -> None:
        self.recipe, self.folder = recipe, request.output
        self.tracker = recipe.watch.tracker
        # accelerate remembers its first settings for the whole process; a second run may have others
        AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
        share, gpus = launched_share(os.environ), 0 if request.device == "cpu" else torch.cuda.device_count()
        check_processes(share, share.world, gpus)  # before CUDA fails for want of a card, in its own words
        check_precision(recipe.hardware, card=gpus > 0)
        set_arithmetic(recipe.hardware, "cuda" if gpus else "cpu")
        self._check_tracker()
        self.accelerator = self._accelerator(request)
        check_processes(share, self.accelerator.num_processes, gpus)
        check_sharding(os.environ, self.accelerator.distributed_type == DistributedType.FSDP)
        self.stage = request.stage

    def _accelerator(self, request: TrainingRequest) -> Accelerator:
        hardware = self.recipe.hardware
        try:
            return Accelerator(
                cpu=request.device == "cpu",
                mixed_precision=PRECISION[hardware.precision],
                log_with=None if self.tracker == "none" else self.tracker,
                kwargs_handlers=[
                    AutocastKwargs(cache_enabled=hardware.keeps_casts),
                    DistributedDataParallelKwargs(gradient_as_bucket_view=True),  # one copy of the gradients, not two
                ],
                project_config=ProjectConfiguration(str(self.folder), str(self.folder / "tracker")),
            )
        except (ValueError, ImportError) as error:
            words = str(error).splitlines()[0]
            raise MissingError(f"accelerate cannot start on this machine: {words}", next="accelerate env") from None

    def begin(self, step: int) -> None:
        """Open the tracker; lines of steps that will be done again are taken out.

        Raises:
            MissingError: the tracker's package is not installed.
        """
        if self.accelerator.is_main_process:
            for name in (STEPS, VALIDATIONS):
                _cut(self.folder / name, step)
        if self.tracker == "none":
            return
        flat = {key: json.dumps(value) for key, value in essence(self.recipe).items()}
        try:
            self.accelerator.init_trackers(f"stage{self.stage}", flat)
        except (ImportError, ValueError) as error:
            raise self._no_tracker(error) from None

    def step(self, step: int, values: dict[str, float]) -> None:
        """Losses and speeds of a step, every ``watch.log_every`` steps."""
        if step % self.recipe.watch.log_every == 0:
            self._line(STEPS, {"step": step, **values})
            self.accelerator.log(values, step=step)

    def validation(self, step: int, found: Validation, *, of: str = "validation") -> None:
        """The validation loss, and that of every range of timesteps.

        Args:
            of: the clips it was measured on; those of ``train`` go to the file alone.
        """
        self._line(VALIDATIONS, {"step": step, **({} if of == "validation" else {"of": of}), **found.as_json()})
        if of != "validation":
            return
        steps = self.recipe.model.noise.steps // len(found.bins)
        bins = {f"validation/t{i * steps:03d}": value for i, value in enumerate(found.bins)}
        others = {f"conditions/{name}": one.change for name, one in found.conditions.items()}
        self.accelerator.log({"validation/loss": found.loss, **bins, **others}, step=step)

    def end(self) -> None:
        """Close the tracker."""
        self.accelerator.end_training()

    def _line(self, name: str, values: dict[str, Any]) -> None:
        if self.accelerator.is_main_process:
            with workspace.writing(self.folder / name), (self.folder / name).open("a", encoding="utf-8") as file:
                file.write(json.dumps(values) + "\n")

    def _check_tracker(self) -> None:
        if self.tracker == "none":
            return
        try:
            known = filter_trackers([self.tracker], str(self.folder / "tracker"))
        except (ValueError, ImportError) as error:
            raise self._no_tracker(error) from None
        if not known:  # accelerate itself would go on without it, in silence
            raise self._no_tracker("its package is not installed here")

    def _no_tracker(self, error: Exception | str) -> MissingError:
        words = str(error).splitlines()[0]
        return MissingError(f"watch.tracker = {self.tracker}: {words}", next="--set watch.tracker=tensorboard, or none")


def _cut(path: Path, step: int) -> None:
    """Keep the whole lines up to ``step``."""
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            continue  # the last line of a killed run may be torn
    workspace.write_text(path, "".join(f"{line}\n" for line in kept))
