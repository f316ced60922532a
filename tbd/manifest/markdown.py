"""Reports for people: Markdown from the folder ``templates``, with tables that line up in a terminal too."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tbd.manifest.prompt_levels import CLIP_LIMIT

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"


def report_markdown(found: Mapping[str, Any], name: str) -> str:
    """``report.md`` from the data of ``manifest_report``; ``name`` is the heading."""
    kinds = {kind: counts for kind, counts in found["tokens"].items() if counts["rows"]}
    return rendered(
        "report.md.jinja", {"people": None, **found, "name": name, "kinds": kinds, "clip_limit": CLIP_LIMIT}
    )


def rendered(template: str, values: Mapping[str, Any]) -> str:
    """A template of the folder ``templates``, filled; empty lines are never more than one at a time."""
    text = _environment().get_template(template).render(values)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table with a head line. The first column is flush left, the others right."""
    cells = [[_cell(cell) for cell in row] for row in (head, *rows)]
    widths = [max(3, *(len(row[at]) for row in cells)) for at in range(len(head))]
    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [cells[0], rule, *cells[1:]]
    return "\n".join(
        "| "
        + " | ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        + " |"
        for row in lines
    )


@cache
def _environment() -> Environment:
    from jinja2 import ChainableUndefined, Environment, FileSystemLoader  # 40 ms that only a report needs

    found = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=False,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals["aligned"] = _aligned
    found.filters |= {
        "amount": _amount,
        "cell": _cell,
        "figure": lambda figure: "unknown" if figure["value"] is None else f"{figure['value']:.2f}",
        "interval": _interval,
        "percent": lambda share: f"{100 * share:.0f}" if isinstance(share, float | int) else "",
        "ranges": lambda kinds: sorted({bin for counts in kinds.values() for bin in counts["histogram"]}, key=_number),
        "share": lambda count, of: f"{100 * count / of:.1f} %" if of else "",
        "units": lambda found: sorted({au for by in found.values() for one in by.values() for au in one}, key=_number),
    }
    return found


def _aligned(caller: Callable[[], str]) -> str:
    """The table that a block of a template writes, a line a row and a bar between cells, with columns that line up."""
    head, *rows = ([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in caller().splitlines())
    return f"{markdown_table(head, rows)}\n\n"  # a block swallows the line break after it


def _cell(value: object) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", str(value)).replace("\n", " ")


def _interval(figure: Mapping[str, Any]) -> str:
    known = figure["value"] is not None and figure["low"] is not None and figure["high"] is not None
    return f"{figure['low']:.2f} to {figure['high']:.2f}" if known else ""


def _amount(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,.0f}" if math.isclose(value, round(value)) else f"{value:,.3g}" if value < 100 else f"{value:,.1f}"


def _number(text: str) -> tuple[int, str]:
    digits = text.partition("-")[0]
    return (int(digits) if digits.isdigit() else 999), text
