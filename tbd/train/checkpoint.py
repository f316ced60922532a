"""Writing checkpoints: whole or not at all, the last good one always stays."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tbd import workspace
from tbd.errors import InputError
from tbd.model import saved
from tbd.model.saved import AVERAGE, META, PARTS, SCHEDULER, Saved

OPTIMIZER = "state/optimizer.pt"
WEIGHTS = "diffusion_pytorch_model.safetensors"
State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Content:
    """What a checkpoint holds, gathered on the CPU of the writing process.

    Attributes:
        configs: part of the network -> a function that writes its ``config.json`` into a folder.
        weights: of the whole network, by name.
        unchanged: parts that did not learn; linked from the checkpoint before.
        scheduler: writes ``scheduler_config.json`` into a folder.
        average: moving averages by name; None: none are kept.
        optimizer: its state, and whatever else the trainer goes on with; plain values and tensors.
        meta: of ``meta.json``.
    """

    configs: Mapping[str, Callable[[Path], Any]]
    weights: State
    unchanged: frozenset[str]
    scheduler: Callable[[Path], Any]
    average: State | None
    optimizer: dict[str, Any]
    meta: dict[str, Any]


def write(folder: Path, content: Content) -> Saved:
    """Write ``step-N`` into a run's folder: under another name, to the disk, then renamed.

    Raises:
        MissingError: the disk is full; what was there before stays.
    """
    place = folder / f"step-{content.meta['step']}"
    if (place / META).is_file():
        return saved.read(place)
    before, temporary = saved.latest(folder), folder / f".{place.name}.tmp"
    try:
        with _writing(place):
            sweep(folder)
            _fill(temporary, content, before)
            _flush(temporary)
            temporary.rename(place)
            _sync(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return saved.read(place)


def sweep(folder: Path) -> None:
    """Remove what killed runs left: half checkpoints."""
    for path in [*folder.glob(".step-*.tmp"), *folder.glob("step-*")]:
        if path.is_dir() and not (path.name.startswith("step-") and (path / META).is_file()):
            shutil.rmtree(path)


def rotate(folder: Path, keep: int) -> None:
    """Leave the latest ``keep`` checkpoints and the best; a removed one goes under another name first."""
    found, best = saved.listed(folder), saved.best(folder)
    for old in found[:-keep]:
        if best is None or old.path != best.path:
            gone = folder / f".{old.path.name}.tmp"
            old.path.rename(gone)
            shutil.rmtree(gone)


def read_state(checkpoint: Saved) -> dict[str, Any]:
    """What the trainer goes on with.

    Raises:
        InputError: missing or damaged.
    """
    file = checkpoint.path / OPTIMIZER
    try:
        found: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{file}: the optimizer's state cannot be read ({reason})",
            next=f"remove {checkpoint.path}, then run the same command: it goes on from the one before",
        ) from None
    return found


def _fill(folder: Path, content: Content, before: Saved | None) -> None:
    from safetensors.torch import save_file

    words = {"format": "pt"}
    for part, configure in content.configs.items():
        (folder / part).mkdir(parents=True)
        configure(folder / part)
        if not (part in content.unchanged and before is not None and _linked(before.path / part, folder / part)):
            own = {name[len(part) + 1 :]: w for name, w in content.weights.items() if name.startswith(f"{part}.")}
            save_file({name: weight.contiguous() for name, weight in own.items()}, folder / part / WEIGHTS, words)
    content.scheduler(folder / SCHEDULER)
    if content.average is not None:
        (folder / AVERAGE).parent.mkdir()
        save_file({name: weight.contiguous() for name, weight in content.average.items()}, folder / AVERAGE, words)
    (folder / OPTIMIZER).parent.mkdir()
    torch.save(content.optimizer, folder / OPTIMIZER)
    _flush(folder)
    workspace.write_json(folder / META, content.meta)


def _linked(source: Path, target: Path) -> bool:
    """The same weights once more on disk, without room where the file system can; False where they are not there."""
    if not (source / WEIGHTS).is_file():
        return False
    try:
        os.link(source / WEIGHTS, target / WEIGHTS)
    except OSError:
        shutil.copy2(source / WEIGHTS, target / WEIGHTS)
    return True


@contextlib.contextmanager
def _writing(place: Path) -> Iterator[None]:
    """A full disk in the words of whichever library met it, as one error."""
    from safetensors import SafetensorError

    with workspace.writing(place):
        try:
            yield
        except (SafetensorError, RuntimeError) as error:
            words = str(error)
            if "os error 28" in words or "No space left" in words or _no_space(error):
                raise OSError(errno.ENOSPC, words) from error
            if "PytorchStreamWriter" in words or "unexpected pos" in words:  # how torch.save tells a short write
                raise OSError(errno.ENOSPC, words) from error
            raise


def _no_space(error: BaseException) -> bool:
    cause = error.__cause__ or error.__context__
    return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)


def _flush(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


__all__ = ["PARTS", "Content", "read_state", "rotate", "sweep", "write"]
