"""Small charts as SVG inside the page: how the clips of each run are distributed, and a metric over the frames of one."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from tbd.evaluate.inputs.jobs import ScoreRow
from tbd.evaluate.outputs.scoreboard import columns, number, title
from tbd.evaluate.outputs.tables import environment

WIDTH, LINE, BINS, LEFT = 340, 44, 36, 4
POINTS = 160
"""Most points of a curve; longer clips are averaged."""


def distributions(document: Mapping[str, Any], clips: Sequence[ScoreRow]) -> list[tuple[str, Markup]]:
    """For each metric with a value a clip: its title, and a histogram with median a run, on one axis."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in clips:
        if row.kind == "run" and row.status == "ok" and row.score.value is not None and math.isfinite(row.score.value):
            found[row.protocol.partition("@")[0]][row.name].append(row.score.value)
    return [
        (title(key), _histograms(found[key]))
        for key in columns(document)
        if any(len(one) > 1 for one in found[key].values())
    ]


def _histograms(runs: Mapping[str, Sequence[float]]) -> Markup:
    every = np.concatenate([np.asarray(values) for values in runs.values()])
    low, high = float(every.min()), float(every.max())
    span = (high - low) or 1.0
    lines = []
    for i, (name, values) in enumerate(runs.items()):
        counts, _ = np.histogram(values, BINS, (low, low + span))
        base, inner = (i + 1) * LINE - 2, WIDTH - 2 * LEFT
        xs = np.repeat(np.arange(BINS + 1), 2)[1:-1] * inner / BINS + LEFT
        steps = [
            f"{x:.1f},{base - (LINE - 18) * count / max(counts.max(), 1):.1f}"
            for x, count in zip(xs, counts.repeat(2), strict=True)
        ]
        middle = float(np.median(values))
        at = LEFT + inner * (middle - low) / span
        lines.append({"name": name, "points": f"{LEFT},{base} {' '.join(steps)} {WIDTH - LEFT},{base}", "base": base,
                      "top": base - LINE + 16, "at": f"{at:.1f}", "median": number(middle), "count": len(values)})  # fmt: skip
    return _chart("histogram.svg", lines=lines, low=number(low), high=number(high), height=len(runs) * LINE + 18)


def curve(values: Sequence[float], label: str) -> Markup:
    """A metric over the frames of one clip."""
    known = np.asarray(values, np.float64)
    if len(known) > POINTS:
        known = np.array([part.mean() for part in np.array_split(known, POINTS)])
    low, high = float(known.min()), float(known.max())
    span = (high - low) or 1.0
    xs = np.linspace(LEFT, WIDTH - LEFT, len(known))
    points = " ".join(f"{x:.1f},{4 + 48 * (1 - (y - low) / span):.1f}" for x, y in zip(xs, known, strict=True))
    return _chart("curve.svg", points=points, low=number(low), high=number(high), label=label, frames=len(values))


def _chart(template: str, **values: Any) -> Markup:
    return Markup(environment().get_template(template).render(width=WIDTH, **values))
