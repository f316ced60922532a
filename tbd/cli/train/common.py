"""Options and steps that the commands of ``tbd train`` share."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbd.cli import options
from tbd.console import hush, interruptible, say
from tbd.errors import UsageError
from tbd.selection import Selection, shard_part

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
Output = Annotated[
    Path,
    typer.Option(
        "-o", "--output", metavar="DIR", help="Folder of the run: checkpoints/NAME.", callback=options.on_this_disk
    ),
]
Live = Annotated[
    bool, typer.Option("--no-cache", help="Read the media, whatever is cached.", rich_help_panel=options.RUN)
]


def _known_device(name: str) -> str:
    from tbd.train.request import check_device

    check_device(name)
    return name


Device = Annotated[
    str,
    typer.Option(
        metavar="auto|cpu", help="auto: a GPU where there is one.", callback=_known_device, rich_help_panel=options.RUN
    ),
]
Changed = Annotated[
    bool,
    typer.Option(
        "--changed",
        help="Go on although recipe, rows or frozen networks have changed; it is recorded.",
        rich_help_panel=options.RUN,
    ),
]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""Each ends a command with everything saved. Under torchrun's agent USR1 alone is given time for it."""


def until_stopped(under_way: str) -> AbstractContextManager[Event]:
    """``interruptible`` by one of ``SIGNALS``.

    Args:
        under_way: what is still finished.
    """
    from tbd.train.launch import launched_share

    return interruptible(under_way, SIGNALS, at_once=launched_share(os.environ).world == 1)


def training_recipe(
    name: str | None, overrides: list[str] | None, gigabytes: int | None, seed: int | None
) -> TrainRecipe:
    """A recipe with ``--set``, ``--gpu-memory`` and ``--seed`` on top."""
    from tbd.train.memory_presets import load_recipe

    return load_recipe(name, [*(overrides or ()), *([f"seed={seed}"] if seed is not None else ())], gigabytes)


def selection(where: str | None, clips: Path | None) -> Selection:
    """``--where`` and ``--clips``."""
    return Selection(options.pairs(where, "--where"), options.lines(clips))


def say_what_is_read(manifests: Sequence[Path]) -> None:
    """The first word of a command, before anything that takes time is read or imported."""
    say(f"reads {', '.join(map(str, manifests))}")


def first_speaks() -> None:
    """Of several processes that a launcher started the first one speaks.

    Raises:
        UsageError: they would not know of each other.
    """
    from tbd.train.launch import launched_share

    hush(launched_share(os.environ).rank != 0)


def one_process(command: str) -> None:
    """Refuse a launcher of several processes.

    Raises:
        UsageError: this is one of several.
    """
    from tbd.train.launch import launched_share

    if (world := launched_share(os.environ).world) > 1:
        raise UsageError(f"{command} runs in one process; a launcher started {world}", next=f"{command} …")


def own_shard(asked: str | None) -> str | None:
    """``--shard``; of several processes that a launcher started each takes the part of its rank.

    Raises:
        UsageError: both are asked for, it is none, or the processes would not know of each other.
    """
    from tbd.train.launch import launched_share

    share = launched_share(os.environ)
    if asked is not None:
        shard_part(asked)  # said before anything is read
    if share.world == 1:
        return asked
    if asked is not None:
        raise UsageError(
            f"--shard {asked}, and a launcher that started {share.world} processes: each takes a part by itself",
            next="leave --shard out",
        )
    part = f"{share.rank + 1}/{share.world}"
    say(f"process {share.rank + 1} of {share.world} fills its part of the cache: --shard {part}")
    return part


def device_name(name: str) -> str:
    """``cuda`` or ``cpu`` for ``auto``; of several processes on a machine each has a GPU of its own."""
    import torch

    if name != "auto":
        return name
    rank = os.environ.get("LOCAL_RANK")
    return ("cuda" if rank is None else f"cuda:{rank}") if torch.cuda.is_available() else "cpu"


def raise_if_stopped(stopping: Any) -> None:
    """The exit of a run that was asked to stop."""
    from tbd.errors import Interrupted, Terminated

    if stopping is None or not stopping.is_set():
        return
    by_hand = getattr(stopping, "signal", None) == signal.SIGINT
    kind = Interrupted if by_hand else Terminated
    raise kind("stopped; everything that was finished is saved", next="the same command goes on")
