"""``scores.json`` for people: what the text on the terminal and the page have in common, and the text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tbd.evaluate.measures.statistics import COVERAGE
from tbd.evaluate.metrics.registry import known

ARROWS = {"higher": "↑", "lower": "↓", "closest": "→0"}

WIDTH = 100
"""Characters of a line of the table; more metrics than fit go into a second table below the first."""

UNPUBLISHED = "not the published weights"

GAP = "  "


def text(document: Mapping[str, Any]) -> list[str]:
    """Tables with a row a run and baseline and a column a metric, then protocols, warnings and what is missing."""
    keys = columns(document)
    return [*_tables(document, keys), *_below(document, keys)]


def rows(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Runs, then baselines."""
    return [*document["runs"], *document["baselines"]]


def columns(document: Mapping[str, Any]) -> list[str]:
    """Keys of the metrics that some run has a status for, skipped ones left out, in the order of the tables."""
    present = {key for row in document["runs"] for key, one in row["scores"].items() if one["status"] != "skipped"}
    return [key for key in [*known(), *sorted(present - known().keys())] if key in present]


def number(value: float | None) -> str:
    """Four significant digits, never in powers of ten: ``31.42``, ``0.8512``, ``1203``."""
    if value is None:
        return "–"
    size = abs(value)
    digits = 4 if size < 1 else 3 if size < 10 else 2 if size < 100 else 1 if size < 1000 else 0
    return f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0: no minus before a zero


def title(key: str) -> str:
    """Of a metric, for the head of a table."""
    return known()[key][0].title if key in known() else key


def direction(document: Mapping[str, Any], key: str) -> str:
    """Which values of a metric are better."""
    return str(next(one["direction"] for row in rows(document) if (one := row["scores"].get(key))))


def mark(one: Mapping[str, Any]) -> str:
    """What stands at a number: ``!`` where the weights are not the published ones, ``*`` with another warning."""
    unpublished = one["weights"] and not one["weights"]["published"]
    return "!" if unpublished else "*" if one["warnings"] else ""


def low(one: Mapping[str, Any]) -> bool:
    """Whether a number covers less than 80 % of its clips."""
    return bool(one["n"] < COVERAGE * one["of"])


def warnings(document: Mapping[str, Any], keys: Sequence[str]) -> Iterator[str]:
    """Each warning once, with the numbers that it stands beside."""
    found: dict[str, dict[str, list[str]]] = {}
    for row in rows(document):
        for key in keys:
            one = row["scores"].get(key) or {}
            failure = [one["reason"]] if one.get("status") == "failed" else []
            for words in [*one.get("warnings", ()), *failure]:
                found.setdefault(words, {}).setdefault(row["name"], []).append(title(key))
    for words, places in found.items():
        same = len({tuple(titles) for titles in places.values()}) == 1
        titles = ", ".join(next(iter(places.values())))
        everywhere = f"{'all' if len(places) == len(rows(document)) else ', '.join(places)}: {titles}"
        apart = "; ".join(f"{name}: {', '.join(titles)}" for name, titles in places.items())
        yield f"{words} ({everywhere if same else apart})"


def floors(document: Mapping[str, Any], keys: Sequence[str]) -> Iterator[str]:
    """What the distances of the runs are to be held against: the ground truth against itself, on as many clips."""
    for run in document["runs"]:
        for key in keys:
            found = (run["scores"].get(key) or {"details": {}})["details"]
            if "floor" not in found:
                continue
            here, floor, limit = found["at_floor_size"], found["floor"], found.get("extrapolated")
            words = f"{title(key)} of {run['name']} on {floor['n']} clips a side: {number(here['value'])}; "
            words += f"the ground truth against itself there: {number(floor['value'])}"
            if limit:
                words += f"; on endless clips, by a line in 1/N: {number(limit['limit'])} ± {number(limit['residual'])}"
            yield words


def skipped(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Metrics that were not computed, those with one reason together: ``("FID, KID", "weights missing: …")``."""
    found: dict[str, list[str]] = {}
    for key, one in (document["runs"][0]["scores"] if document["runs"] else {}).items():
        if one["status"] == "skipped":
            found.setdefault(one["reason"], []).append(title(key))
    return [(", ".join(titles), reason) for reason, titles in found.items()]


def _tables(document: Mapping[str, Any], keys: Sequence[str]) -> Iterator[str]:
    names = [row["name"] for row in rows(document)]
    left = max(map(len, names), default=0)
    for part in _parts(document, keys, left):
        yield " " * left + "".join(GAP + head.rjust(width) for head, _, width in part)
        for i, name in enumerate(names):
            yield name.ljust(left) + "".join(GAP + cells[i].rjust(width) for _, cells, width in part)
        yield ""


def _parts(document: Mapping[str, Any], keys: Sequence[str], left: int) -> Iterator[list[tuple[str, list[str], int]]]:
    """Columns as (head, cells, width), as many as fit beside the names."""
    part: list[tuple[str, list[str], int]] = []
    for key in keys:
        head = f"{title(key)} {ARROWS[direction(document, key)]}"
        cells = [_cell(row["scores"].get(key)) for row in rows(document)]
        width = max(map(len, [head, *cells]))
        if part and left + sum(len(GAP) + one[2] for one in part) + len(GAP) + width > WIDTH:
            yield part
            part = []
        part.append((head, cells, width))
    if part:
        yield part


def _cell(one: Mapping[str, Any] | None) -> str:
    if one is None or one["value"] is None:
        return "–"
    part = f" ({one['n']}/{one['of']})" if one["n"] != one["of"] else ""
    return number(one["value"]) + mark(one) + part


def _below(document: Mapping[str, Any], keys: Sequence[str]) -> Iterator[str]:
    for run in document["runs"]:
        yield f"{run['name']}: {_matched(run)}"
    for key in keys:
        one = next(row["scores"][key] for row in document["runs"] if key in row["scores"])
        yield f"{title(key)}: {one['protocol']}, {one['aggregate']}"
    for words in warnings(document, keys):
        yield f"{'!' if words.startswith(UNPUBLISHED) else '*'} {words}"
    yield from floors(document, keys)
    for titles, reason in skipped(document):
        yield f"skipped {titles}: {reason}"
    yield from document["notes"]


def _matched(run: Mapping[str, Any]) -> str:
    clips = run["clips"]
    words = f"matched {clips['matched']} of {clips['expected']}"
    return (
        words
        + "".join(f"\n  {one}" for one in clips["unmatched"][:5])
        + (f"\n  and {clips['unmatched_total'] - 5} more" if clips["unmatched_total"] > 5 else "")
    )
