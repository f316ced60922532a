"""Result folders drawn by hand: any values, for any clips, without a video."""

import numpy as np

from tbd.evaluate.inputs.jobs import Comparison, ScoreRow
from tbd.evaluate.inputs.record import EvaluationRecord
from tbd.evaluate.metrics.base import ClipScore
from tbd.evaluate.metrics.registry import choose
from tbd.evaluate.outputs import results

SHOWN = Comparison(frames=10, reference_frames=10, compared=10, scored_width=64, scored_height=64)


def clips(count):
    return [f"mead_M003_front_happy_2_{i:03d}" for i in range(count)]


def result(folder, name, values, *, settings=None, truth="canonical clips of toy", weights=None, facts=None, labels=None,
           features=None, comparison=SHOWN, details=None, contents=None):  # fmt: skip
    """Write ``folder/name`` with one run. ``values`` is protocol -> {clip: value}; ``features`` likewise, with pairs."""
    rows, arrays = [], {}
    for protocol, numbers in values.items():
        for clip, value in numbers.items():
            score = ClipScore(value, 10, "" if value is not None else "no face")
            status = "ok" if value is not None else "failed"
            rows.append(
                ScoreRow(
                    name,
                    "run",
                    clip,
                    protocol,
                    score,
                    status,
                    comparison=comparison,
                    labels=(labels or {}).get(clip, {}),
                    reference_content=(contents or {}).get(clip, ""),
                )
            )
    for protocol, sets in (features or {}).items():
        for clip, (own, truth_set) in sets.items():
            key, other = f"{name}-{protocol}-{clip}", f"truth-{protocol}-{clip}"
            arrays |= {key: own, other: truth_set}
            score = ClipScore(None, len(own), details=(details or {}).get(clip, {}))
            rows.append(
                ScoreRow(name, "run", clip, protocol, score, key=key, reference_key=other, comparison=comparison)
            )
    protocols = [*values, *(features or {})]
    record = EvaluationRecord(
        {name: {"folder": f"runs/{name}", "matched": 1, "expected": len({row.clip_id for row in rows}), "by": {},
                "unmatched": [], "unmatched_total": 0, "run": facts or {}}},
        tuple(protocols), {}, weights or {}, {"align": "canvas", "length": "truncate", "region": "full", "size": None} | (settings or {}),
        {}, (), truth, "0", {"mead": "/nowhere"}, asked=(),
    )  # fmt: skip
    results.write(folder / name, record, rows, choose(protocols), arrays.get)
    return folder / name


def noisy(names, mean, spread=1.0, seed=0):
    return dict(zip(names, np.random.default_rng(seed).normal(mean, spread, len(names)).tolist(), strict=True))
