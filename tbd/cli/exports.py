"""``tbd manifest export`` and ``push``: a manifest for other tools, other systems and other people."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tbd.cli import options
from tbd.console import document, out, say

Manifest = Annotated[Path, typer.Argument(help="A manifest folder, or its Parquet file.")]
Output = Annotated[
    Path, typer.Option("-o", "--output", metavar="DIR", help="A new folder.", callback=options.on_this_disk)
]


class Format(StrEnum):
    """Forms of an export."""

    huggingface = "huggingface"
    webdataset = "webdataset"
    captions = "captions"
    csv = "csv"
    text = "text"


class Program(StrEnum):
    """Systems whose inputs can be written."""

    makeittalk = "makeittalk"
    sadtalker = "sadtalker"
    pc_avs = "pc-avs"
    eamm = "eamm"
    styletalk = "styletalk"
    eat = "eat"
    edtalk = "edtalk"
    hallo = "hallo"
    sonic = "sonic"
    plain = "plain"


def export(
    manifest: Manifest,
    output: Output,
    format: Annotated[
        Format, typer.Option(help="text has no media: what another lab can start from.")
    ] = Format.huggingface,
    approved: Annotated[bool, typer.Option("--approved", help="Only approved rows.")] = False,
    media_right: Annotated[
        bool, typer.Option("--media-right", help="I may copy media whose terms forbid passing them on.")
    ] = False,
    inputs: Annotated[
        bool, typer.Option("--inputs", help="Instead: portraits, sound and commands for another system, see --for.")
    ] = False,
    for_: Annotated[Program, typer.Option("--for", help="Whose folder layout --inputs writes.")] = Program.plain,
    clips: options.ClipFile = None,
    root: options.Root = None,
    dry_run: options.DryRun = False,
    json: options.Json = False,
) -> None:
    """Write a manifest for other tools, or with --inputs the inputs of the systems that papers compare with.

    Example: tbd manifest export data_manifests/mead --format text -o mead-text/

    Example: tbd manifest export data_manifests/mead --inputs --for sadtalker -o SadTalker/
    """
    from tbd.manifest import export_manifest as write

    if inputs:
        _export_inputs(manifest, output, for_.value, clips, root, dry_run, json)
        return
    places = options.roots(root)
    done = write(
        manifest, output, format.value, roots=places, approved=approved, media_right=media_right, dry_run=dry_run
    )
    if json:
        document(asdict(done) | {"path": str(done.path)} | ({"dry_run": True} if dry_run else {}))
        return
    out(f"{done.rows} rows {'would be ' if dry_run else ''}in {done.path}")
    _left_out(done.left_out, "its media is not where it should be: ")


def _export_inputs(
    manifest: Path, output: Path, program: str, clips: Path | None, root: list[str] | None, dry_run: bool, json: bool
) -> None:
    from tbd.manifest.baseline_kit import BASELINES, export_inputs

    if dry_run:
        with tempfile.TemporaryDirectory(prefix="tbd-inputs-") as place:
            done = export_inputs(
                manifest, Path(place) / "inputs", program, clips=options.lines(clips), roots=options.roots(root)
            )
        words = f"inputs of {done.clips} clips would be in {output}, for {program}"
        document({"clips": done.clips, "left_out": done.left_out, "dry_run": True}) if json else out(words)
        return
    done = export_inputs(manifest, output, program, clips=options.lines(clips), roots=options.roots(root))
    if json:
        document(asdict(done) | {"path": str(done.path)})
        return
    out(f"inputs of {done.clips} clips in {done.path}, for {program}")
    _left_out(done.left_out, "")
    say(
        f"copy it over the repository, run tbd_run.sh there; it writes {BASELINES[program].output.replace('{clip}', 'CLIP')}"
    )
    say(f"next:  tbd eval OUTPUTS --manifest {manifest} --align face")


def _left_out(lost: tuple[str, ...], why: str) -> None:
    for one in lost[:5]:
        say(f"left out, {why}{one}")
    if len(lost) > 5:
        say(f"… and {len(lost) - 5} more")


def push(
    manifest: Manifest,
    repository: Annotated[str, typer.Argument(metavar="USER/NAME", help="A dataset on the Hugging Face Hub.")],
    approved: Annotated[bool, typer.Option("--approved", help="Only approved rows.")] = False,
    media_right: Annotated[
        bool, typer.Option("--media-right", help="Send the media too; I have the right to pass them on.")
    ] = False,
    public: Annotated[bool, typer.Option("--public", help="Everybody may read it; private otherwise.")] = False,
    root: options.Root = None,
    dry_run: options.DryRun = False,
    json: options.Json = False,
) -> None:
    """Send a manifest to the Hugging Face Hub: text alone, unless --media-right.

    Example: tbd manifest push data_manifests/mead me/mead-prompts --approved
    """
    from tbd.manifest.push import push_manifest

    done = push_manifest(
        manifest, repository, roots=options.roots(root), approved=approved, media_right=media_right, public=public,
        dry_run=dry_run,
    )  # fmt: skip
    splits = ", ".join(f"{count} {side}" for side, count in done["splits"].items())
    document(done) if json else out(
        f"{done['rows']} rows ({splits}) {'would be ' if dry_run else ''}in {repository}, "
        f"{'public' if public else 'private'}"
    )
