"""Options and steps that the commands of ``tbd train`` share."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbd.cli import options
from tbd.selection import Selection

if TYPE_CHECKING:
    from tbd.train.recipe import TrainRecipe

Manifests = Annotated[list[Path], typer.Argument(help="Manifest folders. Only their approved rows are read.")]
Memory = Annotated[
    int | None,
    typer.Option(
        "--gpu-memory", metavar="GB", help="Fit the recipe to a card: 16, 24, 48 or 80.", rich_help_panel=options.RUN
    ),
]
CacheFolder = Annotated[
    Path | None,
    typer.Option("--cache", metavar="DIR", help="Default: ~/.cache/tbd/train.", rich_help_panel=options.RUN),
]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the run: checkpoints/NAME.")]
Live = Annotated[
    bool, typer.Option("--no-cache", help="Read the media, whatever is cached.", rich_help_panel=options.RUN)
]
Device = Annotated[
    str,
    typer.Option(metavar="auto|cpu", help="auto: a GPU where there is one.", rich_help_panel=options.RUN),
]
Changed = Annotated[
    bool,
    typer.Option(
        "--changed", help="Go on although recipe or rows have changed; it is recorded.", rich_help_panel=options.RUN
    ),
]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


def training_recipe(
    name: str | None, overrides: list[str] | None, gigabytes: int | None, seed: int | None
) -> TrainRecipe:
    """A recipe with ``--set``, ``--gpu-memory`` and ``--seed`` on top."""
    from tbd.train.memory_presets import load_recipe

    return load_recipe(name, [*(overrides or ()), *([f"seed={seed}"] if seed is not None else ())], gigabytes)


def selection(where: str | None, clips: Path | None, shard: str | None = None) -> Selection:
    """``--where``, ``--clips`` and ``--shard``."""
    return Selection(options.pairs(where, "--where"), options.lines(clips), shard=shard)


def device_name(name: str) -> str:
    """``cuda`` or ``cpu`` for ``auto``."""
    import torch

    return "cuda" if name == "auto" and torch.cuda.is_available() else "cpu" if name == "auto" else name


def raise_if_stopped(stopping: Any) -> None:
    """The exit of a run that was asked to stop."""
    from tbd.errors import Interrupted, Terminated

    if stopping is None or not stopping.is_set():
        return
    by_hand = getattr(stopping, "signal", None) == signal.SIGINT
    kind = Interrupted if by_hand else Terminated
    raise kind("stopped; everything that was finished is saved", next="the same command goes on")
