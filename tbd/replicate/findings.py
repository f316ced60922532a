"""From rendered videos to answers: what every run shows, Table 2 with intervals, and the claims."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbd.demo.measures import Estimate
from tbd.errors import InputError
from tbd.replicate import claims, face_claims
from tbd.replicate.claims import Claim, over_clips, steering
from tbd.replicate.plan import MANIFESTS, RenderedRun, portrait_names, rendered_runs
from tbd.replicate.readings import ClipReading, Read, read_drawn, read_grid, read_run, usual_units
from tbd.replicate.recipe import ReplicationRecipe

Readings = dict[str, ClipReading]
DRAWN = "the drawn clips"
"""Beside the runs: what the reader sees where nothing was generated."""


@dataclass(frozen=True)
class ReplicationFindings:
    """Everything a report needs.

    Attributes:
        runs: in their order.
        readings: run -> clip -> what it shows.
        drawn: clip -> what the same reader sees in the drawn clip itself.
        grids: portrait -> (emotion, level) -> what it shows.
        steering: run -> correlation of units asked for and measured; the last is that of the drawn clips.
        scores: run, and after the runs baseline -> metric -> score, as in ``scores.json``.
        claims: with their answers.
        reader: how well the reader reads people whom it has not seen: words.
        text_encoder: how far its embeddings tell the units: words.
    """

    runs: tuple[RenderedRun, ...]
    readings: Mapping[str, Readings]
    drawn: Readings
    grids: Mapping[str, Mapping[tuple[str, int], ClipReading]]
    steering: Mapping[str, Estimate]
    scores: Mapping[str, Mapping[str, Any]]
    claims: tuple[Claim, ...]
    reader: str
    text_encoder: str

    @property
    def of_one_training(self) -> list[ClipReading]:
        """The clips of the full model's first seed, each once: a clip is not its own neighbour."""
        first = next((run for run in self.runs if run.row == "full"), None)
        return list(self.readings[first.name].values()) if first else []


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
    manifest = MANIFESTS[recipe.rows[-1]]
    usual = usual_units(folder, manifest)
    readings = {run.name: read_run(folder, run.name, MANIFESTS[run.row], read, usual) for run in runs}
    grids = {name: read_grid(folder, name, read) for name in portrait_names(recipe)} if "full" in recipe.rows else {}
    drawn = read_drawn(folder, manifest, read, usual)
    shown = {**readings, DRAWN: drawn}
    found = {name: over_clips(list(clips.values()), steering) for name, clips in shown.items()}
    scores = _scores(folder)
    answers = _claims(recipe, runs, readings, drawn, list(grids.values()))
    return ReplicationFindings(tuple(runs), readings, drawn, grids, found, scores, tuple(answers), reader, text_encoder)


def _scores(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Run or baseline -> metric -> score."""
    path = folder / "results" / "replication" / "scores.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {one["name"]: one["scores"] for one in (*document["runs"], *document["baselines"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: no scores that can be read ({error})",
            next=f"tbd replicate {shlex.quote(str(folder))}   # after its journal.jsonl was removed, if that says done",
        ) from None


def _claims(
    recipe: ReplicationRecipe,
    runs: Sequence[RenderedRun],
    readings: Mapping[str, Readings],
    drawn: Readings,
    grids: Sequence[Mapping[tuple[str, int], ClipReading]],
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
    if {"label", "cot"} <= rows.keys():
        shown = {str(row): list(clips.values()) for row, clips in rows.items()}
        found.insert(0, claims.beyond_labels(shown | {DRAWN: list(drawn.values())}))
    if "full" not in rows:
        return found
    first = [run for run in runs if run.row == "full" and run.seed == recipe.seeds[0] and run.direction == "denoising"]
    levels = {run.k or 2: list(readings[run.name].values()) for run in first}
    full = list(rows["full"].values())
    found = [claims.prompts_steer(full), *found]
    if len(levels) > 1:
        found.append(claims.best_levels(levels))
    found += [face_claims.intensities_graded(grids), face_claims.happy_is_not_sad(grids)]
    found += [face_claims.mouth_follows(full), face_claims.people_apart(levels[2], list(drawn.values()))]
    return found


def _of_row(row: str, runs: Sequence[RenderedRun], readings: Mapping[str, Readings]) -> Readings:
    """The clips of a row over all seeds, as trained."""
    plain = [run for run in runs if run.row == row and run.k is None and run.direction == "denoising"]
    return {f"{run.seed}/{clip}": one for run in plain for clip, one in readings[run.name].items()}
