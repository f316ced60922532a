"""``tbd study report``: Table 3 in Markdown, LaTeX and HTML, and every number behind it as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tbd import workspace
from tbd.evaluate.outputs.tables import ScoreTable, TableCell, TableRow, environment, html, latex, markdown, ranks
from tbd.evaluate.study.study_folder import CRITERIA

REPORT = "report"


def study_table(document: Mapping[str, Any], stratum: str | None = None) -> ScoreTable:
    """Table 3 of the paper: MOS with its 95 % interval, a row a system and a column a criterion.

    Args:
        document: of ``analysis.analyse``.
        stratum: only clips of this one; None takes all.
    """
    columns = []
    for one in CRITERIA:
        entries = document["criteria"][one.key]["systems"]
        columns.append([entry["strata"][stratum] if stratum else entry for entry in entries])
    marked = [ranks([entry["mos"] for entry in column], "higher") for column in columns]
    rows = [
        TableRow(name, tuple(_cell(column[i], mark[i]) for column, mark in zip(columns, marked, strict=True)))
        for i, name in enumerate(document["systems"])
    ]
    title = f"User study{f', {stratum}' if stratum else ''}"
    caption = f"Mean opinion scores, 1 to 5, of {document['counted']} raters; 95 % t intervals over raters"
    return ScoreTable(title, tuple(f"{one.title} ↑" for one in CRITERIA), tuple(rows), caption)


def agreement_lines(document: Mapping[str, Any]) -> list[str]:
    """How much the raters agree, and which differences hold, in words."""
    lines = []
    for one in CRITERIA:
        found = document["criteria"][one.key]
        icc, alpha = found["icc"], found["alpha"]
        words = f"{one.title}: Krippendorff's alpha {_number(alpha)}"
        if icc:
            words += f", ICC(2,1) {_number(icc['single'])}, ICC(2,k) {_number(icc['average'])}"
            words += f" over the {icc['stimuli']} stimuli that all {icc['raters']} raters rated"
        else:
            words += ", no ICC"
        p910 = ", ".join(f"{entry['system']} {_number(entry['p910'])}" for entry in found["systems"])
        words += "; the P.910 model follows one rater alone" if found["degenerate"] else f"; P.910 model: {p910}"
        lines.append(words)
        for test in found["tests"]:
            apart = f"{test['difference']:+.2f}, p {_p(test['p'])}, Holm {_p(test['holm'])} over {test['n']} clips"
            lines.append(f"{one.title}: {test['first']} against {test['second']}: {apart}")
    return lines


def write_report(folder: Path, document: Mapping[str, Any]) -> Path:
    """Write ``report.json``, ``report.md``, ``report.tex`` and ``report.html`` into the study's folder.

    Raises:
        InputError, MissingError: they cannot be written.
    """
    strata = document["strata"] if len(document["strata"]) > 1 else []
    tables = [study_table(document), *(study_table(document, one) for one in strata)]
    lines = [*document["notes"], *agreement_lines(document)]
    workspace.write_json(folder / f"{REPORT}.json", document)
    listed = "".join(f"- {line}\n" for line in lines)
    workspace.write_text(folder / f"{REPORT}.md", "\n".join(map(markdown, tables)) + f"\n{listed}")
    workspace.write_text(folder / f"{REPORT}.tex", "\n".join(map(latex, tables)))
    page = environment().get_template("page.html")
    sections = [(table.title, table.caption, html(table)) for table in tables]
    content = page.render(
        title=f"User study: {document['study']}", sections=sections, lists=[("How sure this is", lines)]
    )
    workspace.write_text(folder / f"{REPORT}.html", content)
    return folder / f"{REPORT}.html"


def _cell(entry: Mapping[str, Any], rank: Any) -> TableCell:
    if entry["mos"] is None:
        return TableCell()
    half = f" ± {(entry['ci95'][1] - entry['ci95'][0]) / 2:.2f}" if entry["ci95"] else ""
    return TableCell(f"{entry['mos']:.2f}{half}", rank, title=f"{entry['votes']} votes of {entry['n']} raters")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _p(value: float | None) -> str:
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"
