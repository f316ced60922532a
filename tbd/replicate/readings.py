"""What rendered clips show, read by a network that knows drawn faces, beside what they were asked to show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.annotate.facs import EMOTIONS
from tbd.errors import InputError
from tbd.evaluate.networks.drawn_reader import UNITS, Readings
from tbd.manifest import read_manifest
from tbd.manifest.rows import as_rows
from tbd.media.drawn_units import BLINK, read_units
from tbd.schema import INTENSITIES, ManifestRow

Values = npt.NDArray[Any]


Read = Callable[[Path], Readings]
"""What a video shows: ``tbd.replicate.readers.read_clip``."""


@dataclass(frozen=True)
class ClipReading:
    """One rendered clip.

    Attributes:
        clip_id, subject, emotion, level: of its row; a grid's pictures have the name of their file.
        units: codes of the columns of ``asked`` and ``measured``.
        asked: ``(U,)`` mean true strength over the clip: what its prompt told of. Zeros for a grid's.
        measured: ``(U,)`` mean strength that the reader sees.
        opening: ``(T,)`` of the mouth as the reader sees it.
        energy: ``(T,)`` of the voice. Empty for a grid's.
        identity: ``(D,)`` the reader's embedding of the person.
        file_name: of the drawn clip, below the data set; empty for a grid's.
    """

    clip_id: str
    subject: str
    emotion: str
    level: int
    units: tuple[int, ...]
    asked: Values
    measured: Values
    opening: Values
    energy: Values
    identity: Values
    file_name: str = ""


def read_run(folder: Path, run: str, manifest: str, read: Read) -> dict[str, ClipReading]:
    """All videos of a run, by clip.

    Args:
        folder: of the replication.
        run: below ``runs/``.
        manifest: below ``data_manifests/``.
        read: looks at a video.

    Raises:
        InputError: a clip has no truth beside it, or no emotion label.
    """
    columns = ["clip_id", "subject", "emotion", "level", "file_name"]
    rows = {row["clip_id"]: row for row in as_rows(read_manifest(folder / "data_manifests" / manifest, columns))}
    videos = sorted((folder / "runs" / run / "videos").glob("*.mp4"))
    return {
        video.stem: _reading(video, rows[video.stem], folder / "mead", read) for video in videos if video.stem in rows
    }


def read_grid(folder: Path, portrait: str, read: Read) -> dict[tuple[str, int], ClipReading]:
    """The videos of a portrait's grid, by emotion and level."""
    levels = {word: level for level, word in INTENSITIES.items()}
    found = {}
    for video in sorted((folder / "grids" / portrait).glob("*-*.mp4")):
        emotion, _, word = video.stem.partition("-")
        level = levels[word]
        seen, none = read(video), np.zeros(len(UNITS))
        found[emotion, level] = ClipReading(
            video.stem,
            portrait,
            emotion,
            level,
            UNITS,
            none,
            seen.units.mean(0),
            seen.opening,
            np.zeros(0),
            seen.embedding,
        )
    return found


def emotion_strength(reading: ClipReading, emotion: str) -> float:
    """Mean measured strength of the units that the knowledge base gives an emotion at its strongest."""
    facts = EMOTIONS[emotion]
    own = {mention.au for mention in facts.levels[max(facts.levels)].mentions} - {BLINK}
    columns = [place for place, unit in enumerate(reading.units) if unit in own]
    return float(reading.measured[columns].mean()) if columns else float("nan")


def _reading(video: Path, row: ManifestRow, media: Path, read: Read) -> ClipReading:
    if row["emotion"] is None:
        raise InputError(f"{row['clip_id']}: it has no emotion label")
    truth = read_units(media / row["file_name"])
    seen = read(video)
    return ClipReading(
        row["clip_id"], row["subject"], row["emotion"], int(row["level"] or 1), UNITS, truth.mean(UNITS).mean(0),
        seen.units.mean(0), seen.opening, truth.energy, seen.embedding, row["file_name"],
    )  # fmt: skip
