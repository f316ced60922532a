"""A clip to train on, and the clips of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tbd.media.canonical import CanonicalClip
from tbd.recipe import digest
from tbd.train.face_region import Region


@dataclass(frozen=True)
class TrainingClip:
    """A row that may be trained on.

    Attributes:
        manifest: name of its manifest folder.
        clip_id: unique within it.
        person: whom it shows, ``dataset/subject``.
        prompts: as many levels as the recipe hears, coarse to fine.
        emotion, level: of the label; None where it is not known.
        canonical: its pictures and sound, at the recipe's size.
        frames: canonical frames.
        has_audio: whether it has sound.
        face: box of the face within the canonical picture, as shares of its side; None where it is not known.
    """

    manifest: str
    clip_id: str
    person: str
    prompts: tuple[str, ...]
    emotion: str | None
    level: int | None
    canonical: CanonicalClip
    frames: int
    has_audio: bool
    face: Region | None = None

    @property
    def name(self) -> str:
        """How people hear of it: ``manifest/clip_id``."""
        return f"{self.manifest}/{self.clip_id}"

    @property
    def media(self) -> tuple[Path, ...]:
        """The files that it is read from."""
        return self.canonical.media

    @property
    def footage(self) -> tuple[Any, ...]:
        """What is seen and heard, whatever a manifest calls it and however it crops it: files and seconds."""
        return self.media, self.canonical.start or 0.0, self.canonical.end

    @property
    def window(self) -> list[Any]:
        """What of those files it is: plain values for hashes."""
        return self.canonical.window


@dataclass(frozen=True)
class TrainingClips:
    """The clips of a training run.

    Attributes:
        train: learned from.
        validation: kept back; never of the test split.
        left_out: reason -> the rows it concerns, as ``manifest/clip_id``.
        manifests: name -> folder, in the order given.
        notes: what a person should know, a line each.
    """

    train: tuple[TrainingClip, ...]
    validation: tuple[TrainingClip, ...]
    left_out: dict[str, list[str]] = field(default_factory=dict)
    manifests: dict[str, Path] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def digest(self, labels: Sequence[str] = ()) -> str:
        """Changes whenever training on these clips would: other rows, texts, windows or sides, and other labels.

        Args:
            labels: attributes of a clip that decide about this training besides; see ``request.labels_that_count``.
        """
        sides = ("train", self.train), ("validation", self.validation)
        return digest(
            [
                [
                    side,
                    clip.manifest,
                    clip.clip_id,
                    clip.prompts,
                    clip.window,
                    *(getattr(clip, name) for name in labels),
                ]
                for side, part in sides
                for clip in part
            ]
        )

    def words(self) -> list[str]:
        """What was found and what was left out, a line each."""
        lines = [f"{len(self.train)} clips to train on, {len(self.validation)} kept back for validation"]
        for reason, rows in self.left_out.items():
            lines.append(f"left out: {len(rows)} {reason} (e.g. {rows[0]})")
        return [*lines, *self.notes]


def footage_names(clips: Iterable[TrainingClip]) -> dict[str, str]:
    """Name of a clip -> the first, in order, of the names of its footage: the same for what two manifests have in common."""
    first: dict[tuple[Any, ...], str] = {}
    ordered = sorted(clips, key=lambda clip: clip.name)
    return {clip.name: first.setdefault(clip.footage, clip.name) for clip in ordered}
