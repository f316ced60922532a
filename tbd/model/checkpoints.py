"""Checkpoints as they lie on disk: finding them, and reading the network back.

``checkpoints/<name>/step-N/`` holds ``unet/``, ``reference_net/``, ``audio_projection/`` (config.json and safetensors
each), ``scheduler/scheduler_config.json``, ``ema/weights.safetensors`` and ``meta.json``, which is written last: a folder
without it is no checkpoint. ``state/`` is the trainer's own. No file is read whose bytes are not those that were written.
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from tbd.errors import InputError
from tbd.hashes import sha256_file
from tbd.model.checkpoint_meta import CheckpointMeta
from tbd.model.recipe import ModelRecipe, PartWeights
from tbd.recipe import digest

if TYPE_CHECKING:
    import torch
    from diffusers import DDIMScheduler

    from tbd.model.frozen_encoders import FrozenEncoders
    from tbd.model.network import TBDNetwork

META, SCHEDULER, AVERAGE = "meta.json", "scheduler", "ema/weights.safetensors"
PARTS = ("unet", "reference_net", "audio_projection")
_STEP = re.compile(r"step-(\d+)")


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint.

    Attributes:
        path: its folder.
        meta: what ``meta.json`` says.
    """

    path: Path
    meta: CheckpointMeta = field(repr=False)

    @property
    def step(self) -> int:
        """Optimizer steps behind it."""
        return self.meta.step

    @property
    def stage(self) -> int:
        """1 or 2."""
        return self.meta.stage

    @property
    def loss(self) -> float | None:
        """Validation loss at this step; None where none was taken, or it was no number."""
        return self.meta.loss

    def whole_file(self, name: str) -> Path:
        """A file of the checkpoint, after a look at its bytes.

        Raises:
            InputError: it is missing, or not what was written.
        """
        if fault := self._fault(name):
            raise self._damaged(f"{self.path / name}: {fault}")
        return self.path / name

    def check(self, *names: str) -> None:
        """Look at the bytes of every recorded file, or of those below some folders.

        Raises:
            InputError: one is missing, or not what was written.
        """
        for name in self.meta.files:
            if not names or name.startswith(names):
                self.whole_file(name)

    @property
    def is_whole(self) -> bool:
        """Whether every file is what was written."""
        return not any(map(self._fault, self.meta.files))

    def _fault(self, name: str) -> str:
        """What is wrong with a file, or nothing; a folder that records no hashes is taken as it is."""
        file, record = self.path / name, self.meta.files.get(name)
        if not file.is_file():
            return "is missing"
        if record is None:
            return "is not recorded" if self.meta.files else ""
        same = file.stat().st_size == record.bytes and sha256_file(file) == record.sha256
        return "" if same else "its bytes are not those that were written"

    def _damaged(self, what: str) -> InputError:
        """An error that names the newest other checkpoint of the run that is whole."""
        return InputError(what, next=_without(self.path))

    @property
    def averaged(self) -> bool:
        """Whether moving averages were kept beside the weights."""
        return AVERAGE in self.meta.files if self.meta.files else (self.path / AVERAGE).is_file()

    def averages(self) -> dict[str, torch.Tensor]:
        """The moving averages by name; empty where none were kept.

        Raises:
            InputError: they are damaged.
        """
        from tbd.model.weight_files import read_weights

        return read_weights(self.whole_file(AVERAGE)) if self.averaged else {}

    @property
    def recipe(self) -> ModelRecipe:
        """How to build and sample it."""
        try:
            return ModelRecipe.model_validate(self.meta.recipe["model"])
        except (KeyError, TypeError, ValidationError) as error:
            raise InputError(f"{self.path / META}: its recipe cannot be read ({error})") from None

    @cached_property
    def hash(self) -> str:
        """sha256 over its weights, 64 hex digits."""
        files = sorted(path for part in (*PARTS, "ema") for path in (self.path / part).glob("*.safetensors"))
        return digest({str(path.relative_to(self.path)): sha256_file(path) for path in files})

    @property
    def recorded_hash(self) -> str:
        """``hash`` as it was when the checkpoint was written, without a look at a file; empty where none are recorded."""
        files = {name: record.sha256 for name, record in self.meta.files.items() if _is_weights(name)}
        return digest(files) if files else ""

    def network(self, *, average: bool = True, mapped: bool = False) -> TBDNetwork:
        """The network, on the CPU.

        Args:
            average: with the moving averages as its weights, where some were kept.
            mapped: its weights stay in their files until ``settle`` moves them.

        Raises:
            InputError: a file is missing, damaged or of another network.
        """
        from tbd.model.empty_weights import assign, settle
        from tbd.model.network import TBDNetwork

        self.check(*(f"{part}/" for part in PARTS))
        network = TBDNetwork.load(self.path)
        own, averages = network.state_dict(), self.averages() if average else {}
        for name, value in averages.items():
            if name not in own or own[name].shape != value.shape:
                raise InputError(f"{self.path / AVERAGE}: not the averages of this network ({name})")
        assign(network, averages)
        if not mapped:
            settle(network)
        return network

    def encoders(self, device: str = "cpu") -> FrozenEncoders:
        """The frozen networks that it was trained with.

        Folders of the recipe are looked for where they lay from this checkpoint, whatever the folder we are in.

        Raises:
            MissingError: one is not on this machine; says how to get it.
            InputError: one is another than it was, or its folder is gone.
        """
        from tbd.model.encoder_files import encoder_identities
        from tbd.model.encoder_folders import found_again
        from tbd.model.frozen_encoders import load_encoders

        named, seed = PartWeights.model_validate(self.meta.recipe["weights"]), int(self.meta.recipe["seed"])
        parts = found_again(named, self.meta.folders, self.path, self.meta.encoders)
        wanted, found = self.meta.encoders, encoder_identities(self.recipe.network, parts, seed)
        odd = [name for name in wanted if wanted[name] != found[name]]
        if odd:
            raise InputError(
                f"{self.path}: was trained with another {odd[0]} encoder than {parts.model_dump()} finds",
                next=f"the weights with sha256 {wanted[odd[0]]}",
            )
        return load_encoders(self.recipe.network, parts, seed=seed, device=device)

    def scheduler(self) -> DDIMScheduler:
        """The noise schedule that it was trained with, for the sampler.

        Raises:
            InputError: it cannot be read.
        """
        from diffusers import DDIMScheduler

        file = self.whole_file(f"{SCHEDULER}/scheduler_config.json")
        try:
            return DDIMScheduler.from_config(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{file}: no noise schedule ({error})") from None


def checkpoint_steps(folder: Path) -> list[int]:
    """Steps of the whole checkpoints of a run, the earliest first."""
    found = (_STEP.fullmatch(path.name) for path in folder.iterdir()) if folder.is_dir() else ()
    return sorted(int(match[1]) for match in found if match and (folder / match[0] / META).is_file())


def checkpoint_folder(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return folder / f"step-{step}"


def list_checkpoints(folder: Path) -> list[Checkpoint]:
    """Every checkpoint of a run whose ``meta.json`` can be read, the earliest first."""
    found = []
    for step in checkpoint_steps(folder):
        with contextlib.suppress(OSError, ValidationError):
            found.append(_read(checkpoint_folder(folder, step)))
    return found


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in a ``step-N`` folder.

    Raises:
        InputError: it is none, or its ``meta.json`` is damaged.
    """
    try:
        return _read(path)
    except (OSError, ValidationError) as error:
        words = "; ".join(line.strip() for line in str(error).splitlines()[:3])
        raise InputError(f"{path / META}: no checkpoint of tbd ({words})", next=_without(path)) from None


def _read(path: Path) -> Checkpoint:
    return Checkpoint(path, CheckpointMeta.model_validate_json((path / META).read_bytes()))


def _is_weights(name: str) -> bool:
    return name.startswith(tuple(f"{part}/" for part in (*PARTS, "ema"))) and name.endswith(".safetensors")


def _without(path: Path) -> str:
    """What to do about a damaged checkpoint; the newest other one of its run that is whole is named."""
    if not _STEP.fullmatch(path.name):
        return "another checkpoint; this one cannot be mended"
    others = [one for one in reversed(list_checkpoints(path.parent)) if one.path != path]
    if whole := next((one.path for one in others if one.is_whole), None):
        return f"rm -r {path}, to go on from {whole}"
    alone = len(checkpoint_steps(path.parent)) <= 1
    return f"rm -r {path}, and begin anew: {'it was the only one' if alone else 'no other one beside it is whole'}"


def latest_checkpoint(folder: Path) -> Checkpoint | None:
    """The checkpoint with the most steps behind it; None where there is none."""
    found = checkpoint_steps(folder)
    return read_checkpoint(checkpoint_folder(folder, found[-1])) if found else None


def best_checkpoint(folder: Path) -> Checkpoint | None:
    """The checkpoint with the lowest validation loss; the earlier of equals."""
    judged = [saved for saved in list_checkpoints(folder) if saved.loss is not None]
    return min(judged, key=lambda saved: saved.loss or 0.0, default=None)


def has_checkpoint(path: Path) -> bool:
    """Whether a folder is a ``step-N`` folder, or a run with a whole checkpoint."""
    return (path / META).is_file() or bool(checkpoint_steps(path))


def find_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint that a person means: a ``step-N`` folder, or the latest of a run.

    Raises:
        InputError: there is none.
    """
    if (path / META).is_file():
        return read_checkpoint(path)
    found = latest_checkpoint(path)
    if found is None:
        why = "holds no whole checkpoint" if path.is_dir() else "there is no such folder"
        raise InputError(f"{path}: {why}", next="tbd train stage1 MANIFEST -o DIR")
    return found
