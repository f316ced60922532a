"""The replication's report: a paragraph a claim, the paper's table and figures redrawn, and what it took."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tbd import __version__, workspace
from tbd.evaluate.outputs.tables import environment
from tbd.replicate import figures
from tbd.replicate.findings import ReplicationFindings
from tbd.replicate.plan import ENCODER, READING, WORLD, replication_steps
from tbd.replicate.readings import drawn_clip, emotion_strength
from tbd.replicate.recipe import ReplicationRecipe
from tbd.replicate.step_keys import picture_side

TEMPLATES = Path(__file__).parent / "templates"
METRICS = ("au_corr", "au_f1", "au_mae", "mouth_corr", "identity", "fid", "fvd")
"""Columns of Table 2, all of the reader's: ``KEY@drawn``."""
FACES = 8
"""Clips side by side in the sheet of the rows."""


def write_report(
    folder: Path,
    recipe: ReplicationRecipe,
    findings: ReplicationFindings,
    seconds: Mapping[str, float],
    processor_seconds: Mapping[str, float],
) -> Path:
    """Write ``report.html`` (one file), ``findings.json`` and the figures.

    Args:
        folder: of the replication.
        recipe: what was asked for.
        findings: what came out.
        seconds: step -> how long it took by the clock.
        processor_seconds: step -> time of the processors: what a busy machine does not change.

    Returns:
        The page.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    place = folder / "figures"
    place.mkdir(exist_ok=True)
    pictures, captions = _figures(folder, findings, place)
    document = {
        "version": __version__,
        "recipe": recipe.model_dump(mode="json"),
        "reader": findings.reader,
        "text_encoder": findings.text_encoder,
        "steering": {name: asdict(one) for name, one in findings.steering.items()},
        "claims": [claim.as_json() for claim in findings.claims],
        "scores": {name: _scores(scores) for name, scores in findings.scores.items()},
        "seconds": dict(seconds),
        "processor_seconds": dict(processor_seconds),
    }
    text = (
        environment(TEMPLATES)
        .get_template("report.html")
        .render(
            recipe=recipe,
            side=picture_side(recipe.training, folder),
            findings=findings,
            pictures={name: _inline(path) for name, path in pictures.items()},
            captions=captions,
            metrics=METRICS,
            scores=document["scores"],
            seconds=seconds,
            processor_seconds=processor_seconds,
            steps=replication_steps(recipe),
            timed=[WORLD, ENCODER, *replication_steps(recipe), READING],
        )
    )
    workspace.write_json(folder / "findings.json", _known(document))
    workspace.write_text(folder / "report.html", text)
    return folder / "report.html"


def _figures(folder: Path, findings: ReplicationFindings, place: Path) -> tuple[dict[str, Path], dict[str, str]]:
    names = ("rows", "curves", "faces", "intensities", "people", *(f"grid {name}" for name in findings.grids))
    paths = {name: place / f"{name.replace(' ', '-')}.png" for name in names}
    figures.draw_estimates(findings.steering, "Units asked for against units measured", paths["rows"])
    if curves := _curves(folder, findings):
        figures.draw_curves(curves, paths["curves"])
    clips = sorted(findings.drawn)[:FACES]
    rows = {
        run.name: [folder / "runs" / run.name / "videos" / f"{clip}.mp4" for clip in clips] for run in findings.runs
    }
    figures.draw_faces({"drawn": [folder / drawn_clip(clip) for clip in clips], **rows}, paths["faces"])
    captions = {}
    if once := findings.of_one_training:
        captions["people"] = figures.draw_people(once, paths["people"].with_suffix(""))
    strengths = [
        {key: emotion_strength(one, key[0]) for key, one in grid.items() if key[0] != "neutral"}
        for grid in findings.grids.values()
    ]
    if strengths:
        figures.draw_intensities(strengths, paths["intensities"])
    for name in findings.grids:
        paths[f"grid {name}"] = folder / "grids" / f"{name}.png"
    return {name: path for name, path in paths.items() if path.is_file()}, captions


def _curves(folder: Path, findings: ReplicationFindings) -> dict[str, list[dict[str, Any]]]:
    """Stage -> what was measured on clips kept back while it was trained: the common stages, and the first full model's."""
    full = [f"{run.row}-seed{run.seed}" for run in findings.runs if run.row == "full"][:1]
    places = ["base", "base-stage2", *(f"{name}{stage}" for name in full for stage in ("-stage1", ""))]
    found = {}
    for place in places:
        path = folder / "checkpoints" / place / "validation.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        found[place] = [one for one in map(json.loads, lines) if "of" not in one]
    return {place: lines for place, lines in found.items() if lines}


def _known(document: Any) -> Any:
    """The same with null for what is no number: JSON has no NaN."""
    if isinstance(document, Mapping):
        return {key: _known(value) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [_known(value) for value in document]
    return None if isinstance(document, float) and not math.isfinite(document) else document


def _scores(scores: Mapping[str, Any]) -> dict[str, str]:
    """Metric -> value and interval, as words."""
    found = {}
    for key, score in scores.items():
        if score["value"] is not None:
            low_high = score["ci95"]
            found[key] = f"{score['value']:.3f}" + (f" ({low_high[0]:.3f} to {low_high[1]:.3f})" if low_high else "")
    return found


def _inline(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
