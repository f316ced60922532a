"""How good the gates are: precision and recall of every flag, from what people decided.

People decide nearly all flagged rows but only a seeded share of the clean ones, so every decided row
stands for others: its weight is (rows of its stratum) / (decided rows of its stratum). The strata are
the severities of the flagged rows, and the clean rows that were drawn for the blind audit. A verdict is an
acceptance, an edit or a rejection of the *text*: what is wrong with the clip says nothing of the gates, nor
does a bulk decision, which nobody made flag by flag. A flag is right when the reviewer confirmed its code;
where none of a row's flags was confirmed, when the row was edited or rejected and the flag not refuted. It
is missing when a reviewer named the code on a row that does not have it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.manifest.decision_log import DecisionLog, opened_log
from tbd.manifest.review_figures.agreement import Figure
from tbd.manifest.review_figures.audit_draw import recorded_draw
from tbd.manifest.reviews import Event

ANY = "any flag"
"""The gates as a whole: needs review, or not, against wrong, or not."""
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class GateFigures:
    """One flag, or the gates as a whole (``ANY``).

    Attributes:
        code: of the flag.
        right, wrong: decided rows whose flag was confirmed, and was not (rows as counted, unweighted).
        missed: decided rows that should have had it.
        precision: share of the flagged rows, weighted, that are right.
        recall: share of the rows, weighted, that should have the flag and have it.
    """

    code: str
    right: int
    wrong: int
    missed: int
    precision: Figure
    recall: Figure


@dataclass(frozen=True, slots=True)
class Audit:
    """The gates of a manifest, measured.

    Attributes:
        gates: ``ANY`` first, then by code.
        strata: name -> (rows, decided rows); ``clean`` is decided in the audit only.
        notes: what to keep in mind with these figures.
    """

    gates: tuple[GateFigures, ...]
    strata: Mapping[str, tuple[int, int]]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    """A decided row: what the gates said, what people said, what it stands for, and with whom it was drawn."""

    flags: frozenset[str]
    flagged: bool
    wanted: frozenset[str]
    bad: bool
    stratum: str
    chain: str


def audit(folder: str | Path, *, seed: int = 0) -> Audit:
    """``audit_in`` the reviews of a manifest folder, or of its Parquet file.

    Raises:
        InputError: no manifest, or a damaged store.
    """
    with opened_log(folder) as log:
        return audit_in(log, seed=seed)


def audit_in(log: DecisionLog, *, seed: int = 0) -> Audit:
    """Precision and recall of the gates of a manifest, with 95 % intervals (chains resampled within strata)."""
    table = log.rows.table(["flags", "severity", "needs_review"])
    strata = Counter(_strata(table["severity"].to_pylist(), table["needs_review"].to_pylist()))
    decided = _decided(log, table)
    sizes = {name: (count, sum(row.stratum == name for row in decided)) for name, count in sorted(strata.items())}
    gates = _gates(decided, sizes, seed) if decided else ()
    return Audit(gates, sizes, _notes(sizes, recorded_draw(log.rows.file.parent).share))


def _strata(severities: Sequence[int], needs: Sequence[bool]) -> list[str]:
    return [f"severity {severity}" if need else "clean" for severity, need in zip(severities, needs, strict=True)]


def _decided(log: DecisionLog, table: Any) -> list[_Row]:
    """The decided rows that count: all flagged ones, and the clean ones that were judged blind."""
    found = []
    for clip_id, number in log.judged().items():
        flags, severity, needs = (table[name][number].as_py() for name in table.column_names)
        judged = [opinion.event for opinion in log.opinions(clip_id) if _is_verdict(opinion.event, needs)]
        if judged:
            found.append(_row(frozenset(flags), severity, needs, judged, log.rows.chain(number)))
    return found


def _is_verdict(event: Event, flagged: bool) -> bool:
    return not (event.about_clip or event.bulk) and (flagged or event.queue == "audit")


def _row(flags: frozenset[str], severity: int, needs: bool, judged: Sequence[Event], chain: str) -> _Row:
    bad = any(event.action in ("edit", "reject") for event in judged)
    named = frozenset(code for event in judged for code in event.flags)
    refuted = frozenset(code for event in judged for code in event.refuted)
    wanted = named | (flags - refuted if bad and needs and not named & flags else frozenset())
    return _Row(flags, needs, wanted, bad or bool(named), f"severity {severity}" if needs else "clean", chain)


def _gates(decided: Sequence[_Row], sizes: Mapping[str, tuple[int, int]], seed: int) -> tuple[GateFigures, ...]:
    codes = [ANY, *sorted({code for row in decided for code in row.flags | row.wanted})]
    kinds = np.array([[_kinds(code, row) for code in codes] for row in decided])  # (rows, codes, 3)
    weights = np.array([sizes[row.stratum][0] / sizes[row.stratum][1] for row in decided])
    sums = _resampled((kinds * weights[:, None, None]).reshape(len(decided), -1), decided, seed)
    counts = kinds.sum(axis=0).tolist()
    shares = sums.reshape(len(sums), len(codes), 3)
    gates = []
    for at, code in enumerate(codes):
        right, wrong, missed = counts[at]
        gates.append(GateFigures(code, right, wrong, missed, _share(shares[:, at], 1), _share(shares[:, at], 2)))
    return tuple(gates)


def _kinds(code: str, row: _Row) -> tuple[bool, bool, bool]:
    """Whether a flag is right, wrong, missed on a row."""
    has = row.flagged if code == ANY else code in row.flags
    should = row.bad if code == ANY else code in row.wanted
    return has and should, has and not should, should and not has


def _resampled(kinds: npt.NDArray[np.float64], decided: Sequence[_Row], seed: int) -> npt.NDArray[np.float64]:
    """``(1 + 1000, n)`` sums of ``(rows, n)``: of the rows as they are, then of chains drawn with replacement."""
    random, sums = np.random.default_rng(seed), np.zeros((1 + _RESAMPLES, kinds.shape[1]))
    for stratum in sorted({row.stratum for row in decided}):
        chains: dict[str, list[int]] = {}
        for at, row in enumerate(decided):
            if row.stratum == stratum:
                chains.setdefault(row.chain, []).append(at)
        totals = np.stack([kinds[numbers].sum(axis=0) for numbers in chains.values()])
        sums[0] += totals.sum(axis=0)
        for resample in range(1, len(sums)):
            drawn = random.integers(0, len(totals), len(totals))
            sums[resample] += np.bincount(drawn, minlength=len(totals)) @ totals
    return sums


def _share(sums: npt.NDArray[np.float64], against: int) -> Figure:
    whole = sums[:, 0] + sums[:, against]
    if whole[0] == 0:
        return Figure(None)
    shares = sums[whole > 0, 0] / whole[whole > 0]
    low, high = np.quantile(shares[1:], [0.025, 0.975]).tolist() if len(shares) > 1 else (None, None)
    return Figure(float(shares[0]), low, high)


def _notes(sizes: Mapping[str, tuple[int, int]], share: float) -> tuple[str, ...]:
    notes = [f"weights: rows / decided rows of each stratum; the audit draws {share:.1%} of the clean chains"]
    if not sizes.get("clean", (0, 0))[1]:
        notes.append("no clean row was audited yet: recall counts only what flagged rows lack, and is too high")
    for name, (count, done) in sizes.items():
        if name != "clean" and 0 < done < count:
            notes.append(f"{name}: {done} of {count} rows decided, in queue order and not at random")
    return tuple(notes)
