"""The document of ``scores.json`` as tables: the headline, and the means by emotion and by intensity."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from tbd.evaluate.inputs.jobs import PORTRAITS, ScoreRow
from tbd.evaluate.outputs.scoreboard import ARROWS, columns, direction, low, mark, number, rows, title, warnings
from tbd.evaluate.outputs.tables import ScoreTable, TableCell, TableRow, ranks
from tbd.schema import INTENSITIES


def score_table(document: Mapping[str, Any], name: str) -> ScoreTable:
    """The headline: a row a run and baseline, a column a metric; the best of several runs bold, the second underlined."""
    keys = columns(document)
    marked = {key: _ranks(document, key) for key in keys}
    made = []
    for row in rows(document):
        competes = row in document["runs"]
        cells = tuple(_cell(row["scores"].get(key), marked[key][row["name"]] if competes else "") for key in keys)
        made.append(TableRow(row["name"], cells, "run" if competes else "baseline"))
    heads = tuple(f"{title(key)} {ARROWS[direction(document, key)]}" for key in keys)
    return ScoreTable(name, heads, tuple(made), _caption(document), tuple(warnings(document, keys)))


def breakdown(document: Mapping[str, Any], clips: Sequence[ScoreRow], label: str) -> ScoreTable | None:
    """Means over the clips of each emotion, or each intensity, for metrics with a value a clip.

    Args:
        clips: rows of ``clips.parquet``.
        label: ``emotion`` or ``level``.

    Returns:
        None where fewer than two values are there.
    """
    found: dict[tuple[Any, str, str], list[float]] = defaultdict(list)
    for row in clips:
        value = row.score.value
        if (
            row.kind == "run"
            and row.status == "ok"
            and value is not None
            and math.isfinite(value)
            and row.labels.get(label) is not None
        ):
            found[row.labels[label], row.name, row.protocol.partition("@")[0]].append(value)
    values = sorted({value for value, _, _ in found}, key=str)
    keys = [key for key in columns(document) if any(key == metric for _, _, metric in found)]
    if len(values) < 2 or not keys:
        return None
    names = [run["name"] for run in document["runs"]]
    made = [
        TableRow(
            f"{_word(label, value)}{f' · {name}' if len(names) > 1 else ''}",
            tuple(_mean(found.get((value, name, key))) for key in keys),
        )
        for value in values
        for name in names
    ]
    heads = tuple(f"{title(key)} {ARROWS[direction(document, key)]}" for key in keys)
    what = "Emotions" if label == "emotion" else "Intensities"
    return ScoreTable(what, heads, tuple(made), "Means over clips")


def _ranks(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    scores = [run["scores"].get(key) or {} for run in document["runs"]]
    found = ranks([one.get("value") for one in scores], direction(document, key))
    return dict(zip((run["name"] for run in document["runs"]), found, strict=True))


def _cell(one: Mapping[str, Any] | None, rank: Any) -> TableCell:
    if one is None or one["value"] is None:
        return TableCell(title=(one or {}).get("reason", ""))
    spread = " – ".join(number(end) for end in one["ci95"]) if one["ci95"] else ""
    covers = f"{one['n']} of {one['of']} clips{', fewer than 80 %' if low(one) else ''}"
    told = [
        one["protocol"],
        one["aggregate"],
        covers,
        f"95 %: {spread}, {one['interval']}" if spread else "",
        *one["warnings"],
    ]
    note = f"{spread}\n{one['n']} of {one['of']}".strip()
    return TableCell(number(one["value"]), rank, note, "\n".join(filter(None, told)), mark(one), low(one))


def _caption(document: Mapping[str, Any]) -> str:
    known = {key: value for key, value in document["settings"].items() if value is not None}
    portrait: Any = known.pop("portrait", None)
    settings = ", ".join(f"{key} {value}" for key, value in known.items())
    return f"Ground truth: {document['truth']}; {settings}" + (f"; portrait: {PORTRAITS[portrait]}" if portrait else "")


def _mean(values: Sequence[float] | None) -> TableCell:
    return TableCell(number(math.fsum(values) / len(values)), note=f"{len(values)}") if values else TableCell()


def _word(label: str, value: Any) -> str:
    return str(INTENSITIES.get(value, value)) if label == "level" else str(value)
