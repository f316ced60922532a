"""``tbd compare``: several results in one table, tested clip by clip, next to the paper's rows."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from tbd.cli import options
from tbd.console import document, out, say
from tbd.errors import UsageError


class PaperTable(StrEnum):
    """Whose published rows are shown."""

    one = "1"
    two = "2"
    none = "none"


class PaperDataset(StrEnum):
    """On which data they were published."""

    mead = "mead"
    hdtf = "hdtf"


def compare(
    results: Annotated[
        list[Path] | None, typer.Argument(metavar="[RESULT]…", help="Result folders. Default: all in results/.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="RUN", help="Test the others against this. Default: the first.")
    ] = None,
    published: Annotated[
        PaperTable | None, typer.Option(help="Rows of the paper. Default: 1; with --ablation 2.")
    ] = None,
    dataset: Annotated[
        PaperDataset | None, typer.Option(help="Of these rows. Default: the ground truth's, else mead.")
    ] = None,
    ablation: Annotated[
        bool, typer.Option("--ablation", help="As Table 2, by k (Fig. 9), by intensity (Fig. 10).")
    ] = False,
    figure: Annotated[bool, typer.Option("--figure", help="Also draw the runs at the same moments (Fig. 7).")] = False,
    clips: options.ClipFile = None,
    times: Annotated[
        str, typer.Option(metavar="0.2,0.5,0.8", help="Moments of --figure, as shares of a clip.")
    ] = "0.2,0.5,0.8",
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="DIR", help="Default: results/compare-NAMES.", callback=options.on_this_disk
        ),
    ] = None,
    dry_run: options.DryRun = False,
    json: options.Json = False,
) -> None:
    """Compare runs over the clips that all have; refuses what was not scored alike.

    Writes comparison.json, .md, .tex and .html; prints the Markdown table.

    Example: tbd compare results/mine results/eat --published 1
    """
    from tbd.evaluate.compare import compared_runs
    from tbd.evaluate.compare.ablation import ablation_tables
    from tbd.evaluate.compare.comparison import compare as compared
    from tbd.evaluate.compare.comparison_tables import comparison_table, write_comparison
    from tbd.evaluate.outputs.tables import markdown

    if clips and not figure:
        raise UsageError(
            "--clips names the clips of --figure; the table is over all that the runs share", next="--figure"
        )
    runs = compared_runs.load(results or compared_runs.only_results())
    found = compared(runs, against)
    folder = output or compared_runs.output_folder(runs)
    if dry_run:
        facts = {
            "runs": [run.name for run in runs],
            "metrics": [one.protocol for one in found.columns],
            "output": str(folder),
        }
        document(facts) if json else out("\n".join(f"{key}: {value}" for key, value in facts.items()))
        return
    paper = _paper(published, dataset, ablation, runs)
    tables = ablation_tables(found, paper) if ablation else [comparison_table(found, paper)]
    figures = _figure(found, options.lines(clips), times, folder) if figure else []
    page = write_comparison(folder, found, tables, figures)
    document(found.document()) if json else out("\n".join([*map(markdown, tables), str(page)]))


def _paper(number: PaperTable | None, dataset: PaperDataset | None, ablation: bool, runs: list[Any]) -> Any:
    from tbd.evaluate.compare.published import published

    chosen = number or (PaperTable.two if ablation else PaperTable.one)
    if chosen is PaperTable.none:
        return None
    names = {name for run in runs for name in run.record.truth_root}
    known = dataset.value if dataset else "hdtf" if names == {"hdtf"} else "mead"
    return published(int(chosen.value), known)


def _figure(found: Any, clips: tuple[str, ...] | None, times: str, folder: Path) -> list[Any]:
    import base64

    from markupsafe import Markup

    from tbd.evaluate.compare.moments_figure import draw_moments, moments

    shares = moments(times)
    if clips is None:
        clips = tuple(sorted({clip for one in found.columns for clip in one.clips})[:1])
        if clips:
            say(f"--figure without --clips FILE: the first clip, {clips[0]}")
    paths = draw_moments(found.runs, clips, shares, folder)
    picture = base64.b64encode(paths[0].read_bytes()).decode()
    tag = Markup('<figure><img alt="The runs at the same moments" src="data:image/png;base64,{}"></figure>').format(
        picture
    )
    say(f"{paths[0]} (also .svg and .pdf)")
    return [("The same moments", f"Clips: {', '.join(clips)}", tag)]
