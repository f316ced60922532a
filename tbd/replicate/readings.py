"""What rendered clips show, read by a network that knows drawn faces, beside what they were asked to show."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
from tbd.replicate.plan import DRAWN_CLIPS, TEST_CLIPS
from tbd.schema import INTENSITIES, ManifestRow

Values = npt.NDArray[Any]


Read = Callable[[Path], Readings]
"""What a video shows: ``tbd.replicate.readers.read_clip``."""
LabelUnits = Mapping[tuple[str | None, int], Values]
"""Emotion and level -> ``(U,)`` strengths."""


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
        usual: ``(U,)`` mean true strength of all training clips with its emotion and level: what a label tells. Empty for a
            grid's.
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
    usual: Values = field(default_factory=lambda: np.zeros(0))


def read_run(folder: Path, run: str, manifest: str, read: Read, usual: LabelUnits) -> dict[str, ClipReading]:
    """The videos of a run, by clip: of the clips that the replication chose, and no others that may lie there.

    Args:
        folder: of the replication.
        run: below ``runs/``.
        manifest: below ``data_manifests/``.
        read: looks at a video.
        usual: of ``usual_units``.

    Raises:
        InputError: a clip has no video, no truth beside it, or no emotion label.
    """
    return _read_clips(folder, manifest, lambda clip: Path("runs") / run / "videos" / f"{clip}.mp4", read, usual)


def read_drawn(folder: Path, manifest: str, read: Read, usual: LabelUnits) -> dict[str, ClipReading]:
    """What the same reader sees in the drawn clips themselves: the ceiling of every run.

    Args:
        folder: of the replication.
        manifest: below ``data_manifests/``.
        read: looks at a video.
        usual: of ``usual_units``.

    Raises:
        InputError: as ``read_run``.
    """
    return _read_clips(folder, manifest, drawn_clip, read, usual)


def drawn_clip(clip: str) -> Path:
    """A drawn test clip as the models saw it, below the replication's folder."""
    return Path(DRAWN_CLIPS) / clip / "video.mp4"


def chosen_clips(folder: Path) -> list[str]:
    """The clips that every run renders."""
    return (folder / TEST_CLIPS).read_text(encoding="utf-8").split()


def _read_clips(
    folder: Path, manifest: str, place: Callable[[str], Path], read: Read, usual: LabelUnits
) -> dict[str, ClipReading]:
    rows = {row["clip_id"]: row for row in _rows(folder, manifest)}
    clips = chosen_clips(folder)
    if lost := [clip for clip in clips if clip not in rows or not (folder / place(clip)).is_file()]:
        raise InputError(
            f"{folder / place(lost[0])}: {len(lost)} of {len(clips)} test clips are not there",
            next=f"tbd replicate {shlex.quote(str(folder))}   # after its journal.jsonl was removed, if that says done",
        )
    return {clip: _reading(folder / place(clip), rows[clip], folder / "mead", read, usual) for clip in clips}


def usual_units(folder: Path, manifest: str) -> LabelUnits:
    """Emotion and level -> ``(U,)`` mean true strength of the training clips that have them: all that a label tells.

    Args:
        folder: of the replication.
        manifest: below ``data_manifests/``.

    Raises:
        InputError: a clip has no truth beside it.
    """
    found: dict[tuple[str | None, int], list[Values]] = {}
    for row in _rows(folder, manifest):
        if row["split"] != "test":
            truth = read_units(folder / "mead" / row["file_name"]).mean(UNITS).mean(0)
            found.setdefault(_label(row), []).append(truth)
    return {label: np.mean(values, axis=0) for label, values in found.items()}


def _rows(folder: Path, manifest: str) -> list[ManifestRow]:
    columns = ["clip_id", "subject", "emotion", "level", "file_name", "split"]
    return as_rows(read_manifest(folder / "data_manifests" / manifest, columns))


def _label(row: ManifestRow) -> tuple[str | None, int]:
    return row["emotion"], int(row["level"] or 1)


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


def _reading(video: Path, row: ManifestRow, media: Path, read: Read, usual: LabelUnits) -> ClipReading:
    if row["emotion"] is None:
        raise InputError(f"{row['clip_id']}: it has no emotion label")
    truth = read_units(media / row["file_name"])
    seen = read(video)
    return ClipReading(
        row["clip_id"], row["subject"], row["emotion"], int(row["level"] or 1), UNITS, truth.mean(UNITS).mean(0),
        seen.units.mean(0), seen.opening, truth.energy, seen.embedding, row["file_name"],
        usual.get(_label(row), np.full(len(UNITS), np.nan)),
    )  # fmt: skip
