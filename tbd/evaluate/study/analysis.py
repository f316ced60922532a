"""From votes to Table 3: who is counted, the opinion of each system by criterion, and how sure that is."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from tbd.errors import InputError
from tbd.evaluate.measures.significance import holm, paired_test
from tbd.evaluate.study import mos
from tbd.evaluate.study.mos import Votes
from tbd.evaluate.study.study_folder import CRITERIA, Study
from tbd.evaluate.study.votes import Vote

FEW_RATERS = 15
"""Raters below which the field's own advice calls a study small."""


def analyse(study: Study, votes: Sequence[Vote], *, everybody: bool = False) -> dict[str, Any]:
    """The document of ``report.json``.

    Args:
        everybody: also count raters who failed an attention check or gave one answer throughout.

    Raises:
        InputError: nobody that counts has voted.
    """
    raters = [
        _rater(study, rater, [vote for vote in votes if vote.rater == rater]) for rater in range(len(study.raters))
    ]
    counted = [one["rater"] for one in raters if one["votes"] and (everybody or not one["reasons"])]
    if not counted:
        told = f"{sum(bool(one['votes']) for one in raters)} voted, none of them passed the checks"
        raise InputError(f"{study.name}: no rater to count ({told})", next="tbd study report STUDY --everybody")
    rows = [(clip, system) for clip in range(len(study.clips)) for system in range(len(study.systems))]
    matrices = {one.key: _matrix(study, votes, counted, rows, one.key) for one in CRITERIA}
    for one in raters:
        if one["rater"] in counted:
            place = counted.index(one["rater"])
            one["bt500_rejects"] = [key for key, matrix in matrices.items() if mos.screened(matrix)[place]]
    return {
        "study": study.name, "systems": list(study.systems), "clips": len(study.clips),
        "strata": sorted({clip.stratum for clip in study.clips}), "counted": len(counted), "raters": raters,
        "criteria": {one.key: {"title": one.title} | _criterion(study, matrices[one.key], rows) for one in CRITERIA},
        "notes": _notes(study, raters, counted, everybody),
    }  # fmt: skip


def _rater(study: Study, rater: int, votes: Sequence[Vote]) -> dict[str, Any]:
    """How a rater did, and why the votes do not count, if so."""
    checks = {vote.position: study.orders[rater][vote.position] for vote in votes}
    asked = [
        (vote, study.checks[number].answer)
        for vote in votes
        for number, system in [checks[vote.position]]
        if system < 0
    ]
    failed = sum(any(value != answer for value in vote.answers.values()) for vote, answer in asked)
    given = [value for vote in votes if checks[vote.position][1] >= 0 for value in vote.answers.values()]
    reasons = [f"failed {failed} of {len(asked)} attention checks"] if failed else []
    if len(given) >= 2 * len(CRITERIA) and len(set(given)) == 1:
        reasons.append(f"always answered {given[0]}")
    of = len(study.orders[rater])
    return {
        "rater": rater,
        "votes": len(votes),
        "of": of,
        "checks_failed": failed,
        "checks": len(asked),
        "reasons": reasons,
    }


def _matrix(
    study: Study, votes: Sequence[Vote], counted: Sequence[int], rows: Sequence[tuple[int, int]], key: str
) -> Votes:
    found = np.full((len(rows), len(counted)), np.nan)
    row_of, column_of = {item: i for i, item in enumerate(rows)}, {rater: i for i, rater in enumerate(counted)}
    for vote in votes:
        item = study.orders[vote.rater][vote.position]
        if item in row_of and vote.rater in column_of:
            found[row_of[item], column_of[vote.rater]] = vote.answers[key]
    return found


def _criterion(study: Study, matrix: Votes, rows: Sequence[tuple[int, int]]) -> dict[str, Any]:
    systems = np.array([system for _, system in rows])
    strata = np.array([study.clips[clip].stratum for clip, _ in rows])
    rated = ~np.isnan(matrix).all(axis=1)
    model = mos.bias_model(matrix[rated])
    found, agreement = [], mos.icc(matrix)
    for system, name in enumerate(study.systems):
        own = systems == system
        by = {stratum: _opinion(matrix[own & (strata == stratum)]) for stratum in dict.fromkeys(strata.tolist())}
        quality = model.quality[own[rated]]
        entry = _opinion(matrix[own]) | {
            "p910": float(quality.mean()) if len(quality) and not model.degenerate else None
        }
        found.append({"system": name, **entry, "strata": by})
    return {
        "systems": found, "tests": _tests(study, matrix, systems),
        "icc": asdict(agreement) if agreement else None, "alpha": mos.alpha(matrix),
        "bias": model.bias.tolist(), "inconsistency": model.inconsistency.tolist(), "degenerate": model.degenerate,
    }  # fmt: skip


def _opinion(matrix: Votes) -> dict[str, Any]:
    means = mos.rater_means(matrix)
    votes = int((~np.isnan(matrix)).sum())
    return asdict(mos.opinion(means)) | {"votes": votes} if votes else {"mos": None, "ci95": None, "n": 0, "votes": 0}


def _tests(study: Study, matrix: Votes, systems: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
    """Wilcoxon's test of each pair of systems over the clips' means, only votes of who rated both; Holm over the pairs."""
    pairs = list(itertools.combinations(range(len(study.systems)), 2))
    results = []
    for one, two in pairs:
        first, second = matrix[systems == one], matrix[systems == two]
        both = ~np.isnan(first) & ~np.isnan(second)
        rows = both.any(axis=1)
        # of whole votes, divided once: equal differences are equal numbers, and ties for the ranks
        apart = np.nanmean(np.where(both, first - second, np.nan)[rows], axis=1)
        results.append(paired_test(apart, np.zeros_like(apart)) if rows.any() else None)
    corrected = holm([result.p if result else None for result in results])
    return [
        {"first": study.systems[one], "second": study.systems[two], **asdict(result), "holm": p}
        for (one, two), result, p in zip(pairs, results, corrected, strict=True)
        if result
    ]


def _notes(study: Study, raters: Sequence[Mapping[str, Any]], counted: Sequence[int], everybody: bool) -> list[str]:
    silent = [one["rater"] + 1 for one in raters if not one["votes"]]
    partial = [f"{one['rater'] + 1} ({one['votes']} of {one['of']})" for one in raters if 0 < one["votes"] < one["of"]]
    left = [f"rater {one['rater'] + 1} {' and '.join(one['reasons'])}" for one in raters if one["reasons"]]
    screened = [f"{one['rater'] + 1} ({', '.join(one['bt500_rejects'])})" for one in raters if one.get("bt500_rejects")]
    words = [f"{len(counted)} of {len(study.raters)} raters are counted; intervals are Student's t over raters"]
    words += [f"no votes from rater {', '.join(map(str, silent))}"] if silent else []
    words += [f"rated only in part: rater {', '.join(partial)}"] if partial else []
    words += [f"{'counted all the same' if everybody else 'not counted'}: {one}" for one in left]
    words += [f"BT.500 would leave out rater {', '.join(screened)}; they are counted"] if screened else []
    words += [f"fewer than {FEW_RATERS} raters: a small study"] if len(counted) < FEW_RATERS else []
    return words
