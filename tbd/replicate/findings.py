"""From rendered videos to answers: what every run shows, Table 2 with intervals, and the claims."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbd.demo.measures import Estimate
from tbd.replicate import claims
from tbd.replicate.claims import Claim, over_clips, steering
from tbd.replicate.plan import MANIFESTS, RenderedRun, portrait_names, rendered_runs
from tbd.replicate.readings import ClipReading, Read, read_grid, read_run
from tbd.replicate.recipe import ReplicationRecipe

Readings = dict[str, ClipReading]


@dataclass(frozen=True)
class ReplicationFindings:
    """Everything a report needs.

    Attributes:
        runs: in their order.
        readings: run -> clip -> what it shows.
        grids: portrait -> (emotion, level) -> what it shows.
        steering: run -> correlation of units asked for and measured.
        scores: run, and after the runs baseline -> metric -> score, as in ``scores.json``.
        claims: with their answers.
        reader: how well the reader reads people whom it has not seen: words.
        text_encoder: how far its embeddings tell the units: words.
    """

    runs: tuple[RenderedRun, ...]
    readings: Mapping[str, Readings]
    grids: Mapping[str, Mapping[tuple[str, int], ClipReading]]
    steering: Mapping[str, Estimate]
    scores: Mapping[str, Mapping[str, Any]]
    claims: tuple[Claim, ...]
    reader: str
    text_encoder: str


def measure_replication(
    folder: Path, recipe: ReplicationRecipe, read: Read, reader: str, text_encoder: str
) -> ReplicationFindings:
    """Read all videos of a finished replication and answer its claims.

    Args:
        folder: of the replication.
        recipe: what was asked for.
        read: looks at a video.
        reader: how well it does, in words.
        text_encoder: how well that of the models does, in words.

    Raises:
        InputError: a clip has no truth beside it, or there are no scores.
    """
    runs = rendered_runs(recipe)
    readings = {run.name: read_run(folder, run.name, MANIFESTS[run.row], read) for run in runs}
    grids = {name: read_grid(folder, name, read) for name in portrait_names(recipe)} if "full" in recipe.rows else {}
    found = {run.name: over_clips(list(readings[run.name].values()), steering) for run in runs}
    document = json.loads((folder / "results" / "replication" / "scores.json").read_text(encoding="utf-8"))
    scores = {one["name"]: one["scores"] for one in (*document["runs"], *document["baselines"])}
    answers = _claims(recipe, runs, readings, list(grids.values()), found)
    return ReplicationFindings(tuple(runs), readings, grids, found, scores, tuple(answers), reader, text_encoder)


def _claims(
    recipe: ReplicationRecipe,
    runs: Sequence[RenderedRun],
    readings: Mapping[str, Readings],
    grids: Sequence[Mapping[tuple[str, int], ClipReading]],
    correlations: Mapping[str, Estimate],
) -> list[Claim]:
    rows = {row: _of_row(row, runs, readings) for row in recipe.rows}
    found: list[Claim] = []
    for name, question, better, worse in (
        ("fine-prompts", "Do fine prompts beat labels (Table 2)?", "cot", "label"),
        ("description", "Do they beat a plain description (Table 2)?", "cot", "describe"),
        ("progressive", "Does progressive guidance add to them (Table 2)?", "full", "cot"),
    ):
        if better in rows and worse in rows:
            found.append(claims.better_row(name, question, rows[better], rows[worse]))
    if "full" not in rows:
        return found
    full = list(rows["full"].values())
    first = recipe.seeds[0]
    levels = {run.k or 2: correlations[run.name] for run in runs if run.row == "full" and run.seed == first
              and run.direction == "denoising"}  # fmt: skip
    found = [claims.prompts_steer(full), *found]
    if len(levels) > 1:
        found.append(claims.best_levels(levels))
    found += [claims.intensities_graded(grids), claims.happy_is_not_sad(grids)]
    once = [one for key, one in rows["full"].items() if key.startswith(f"{first}/")]  # a clip is not its own neighbour
    return [*found, claims.mouth_follows(full), claims.people_apart(once)]


def _of_row(row: str, runs: Sequence[RenderedRun], readings: Mapping[str, Readings]) -> Readings:
    """The clips of a row over all seeds, as trained."""
    plain = [run for run in runs if run.row == row and run.k is None and run.direction == "denoising"]
    return {f"{run.seed}/{clip}": one for run in plain for clip, one in readings[run.name].items()}
