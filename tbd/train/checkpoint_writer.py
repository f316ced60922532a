"""Writing checkpoints: folders ``step-N`` that are whole or not there, the newest and the best of which stay.

``step-N/`` holds ``unet/``, ``reference_net/``, ``audio_projection/`` and ``scheduler/`` in diffusers' form, ``ema/``,
``state/`` (optimizer) and ``meta.json``. It is written under a temporary name, every file is hashed and brought to disk,
and the folder is renamed last. Reading them is ``tbd.model.checkpoints``' part.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from safetensors.torch import save_file

from tbd import __version__, workspace
from tbd.errors import InputError, MissingError
from tbd.hashes import sha256_file
from tbd.model.checkpoint_meta import CheckpointMeta, FileRecord
from tbd.model.checkpoints import (
    AVERAGE,
    META,
    SCHEDULER,
    Checkpoint,
    best_checkpoint,
    checkpoint_folder,
    checkpoint_steps,
    latest_checkpoint,
    read_checkpoint,
)
from tbd.model.network import PARTS
from tbd.model.weight_files import WEIGHTS, read_weights
from tbd.train.training_state import OPTIMIZER, TrainingState

PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "safetensors")
_FULL_DISK = ("No space left", "os error 28", "file write failed", "enforce fail")
"""How safetensors and torch report a full disk."""


def save_checkpoint(
    state: TrainingState,
    folder: Path,
    meta: CheckpointMeta,
    *,
    schedule: DDIMScheduler,
    source: Path | None,
    averaged: bool,
    keep: int,
) -> list[str]:
    """Write the checkpoint of this step, then make room; every process takes part, the first one writes.

    Args:
        state: network, optimizer, average.
        folder: of the run.
        meta: its record, without ``files``.
        schedule: of the diffusion.
        source: the checkpoint that a run without one of its own began with.
        averaged: that one's averages are this run's weights.
        keep: newest checkpoints that stay; the best one stays besides.

    Returns:
        What a person should know: parts of the checkpoint before that are damaged.

    Raises:
        MissingError: the disk is full; earlier checkpoints are whole.
        InputError: a part of the checkpoint before is damaged, and memory holds it in half precision only.
    """
    weights, averages, memory = state.weights(), state.averages(), state.optimizer_state()
    notes: list[str] = []
    if state.accelerator.is_main_process:
        own = latest_checkpoint(folder)
        before = own or (read_checkpoint(source) if source else None)

        def fill(temporary: Path) -> None:
            exact = averaged and own is None
            rest = _unchanged(set(state.names), weights, before, temporary, exact=exact, notes=notes)
            state.plain.save(temporary, rest)
            schedule.save_pretrained(temporary / SCHEDULER)
            if averages:
                save_tensors(temporary / AVERAGE, averages)
            (temporary / OPTIMIZER).parent.mkdir()
            torch.save(memory, temporary / OPTIMIZER)

        write_checkpoint(folder, fill, meta)
        best = best_checkpoint(folder)
        rotate(folder, keep, best.step if best else None)
    state.accelerator.wait_for_everyone()
    return notes


def write_checkpoint(folder: Path, fill: Callable[[Path], None], meta: CheckpointMeta) -> Path:
    """Write one checkpoint; it appears whole or not at all.

    Args:
        folder: of the run.
        fill: is given the temporary folder and writes everything but ``meta.json`` there.
        meta: of ``meta.json``, which is written last, with size and sha256 of what ``fill`` wrote.

    Raises:
        MissingError: the disk is full; earlier checkpoints are untouched.
        InputError: the folder cannot be written.
    """
    target = checkpoint_folder(folder, meta.step)
    temporary = folder / f".{target.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with workspace.writing(folder), _full_disk(folder):
            temporary.mkdir(parents=True)
            fill(temporary)
            whole = meta.model_copy(update={"files": _records(temporary)})
            (temporary / META).write_text(whole.model_dump_json(indent=2) + "\n", encoding="utf-8")
            for path in [*temporary.rglob("*"), temporary]:
                workspace.sync(path)
            shutil.rmtree(target, ignore_errors=True)
            temporary.rename(target)
            workspace.sync(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def versions() -> dict[str, str]:
    """Of everything that could change a weight."""
    packages = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"tbd": __version__, "python": platform.python_version()} | packages


def rotate(folder: Path, keep: int, best: int | None) -> None:
    """Delete all checkpoints but the newest ``keep`` and the best one; each stops being one before it goes."""
    for step in checkpoint_steps(folder)[:-keep]:
        if step != best:
            (checkpoint_folder(folder, step) / META).unlink()
            shutil.rmtree(checkpoint_folder(folder, step))


def sweep(folder: Path) -> None:
    """Remove what killed runs left: checkpoints that are not whole. What somebody put beside them stays."""
    torn = (path for path in folder.glob("step-*") if path.name[5:].isdecimal() and not (path / META).exists())
    for path in (*folder.glob(".step-*.tmp"), *torn):
        if path.is_dir():
            shutil.rmtree(path)


def link(source: Path, target: Path) -> None:
    """Give a folder of unchanged files a second name; where the file system cannot, copy it."""
    target.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        try:
            os.link(file, target / file.name)
        except OSError:
            shutil.copy2(file, target / file.name)


def save_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Tensors as a safetensors file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)


def _unchanged(
    learn: set[str],
    weights: dict[str, Any],
    before: Checkpoint | None,
    folder: Path,
    *,
    exact: bool,
    notes: list[str],
) -> dict[str, Any]:
    """The weights that are left to be written. What does not learn is as it was in the checkpoint before: whole parts are
    linked to its files, and weights that are held in half precision while training are taken from there."""
    averaged = before is not None and exact and before.averaged
    for part in PARTS:
        mine = {name: value for name, value in weights.items() if name.startswith(f"{part}.")}
        if before is None or learn.issuperset(mine) or not _is_there(before, part, mine, averaged, notes):
            continue
        if learn.isdisjoint(mine) and not averaged:
            link(before.path / part, folder / part)
            weights = {name: value for name, value in weights.items() if name not in mine}
        else:
            stored = read_weights(before.path / part / WEIGHTS)
            held = {f"{part}.{name}": value for name, value in stored.items()}
            held |= before.averages() if averaged else {}
            weights |= {name: held[name] for name in mine if name not in learn and name in held}
    return weights


def _is_there(
    before: Checkpoint, part: str, weights: dict[str, torch.Tensor], averaged: bool, notes: list[str]
) -> bool:
    """Whether a part can be taken from the checkpoint before. Damaged files would get a new hash and pass for whole, so
    they are not taken: memory has these weights too, unless it holds them in half precision."""
    try:
        before.check(f"{part}/", *(["ema/"] if averaged else []))
    except InputError as error:
        if any(value.dtype != torch.float32 for value in weights.values()):
            raise
        notes.append(f"{error.message}; {part} of the new checkpoint is written from memory instead")
        return False
    return (before.path / part).is_dir()


def _records(folder: Path) -> dict[str, FileRecord]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): FileRecord(path.stat().st_size, sha256_file(path)) for path in files}


@contextlib.contextmanager
def _full_disk(folder: Path) -> Iterator[None]:
    """A full disk in our words, where a library has its own."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        if not any(words in str(error) for words in _FULL_DISK):
            raise
        raise MissingError(
            f"{folder}: the disk is full; the checkpoints before this one are whole",
            next="free some space, then run the same command again",
        ) from error
