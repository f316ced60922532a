"""One table in three forms: Markdown, LaTeX (booktabs, best bold, second underlined), HTML. Every cell is escaped."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

Rank = Literal["", "best", "second"]
Kind = Literal["run", "baseline", "published"]

ARROWS = {"higher": "↑", "lower": "↓", "closest": "→0"}
NONE = "–"


@dataclass(frozen=True)
class TableCell:
    """One number of a table.

    Attributes:
        text: as it is shown.
        rank: among the rows that compete.
        note: below the number in HTML: interval and coverage.
        title: what a reader sees who rests on it in HTML.
        mark: ``*`` or ``!`` where something must be known of it.
        low: the number covers too few clips: the last line of ``note`` is coloured.
    """

    text: str = NONE
    rank: Rank = ""
    note: str = ""
    title: str = ""
    mark: str = ""
    low: bool = False


@dataclass(frozen=True)
class TableRow:
    """A system.

    Attributes:
        kind: published rows and baselines do not compete for bold.
    """

    name: str
    cells: tuple[TableCell, ...]
    kind: Kind = "run"


@dataclass(frozen=True)
class ScoreTable:
    """A table for a paper.

    Attributes:
        heads: of the columns, arrows included.
        caption: one or a few sentences.
        notes: what a reader must know, a line each.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[TableRow, ...]
    caption: str = ""
    notes: tuple[str, ...] = field(default_factory=tuple)


def ranks(values: Sequence[float | None], direction: str) -> list[Rank]:
    """Which value is best and which second, ties alike; nothing is marked where fewer than two compete.

    Args:
        direction: ``higher``, ``lower`` or ``closest`` (to 0).
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    if len(known) < 2 or direction not in ARROWS:
        return [""] * len(values)
    worth = {"higher": lambda value: -value, "lower": lambda value: value, "closest": abs}[direction]
    order = sorted({worth(value) for value in known})
    if len(order) < 2:
        return [""] * len(values)
    names: dict[float, Rank] = {order[0]: "best", order[1]: "second"}
    return [names.get(worth(value), "") if value is not None and math.isfinite(value) else "" for value in values]


def markdown(table: ScoreTable) -> str:
    """GitHub's tables: best bold, second underlined."""
    return _rendered("table.md", table).strip() + "\n"


def latex(table: ScoreTable) -> str:
    r"""A ``table`` environment, no wider than the text; it needs ``\usepackage{booktabs,graphicx}``."""
    return _rendered("table.tex", table).strip() + "\n"


def html(table: ScoreTable) -> Markup:
    """A ``<table>``, for a page that has the style of ``report.html``."""
    return Markup(_rendered("table.html", table))


def latex_escape(text: str) -> str:
    """Text that LaTeX prints as it is; a sign that plain pdfLaTeX has not becomes a question mark."""
    signs = {sign: f"\\{sign}" for sign in "&%$#_{}"}
    signs |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "<": "$<$", ">": "$>$"}
    signs |= {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "→": r"$\rightarrow$", "±": r"$\pm$", "×": r"$\times$"}
    signs |= {"–": "--", "−": "$-$", "…": r"\ldots{}", "·": r"$\cdot$", "|": r"\textbar{}", '"': "''"}
    signs["--"] = "-{}-"  # of an option, and no dash
    plain = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿ"
    return re.sub(
        "--|.",
        lambda found: signs.get(found[0], found[0] if found[0].isascii() or found[0] in plain else "?"),
        text,
        flags=re.DOTALL,
    )


def _rendered(template: str, table: ScoreTable) -> str:
    return str(environment().get_template(template).render(table=table))


def _markdown_escape(text: Any) -> str:
    return re.sub(r"([\\|*_`<>])", r"\\\1", str(text)).replace("\n", " ")


@functools.cache
def environment(folder: Path | None = None) -> Environment:
    """The templates of results: HTML is escaped by itself, the others by the filters ``tex`` and ``md``.

    Args:
        folder: of further templates, looked into first: other reports extend ``document.html`` too.
    """
    ours = Path(__file__).parent / "templates"
    found = Environment(
        loader=FileSystemLoader([folder, ours] if folder else ours),
        autoescape=lambda name: bool(name and name.endswith((".html", ".svg"))),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"tex": lambda text: latex_escape(str(text)), "md": _markdown_escape}
    return found
