"""``scores.json`` for people: a text for the terminal and one self-contained page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from tbd import workspace
from tbd.evaluate.suite import known

ARROWS = {"higher": "↑", "lower": "↓", "closest": "→0"}


def text(document: Mapping[str, Any]) -> list[str]:
    """A table with a row a run and anchor and a column a metric, then protocols, warnings and notes."""
    keys = columns(document)
    head = ["", *(f"{_title(key)} {ARROWS[_direction(document, key)]}" for key in keys)]
    lines = [[row["name"], *(_cell(row["scores"].get(key)) for key in keys)] for row in rows(document)]
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    found = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in [head, *lines]
    ]
    return [line.rstrip() for line in found] + list(_below(document, keys))


def rows(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Runs, then anchors."""
    return [*document["runs"], *document["anchors"]]


def columns(document: Mapping[str, Any]) -> list[str]:
    """Keys of the metrics that some run has a status for, skipped ones left out, in the order of the tables."""
    present = {key for row in document["runs"] for key, one in row["scores"].items() if one["status"] != "skipped"}
    return [key for key in [*known(), *sorted(present - known().keys())] if key in present]


def write_page(folder: Path, document: Mapping[str, Any]) -> Path:
    """Write ``report.html``: no script, no other file, light and dark as the reader's system.

    Raises:
        InputError: the folder cannot be written.
    """
    path = folder / "report.html"
    workspace.write_text(path, page(document, folder.name))
    return path


def page(document: Mapping[str, Any], title: str) -> str:
    """The page as HTML."""
    keys = columns(document)
    head = "".join(f"<th>{escape(_title(key))} {ARROWS[_direction(document, key)]}</th>" for key in keys)
    best = {key: _best(document, key) for key in keys}
    body = "".join(
        _html_row(row, keys, best if row in document["runs"] else {}, row in document["anchors"])
        for row in rows(document)
    )
    settings = ", ".join(f"{key} {value}" for key, value in document["settings"].items())
    matched = "".join(f"<li>{escape(run['name'])}: {_matched(run)}</li>" for run in document["runs"])
    sections = [
        f"<h1>{escape(title)}</h1>",
        f"<p>Ground truth: {escape(document['truth'])}; {escape(settings)}; tbd {escape(document['tbd'])}.</p>",
        f"<div class=wide><table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table></div>",
        f"<p class=small>{_LEGEND}</p>",
        f"<h2>Clips</h2><ul>{matched}</ul>",
        f"<h2>How each number was made</h2><div class=wide>{_protocols(document, keys)}</div>",
        _list("Warnings", list(_warnings(document, keys))),
        _list("Not computed", [f"{key}: {reason}" for key, reason in _skipped(document)]),
        _list("Notes", [note for note in document["notes"] if " is skipped: " not in note]),
    ]
    return f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'><title>{escape(title)}</title><style>{_STYLE}</style><main>{''.join(sections)}</main></html>\n"


def number(value: float | None) -> str:
    """Four significant digits, never in powers of ten: ``31.42``, ``0.8512``, ``1203``."""
    if value is None:
        return "–"
    size = abs(value)
    digits = 4 if size < 1 else 3 if size < 10 else 2 if size < 100 else 1 if size < 1000 else 0
    return f"{value:.{digits}f}"


def _title(key: str) -> str:
    return known()[key][0].title if key in known() else key


def _direction(document: Mapping[str, Any], key: str) -> str:
    return str(next(one["direction"] for row in rows(document) if (one := row["scores"].get(key))))


def _cell(one: Mapping[str, Any] | None) -> str:
    if one is None or one["value"] is None:
        return "–"
    star = "*" if one["warnings"] else ""
    part = f" ({one['n']}/{one['of']})" if one["n"] != one["of"] else ""
    return number(one["value"]) + star + part


def _below(document: Mapping[str, Any], keys: Sequence[str]) -> Iterator[str]:
    for run in document["runs"]:
        yield f"{run['name']}: {_plain_matched(run)}"
    for key in keys:
        one = next(row["scores"][key] for row in document["runs"] if key in row["scores"])
        yield f"{_title(key)}: {one['protocol']}, {one['aggregate']}"
    for words in _warnings(document, keys):
        yield f"* {words}"
    for key, reason in _skipped(document):
        yield f"skipped {key}: {reason}"


def _plain_matched(run: Mapping[str, Any]) -> str:
    clips = run["clips"]
    words = f"matched {clips['matched']} of {clips['expected']}"
    return (
        words
        + "".join(f"\n  {one}" for one in clips["unmatched"][:5])
        + (f"\n  and {clips['unmatched_total'] - 5} more" if clips["unmatched_total"] > 5 else "")
    )


def _matched(run: Mapping[str, Any]) -> str:
    clips = run["clips"]
    left = "".join(f"<li>{escape(one)}</li>" for one in clips["unmatched"])
    words = f"matched {clips['matched']} of {clips['expected']}"
    return (
        f"{words}<details><summary>{clips['unmatched_total']} not scored</summary><ul>{left}</ul></details>"
        if left
        else words
    )


def _warnings(document: Mapping[str, Any], keys: Sequence[str]) -> Iterator[str]:
    """Each warning once, with the numbers that it stands beside."""
    found: dict[str, dict[str, list[str]]] = {}
    for row in rows(document):
        for key in keys:
            one = row["scores"].get(key) or {}
            failure = [one["reason"]] if one.get("status") == "failed" else []
            for words in [*one.get("warnings", ()), *failure]:
                found.setdefault(words, {}).setdefault(row["name"], []).append(_title(key))
    for words, places in found.items():
        same = len({tuple(titles) for titles in places.values()}) == 1
        titles = ", ".join(next(iter(places.values())))
        everywhere = f"{'all' if len(places) == len(rows(document)) else ', '.join(places)}: {titles}"
        apart = "; ".join(f"{name}: {', '.join(titles)}" for name, titles in places.items())
        yield f"{words} ({everywhere if same else apart})"


def _skipped(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Metrics that were not computed, those with one reason together: ``("fid, kid", "weights missing: …")``."""
    found: dict[str, list[str]] = {}
    for key, one in (document["runs"][0]["scores"] if document["runs"] else {}).items():
        if one["status"] == "skipped":
            found.setdefault(one["reason"], []).append(key)
    return [(", ".join(keys), reason) for reason, keys in found.items()]


def _best(document: Mapping[str, Any], key: str) -> float | None:
    values: list[float] = [
        one["value"] for run in document["runs"] if (one := run["scores"].get(key)) and one["value"] is not None
    ]
    if len(values) < 2:
        return None
    pick = {"higher": max, "lower": min}.get(_direction(document, key))
    return pick(values) if pick else min(values, key=abs)


def _html_row(row: Mapping[str, Any], keys: Sequence[str], best: Mapping[str, float | None], anchor: bool) -> str:
    cells = "".join(_html_cell(row["scores"].get(key), best.get(key)) for key in keys)
    return f"<tr{' class=anchor' if anchor else ''}><th>{escape(row['name'])}</th>{cells}</tr>"


def _html_cell(one: Mapping[str, Any] | None, best: float | None) -> str:
    if one is None or one["value"] is None:
        return f"<td title='{escape((one or {}).get('reason', ''), quote=True)}'>–</td>"
    value = number(one["value"])
    value = f"<b>{value}</b>" if best is not None and one["value"] == best else value
    spread = " – ".join(number(end) for end in one["ci95"]) if one["ci95"] else ""
    mark = f"<sup title='{escape('; '.join(one['warnings']), quote=True)}'>*</sup>" if one["warnings"] else ""
    return f"<td>{value}{mark}<small>{spread}<br>{one['n']} of {one['of']}</small></td>"


def _protocols(document: Mapping[str, Any], keys: Sequence[str]) -> str:
    lines = []
    for key in keys:
        one = next(row["scores"][key] for row in document["runs"] if key in row["scores"])
        weights = one["weights"]
        looks = (
            f"{weights['file']} ({'published' if weights['published'] else 'not the published file'})"
            if weights
            else "none"
        )
        cells = (_title(key), one["protocol"], one["aggregate"], one["interval"] or "–", looks)
        lines.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{name}</th>" for name in ("Metric", "Protocol", "Aggregate", "Interval", "Weights"))
    return f"<table class=plain><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _list(title: str, lines: Sequence[str]) -> str:
    return f"<h2>{title}</h2><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""


_LEGEND = (
    "Below each number: its 95 % interval, and the clips that made it of those that should have. "
    "Bold: the best run. Anchors are in italics."
)

_STYLE = """
:root{color-scheme:light dark;--ink:#1a1a1a;--paper:#fff;--line:#d5d5d5;--soft:#666}
@media(prefers-color-scheme:dark){:root{--ink:#e6e6e6;--paper:#161616;--line:#3a3a3a;--soft:#a0a0a0}}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:72rem;margin:0 auto;padding:2rem 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
.wide{overflow-x:auto}.small,small{color:var(--soft);font-size:.8rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.4rem .8rem;text-align:right;border-bottom:1px solid var(--line);vertical-align:top}
tbody th,.plain td,.plain th{text-align:left;font-weight:normal}thead th{font-weight:600;white-space:nowrap}
td small{display:block;white-space:nowrap}.anchor th,.anchor td{color:var(--soft);font-style:italic}
li{overflow-wrap:anywhere}sup{cursor:help}
"""
