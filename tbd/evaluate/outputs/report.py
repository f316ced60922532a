"""``report.html``: the scores as one self-contained page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from tbd import workspace
from tbd.evaluate.inputs.jobs import ScoreRow
from tbd.evaluate.outputs import clip_table
from tbd.evaluate.outputs.scoreboard import (
    ARROWS,
    UNPUBLISHED,
    columns,
    direction,
    floors,
    low,
    mark,
    number,
    rows,
    skipped,
    title,
    warnings,
)


def write_page(folder: Path, document: Mapping[str, Any], clips: Sequence[ScoreRow]) -> Path:
    """Write ``report.html``: no script, no other file, light and dark as the reader's system.

    Args:
        document: of ``scores.json``.
        clips: the rows of ``clips.parquet``.

    Raises:
        InputError: the folder cannot be written.
    """
    path = folder / "report.html"
    workspace.write_text(path, page(document, folder.resolve().name, clips))
    return path


def page(document: Mapping[str, Any], name: str, clips: Sequence[ScoreRow] = ()) -> str:
    """The page as HTML."""
    keys = columns(document)
    settings = ", ".join(f"{key} {value}" for key, value in document["settings"].items())
    sections = [
        f"<h1>Scores: {escape(name)}</h1>",
        f"<p>Ground truth: {escape(document['truth'])}; {escape(settings)}; tbd {escape(document['tbd'])}.</p>",
        f"<div class=wide>{_table(document, keys)}</div>" if keys else "<p>No metric could be computed.</p>",
        f"<p class=small>{_legend(document, keys)}</p>",
        _list("Warnings", list(warnings(document, keys))),
        _list("Floors of distances between sets", list(floors(document, keys))),
        f"<h2>Clips</h2>{''.join(_clips(run, keys, clips) for run in document['runs'])}",
        f"<h2>How each number was made</h2><div class=wide>{_protocols(document, keys)}</div>",
        _not_computed(skipped(document)),
        _list("Notes", document["notes"]),
    ]
    head = f"<meta charset=utf-8><meta name=viewport content='width=device-width'><title>{escape(name)}</title>"
    body = f"<main>{''.join(sections)}</main>"
    return f"<!doctype html><html lang=en><head>{head}<style>{_STYLE}</style></head><body>{body}</body></html>\n"


def _table(document: Mapping[str, Any], keys: Sequence[str]) -> str:
    heads = "".join(f"<th>{escape(title(key))} {ARROWS[direction(document, key)]}</th>" for key in keys)
    best = {key: _best(document, key) for key in keys}
    body = "".join(
        _row(row, keys, best if row in document["runs"] else {}, row in document["baselines"]) for row in rows(document)
    )
    return f"<table><thead><tr><th></th>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _best(document: Mapping[str, Any], key: str) -> float | None:
    values: list[float] = [
        one["value"] for run in document["runs"] if (one := run["scores"].get(key)) and one["value"] is not None
    ]
    if len(values) < 2:
        return None
    pick = {"higher": max, "lower": min}.get(direction(document, key))
    return pick(values) if pick else min(values, key=abs)


def _row(row: Mapping[str, Any], keys: Sequence[str], best: Mapping[str, float | None], baseline: bool) -> str:
    cells = "".join(_cell(row["scores"].get(key), best.get(key)) for key in keys)
    return f"<tr{' class=baseline' if baseline else ''}><th>{escape(row['name'])}</th>{cells}</tr>"


def _cell(one: Mapping[str, Any] | None, best: float | None) -> str:
    if one is None or one["value"] is None:
        return f"<td title='{escape((one or {}).get('reason', ''), quote=True)}'>–</td>"
    value = number(one["value"])
    value = f"<b>{value}</b>" if best is not None and one["value"] == best else value
    spread = " – ".join(number(end) for end in one["ci95"]) if one["ci95"] else ""
    star = f"<sup title='{escape('; '.join(one['warnings']), quote=True)}'>{mark(one)}</sup>" if mark(one) else ""
    covers = f"{one['n']} of {one['of']}"
    covers = f"<span class=warn>{covers}</span>" if low(one) else covers
    fake = "<span class='warn fake'>unpublished weights</span>" if mark(one) == "!" else ""
    return f"<td>{value}{star}<small>{spread}<br>{covers}{fake}</small></td>"


def _legend(document: Mapping[str, Any], keys: Sequence[str]) -> str:
    marks = {mark(one) for row in rows(document) for key in keys if (one := row["scores"].get(key))}
    words = ["Below each number: its 95 % interval, and the clips that made it of those that should have."]
    words += ["Bold: the best run."] * (len(document["runs"]) > 1)
    words += ["In italics, to hold the runs against: what the true video scores, and what is made of it."] * bool(
        document["baselines"]
    )
    words += ["*: see the warnings."] * ("*" in marks)
    words += [f"!: {UNPUBLISHED}, so this is no result."] * ("!" in marks)
    return " ".join(words)


def _clips(run: Mapping[str, Any], keys: Sequence[str], clips: Sequence[ScoreRow]) -> str:
    found = run["clips"]
    words = f"{escape(run['name'])}: matched {found['matched']} of {found['expected']}"
    own = [row for row in clips if row.name == run["name"] and row.kind == "run"]
    opened = " open" if any(row.status != "ok" for row in own) else ""
    return f"<details{opened}><summary>{words}</summary>{clip_table.table(own, keys)}</details>"


def _protocols(document: Mapping[str, Any], keys: Sequence[str]) -> str:
    lines = []
    for key in keys:
        one = next(row["scores"][key] for row in document["runs"] if key in row["scores"])
        weights = one["weights"]
        looks = (
            f"{weights['file']} ({'published' if weights['published'] else 'not the published file'})"
            if weights
            else "no weights"
        )
        cells = (title(key), one["protocol"], one["aggregate"], one["interval"] or "–", looks)
        lines.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{name}</th>" for name in ("Metric", "Protocol", "Aggregate", "Interval", "Weights"))
    return f"<table class=plain><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _not_computed(found: Sequence[tuple[str, str]]) -> str:
    """What was skipped, a line for each part of the reason; what is to be typed in its own type."""
    lines = [f"<dt>{escape(titles)}</dt><dd>{_typed(reason)}</dd>" for titles, reason in found]
    return f"<h2>Not computed</h2><dl>{''.join(lines)}</dl>" if lines else ""


def _typed(reason: str) -> str:
    lines = "<br>".join(escape(part, quote=False) for part in reason.split("; "))
    return re.sub(
        r"(tbd weights pull [\w.-]+|export \w+=\S+?(?=[)<]|$)|pip install '[^']+')", r"<code>\1</code>", lines
    )


def _list(title: str, lines: Sequence[str]) -> str:
    return f"<h2>{title}</h2><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""


_STYLE = """
:root{color-scheme:light dark;--ink:#1a1a1a;--paper:#fff;--line:#d5d5d5;--soft:#666;--warn:#a3320b}
@media(prefers-color-scheme:dark){:root{--ink:#e6e6e6;--paper:#161616;--line:#3a3a3a;--soft:#a0a0a0;--warn:#ff9d73}}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:72rem;margin:0 auto;padding:2rem 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
.wide{overflow-x:auto}.small,small{color:var(--soft);font-size:.8rem}.warn{color:var(--warn);font-style:normal}.fake{display:block;white-space:normal}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.4rem .6rem;text-align:right;border-bottom:1px solid var(--line);vertical-align:top}
tbody th,.plain td,.plain th{text-align:left;font-weight:normal}thead th{font-weight:600;white-space:nowrap}
.wide th:first-child{position:sticky;left:0;background:var(--paper)}.wide tbody th{min-width:8rem}.clip th{min-width:14rem}
td small,th small{display:block}td small{white-space:nowrap}.baseline th,.baseline td{color:var(--soft);font-style:italic}
details{margin:.3rem 0}summary{cursor:pointer}
li,dd{overflow-wrap:anywhere}dt{font-weight:600;margin-top:.8rem}dd{margin:0 0 0 1rem}sup{cursor:help}
code{font:.9em ui-monospace,monospace;background:color-mix(in srgb,var(--ink) 8%,transparent);padding:.1em .3em}
@media(max-width:40rem){th,td{padding:.3rem .4rem}main{padding:1rem .7rem}.wide tbody th{min-width:5.5rem}.wide .clip th{min-width:9rem}
.plain thead{display:none}.plain tr,.plain td{display:block;border:0;padding:.1rem 0}.plain td:first-child{font-weight:600}
.plain tr{border-bottom:1px solid var(--line);padding:.5rem 0}ul,dd{padding-left:1.2rem;margin-left:0}}
"""
