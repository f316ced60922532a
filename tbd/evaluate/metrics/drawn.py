"""Metrics that look through the reader of drawn faces: for drawn data only, where the truth is known exactly.

    au_f1 au_mae au_corr      the units that the video shows against those that were drawn
    mouth_corr                how far the mouth opens, against how far it was drawn open, over the frames of a clip
    identity                  cosine to the portrait that the video started from; how often the right person is the nearest
    fid fvd                   Fréchet distances of the reader's features

The reader was trained on other drawn people (``tbd.replicate.readers``). Its errors on people it never saw stand beside every
number, and the ground truth, read by the same reader, is a baseline of every table. None of it is part of ``all``.
Source: this project.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd import weights
from tbd.errors import TbdError
from tbd.evaluate.measures.statistics import mean
from tbd.evaluate.metrics.base import Aggregate, ClipInfo, ClipScore, Direction, Metric, Window
from tbd.evaluate.metrics.fid import FID, FrameFeatures
from tbd.evaluate.metrics.fvd import FVD, LENGTH, FVDProtocol, bilinear
from tbd.media.drawn_units import UNITS_FILE

Values = npt.NDArray[Any]

WEIGHTS = "drawn-reader"
LACKS = "no truth beside the true video ({}): this metric is for clips that tbd demo drew"


class DrawnMetric(Metric):
    """One of the numbers that are read in one pass.

    Args:
        key, title, direction: as tables show it.
    """

    unit = "clips"
    source = "this project; reader of drawn faces"
    compares = "nothing"
    columns = ("start", "subject")
    beside_truth = UNITS_FILE
    by_name_only = True
    weights = (WEIGHTS,)
    shares = "drawn"

    def __init__(self, key: str, title: str, direction: Direction) -> None:
        self.key, self.title, self.direction = key, title, direction
        self.protocol = f"{key}@drawn"
        self.needs_portrait = key == "identity"

    def open(self, clip: ClipInfo) -> DrawnReading:
        """Start a clip."""
        return DrawnReading(clip)

    def read(self, score: ClipScore) -> ClipScore:
        """The number that this metric is named after, and what it was made of."""
        value, details = score.details.get(self.key), {name: score.details.get(name) for name in DETAILS[self.key]}
        reason = score.reason or (
            "" if value is not None else score.details.get("lacks", {}).get(self.key, "undefined")
        )
        return replace(score, value=value, reason=reason, details={k: v for k, v in details.items() if v is not None})

    def aggregate(self, scores: Sequence[ClipScore], reference: Sequence[ClipScore] = ()) -> Aggregate:
        """The mean over clips, with the reader's own error in its details and words."""
        found, used = mean(scores), [score.details for score in scores if score.usable]
        found.details.update(_together(self.key, used))
        return with_reader(found)


class DrawnReading:
    """The accumulator of all of them: reads every frame, and at the end holds the clip against its truth."""

    def __init__(self, clip: ClipInfo) -> None:
        from tbd.evaluate.networks.drawn_reader import drawn_reader

        self._clip = clip
        self._reader = drawn_reader(weights.resolve(WEIGHTS), clip.device)
        self._found: list[tuple[Values, ...]] = []

    def update(self, window: Window) -> None:
        """Read the next frames."""
        found = self._reader.read(window.pred)
        self._found.append((found.units, found.opening, found.embedding))

    def finish(self) -> ClipScore:
        """Every number in ``details``; what cannot be told says why under ``lacks``."""
        if not self._found:
            return ClipScore(None, 0, "no frames")
        from tbd.evaluate.networks.drawn_reader import Readings

        units, opening, embedding = (np.concatenate(part) for part in zip(*self._found, strict=True))
        details, lacks = self._units(Readings(units, opening, embedding, embedding))
        person, missing = self._person(embedding.mean(0))
        return ClipScore(None, len(units), details=details | person | {"lacks": lacks | missing})

    def _units(self, found: Any) -> tuple[dict[str, Any], dict[str, str]]:
        from tbd.evaluate.measures.drawn_truth import compared, truth_at
        from tbd.media.drawn_units import read_table

        clip, path = self._clip, self._clip.beside_truth
        if path is None:
            return {}, dict.fromkeys(("au_f1", "au_mae", "au_corr", "mouth_corr"), LACKS.format(f"…{UNITS_FILE}"))
        start = float((clip.row or {}).get("start") or 0.0)
        told = compared(found, truth_at(read_table(path), start, clip.fps, len(found.units)))
        return told, {"au_corr": "a face at rest: no unit is drawn", "mouth_corr": "the drawn mouth does not move"}

    def _person(self, mean_embedding: Values) -> tuple[dict[str, Any], dict[str, str]]:
        portrait = self._clip.portrait()
        if portrait is None:
            return {}, {"identity": "no portrait to compare with"}
        own, other = (
            one / np.linalg.norm(one) for one in (mean_embedding, self._reader.read(portrait[None]).embedding[0])
        )
        found = {"identity": float(own @ other), "subject": (self._clip.row or {}).get("subject")}
        return found | {"embedding": np.round(own, 4).tolist(), "portrait": np.round(other, 4).tolist()}, {}


DETAILS = {
    "au_f1": ("asked", "shown"), "au_mae": ("units", "true_units"), "au_corr": ("units", "true_units"), "mouth_corr": (),
    "identity": ("subject", "embedding", "portrait"),
}  # fmt: skip
"""Metric -> what it keeps beside its number. ``units`` are clip means in the order of ``drawn_reader.UNITS``."""


def _together(key: str, used: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What only all clips together tell."""
    from tbd.evaluate.measures.drawn_truth import right_people, within_units

    def column(name: str) -> Values:
        return np.array([one[name] for one in used])

    if key == "au_corr" and used:
        return {"within_units": within_units(column("true_units"), column("units"))}
    if key == "identity" and used and all(one.get("subject") for one in used):
        people = [str(one["subject"]) for one in used]
        share = right_people(column("embedding"), column("portrait"), people)
        return {"right_person": share, "people": len(set(people))}
    return {}


def with_reader(found: Aggregate) -> Aggregate:
    """The headline with the reader's errors on people it never saw, in ``details["reader"]`` and in words."""
    from tbd.evaluate.networks.drawn_reader import facts

    try:
        held_out = dict(facts(weights.resolve(WEIGHTS))["held_out"])
    except TbdError:  # the numbers come from the cache, and the reader is gone
        return found
    words = (
        f"{found.aggregate}; reader of drawn faces, on {held_out['people']} people it never saw: units r "
        f"{held_out['units_corr']:.2f}, F1 {held_out['units_f1']:.2f}, error {held_out['units_mae']:.3f}, opening r "
        f"{held_out['opening_corr']:.2f}, right person {held_out['knn']:.2f}"
    )
    return replace(found, aggregate=words, details=found.details | {"reader": held_out})


class DrawnFID(FID):
    """FID of the reader's features."""

    source = "Heusel et al. 2017; reader of drawn faces"
    weights = (WEIGHTS,)
    by_name_only = True

    def __init__(self) -> None:
        super().__init__("drawn")
        self.shares = ""

    def open(self, clip: ClipInfo) -> FrameFeatures:
        """An accumulator of features."""
        return FrameFeatures(_features(clip.device))

    def aggregate(self, scores: Sequence[ClipScore], reference: Sequence[ClipScore] = ()) -> Aggregate:
        """The distance, and the reader's errors."""
        return with_reader(super().aggregate(scores, reference))


class DrawnFVD(FVD):
    """FVD of every 16-frame window: the mean of the reader's features, and their mean change from frame to frame."""

    source = "Unterthiner et al. 2018; reader of drawn faces"
    by_name_only = True

    def __init__(self) -> None:
        super().__init__(FVDProtocol("drawn", WEIGHTS, "every", 1, bilinear))

    def open(self, clip: ClipInfo) -> FrameFeatures:  # type: ignore[override]
        """An accumulator of windows."""
        return ChangingFeatures(_features(clip.device))

    def aggregate(self, scores: Sequence[ClipScore], reference: Sequence[ClipScore] = ()) -> Aggregate:
        """The distance, and the reader's errors."""
        return with_reader(super().aggregate(scores, reference))


class ChangingFeatures(FrameFeatures):
    """Features of windows from those of their frames."""

    def finish(self) -> ClipScore:
        """``(T - 15, 256)``; not computable when the clip is shorter than a window."""
        found = super().finish()
        if found.features is None or len(found.features) < LENGTH:
            return ClipScore(None, 0, f"no window of {LENGTH} frames")
        held = np.lib.stride_tricks.sliding_window_view(found.features, LENGTH, 0)
        windows = np.concatenate([held.mean(2), np.abs(np.diff(held, axis=2)).mean(2)], 1).astype(np.float32)
        return ClipScore(None, len(windows), features=windows)


def _features(device: str) -> Any:
    from tbd.evaluate.networks.drawn_reader import drawn_reader

    reader = drawn_reader(weights.resolve(WEIGHTS), device)
    return lambda frames: reader.read(frames).features


METRICS: tuple[Metric, ...] = (
    DrawnMetric("au_f1", "AU F1", "higher"),
    DrawnMetric("au_mae", "AU error", "lower"),
    DrawnMetric("au_corr", "AU r", "higher"),
    DrawnMetric("mouth_corr", "Mouth r", "higher"),
    DrawnMetric("identity", "Identity", "higher"),
    DrawnFID(),
    DrawnFVD(),
)
