"""``tbd weights``: what is on this machine, where, whether it is genuine, and how to get the rest."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from tbd import weights, weights_add
from tbd.catalogue import CATALOGUE, Weights
from tbd.cli.drawn_networks import train_drawn_reader
from tbd.cli.options import DryRun, Json
from tbd.console import document, human_bytes, out, say
from tbd.errors import MissingError, UsageError

app = typer.Typer(help="Find, check and download model weights.", no_args_is_help=True)

Name = Annotated[
    str, typer.Argument(help="A name from `tbd weights list`, or a hub repository such as Qwen/Qwen2-VL-7B-Instruct.")
]
Folder = Annotated[Path | None, typer.Option("--weights-dir", metavar="DIR", help="Look here before anywhere else.")]
Target = Annotated[
    Path | None,
    typer.Option("--weights-dir", metavar="DIR", help="Put them here, not in $TBD_WEIGHTS or the caches."),
]
TERMS = {"yes": "", "no": "[non-commercial]", "unstated": "[ask before commercial use]"}


class Purpose(StrEnum):
    """What weights are pulled for."""

    annotate = "annotate"
    train = "train"
    generate = "generate"
    eval = "eval"


@app.command("list")
def list_(weights_dir: Folder = None, json: Json = False) -> None:
    """Every file of weights tbd can use, and whether it is here.

    Example: tbd weights list
    """
    weights.use_folder(weights_dir)
    entries = [(entry, weights.find(entry)) for entry in CATALOGUE]
    if json:
        document({"weights": [_record(entry, path) for entry, path in entries]})
        return
    width = max(len(entry.key) for entry in CATALOGUE)
    for entry, where in entries:
        state = "found" if where else "-"
        out(f"{state:6} {entry.key:{width}}  {_size(entry):>8}  {entry.purpose} · {_licence(entry)}")


@app.command()
def path(name: Name, weights_dir: Folder = None, json: Json = False) -> None:
    """Print where weights lie on this machine; exit 4 when they are not here.

    Example: tbd weights path qwen2-vl-7b
    """
    weights.use_folder(weights_dir)
    where = str(weights.resolve(name))
    document({"name": name, "path": where}) if json else out(where)


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]…", help="Default: everything that is here.")
    ] = None,
    weights_dir: Folder = None,
    json: Json = False,
) -> None:
    """Compare sha256 of the files with the published ones; exit 1 when one differs.

    Example: tbd weights verify mtcnn lpips
    """
    weights.use_folder(weights_dir)
    found = [entry for entry in CATALOGUE if weights.find(entry)]
    entries = [weights.lookup(name) for name in names] if names else found
    checks = {entry.key: weights.verify(entry) for entry in entries}
    if json:
        document({"weights": {key: [asdict(check) for check in files] for key, files in checks.items()}})
    else:
        for key, files in checks.items():
            for check in files:
                out(f"{check.state:10} {key}  {check.file}  {check.sha256 or ''}")
    if any(check.state == "different" for files in checks.values() for check in files):
        raise typer.Exit(1)


@app.command()
def pull(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]…", help="Names from `tbd weights list`, or hub repositories.")
    ] = None,
    stage: Annotated[Purpose | None, typer.Option("--for", help="Everything that a command uses.")] = None,
    weights_dir: Target = None,
    accept: Annotated[
        bool, typer.Option("--accept-licences", help="You may use what is for non-commercial research only.")
    ] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Download weights from where they are published. No other command downloads anything.

    Broken downloads go on where they ended; every published hash is checked. `drawn-reader` is trained here instead.

    Example: tbd weights pull --for eval

    Example: tbd weights pull qwen2-vl-7b
    """
    entries = _wanted(names or [], stage)
    for entry in entries:
        say(f"{entry.key}: {_from(entry)}, {_size(entry)}, licence: {_licence(entry)}")
    paths, lost = ({}, {}) if dry_run else _pulled(entries, weights_dir, accept)
    if lost and json:
        raise _all(lost)
    if json:
        document({"dry_run": dry_run, "weights": [_record(entry, paths.get(entry.key)) for entry in entries]})
    for where in () if json else paths.values():
        out(where)
    if lost:
        raise _all(lost)


@app.command()
def add(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Files, folders of files, or zip archives.")],
    weights_dir: Target = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Take in weights that you fetched yourself: recognised by their hash, whatever their names.

    Example: tbd weights add ~/Downloads/buffalo_l.zip
    """
    found = weights_add.add(files, weights_dir, dry_run=dry_run)
    if json:
        document({"added": [asdict(one) for one in found]})
    for one in () if json else found:
        how = "published" if one.published else "by its name alone: nobody published its hash"
        out(
            f"{one.file}: {one.key}, {how}, {one.path or 'not copied'}"
            if one.key
            else f"{one.file}: no weights that tbd knows"
        )
    if not any(one.key for one in found):
        raise typer.Exit(1)


def _wanted(names: Sequence[str], stage: Purpose | None) -> list[Weights]:
    chosen = [weights.lookup(name) for name in names]
    if stage:
        chosen += [entry for entry in CATALOGUE if stage in entry.stages and not entry.choice]
    if not chosen:
        raise UsageError("which weights?", next="tbd weights pull --for eval, or NAME from: tbd weights list")
    return list(dict.fromkeys(chosen))


def _pulled(
    entries: Sequence[Weights], folder: Path | None, accept: bool
) -> tuple[dict[str, str], dict[str, MissingError]]:
    """Where everything lies that could be had, and why the rest could not."""
    paths, lost = {}, {}
    for entry in entries:
        try:
            _ask(entry, accept)
            paths[entry.key] = _trained(entry) if entry.made else str(weights.pull(entry.key, folder, _Told(entry.key)))
        except MissingError as error:
            lost[entry.key] = error
    return paths, lost


def _trained(entry: Weights) -> str:
    """Where weights lie that this machine makes itself; they are made now where they are missing, always in the cache.

    Raises:
        MissingError: the disk is full, or the cache cannot be written.
    """
    train_drawn_reader()
    return str(weights.resolve(entry.key))


def _all(lost: dict[str, MissingError]) -> MissingError:
    return MissingError("\n".join(error.message for error in lost.values()), next=next(iter(lost.values())).next)


def _ask(entry: Weights, accept: bool) -> None:
    """A licence that forbids commercial use is agreed to once, by a person.

    Raises:
        MissingError: nobody did.
    """
    if entry.commercial != "no" or weights.licence_accepted(entry):
        return
    if not accept and sys.stdin.isatty():
        accept = typer.confirm(f"{entry.key} is for {entry.licence}. Is that your use?", err=True)
    if not accept:
        raise MissingError(
            f"{entry.key}: its licence ({entry.licence}) has not been agreed to",
            next=f"tbd weights pull {entry.key} --accept-licences",
        )
    weights.accept_licence(entry)


class _Told:
    """Says every ten seconds how far a download is."""

    def __init__(self, key: str) -> None:
        self._key, self._last = key, time.monotonic()

    def __call__(self, done: int, of: int | None) -> None:
        if time.monotonic() - self._last > 10:
            self._last = time.monotonic()
            say(f"{self._key}: {human_bytes(done)}" + (f" of {human_bytes(of)}" if of else ""))


def _record(entry: Weights, path: Path | str | None) -> dict[str, Any]:
    return asdict(entry) | {"found": path is not None, "path": str(path) if path else None}


def _from(entry: Weights) -> str:
    return entry.hub or (entry.files[0].urls or (entry.origin,))[0].partition("#")[0]


def _size(entry: Weights) -> str:
    known = weights.recorded()
    sizes = [file.bytes or known.get(f"{entry.key}/{file.name}", {}).get("bytes") for file in entry.files]
    return human_bytes(sum(filter(None, sizes))) if any(sizes) else "?"


def _licence(entry: Weights) -> str:
    return f"{entry.licence} {TERMS[entry.commercial]}".strip()
