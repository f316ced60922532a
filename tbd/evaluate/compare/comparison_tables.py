"""A comparison as tables for a paper, and the folder that it is written into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tbd import workspace
from tbd.evaluate.compare.comparison import SIGNIFICANT, MetricColumn, RunComparison
from tbd.evaluate.compare.published import PublishedTable
from tbd.evaluate.metrics.base import Aggregate
from tbd.evaluate.outputs.scoreboard import number
from tbd.evaluate.outputs.tables import (
    ARROWS,
    ScoreTable,
    TableCell,
    TableRow,
    environment,
    html,
    latex,
    markdown,
    ranks,
)

NAME = "comparison"
OWN_PROTOCOL = "published, own protocol"


def comparison_table(
    found: RunComparison, paper: PublishedTable | None = None, title: str = "Comparison"
) -> ScoreTable:
    """A row a run and a column a metric; ``*`` where a difference from the run that all are tested against holds.

    Args:
        paper: published rows, shown below and never part of a test or of what is best.
    """
    columns = [one for one in found.columns if any(value.value is not None for value in one.values)]
    marked = [ranks([value.value for value in one.values], one.metric.direction) for one in columns]
    rows = [
        TableRow(run.name, tuple(_cell(one, i, mark[i]) for one, mark in zip(columns, marked, strict=True)))
        for i, run in enumerate(found.runs)
    ]
    notes = list(found.notes)
    if any(test and _holds(test) for one in columns for test in one.tests):
        notes.insert(0, f"*: differs from {found.runs[found.against].name} (Holm-corrected p < {SIGNIFICANT})")
    shown = [row for row in (paper.rows if paper else ()) if any(one.metric.key in row.values for one in columns)]
    if paper:
        rows += [_published_row(row.method, row.values, columns) for row in shown]
        told = f"rows in italics: {paper.title} of {paper.source}, {OWN_PROTOCOL}: not to be held against the others"
        notes.append(told if shown else f"{paper.title} of {paper.source} has none of these columns")
    heads = tuple(f"{one.metric.title} {ARROWS[one.metric.direction]}" for one in columns)
    counts = sorted({len(one.clips) for one in columns})
    clips = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}" if counts else "0"
    caption = "Over the one clip that all runs have" if clips == "1" else f"Over the {clips} clips that all runs have"
    caption += f"; in italics: {OWN_PROTOCOL}" if shown else ""
    return ScoreTable(title, heads, tuple(rows), caption, tuple(notes))


def write_comparison(
    folder: Path, found: RunComparison, tables: Sequence[ScoreTable], figures: Sequence[Any] = ()
) -> Path:
    """Write ``comparison.json``, ``.md``, ``.tex`` and ``.html`` into a folder.

    Args:
        figures: ``(title, caption, HTML)`` shown below the tables.

    Raises:
        InputError, MissingError: they cannot be written.
    """
    workspace.write_json(folder / f"{NAME}.json", found.document())
    workspace.write_text(folder / f"{NAME}.md", "\n".join(map(markdown, tables)))
    workspace.write_text(folder / f"{NAME}.tex", "\n".join(map(latex, tables)))
    sections = [(table.title, table.caption, html(table)) for table in tables] + list(figures)
    notes = list(dict.fromkeys(note for table in tables for note in table.notes))
    protocols = [f"{one.metric.title}: {one.protocol}" for one in found.columns]
    page = environment().get_template("page.html")
    names = " · ".join(run.name for run in found.runs)
    lists = [("Notes", notes), ("Tests", _test_lines(found)), ("How each number was made", protocols)]
    workspace.write_text(
        folder / f"{NAME}.html", page.render(title=f"Comparison: {names}", sections=sections, lists=lists)
    )
    return folder / f"{NAME}.html"


def _cell(column: MetricColumn, i: int, rank: Any) -> TableCell:
    value, test = column.values[i], column.tests[i]
    if value.value is None:
        return TableCell(title=value.reason)
    mark = ("" if column.published else "!") + ("*" if test and _holds(test) else "")
    return TableCell(
        number(value.value), rank, _spread(value), f"{column.protocol}; {value.n} clips{_tested(test)}", mark
    )


def _spread(value: Aggregate) -> str:
    return " – ".join(map(number, value.ci95)) if value.ci95 else ""


def _tested(test: Mapping[str, Any] | None) -> str:
    if not test or test["p"] is None:
        return ""
    return f"; difference {test['difference']:+.4g}, Wilcoxon p {test['p']:.3g}, Holm {test['holm']:.3g}"


def _holds(test: Mapping[str, Any]) -> bool:
    return test["holm"] is not None and test["holm"] < SIGNIFICANT


def _published_row(method: str, values: Mapping[str, str], columns: Sequence[MetricColumn]) -> TableRow:
    cells = [
        TableCell(values[one.metric.key], title=OWN_PROTOCOL) if one.metric.key in values else TableCell()
        for one in columns
    ]
    return TableRow(method, tuple(cells), "published")


def _test_lines(found: RunComparison) -> list[str]:
    base = found.runs[found.against].name
    lines = []
    for one in found.columns:
        for run, test in zip(found.runs, one.tests, strict=True):
            if test:
                ends = f" [{test['ci95'][0]:+.4g}, {test['ci95'][1]:+.4g}]" if test["ci95"] else ""
                words = (
                    f"{one.metric.title}: {run.name} − {base}: {test['difference']:+.4g}{ends} over {test['n']} clips"
                )
                lines.append(words + (f", p {test['p']:.3g}, Holm {test['holm']:.3g}" if test["p"] is not None else ""))
    return lines
