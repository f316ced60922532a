"""Which cards a reviewer gets, and in what order. A card is a chain: rows that share one text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tbd.errors import UsageError
from tbd.manifest.review_figures.audit_draw import AuditDraw
from tbd.manifest.row_lookup import RowLookup
from tbd.review.card import FILTERS
from tbd.review.kinds import QueueName
from tbd.selection import Selection, nearest, select

_COLUMNS = ("chain_id", "flags", "severity", "needs_review", "emotion", "level", "subject")
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Queue:
    """Cards in order.

    Attributes:
        units: row numbers of each card, ascending.
        choices: filter -> value -> rows of the queue that have it, before any filter.
        codes, severity: ``(rows,)`` of the whole manifest: flags, and how much the heaviest weighs.
    """

    units: list[list[int]]
    choices: Mapping[str, Mapping[str, int]]
    codes: pa.ChunkedArray
    severity: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.units)

    @cached_property
    def place(self) -> Numbers:
        """``(rows,)`` number of the card that a row is on, -1 for none."""
        place = np.full(len(self.codes), -1, np.int64)
        for at, unit in enumerate(self.units):
            place[unit] = at
        return place

    @cached_property
    def flagged(self) -> dict[str, Numbers]:
        """Flag code -> rows on the cards that have it, ascending."""
        return {code: rows[self.place[rows] >= 0] for code, rows in _flagged(self.codes).items()}

    @cached_property
    def weights(self) -> dict[str, int]:
        """Flag code -> the least severity of a row of the manifest that has it, which it cannot exceed."""
        return {code: int(self.severity[rows].min()) for code, rows in _flagged(self.codes).items()}


def build(
    name: str,
    filters: Mapping[str, str],
    rows: RowLookup,
    draw: AuditDraw,
    chosen: Sequence[int] = (),
    bookmarks: Collection[str] = (),
) -> Queue:
    """The queue ``name`` of a manifest.

    Args:
        filters: ``FILTERS`` -> value; ``a|b`` is either.
        chosen: row numbers in their order: those in dispute, or those that the reviewer decided.
        bookmarks: clips that the reviewer bookmarked.
    """
    table, numbers = rows.table(_COLUMNS), np.arange(len(rows))
    clean, severity = ~np.asarray(table["needs_review"], bool), np.asarray(table["severity"])
    keep = {"flagged": ~clean, "audit": clean}.get(name, np.ones(len(rows), bool))
    if name in (QueueName.DISAGREEMENTS, QueueName.DECIDED):
        keep = np.isin(numbers, list(chosen))
    marked = np.isin(numbers, rows.numbers(bookmarks))
    choices = _choices(table.filter(pa.array(keep))) | {"bookmark": {"yes": int((keep & marked).sum())}}
    for key, value in filters.items():
        special = {"bookmark": lambda _: marked, "text": rows.having}.get(key)
        keep = keep & (special(value) if special else _matches(table, key, value))
    units = defaultdict[str, list[int]](list)
    for number, chain in zip(numbers[keep].tolist(), table["chain_id"].filter(pa.array(keep)).to_pylist(), strict=True):
        units[chain].append(number)
    ordered = list(units.values())
    if name == QueueName.FLAGGED:
        ordered.sort(key=lambda unit: (-max(severity[unit]), unit[0]))
    elif name == QueueName.AUDIT:  # drawn among all clean chains, so that a filter never changes the sample
        drawn = draw.drawn(table["chain_id"].filter(pa.array(clean)).to_pylist())
        ordered = [units[chain] for chain in drawn if chain in units]
    elif name == QueueName.DECIDED:
        at = {number: place for place, number in enumerate(chosen)}
        ordered.sort(key=lambda unit: min(at[number] for number in unit))
    return Queue(ordered, choices, table["flags"], severity)


def canonical(filters: Mapping[str, str], rows: RowLookup) -> dict[str, str]:
    """Filters in the spelling of the manifest: ``emotion=angry`` is ``anger``, ``level=intense`` is ``3``.

    Raises:
        UsageError: an unknown filter, or a value that no row has; the message names the nearest.
    """
    known = _choices(rows.table(_COLUMNS)) if filters else {}
    found = dict(filters)
    for key in filters:
        if known.get(key) or key not in FILTERS:
            items = [{key: value} for value in known.get(key, {"": 0})]
            asked = Selection({key: filters[key]})
            found[key] = "|".join(item[key] for item in select(items, asked, keys=FILTERS))
    return found


def refuse(name: str, filters: Mapping[str, str]) -> None:
    """Raises ``UsageError`` for a queue, or a filter, that does not exist."""
    if name not in set(QueueName):
        raise UsageError(f"no queue {name!r}; there are: {', '.join(QueueName)}", next="--queue flagged")
    if unknown := sorted(filters.keys() - set(FILTERS)):
        near = nearest(unknown[0], FILTERS)
        hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(FILTERS)}"
        raise UsageError(f"no filter {unknown[0]!r}; {hint}", next=f"--where {near or FILTERS[0]}=VALUE")


def _matches(table: pa.Table, key: str, value: str) -> npt.NDArray[np.bool_]:
    if key == "flag":
        found = np.zeros(len(table), bool)
        for code in value.split("|"):
            found[_flagged(table["flags"]).get(code, [])] = True
        return found
    wanted = pa.array(value.split("|"), pa.string())
    return np.asarray(pc.fill_null(pc.is_in(table[key].cast(pa.string()), wanted), False))


def _flagged(flags: pa.ChunkedArray) -> dict[str, Numbers]:
    """Flag code -> numbers of the rows that have it."""
    lists: Any = flags.combine_chunks()
    codes, rows = pc.list_flatten(lists), np.asarray(pc.list_parent_indices(lists))
    return {code: rows[np.asarray(pc.equal(codes, code))] for code in pc.unique(codes).to_pylist()}


def _choices(table: pa.Table) -> dict[str, dict[str, int]]:
    found = {"flag": {code: len(rows) for code, rows in _flagged(table["flags"]).items()}}
    for key in FILTERS[1:4]:
        pairs = table[key].drop_null().value_counts().to_pylist()
        found[key] = {str(pair["values"]): pair["counts"] for pair in pairs}
    return {key: dict(sorted(values.items())) for key, values in found.items()}
