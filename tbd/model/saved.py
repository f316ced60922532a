"""Checkpoints as they lie on disk: finding them, and reading the network back.

``checkpoints/<name>/step-N/`` holds ``unet/``, ``reference_net/``, ``audio_projection/`` (config.json and safetensors
each), ``scheduler/scheduler_config.json``, ``ema/weights.safetensors`` and ``meta.json``, which is written last: a folder
without it is no checkpoint. ``state/`` is the trainer's own.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tbd.digests import sha256
from tbd.errors import InputError
from tbd.model.recipe import ModelRecipe
from tbd.recipe import digest

if TYPE_CHECKING:
    from diffusers import DDIMScheduler

    from tbd.model.network import TBDNetwork

META, SCHEDULER, AVERAGE = "meta.json", "scheduler", "ema/weights.safetensors"
PARTS = ("unet", "reference_net", "audio_projection")


@dataclass(frozen=True)
class Saved:
    """One checkpoint.

    Attributes:
        path: its folder.
        meta: what ``meta.json`` says.
    """

    path: Path
    meta: dict[str, Any] = field(repr=False)

    @property
    def step(self) -> int:
        """Optimizer steps behind it."""
        return int(self.meta["step"])

    @property
    def stage(self) -> int:
        """1 or 2."""
        return int(self.meta["stage"])

    @property
    def loss(self) -> float | None:
        """Validation loss at this step; None where none was taken."""
        found = self.meta.get("validation")
        return None if found is None else float(found["loss"])

    @property
    def recipe(self) -> ModelRecipe:
        """How to build and sample it."""
        try:
            return ModelRecipe.model_validate(self.meta["recipe"]["model"])
        except (KeyError, TypeError, ValidationError) as error:
            raise InputError(f"{self.path / META}: its recipe cannot be read ({error})") from None

    @cached_property
    def hash(self) -> str:
        """sha256 over its weights, 64 hex digits."""
        files = sorted(path for part in (*PARTS, "ema") for path in (self.path / part).glob("*.safetensors"))
        return digest({str(path.relative_to(self.path)): sha256(path) for path in files})

    def network(self, *, average: bool = True) -> TBDNetwork:
        """The network, on the CPU.

        Args:
            average: with the moving averages as its weights, where some were kept.

        Raises:
            InputError: a file is missing, damaged or of another network.
        """
        import torch

        from tbd.model.checkpoints import read_weights
        from tbd.model.network import TBDNetwork

        network, file = TBDNetwork.load(self.path), self.path / AVERAGE
        if average and file.is_file():
            own = network.state_dict()
            for name, value in read_weights(file).items():
                if name not in own or own[name].shape != value.shape:
                    raise InputError(f"{file}: not the averages of this network ({name})")
                with torch.no_grad():
                    own[name].copy_(value)
        return network

    def scheduler(self) -> DDIMScheduler:
        """The noise schedule that it was trained with, for the sampler.

        Raises:
            InputError: it cannot be read.
        """
        from diffusers import DDIMScheduler

        file = self.path / SCHEDULER / "scheduler_config.json"
        try:
            return DDIMScheduler.from_config(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{file}: no noise schedule ({error})") from None


def listed(folder: Path) -> list[Saved]:
    """Every whole checkpoint of a run, the earliest first."""
    found = [path for path in folder.glob("step-*") if re.fullmatch(r"step-\d+", path.name) and (path / META).is_file()]
    return [read(path) for path in sorted(found, key=lambda path: int(path.name[5:]))]


def read(path: Path) -> Saved:
    """The checkpoint in a ``step-N`` folder.

    Raises:
        InputError: it is none, or its ``meta.json`` is damaged.
    """
    try:
        meta = json.loads((path / META).read_text(encoding="utf-8"))
        saved = Saved(path, meta)
        assert saved.stage in (1, 2) and saved.step >= 0
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise InputError(f"{path}: no checkpoint of tbd ({type(error).__name__}: {error})") from None
    return saved


def latest(folder: Path) -> Saved | None:
    """The checkpoint with the most steps behind it."""
    found = listed(folder)
    return found[-1] if found else None


def best(folder: Path) -> Saved | None:
    """The checkpoint with the lowest validation loss; the earlier of equals."""
    judged = [saved for saved in listed(folder) if saved.loss is not None]
    return min(judged, key=lambda saved: saved.loss or 0.0, default=None)


def find(path: Path) -> Saved:
    """The checkpoint that a person means: a ``step-N`` folder, or the latest of a run.

    Raises:
        InputError: there is none.
    """
    if (path / META).is_file():
        return read(path)
    found = latest(path)
    if found is None:
        raise InputError(f"{path}: no checkpoint there", next="tbd train stage1 MANIFEST -o " + str(path))
    return found
