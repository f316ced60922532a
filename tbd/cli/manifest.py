"""``tbd manifest``: look at manifests, check, split, merge and export them."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from tbd.cli import options
from tbd.console import document, out, say

app: typer.Typer = typer.Typer(
    help="Look at manifests; check, seal, split, merge, compare and export them.", no_args_is_help=True
)

Manifest = Annotated[Path, typer.Argument(help="A manifest folder, or its Parquet file.")]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="A new folder.")]


class Format(StrEnum):
    """Forms of an export."""

    huggingface = "huggingface"
    webdataset = "webdataset"
    captions = "captions"
    csv = "csv"
    text = "text"


@app.command()
def show(
    manifest: Manifest,
    clip: Annotated[str | None, typer.Option(help="One clip in full.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows shown.")] = 10,
    json: options.Json = False,
) -> None:
    """The first rows, or one clip with its chain, prompts and flags.

    Example: tbd manifest show data_manifests/mead --clip mead_M003_front_angry_3_001
    """
    from tbd.errors import InputError
    from tbd.manifest import locate_manifest, read_manifest, rule_notes
    from tbd.manifest.text import row_words, table_words

    table, notes = read_manifest(manifest), rule_notes(locate_manifest(manifest).parent)
    rows = table.to_pylist() if clip else table.slice(0, limit).to_pylist()
    if clip:
        rows = [row for row in rows if row["clip_id"] == clip]
        if not rows:
            raise InputError(f"{manifest}: no clip {clip!r}", next=f"tbd manifest show {manifest}")
    if json:
        document({"rows": len(table), "notes": notes, "shown": rows})
    else:
        out("\n".join(row_words(rows[0]) if clip else table_words(rows, len(table))))
        for note in notes:
            say(f"note: {note}")


@app.command("list")
def list_(json: options.Json = False) -> None:
    """The manifests of this project, and how they stand.

    Example: tbd manifest list
    """
    from tbd import workspace
    from tbd.manifest import MANIFEST, read_manifest

    found = []
    for folder in workspace.manifests():
        sealed = (folder / MANIFEST).is_file()
        table = read_manifest(folder, ["needs_review", "approved"]).to_pylist() if sealed else []
        found.append(
            {
                "manifest": str(workspace.MANIFESTS / folder.name),
                "sealed": sealed,
                "rows": len(table),
                "needs_review": sum(row["needs_review"] for row in table),
                "approved": sum(row["approved"] for row in table),
            }
        )
    if json:
        document({"manifests": found})
        return
    for entry in found:
        state = f"{entry['rows']} rows, {entry['needs_review']} need review, {entry['approved']} approved"
        out(f"{entry['manifest']}: {state if entry['sealed'] else 'not sealed; next: tbd manifest seal'}")
    if not found:
        say(f"no manifests in {workspace.MANIFESTS}/; next: tbd annotate DATASET")


@app.command()
def sheet(
    manifest: Manifest,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="PNG", help="Default: sheet.png beside it.")
    ] = None,
    root: options.Root = None,
    json: options.Json = False,
) -> None:
    """Draw up to 64 crops with box, label, prompts and flags as one picture.

    Example: tbd manifest sheet data_manifests/mead -o sheet.png
    """
    from tbd.cli.sheets import draw

    path = draw(manifest, output, options.roots(root))
    document({"sheet": str(path)}) if json else out(str(path))


@app.command()
def verify(manifest: Manifest, root: options.Root = None, json: options.Json = False) -> int:
    """Prove that a manifest is sound: one row a clip, token counts, media, bytes equal to a fresh seal.

    Example: tbd manifest verify data_manifests/mead
    """
    from tbd.annotate.journal import Journal
    from tbd.manifest import locate_manifest, verify_manifest

    folder = locate_manifest(manifest).parent
    places = options.located(manifest, options.roots(root))
    if (folder / "journal.sqlite").is_file():
        with Journal(folder, read_only=True) as journal:
            findings = verify_manifest(manifest, roots=places, rows=journal.rows_to_seal())
    else:
        findings = verify_manifest(manifest, roots=places)
    if json:
        document({"findings": [asdict(finding) for finding in findings]})
    for finding in findings if not json else ():
        out(f"{finding.code}: {finding.message} ({finding.count}) {', '.join(finding.clips)}")
    if not findings and not json:
        out(f"{manifest}: sound")
    return int(bool(findings))


@app.command()
def report(manifest: Manifest, json: options.Json = False) -> None:
    """Status, flags, action units by emotion, tokens, costs, review; also written beside the manifest.

    Example: tbd manifest report data_manifests/mead
    """
    from tbd.cli import sheets
    from tbd.manifest import locate_manifest, report_markdown

    found = sheets.report(manifest)
    document(found) if json else out(report_markdown(found, locate_manifest(manifest).parent.name))


@app.command()
def seal(manifest: Annotated[Path, typer.Argument(help="A manifest folder.")], json: options.Json = False) -> None:
    """Write manifest.parquet from the journal and the reviews, as after every run.

    Example: tbd manifest seal data_manifests/mead
    """
    from tbd.annotate.journal import Journal
    from tbd.errors import InputError
    from tbd.manifest import reseal_manifest, seal_as_recorded

    if (manifest / "journal.sqlite").is_file():
        with Journal(manifest, read_only=True) as journal:
            sealed = seal_as_recorded(manifest, journal.rows_to_seal())
    elif (manifest / "manifest.parquet").is_file():
        sealed = reseal_manifest(manifest)
    else:
        raise InputError(f"{manifest}: neither a journal nor a manifest", next="tbd annotate DATASET")
    _sealed(sealed, json)


@app.command()
def split(
    manifest: Manifest,
    rule: Annotated[str, typer.Option(help="random-80-20, speaker, official-last-n, text-disjoint or hdtf-16-4.")],
    seed: Annotated[int, typer.Option(min=0)] = 0,
    json: options.Json = False,
) -> None:
    """Divide into train and test, and say what both sides share.

    Example: tbd manifest split data_manifests/mead --rule speaker
    """
    from tbd.manifest import SplitRule, read_manifest, resplit_manifest, split_overlaps

    sealed = resplit_manifest(manifest, SplitRule(rule, seed))
    shared = {name: str(overlap) for name, overlap in split_overlaps(read_manifest(manifest)).items()}
    if json:
        document(sealed.as_json() | {"overlaps": shared})
        return
    _sealed(sealed, json)
    for name, words in shared.items():
        out(f"  {name}: {words}")


@app.command()
def merge(
    manifests: Annotated[
        list[Path], typer.Argument(help="Manifest folders: shards of one dataset, or several datasets.")
    ],
    output: Output,
    rule: Annotated[str | None, typer.Option("--split", help="Split rule of the new manifest.")] = None,
    json: options.Json = False,
) -> None:
    """Put shards or datasets together; equal rows become one, a success replaces a failure.

    Example: tbd manifest merge shard1 shard2 -o data_manifests/mead
    """
    from tbd.manifest import SplitRule
    from tbd.manifest import merge_manifests as join

    merged = join(manifests, output, split=SplitRule(rule) if rule else None)
    if json:
        document(merged.sealed.as_json() | {"collapsed": merged.collapsed, "replaced": merged.replaced})
        return
    _sealed(merged.sealed, json)
    out(f"  {merged.collapsed} rows were in several sources, {len(merged.replaced)} failures replaced by a success")


@app.command()
def compare(
    one: Manifest,
    other: Annotated[Path, typer.Argument(help="The other manifest.")],
    clips: options.ClipFile = None,
    json: options.Json = False,
) -> None:
    """Two manifests side by side, as in Fig. 8: repeated phrases, action units, muscles, tokens.

    Example: tbd manifest compare data_manifests/qwen data_manifests/facs
    """
    from tbd.manifest import compare_manifests as put_side_by_side

    found = put_side_by_side(one, other, options.lines(clips))
    if json:
        document({"names": found.names, "clips": len(found.pairs), "only": found.only, "means": found.means})
    else:
        out(found.markdown())


@app.command()
def common(
    manifests: Annotated[list[Path], typer.Argument(help="The same dataset in several modes.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The list, for --clips.")],
    json: options.Json = False,
) -> None:
    """The clips approved in every one of several manifests: what the rows of an ablation train on.

    Example: tbd manifest common data_manifests/label data_manifests/describe data_manifests/cot -o ablation.txt
    """
    from tbd import workspace
    from tbd.manifest import clips_in_common as shared

    clips = shared(manifests)
    workspace.write_text(output, "\n".join([*clips, ""]))
    document({"clips": len(clips), "output": str(output)}) if json else out(f"{len(clips)} clips in {output}")


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


@app.command()
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
    json: options.Json = False,
) -> None:
    """Write a manifest for other tools, or with --inputs the inputs of the systems that papers compare with.

    Example: tbd manifest export data_manifests/mead --format text -o mead-text/

    Example: tbd manifest export data_manifests/mead --inputs --for sadtalker -o SadTalker/
    """
    from tbd.manifest import export_manifest as write

    if inputs:
        _export_inputs(manifest, output, for_.value, clips, root, json)
        return
    done = write(manifest, output, format.value, roots=options.roots(root), approved=approved, media_right=media_right)
    if json:
        document(asdict(done) | {"path": str(done.path)})
        return
    out(f"{done.rows} rows in {done.path}")
    _left_out(done.left_out, "its media is not where it should be: ")


def _export_inputs(
    manifest: Path, output: Path, program: str, clips: Path | None, root: list[str] | None, json: bool
) -> None:
    from tbd.manifest.baseline_kit import BASELINES, export_inputs

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


@app.command()
def push(
    manifest: Manifest,
    repository: Annotated[str, typer.Argument(metavar="USER/NAME", help="A dataset on the Hugging Face Hub.")],
    approved: Annotated[bool, typer.Option("--approved", help="Only approved rows.")] = False,
    media_right: Annotated[
        bool, typer.Option("--media-right", help="Send the media too; I have the right to pass them on.")
    ] = False,
    public: Annotated[bool, typer.Option("--public", help="Everybody may read it; private otherwise.")] = False,
    root: options.Root = None,
    json: options.Json = False,
) -> None:
    """Send a manifest to the Hugging Face Hub: text alone, unless --media-right.

    Example: tbd manifest push data_manifests/mead me/mead-prompts --approved
    """
    from tbd.manifest.push import push_manifest

    done = push_manifest(
        manifest, repository, roots=options.roots(root), approved=approved, media_right=media_right, public=public
    )
    splits = ", ".join(f"{count} {side}" for side, count in done["splits"].items())
    document(done) if json else out(
        f"{done['rows']} rows ({splits}) in {repository}, {'public' if public else 'private'}"
    )


@app.command()
def prune(
    manifest: Annotated[Path, typer.Argument(help="A manifest folder with its journal.")],
    root: options.Root = None,
    dry_run: options.DryRun = False,
    json: options.Json = False,
) -> None:
    """Drop the rows of clips whose files have left the data set. Their replies stay in the journal.

    Example: tbd manifest prune data_manifests/mead --dry-run
    """
    from tbd.annotate.prune import prune_rows

    done = prune_rows(manifest, options.roots(root), dry=dry_run)
    if json:
        document(done)
        return
    for clip_id in done["gone"][:10]:
        out(clip_id)
    more = f" ({len(done['gone']) - 10} more)" if len(done["gone"]) > 10 else ""
    out(f"{len(done['gone'])} rows {'would be ' if dry_run else ''}dropped{more}, {done['kept']} kept")


def _sealed(sealed: Any, json: bool) -> None:
    if json:
        document(sealed.as_json())
        return
    words = f"{sealed.rows} rows, {sealed.needs_review} need review, {sealed.approved} approved"
    sides = ", ".join(f"{count} {side}" for side, count in sealed.split.items() if side)
    out(f"{sealed.path}: {words}{f'; {sides}' if sides else ''}")
    for note in sealed.notes:
        say(f"note: {note}")
