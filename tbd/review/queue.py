"""Which cards a reviewer gets, and in what order. A card is a chain: rows that share one text."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
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
        place: ``(rows,)`` number of the card that a row is on, -1 for none.
        flagged: flag code -> rows on the cards that have it, ascending.
        choices: filter -> value -> rows of the queue that have it, before any filter.
        weights: flag code -> the least severity of a row of the manifest that has it, which it cannot exceed.
        severity: ``(rows,)`` of the whole manifest.
        codes: flags of every row of the manifest.
    """

    units: list[list[int]]
    place: Numbers
    flagged: Mapping[str, Numbers]
    choices: Mapping[str, Mapping[str, int]]
    weights: Mapping[str, int]
    severity: npt.NDArray[np.int8]
    codes: pa.ChunkedArray

    def __len__(self) -> int:
        return len(self.units)


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
    table = rows.table(_COLUMNS)
    clean = ~np.asarray(table["needs_review"], bool)
    keep = {"flagged": ~clean, "audit": clean}.get(name, np.ones(len(table), bool))
    if name in (QueueName.DISAGREEMENTS, QueueName.DECIDED):
        keep = np.isin(np.arange(len(table)), list(chosen))
    marked = np.array(sorted(rows.numbers(bookmarks)), np.int64)
    choices = _choices(table.filter(pa.array(keep))) | {"bookmark": {"yes": int(keep[marked].sum())}}
    for key, value in filters.items():
        if key == "bookmark":
            keep &= np.isin(np.arange(len(table)), marked)
        else:
            keep &= rows.having(value) if key == "text" else _matches(table, key, value)
    numbers = np.flatnonzero(keep)
    units = _units(table["chain_id"].take(numbers).to_pylist(), numbers.tolist())
    return _queue(_ordered(name, units, table, clean, draw, chosen), table["flags"], table["severity"], choices)


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


def _ordered(
    name: str,
    units: Mapping[str, list[int]],
    table: pa.Table,
    clean: npt.NDArray[np.bool_],
    draw: AuditDraw,
    chosen: Sequence[int],
) -> list[list[int]]:
    if name == QueueName.FLAGGED:
        severity = np.asarray(table["severity"])
        return sorted(units.values(), key=lambda unit: (-max(severity[unit]), unit[0]))
    if name == QueueName.AUDIT:
        return [units[chain] for chain in _drawn(table, clean, draw) if chain in units]
    if name == QueueName.DECIDED:
        at = {number: place for place, number in enumerate(chosen)}
        return sorted(units.values(), key=lambda unit: min(at[number] for number in unit))
    return list(units.values())


def _units(chains: list[str], numbers: list[int]) -> dict[str, list[int]]:
    units: dict[str, list[int]] = {}
    for chain, number in zip(chains, numbers, strict=True):
        units.setdefault(chain, []).append(number)
    return units


def _drawn(table: pa.Table, clean: npt.NDArray[np.bool_], draw: AuditDraw) -> list[str]:
    """Drawn among all clean chains, whatever the filters, so that a filter never changes the sample."""
    return draw.drawn(table["chain_id"].filter(pa.array(clean)).to_pylist())


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


def _queue(
    units: list[list[int]],
    flags: pa.ChunkedArray,
    severity: pa.ChunkedArray,
    choices: Mapping[str, Mapping[str, int]],
) -> Queue:
    place = np.full(len(flags), -1, np.int64)
    for at, unit in enumerate(units):
        place[unit] = at
    having, weights = _flagged(flags), np.asarray(severity)
    return Queue(
        units,
        place,
        {code: queued for code, rows in having.items() if len(queued := rows[place[rows] >= 0])},
        choices,
        {code: int(weights[rows].min()) for code, rows in having.items()},
        weights,
        flags,
    )
