"""Options that several commands share, each defined once."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tbd.errors import InputError, UsageError
from tbd.workspace import refuse_elsewhere

CLIPS = "Which clips"
MODEL = "Model"
RUN = "Run"


def on_this_disk(path: Path | None) -> Path | None:
    """An output that goes to a folder of this machine only: an address (``s3://…``) is refused before anything is done."""
    if path is not None:
        refuse_elsewhere(path)
    return path


class EngineName(StrEnum):
    """Where the work is done."""

    local = "local"
    ray = "ray"


Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout; words stay on stderr.")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Print what would be done; write nothing.")]
Where = Annotated[
    str | None,
    typer.Option(
        "--where",
        metavar="KEY=VALUE,…",
        help="view=front,emotion=anger; a|b is either, * is any.",
        rich_help_panel=CLIPS,
    ),
]
ClipFile = Annotated[
    Path | None, typer.Option("--clips", metavar="FILE", help="A file with one clip_id a line.", rich_help_panel=CLIPS)
]
Sample = Annotated[
    str | None,
    typer.Option(
        "--sample",
        metavar="stratified:N",
        help="N clips, evenly over emotion, level and subject.",
        rich_help_panel=CLIPS,
    ),
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, metavar="N", help="The first N clips.", rich_help_panel=CLIPS)
]
Shard = Annotated[
    str | None, typer.Option("--shard", metavar="i/n", help="Part i of n, counted from 1.", rich_help_panel=CLIPS)
]
Root = Annotated[
    list[str] | None,
    typer.Option("--root", metavar="NAME=PATH", help="Where a dataset lies on this machine.", rich_help_panel=CLIPS),
]
RecipeName = Annotated[
    str | None,
    typer.Option("--recipe", metavar="NAME|FILE", help="A recipe by name, or a TOML file.", rich_help_panel=RUN),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change one recipe key, e.g. chain.attempts=5.", rich_help_panel=RUN
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the recipe.", rich_help_panel=RUN)]
Engine = Annotated[
    EngineName,
    typer.Option("--engine", help="ray: spread the work over the nodes of a Ray cluster.", rich_help_panel=RUN),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="Of the Ray cluster. Default: $RAY_ADDRESS, else the one on this machine.",
        rich_help_panel=RUN,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.", rich_help_panel=RUN)]


def pairs(text: str | None, option: str) -> dict[str, str]:
    """``view=front,emotion=anger`` as a dictionary.

    Raises:
        UsageError: a part is not of the form key=value.
    """
    found = {}
    for part in filter(None, (text or "").split(",")):
        key, sign, value = part.partition("=")
        if not sign or not key.strip() or not value.strip():
            raise UsageError(f"{option} {part}: not of the form key=value", next=f"{option} view=front,emotion=anger")
        found[key.strip()] = value.strip()
    return found


def address_of(
    engine: EngineName, address: str | None, devices: str = "auto", workers: int | None = None
) -> str | None:
    """The address of the cluster.

    Raises:
        UsageError: one was given for work on this machine; or devices of this machine, or no worker, for a cluster.
    """
    if workers == 0 and engine is EngineName.ray:
        raise UsageError(
            "--workers 0 works in this process, --engine ray on a cluster", next="leave one of the two out"
        )
    if devices != "auto" and engine is EngineName.ray:
        raise UsageError(
            "--devices chooses GPUs of this machine; with --engine ray the cluster gives them out",
            next="--devices auto",
        )
    if address and engine is EngineName.local:
        raise UsageError("--address goes with --engine ray", next=f"--engine ray --address {address}")
    return address


def whole(text: str, option: str) -> int:
    """A whole number given to an option.

    Raises:
        UsageError: it is none.
    """
    if not text.strip().isdigit():
        raise UsageError(f"{option} {text}: not a whole number")
    return int(text)


def roots(values: list[str] | None) -> dict[str, Path]:
    """``--root mead=/data/MEAD`` as a dictionary.

    Raises:
        UsageError: not of the form NAME=PATH, or no such folder.
    """
    found = {}
    for value in values or ():
        name, sign, path = value.partition("=")
        if not sign or not Path(path).is_dir():
            why = f"{path} is not a folder" if sign else "not of the form NAME=PATH"
            raise UsageError(f"--root {value}: {why}", next="--root mead=/data/MEAD")
        found[name] = Path(path)
    return found


def lines(path: Path | None) -> tuple[str, ...] | None:
    """The lines of a ``--clips`` file, without blanks; None when no file was named.

    Raises:
        UsageError: the file cannot be read.
    """
    if path is None:
        return None
    try:
        return tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--clips {path}: cannot be read ({error})") from None


def too_many(failed: int, of: int, allowed: str) -> bool:
    """Whether ``failed`` rows of ``of`` pass ``--max-failed N|P%``.

    Raises:
        UsageError: ``allowed`` is neither a number nor a percentage.
    """
    try:
        return failed > (float(allowed[:-1]) / 100 * of if allowed.endswith("%") else int(allowed))
    except ValueError:
        raise UsageError(f"--max-failed {allowed}: neither a number nor a percentage", next="--max-failed 2%") from None


def located(manifest: Path, given: Mapping[str, Path]) -> dict[str, Path]:
    """Where the datasets of a manifest lie on this machine.

    Raises:
        InputError: a dataset is not where it was when the manifest was made.
    """
    from tbd.manifest import dataset_roots, locate_manifest

    places = dataset_roots(locate_manifest(manifest).parent, given)
    for name, path in places.items():
        if not path.is_dir():
            raise InputError(f"dataset {name} is not in {path} any more", next=f"--root {name}=PATH")
    return places
