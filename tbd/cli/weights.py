"""``tbd weights``: what is on this machine, where, whether it is genuine, and how to get the rest."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from tbd import weights
from tbd.catalogue import CATALOGUE, Weights
from tbd.cli.options import DryRun, Json
from tbd.console import document, human_bytes, out, say

app = typer.Typer(help="Find, check and download model weights.", no_args_is_help=True)

Name = Annotated[
    str, typer.Argument(help="A name from `tbd weights list`, or a hub repository such as Qwen/Qwen2-VL-7B-Instruct.")
]
Folder = Annotated[Path | None, typer.Option("--weights-dir", metavar="DIR", help="Look here before anywhere else.")]
TERMS = {"yes": "", "no": "[non-commercial]", "unstated": "[ask before commercial use]"}


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
        list[str], typer.Argument(metavar="NAME…", help="Names from `tbd weights list`, or hub repositories.")
    ],
    weights_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Put them here, not in the Hugging Face cache.")
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Download weights from the Hugging Face Hub. No other command downloads anything.

    Example: tbd weights pull qwen2-vl-7b
    """
    entries = [weights.lookup(name) for name in names]
    for entry in entries:
        say(f"{entry.key}: {entry.hub or entry.origin}, {_size(entry)}, licence: {_licence(entry)}")
    paths = {} if dry_run else {entry.key: str(weights.pull(entry.key, weights_dir)) for entry in entries}
    if json:
        document({"dry_run": dry_run, "weights": [_record(entry, paths.get(entry.key)) for entry in entries]})
    for where in () if json else paths.values():
        out(where)


def _record(entry: Weights, path: Path | str | None) -> dict[str, Any]:
    return asdict(entry) | {"found": path is not None, "path": str(path) if path else None}


def _size(entry: Weights) -> str:
    sizes = [file.bytes for file in entry.files if file.bytes]
    return human_bytes(sum(sizes)) if sizes else "?"


def _licence(entry: Weights) -> str:
    return f"{entry.licence} {TERMS[entry.commercial]}".strip()
