"""Writing checkpoints: folders ``step-N`` that are whole or not there, the newest and the best of which stay.

``step-N/`` holds ``unet/``, ``reference_net/``, ``audio_projection/`` and ``scheduler/`` in diffusers' form, ``ema/``,
``state/`` (optimizer) and ``meta.json``. It is written under a temporary name, every file is brought to disk, and the
folder is renamed last.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tbd import workspace
from tbd.errors import InputError, MissingError
from tbd.model.checkpoints import META, checkpoint_folder, checkpoint_steps

STATE = Path("state") / "optimizer.pt"
"""The optimizer's state: the trainer's own, so ``tbd.model.saved`` does not know it."""


def write(folder: Path, step: int, fill: Callable[[Path], None], document: dict[str, Any]) -> Path:
    """Write the checkpoint of a step.

    Args:
        folder: of the run.
        step: steps done.
        fill: is given the temporary folder and writes everything but ``meta.json`` there.
        document: of ``meta.json``, which is written last.

    Raises:
        MissingError: the disk is full; earlier checkpoints are untouched.
        InputError: the folder cannot be written.
    """
    target = checkpoint_folder(folder, step)
    temporary = folder / f".{target.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with workspace.writing(folder), _full_disk(folder):
            temporary.mkdir(parents=True)
            fill(temporary)
            (temporary / META).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
            for path in [*temporary.rglob("*"), temporary]:
                workspace.sync(path)
            shutil.rmtree(target, ignore_errors=True)
            temporary.rename(target)
            workspace.sync(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def rotate(folder: Path, keep: int, best: int | None) -> None:
    """Delete all checkpoints but the newest ``keep`` and the best one; each stops being one before it goes."""
    for step in checkpoint_steps(folder)[:-keep]:
        if step != best:
            (checkpoint_folder(folder, step) / META).unlink()
            shutil.rmtree(checkpoint_folder(folder, step))


def sweep(folder: Path) -> None:
    """Remove what killed runs left: checkpoints that are not whole."""
    whole = {checkpoint_folder(folder, step) for step in checkpoint_steps(folder)}
    for path in (*folder.glob(".step-*.tmp"), *folder.glob("step-*")):
        if path.is_dir() and path not in whole:
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
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)


def state(checkpoint: Path) -> dict[str, Any]:
    """The optimizer's state.

    Raises:
        InputError: missing, damaged, or more than tensors.
    """
    try:
        found = torch.load(checkpoint / STATE, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        words = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{checkpoint / STATE}: cannot be read ({words})", next=f"rm -r {checkpoint}, to go on from the one before"
        ) from None
    return dict(found)


@contextlib.contextmanager
def _full_disk(folder: Path) -> Any:
    """safetensors and torch report a full disk in their own words."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        words = str(error)
        if (
            "No space left" in words
            or "os error 28" in words
            or "file write failed" in words
            or "enforce fail" in words
        ):
            raise MissingError(
                f"{folder}: the disk is full; the checkpoints before this one are whole",
                next="free some space, then run the same command again",
            ) from error
        raise
