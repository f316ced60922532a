"""Which cards a reviewer gets, and in what order. A card is a chain: rows that share one text."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tbd.errors import UsageError
from tbd.manifest.run import read_run
from tbd.review.card import FILTERS, QUEUES
from tbd.review.rows import Rows

_COLUMNS = ("chain_id", "flags", "severity", "needs_review", "emotion", "level", "subject")
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Draw:
    """The seeded share of the clean chains that is audited: recipe keys ``gates.audit``, ``chain.seed``."""

    share: float = 0.01
    seed: int = 0

    def drawn(self, chains: Iterable[str]) -> list[str]:
        """The share of the chains, rounded up, in random order: a beginning of it is a random sample too."""
        ordered = sorted(set(chains), key=lambda chain: (luck(f"audit:{self.seed}:{chain}"), chain))
        return ordered[: math.ceil(self.share * len(ordered))]


def luck(words: str) -> float:
    """A number in [0, 1) that depends on the words alone."""
    return int.from_bytes(hashlib.sha256(words.encode("utf-8", "surrogatepass")).digest()[:8], "big") / 2**64


def recorded_draw(folder: Path) -> Draw:
    """The audit that ``run.json``'s recipe asks for."""
    run = read_run(folder)
    recipe = run.recipe if run else {}
    given = {"share": recipe.get("gates", {}).get("audit"), "seed": recipe.get("chain", {}).get("seed")}
    return Draw(**{key: value for key, value in given.items() if value is not None})


@dataclass(frozen=True)
class Queue:
    """Cards in order.

    Attributes:
        units: row numbers of each card, ascending.
        place: ``(rows,)`` number of the card that a row is on, -1 for none.
        flagged: flag code -> rows on the cards that have it, ascending.
        choices: filter -> value -> rows of the queue that have it, before any filter.
    """

    units: list[list[int]]
    place: Numbers
    flagged: Mapping[str, Numbers]
    choices: Mapping[str, Mapping[str, int]]

    def __len__(self) -> int:
        return len(self.units)


def build(name: str, filters: Mapping[str, str], rows: Rows, draw: Draw, conflicts: Collection[int] = ()) -> Queue:
    """The queue ``name`` of a manifest.

    Args:
        filters: ``flag emotion level subject`` -> value.
        conflicts: row numbers about which reviewers disagree.
    """
    table = rows.table(_COLUMNS)
    clean = ~np.asarray(table["needs_review"], bool)
    keep = {"flagged": ~clean, "audit": clean}.get(name, np.ones(len(table), bool))
    if name == "disagreements":
        keep = np.isin(np.arange(len(table)), list(conflicts))
    choices = _choices(table.filter(pa.array(keep)))
    for key, value in filters.items():
        keep &= _matches(table, key, value)
    numbers = np.flatnonzero(keep)
    units = _units(table["chain_id"].take(numbers).to_pylist(), numbers.tolist())
    if name == "flagged":
        severity = np.asarray(table["severity"])
        ordered = sorted(units.values(), key=lambda unit: (-max(severity[unit]), unit[0]))
    elif name == "audit":
        ordered = [units[chain] for chain in _drawn(table, clean, draw) if chain in units]
    else:
        ordered = list(units.values())
    return _queue(ordered, table["flags"], choices)


def refuse(name: str, filters: Mapping[str, str]) -> None:
    """Raises ``UsageError`` for a queue, or a filter, that does not exist."""
    if name not in QUEUES:
        raise UsageError(f"no queue {name!r}; there are: {', '.join(QUEUES)}", next=f"--queue {QUEUES[0]}")
    if unknown := sorted(filters.keys() - set(FILTERS)):
        raise UsageError(f"no filter {unknown[0]!r}; there are: {', '.join(FILTERS)}")


def _units(chains: list[str], numbers: list[int]) -> dict[str, list[int]]:
    units: dict[str, list[int]] = {}
    for chain, number in zip(chains, numbers, strict=True):
        units.setdefault(chain, []).append(number)
    return units


def _drawn(table: pa.Table, clean: npt.NDArray[np.bool_], draw: Draw) -> list[str]:
    """Drawn among all clean chains, whatever the filters, so that a filter never changes the sample."""
    return draw.drawn(table["chain_id"].filter(pa.array(clean)).to_pylist())


def _matches(table: pa.Table, key: str, value: str) -> npt.NDArray[np.bool_]:
    if key == "flag":
        found = np.zeros(len(table), bool)
        found[_flagged(table["flags"]).get(value, [])] = True
        return found
    return np.asarray(pc.fill_null(pc.equal(table[key].cast(pa.string()), str(value)), False))


def _flagged(flags: pa.ChunkedArray) -> dict[str, Numbers]:
    """Flag code -> numbers of the rows that have it."""
    lists: Any = flags.combine_chunks()
    codes, rows = pc.list_flatten(lists), np.asarray(pc.list_parent_indices(lists))
    return {code: rows[np.asarray(pc.equal(codes, code))] for code in pc.unique(codes).to_pylist()}


def _choices(table: pa.Table) -> dict[str, dict[str, int]]:
    found = {"flag": {code: len(rows) for code, rows in _flagged(table["flags"]).items()}}
    for key in FILTERS[1:]:
        pairs = table[key].drop_null().value_counts().to_pylist()
        found[key] = {str(pair["values"]): pair["counts"] for pair in pairs}
    return {key: dict(sorted(values.items())) for key, values in found.items()}


def _queue(units: list[list[int]], flags: pa.ChunkedArray, choices: Mapping[str, Mapping[str, int]]) -> Queue:
    place = np.full(len(flags), -1, np.int64)
    for at, unit in enumerate(units):
        place[unit] = at
    found = {code: rows[place[rows] >= 0] for code, rows in _flagged(flags).items()}
    return Queue(units, place, {code: rows for code, rows in found.items() if len(rows)}, choices)
