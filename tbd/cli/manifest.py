"""``tbd manifest``: look at manifests, check, split, merge and export them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from tbd.cli import options
from tbd.cli.exports import Manifest, Output, export, push
from tbd.console import document, out, say

app: typer.Typer = typer.Typer(
    help="Look at manifests; check, seal, split, merge, compare and export them.", no_args_is_help=True
)


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
    from tbd.manifest.rows import as_rows
    from tbd.manifest.text import row_words, table_words

    table, notes = read_manifest(manifest), rule_notes(locate_manifest(manifest).parent)
    rows = as_rows(table if clip else table.slice(0, limit))
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
        unsealed = f"not sealed; next: tbd manifest seal {entry['manifest']}"
        out(f"{entry['manifest']}: {state if entry['sealed'] else unsealed}")
    if not found:
        say(f"no manifests in {workspace.MANIFESTS}/; next: tbd annotate DATASET")


@app.command()
def sheet(
    manifest: Manifest,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="PNG", help="Default: sheet.png beside it.", callback=options.on_this_disk
        ),
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
def seal(
    manifest: Annotated[Path, typer.Argument(help="A manifest folder.")],
    dry_run: options.DryRun = False,
    json: options.Json = False,
) -> None:
    """Write manifest.parquet from the journal and the reviews, as after every run.

    Example: tbd manifest seal data_manifests/mead
    """
    from tbd.annotate.journal import Journal
    from tbd.errors import InputError
    from tbd.manifest import reseal_manifest, seal_as_recorded
    from tbd.manifest.rehearsal import rehearsed

    with rehearsed(manifest, dry_run) as folder:
        if (manifest / "journal.sqlite").is_file():
            with Journal(manifest, read_only=True) as journal:
                sealed = seal_as_recorded(folder, journal.rows_to_seal())
        elif (manifest / "manifest.parquet").is_file():
            sealed = reseal_manifest(folder)
        else:
            raise InputError(f"{manifest}: neither a journal nor a manifest", next="tbd annotate DATASET")
    _sealed(sealed, manifest, dry_run, json)


@app.command()
def split(
    manifest: Manifest,
    rule: Annotated[str, typer.Option(help="random-80-20, speaker, official-last-n, text-disjoint or hdtf-16-4.")],
    seed: Annotated[int, typer.Option(min=0, help="Of a random rule.")] = 0,
    dry_run: options.DryRun = False,
    json: options.Json = False,
) -> None:
    """Divide into train and test, and say what both sides share.

    Example: tbd manifest split data_manifests/mead --rule speaker
    """
    from tbd.manifest import SplitRule, locate_manifest, read_manifest, resplit_manifest, split_overlaps
    from tbd.manifest.rehearsal import rehearsed

    whole = locate_manifest(manifest).parent
    with rehearsed(whole, dry_run) as folder:
        sealed = resplit_manifest(folder, SplitRule(rule, seed))
        shared = {name: str(overlap) for name, overlap in split_overlaps(read_manifest(folder)).items()}
    _sealed(sealed, whole, dry_run, json, overlaps=shared)
    for name, words in () if json else shared.items():
        out(f"  {name}: {words}")


@app.command()
def merge(
    manifests: Annotated[
        list[Path], typer.Argument(help="Manifest folders: shards of one dataset, or several datasets.")
    ],
    output: Output,
    rule: Annotated[str | None, typer.Option("--split", help="Split rule of the new manifest.")] = None,
    dry_run: options.DryRun = False,
    json: options.Json = False,
) -> None:
    """Put shards or datasets together; equal rows become one, a success replaces a failure.

    Example: tbd manifest merge shard1 shard2 -o data_manifests/mead
    """
    from tbd.manifest import SplitRule
    from tbd.manifest import merge_manifests as join
    from tbd.manifest.rehearsal import rehearsed

    with rehearsed(output, dry_run) as folder:
        merged = join(manifests, folder, split=SplitRule(rule) if rule else None)
    _sealed(merged.sealed, output, dry_run, json, collapsed=merged.collapsed, replaced=merged.replaced)
    if not json:
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
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FILE", help="The list, for --clips.", callback=options.on_this_disk),
    ],
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


app.command()(export)
app.command()(push)


def _sealed(sealed: Any, folder: Path, dry_run: bool, json: bool, **more: Any) -> None:
    sealed.path = folder / sealed.path.name
    if json:
        document(sealed.as_json() | ({"dry_run": True} if dry_run else {}) | more)
        return
    words = f"{sealed.rows} rows, {sealed.needs_review} need review, {sealed.approved} approved"
    sides = ", ".join(f"{count} {side}" for side, count in sealed.split.items() if side)
    out(f"{sealed.path}{' would hold' if dry_run else ':'} {words}{f'; {sides}' if sides else ''}")
    for note in sealed.notes:
        say(f"note: {note}")
