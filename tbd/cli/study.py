"""``tbd study``: people rate the videos of several systems without knowing which is which."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tbd.cli import options
from tbd.console import document, out, progress, say

app: typer.Typer = typer.Typer(help="The user study: make it, let people rate, and get Table 3.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="STUDY", help="The folder of a study.")]


@app.command()
def new(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN…", help="Folders with videos, one a system.")],
    clips: Annotated[int, typer.Option(min=1, help="Clips; each is shown by every system.")] = 10,
    raters: Annotated[int, typer.Option(min=1, help="Places; a few more than needed make up for who stops.")] = 10,
    checks: Annotated[int, typer.Option(min=0, max=20, help="Attention checks for each rater.")] = 2,
    manifest: Annotated[
        list[Path] | None, typer.Option(help="Knows emotion and portrait; may be repeated. Default: the runs'.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="clip_id, emotion, portrait, and stratum: for an open set."),
    ] = None,
    root: options.Root = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice of clips and of the orders.")] = 0,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="A new folder.", callback=options.on_this_disk)
    ] = Path("studies/study"),
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Make a balanced study of several runs: a Latin square, hidden names, attention checks.

    Clips are spread evenly over strata (the manifests' datasets, and the table's) and emotions.

    Example: tbd study new runs/mine runs/eat runs/edtalk --clips 10 --raters 10 -o studies/first
    """
    from tbd.evaluate.study.assembly import new_study
    from tbd.evaluate.study.stimuli import StudyRequest, candidates, chosen

    request = StudyRequest(
        tuple(runs), tuple(manifest or ()), table, clips, raters, checks, seed, output, options.roots(root)
    )
    if dry_run:
        found, common = candidates(request)
        picked = [clip.clip_id for clip in chosen(common, clips, seed)]
        summary = {"systems": list(found), "common": len(common), "clips": picked, "output": str(output)}
        document(summary) if json else out("\n".join(f"{key}: {value}" for key, value in summary.items()))
        return
    with progress("study", clips, quiet=quiet) as bar:
        study = new_study(request, bar.advance)
    items = len(study.orders[0])
    if json:
        document(
            {"output": str(output), "systems": list(study.systems), "clips": clips, "raters": raters, "items": items}
        )
        return
    out(f"{output}: {len(study.systems)} systems on {clips} clips, {raters} raters with {items} videos each")
    say(f"next:  tbd study serve {output}")


@app.command()
def serve(
    study: Folder,
    host: Annotated[str, typer.Option(help="Anything but the loopback lets others in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8766,
    static: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the page for any web space instead; votes come as files.")
    ] = None,
    json: options.Json = False,
) -> None:
    """The raters' page. Every vote is on disk before the next clip shows; who comes back goes on.

    Example: tbd study serve studies/first --host 0.0.0.0
    """
    if static is None:
        from tbd.evaluate.study.serve import serve_study

        serve_study(study, host, port)
        return
    from tbd.evaluate.study.static_page import write_static

    addresses = write_static(study, static)
    document({"output": str(static), "raters": addresses}) if json else out("\n".join(addresses))
    say(
        f"Each rater gets one of these addresses below {static}; votes-*.json come back: tbd study report {study} --votes FILE"
    )


@app.command()
def report(
    study: Folder,
    votes: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Votes that the static page saved; may be repeated.")
    ] = None,
    everybody: Annotated[
        bool, typer.Option("--everybody", help="Also count who failed a check or always gave one answer.")
    ] = False,
    json: options.Json = False,
) -> int:
    """MOS with t intervals, the P.910 bias model, ICC and alpha, and Table 3.

    Exit code 1 where nobody has voted yet.

    Example: tbd study report studies/first
    """
    from tbd.evaluate.outputs.tables import markdown
    from tbd.evaluate.study.analysis import analyse
    from tbd.evaluate.study.study_folder import read_study
    from tbd.evaluate.study.study_report import agreement_lines, study_table, write_report
    from tbd.evaluate.study.votes import VoteStore, import_votes

    design = read_study(study)
    store = VoteStore(study, design)
    try:
        new, known = import_votes(store, design, votes or ())
        found = store.votes()
    finally:
        store.close()
    if votes:
        say(f"{new} new votes from files, {known} known already")
    if not found:
        document({"votes": 0}) if json else out(f"{study}: nobody has voted yet")
        return 1
    result = analyse(design, found, everybody=everybody)
    page = write_report(study, result)
    if json:
        document(result)
        return 0
    out(markdown(study_table(result)).rstrip())
    out("\n".join([*result["notes"], *agreement_lines(result), str(page)]))
    return 0
