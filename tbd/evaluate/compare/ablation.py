"""``tbd compare --ablation``: runs as the paper lays them out: Table 2, by k (Fig. 9), by intensity (Fig. 10)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tbd.evaluate.compare.compared_runs import ComparedRun
from tbd.evaluate.compare.comparison import RunComparison, compare
from tbd.evaluate.compare.comparison_tables import comparison_table
from tbd.evaluate.compare.published import PublishedTable
from tbd.evaluate.outputs.tables import ScoreTable
from tbd.schema import INTENSITIES

TABLE_2 = ("fid", "fvd", "lpips", "sync_conf")


def ablation_tables(found: RunComparison, paper: PublishedTable | None) -> list[ScoreTable]:
    """Table 2's columns; runs in the order of k, where they say it; each intensity by itself, where clips have one."""
    kept = tuple(one for one in found.columns if one.metric.key in TABLE_2)
    tables = [comparison_table(replace(found, columns=kept or found.columns), paper, "Ablation, as Table 2")]
    base = found.runs[found.against]
    levels = {run.name: prompt_levels(run.facts) for run in found.runs}
    known = [run for run in found.runs if levels[run.name] is not None]
    if len({levels[run.name] for run in known}) > 1:
        ordered = sorted(known, key=lambda run: (levels[run.name] or 0, run.name))
        named = [replace(run, name=f"{run.name} (k = {levels[run.name]})") for run in ordered]
        against = next((one.name for one, run in zip(named, ordered, strict=True) if run is base), None)
        tables.append(comparison_table(compare(named, against), title="Levels of prompts k, as Fig. 9"))
    return tables + _by_intensity(found.runs, base.name)


def prompt_levels(facts: Mapping[str, Any]) -> int | None:
    """How many levels of prompts a run was guided by, as its ``run.json`` says: ``k`` or ``levels`` under ``guidance``.

    With the schedule ``none`` all texts are heard as one, whatever ``levels`` says.
    """
    guidance = facts.get("guidance")
    if isinstance(guidance, str):
        try:
            guidance = json.loads(guidance)
        except ValueError:
            return None
    if isinstance(guidance, Mapping):
        guidance = 1 if guidance.get("schedule") == "none" else guidance.get("k", guidance.get("levels"))
    return guidance if isinstance(guidance, int) and not isinstance(guidance, bool) else None


def _by_intensity(runs: Sequence[ComparedRun], against: str) -> list[ScoreTable]:
    levels = sorted(
        {
            level
            for run in runs
            for rows in run.rows.values()
            for row in rows.values()
            if (level := row.labels.get("level"))
        }
    )
    if len(levels) < 2:
        return []
    tables = []
    for level in levels:
        cut = [replace(run, rows={name: _of_level(rows, level) for name, rows in run.rows.items()}) for run in runs]
        word = INTENSITIES.get(level, f"level {level}")
        tables.append(comparison_table(compare(cut, against), title=f"Intensity {word}, as Fig. 10"))
    return tables


def _of_level(rows: Mapping[str, Any], level: int) -> dict[str, Any]:
    return {clip: row for clip, row in rows.items() if row.labels.get("level") == level}
