"""The demo's report: what was done, what can be seen, what was measured, and what such a small model cannot do."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tbd import workspace
from tbd.demo.measures import Estimate, estimate, recognised
from tbd.demo.mouth import MouthReader, follows_sound, follows_truth
from tbd.evaluate.outputs.tables import environment
from tbd.manifest import read_manifest
from tbd.manifest.rows import as_rows
from tbd.media import video
from tbd.schema import ManifestRow

TEMPLATES = Path(__file__).parent / "templates"
SHOWN = 8
"""Frames of a strip."""


@dataclass(frozen=True)
class DemoFigures:
    """What was measured on the rendered test clips.

    Attributes:
        persons: share of videos that look most like their own person.  chance: that share by guessing.
        mouth: correlation of the mouth's opening with the loudness.  other_sound: the same with another clip's sound: chance.
        real_mouth: the same of the drawn clips: the ceiling.  reading: of the opening that is read with the true one.
    """

    persons: Estimate
    chance: float
    mouth: Estimate
    other_sound: Estimate
    real_mouth: Estimate
    reading: Estimate


def measure_demo(folder: Path) -> DemoFigures:
    """Measure ``runs/demo`` of a demo's workspace against its drawn clips."""
    rows = {row["clip_id"]: row for row in as_rows(read_manifest(folder / "data_manifests" / "mead"))}
    made = {
        path.stem: path for path in sorted((folder / "runs" / "demo" / "videos").glob("*.mp4")) if path.stem in rows
    }
    real = {clip_id: folder / "mead" / row["file_name"] for clip_id, row in rows.items()}
    gallery = {
        row["subject"]: real[clip_id] for clip_id, row in rows.items() if clip_id not in made and row["approved"]
    }
    subjects = {clip_id: rows[clip_id]["subject"] for clip_id in made}
    known = recognised({k: v for k, v in made.items() if subjects[k] in gallery}, subjects, gallery)
    reader = MouthReader([real[name] for name, row in rows.items() if row["split"] == "train" and row["approved"]])
    opened = {clip_id: reader.opening(path) for clip_id, path in made.items()}
    drawn = {clip_id: reader.opening(real[clip_id]) for clip_id in made}
    paths = list(made.values())
    others = dict(zip(made, [*paths[1:], *paths[:1]], strict=True))
    return DemoFigures(
        estimate([float(right) for right in known.values()]),
        1 / max(1, len(gallery)),
        mouth=estimate([follows_sound(opened[clip_id], path) for clip_id, path in made.items()]),
        other_sound=estimate([follows_sound(opened[clip_id], path) for clip_id, path in others.items()]),
        real_mouth=estimate([follows_sound(opening, real[clip_id]) for clip_id, opening in drawn.items()]),
        reading=estimate([follows_truth(opening, real[clip_id]) for clip_id, opening in drawn.items()]),
    )


def write_report(folder: Path, seconds: Mapping[str, float], figures: DemoFigures, flagged: list[ManifestRow]) -> Path:
    """Write ``report.html``: one file that needs no other.

    Args:
        folder: the demo's workspace.
        seconds: how long each stage took; 0: it was done before.
        figures: of ``measure_demo``.
        flagged: rows for the first review: ``clip_id`` and ``flags``.
    """
    pictures = {
        "people": folder / "data_manifests" / "mead" / "sheet.png",
        "autoencoder": folder / "checkpoints" / "autoencoder" / "reconstructions.png",
        "grid": folder / "grid.png",
    }
    text = environment(TEMPLATES).get_template("report.html").render(
        pictures={name: _embedded(Image.open(path)) for name, path in pictures.items() if path.is_file()},
        strips=[(path.stem, _embedded(strip)) for path, strip in _strips(folder)],
        seconds=seconds, figures=figures, flagged=flagged, folder=folder.name,
    )  # fmt: skip
    path = folder / "report.html"
    workspace.write_text(path, text)
    return path


def _strips(folder: Path) -> list[tuple[Path, Image.Image]]:
    """Frames of three rendered clips, the drawn clip above."""
    rows = {row["clip_id"]: row for row in as_rows(read_manifest(folder / "data_manifests" / "mead"))}
    found = []
    for path in sorted((folder / "runs" / "demo" / "videos").glob("*.mp4"))[:3]:
        if path.stem not in rows:
            continue
        made = video.probe(path)
        at = np.linspace(0, made.num_frames - 1, SHOWN).round().astype(int).tolist()
        real = video.probe(folder / "mead" / rows[path.stem]["file_name"])
        lines = [
            np.concatenate([_sized(frame) for _, frame in video.frames(source, sorted(set(at)))], 1)
            for source in (real, made)
        ]
        found.append((path, Image.fromarray(np.concatenate(lines, 0))))
    return found


def _sized(frame: Any, side: int = 112) -> Any:
    square = Image.fromarray(frame).crop((0, 0, min(frame.shape[:2]), min(frame.shape[:2])))
    return np.asarray(square.resize((side, side), Image.Resampling.BICUBIC))


def _embedded(picture: Image.Image) -> str:
    held = io.BytesIO()
    picture.convert("RGB").save(held, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(held.getvalue()).decode("ascii")
