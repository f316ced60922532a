"""AU agreement: whether the action units asked for are those that show; F1 from 0 to 1, higher is better.

    2 |A and S| / (|A| + |S|)

A are the manifest's action units, S those present in at least half of the frames, both of what the
detector can see. 25, 26 and 45 are left out: speech parts the lips and everybody blinks. Sides and
intensities are not compared. The headline is the mean over clips; counts of every unit are in its details.

Nobody else has this number; it is about this method, which asks for action units. A detector errs too:
hold a run against the ground truth's own agreement, a baseline of every table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from tbd.errors import InputError, MissingError
from tbd.evaluate.measures.frames import Pixels
from tbd.evaluate.measures.openface import VARIABLE, Measured, OpenFace, program, read_table
from tbd.evaluate.measures.statistics import mean
from tbd.evaluate.metrics.base import Accumulator, Aggregate, ClipInfo, ClipScore, Metric, Window

SHOWN = 0.5
"""Least share of the good frames in which a unit that counts as shown is present."""

NOT_JUDGED = frozenset({25, 26, 45})

ENOUGH = 0.5
"""Least share of frames with a good face."""


class Recorder(Protocol):
    """What measures one clip."""

    def update(self, frames: Pixels) -> None:
        """Take the next frames, ``(T, H, W, 3)`` uint8 RGB."""

    def finish(self) -> Measured:
        """What was measured; called once."""


def au_f1(asked: set[int], shown: set[int]) -> float:
    """F1 of two sets of action units: 1 when they are equal, 0 when they have nothing in common.

    Raises:
        ValueError: both are empty.
    """
    if not asked and not shown:
        raise ValueError("no action units on either side")
    return 2 * len(asked & shown) / (len(asked) + len(shown))


class ActionUnits(Metric):
    """Agreement of the manifest's action units with measured ones.

    Args:
        name: of the detector, for the protocol.
        start: begins to measure a clip.
        lacks: what this machine lacks for it; empty if nothing.
        beside: suffix of a table next to the video that it reads instead of the frames.
    """

    key = "au_f1"
    title = "AU F1"
    direction = "higher"
    unit = "clips"
    source = "this project; detector: OpenFace 2 (Baltrusaitis et al. 2018)"
    compares = "nothing"
    needs_faces = True
    columns = ("action_units",)

    def __init__(
        self, name: str, start: Callable[[ClipInfo], Recorder], lacks: Callable[[], str] = str, beside: str = ""
    ) -> None:
        self.protocol = f"{self.key}@{name}"
        self.beside = beside
        self._start, self._lacks = start, lacks

    def missing(self) -> str:
        """What the detector needs."""
        return self._lacks()

    def open(self, clip: ClipInfo) -> Accumulator:
        """Start a clip.

        Raises:
            InputError: the manifest asks for no action units, or there is no table.
        """
        asked = {int(unit["au"]) for unit in (clip.row or {}).get("action_units") or ()}
        if not asked:
            raise InputError("no action units: the clip has no manifest row that asks for any")
        return UnitAgreement(asked, self._start(clip))

    def aggregate(self, scores: Sequence[ClipScore], reference: Sequence[ClipScore] = ()) -> Aggregate:
        """The mean over clips; ``details["units"]`` has for each unit clips in which it was asked, shown, and both."""
        found = mean(scores)
        found.details["units"] = _by_unit([score.details for score in scores if score.usable])
        return found


class UnitAgreement:
    """The accumulator."""

    def __init__(self, asked: set[int], recorder: Recorder) -> None:
        self._asked, self._recorder = asked, recorder

    def update(self, window: Window) -> None:
        """Show the next frames to the detector."""
        self._recorder.update(window.pred)

    def finish(self) -> ClipScore:
        """The F1, with what was asked and what shown."""
        found = self._recorder.finish()
        details: dict[str, Any] = {"frames": found.frames, "frames_without_face": found.of - found.frames}
        if found.frames < ENOUGH * found.of or not found.frames:
            return ClipScore(None, 0, f"a good face on only {found.frames} of {found.of} frames", details)
        judged = set(found.present) - NOT_JUDGED
        asked = self._asked & judged
        shown = {unit for unit in judged if found.present[unit] >= SHOWN}
        details |= {"asked": sorted(asked), "shown": sorted(shown), "not_judged": sorted(self._asked - judged)}
        if not asked:
            return ClipScore(None, 0, "none of the action units asked for can be judged", details)
        return ClipScore(au_f1(asked, shown), found.frames, details=details)


class OpenFaceTable:
    """Reads a table of OpenFace that lies beside the video instead of looking at the frames.

    Args:
        path: None where there is none.
        num_frames: of the video.

    Raises:
        InputError: there is no table.
    """

    def __init__(self, path: Path | None, num_frames: int) -> None:
        if path is None:
            raise InputError("no OpenFace table (.csv) of the same name beside the video")
        self._path, self._num_frames = path, num_frames

    def update(self, frames: Pixels) -> None:
        """Frames are not looked at."""

    def finish(self) -> Measured:
        """What the table says.

        Raises:
            InputError: it is none, or was made of another video.
        """
        found = read_table(self._path)
        if abs(found.of - self._num_frames) > max(2, self._num_frames // 20):
            raise InputError(f"{self._path.name} has {found.of} frames, the video {self._num_frames}")
        return found


def _by_unit(details: Sequence[Mapping[str, Sequence[int]]]) -> dict[str, dict[str, int]]:
    asked, shown, both = Counter[int](), Counter[int](), Counter[int]()
    for one in details:
        asked.update(one["asked"])
        shown.update(one["shown"])
        both.update(set(one["asked"]) & set(one["shown"]))
    return {
        f"AU{unit}": {"asked": asked[unit], "shown": shown[unit], "both": both[unit]} for unit in sorted(asked | shown)
    }


def _run(clip: ClipInfo) -> Recorder:
    found = program()
    if found is None:
        raise MissingError(_lacks_program())
    return OpenFace(found)


def _lacks_program() -> str:
    if program():
        return ""
    return (
        "OpenFace 2's FeatureExtraction is missing (licence: CMU, academic use only); build it, then: "
        f"export {VARIABLE}=/path/to/FeatureExtraction; or put its tables beside the videos: au_f1@openface-csv"
    )


def _read(clip: ClipInfo) -> Recorder:
    return OpenFaceTable(clip.beside, clip.num_frames)


METRICS: tuple[Metric, ...] = (
    ActionUnits("openface", _run, _lacks_program),
    ActionUnits("openface-csv", _read, beside=".csv"),
)
