"""Which videos are points of the picture: as the paper chooses them, as far as they are there."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tbd.evaluate.inputs.jobs import ScoreRow

Features = Callable[[str], npt.NDArray[np.float64] | None]
"""From a row's key to its point, ``(1, d)``."""

SPEAKERS, PER_SPEAKER = 8, 15
PER_EMOTION, EMOTIONS = 20, 7


@dataclass(frozen=True)
class StylePoints:
    """Labelled features of one run.

    Attributes:
        features: ``(n, d)``.
        labels: speakers, or emotions.
        words: what was asked for and what was there, for the caption.
    """

    features: npt.NDArray[np.float64]
    labels: tuple[str, ...]
    words: str


def identity_points(rows: Sequence[ScoreRow], features: Features) -> StylePoints:
    """Eight speakers with fifteen videos each: those with the most videos, by name among equals."""
    chosen = _most(rows, "subject", SPEAKERS, PER_SPEAKER)
    return _points(chosen, "subject", features, f"{SPEAKERS} speakers x {PER_SPEAKER} videos")


def expression_points(rows: Sequence[ScoreRow], features: Features) -> StylePoints:
    """Seven emotions without neutral, twenty videos each, of the speaker with the most videos."""
    told = [row for row in rows if row.score.details.get("emotion") not in (None, "", "neutral")]
    counts = Counter(str(row.score.details.get("subject")) for row in told)
    speaker = min(counts, key=lambda name: (-counts[name], name), default="")
    own = [row for row in told if str(row.score.details.get("subject")) == speaker]
    chosen = _most(own, "emotion", EMOTIONS, PER_EMOTION)
    asked = f"{EMOTIONS} emotions x {PER_EMOTION} videos of one speaker"
    return _points(chosen, "emotion", features, asked, f" of {speaker}" if speaker else "")


def _most(rows: Sequence[ScoreRow], label: str, labels: int, each: int) -> list[ScoreRow]:
    groups: dict[str, list[ScoreRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.clip_id):
        if name := row.score.details.get(label):
            groups[str(name)].append(row)
    names = sorted(groups, key=lambda name: (-len(groups[name]), name))[:labels]
    return [row for name in sorted(names) for row in groups[name][:each]]


def _points(rows: Sequence[ScoreRow], label: str, features: Features, asked: str, more: str = "") -> StylePoints:
    found = [(row, array) for row in rows if row.key and (array := features(row.key)) is not None]
    labels = tuple(str(row.score.details[label]) for row, _ in found)
    arrays = np.concatenate([array for _, array in found]) if found else np.zeros((0, 1))
    counts = Counter(labels)
    each = " to ".join(map(str, sorted({min(counts.values()), max(counts.values())}))) if counts else "0"
    words = f"{len(labels)} videos{more}: {len(counts)} of {label} with {each} each"
    return StylePoints(arrays, labels, f"{words} (the paper: {asked})")
