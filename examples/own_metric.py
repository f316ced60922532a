"""A metric of your own beside the others: ``python own_metric.py MINE TRUE``.

Flicker: the mean change of brightness from frame to frame, in grey levels, of a video alone; the ground truth is scored by itself
as a baseline. A metric opens an accumulator for each clip, is handed windows of frames, and ends with one ``ClipScore``.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tbd.console import Progress
from tbd.evaluate.inputs.plan import plan
from tbd.evaluate.inputs.sources import EvaluationRequest
from tbd.evaluate.measures.statistics import mean
from tbd.evaluate.metrics.base import Aggregate, ClipInfo, ClipScore, Metric, Window
from tbd.evaluate.run import run


class BrightnessChanges:
    """One clip: keeps the brightness of the last frame, so that windows may be cut anywhere."""

    def __init__(self) -> None:
        self.last: float | None = None
        self.changes: list[float] = []

    def update(self, window: Window) -> None:
        """Take the next frames, ``(T, H, W, 3)`` uint8 RGB."""
        for level in window.pred.reshape(len(window.pred), -1).mean(axis=1):
            if self.last is not None:
                self.changes.append(abs(float(level) - self.last))
            self.last = float(level)

    def finish(self) -> ClipScore:
        """The mean change; a single frame has none."""
        if not self.changes:
            return ClipScore(None, 0, "fewer than two frames")
        return ClipScore(float(np.mean(self.changes)), len(self.changes))


class Flicker(Metric):
    """Mean absolute change of a frame's mean brightness, 0 to 255; lower is better."""

    key = "flicker"
    protocol = "flicker@brightness"
    title = "Flicker"
    direction = "lower"
    unit = "frames"
    source = "this example"
    compares = "nothing"

    def open(self, clip: ClipInfo) -> BrightnessChanges:
        """An accumulator for one clip."""
        return BrightnessChanges()

    def aggregate(self, scores: Sequence[ClipScore], reference: Sequence[ClipScore] = ()) -> Aggregate:
        """The mean over clips, with a bootstrap interval."""
        return mean(scores)


def score(mine: Path, true: Path, output: Path) -> float | None:
    """The headline of a folder of videos."""
    request = EvaluationRequest(runs=(mine,), reference=true, output=output, workers=0, chosen=(Flicker(),))
    planned = plan(request)
    document = run(planned, Progress("eval", len(planned.jobs)))
    return document["runs"][0]["scores"]["flicker"]["value"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("mine", type=Path)
    parser.add_argument("true", type=Path)
    given = parser.parse_args()
    print(f"flicker {score(given.mine, given.true, Path('results/flicker')):.3f} grey levels")
