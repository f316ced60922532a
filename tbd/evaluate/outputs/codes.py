"""Warnings with codes: what was compared, clip by clip, and what that means for a number.

length      the video has another length than the ground truth
rate        another rate: it was brought to that of the ground truth
size        another size: one side was resized
scale       the face is more than 3 % larger or smaller than the true one
shift       the face lies more than 3 % of its size beside the true one
mirrored    left and right are exchanged
strip       much wider than high: several pictures side by side
damaged     the decoder marked frames as corrupt
mixed_size  pictures of several sizes make one number, or one column
below_still worse than a still picture by PSNR and SSIM
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tbd.evaluate.inputs.jobs import Comparison, ScoreRow
from tbd.evaluate.measures.face_geometry import FaceOffset
from tbd.evaluate.metrics.base import Compares

LENGTH = 0.02
"""Share of the frames by which lengths may differ without a word (and always two frames)."""

RATE = 0.001
"""Share by which rates may differ: 29.97 is 30."""

STRIP = 2.5
"""Width over height from which a video is no picture of one head: MakeItTalk, PC-AVS and EAMM write such strips too."""

ALONE = ("length", "rate", "strip", "damaged")
"""Codes that matter to a metric that looks at one video; the others look at the ground truth too."""

BELOW_STILL = "below_still"

_WORDS = {
    "length": "another length than the ground truth",
    "rate": "another rate, brought to that of the ground truth",
    "size": "another size than the ground truth, so that one side was resized (--size N brings both to one size)",
    "scale": "a face more than 3 % larger or smaller than the true one: another crop (--align face)",
    "shift": "a face that lies more than 3 % of its size beside the true one: another crop (--align face)",
    "mirrored": "left and right exchanged",
    "strip": f"a picture at least {STRIP} times as wide as high: several side by side, of which one face is looked at",
    "damaged": "frames that the decoder marked as corrupt",
}


def codes(found: Comparison, settings: Mapping[str, Any]) -> list[str]:
    """The codes of one clip.

    Args:
        settings: ``align`` and ``size`` of the evaluation: what was asked for needs no warning.
    """
    laid = settings.get("align") != "face"
    offset = FaceOffset(found.scale, found.shift or 0.0) if found.scale is not None else None
    says = {
        "length": _apart(found.frames, found.reference_frames),
        "rate": bool(found.fps and found.reference_fps and abs(found.fps / found.reference_fps - 1) > RATE),
        "size": laid and not settings.get("size") and _resized(found),
        "scale": laid and offset is not None and offset.scale_off,
        "shift": laid and offset is not None and offset.shift_off,
        "mirrored": bool(found.mirrored),
        "strip": bool(found.width and found.height and found.width >= STRIP * found.height),
        "damaged": bool(found.damage),
    }
    return [code for code, said in says.items() if said]


def warnings(
    rows: Sequence[ScoreRow], compares: Compares, settings: Mapping[str, Any]
) -> tuple[dict[str, int], list[str]]:
    """The codes of one number with how many clips have each, and the same in words.

    Args:
        rows: of one run and metric; those without a value count too.
    """
    used = [row for row in rows if row.status == "ok"]
    own = [(row, codes(row.comparison, settings)) for row in used]
    counts = Counter(code for _, found in own for code in found if compares != "nothing" or code in ALONE)
    words = [f"{count} of {len(used)} clips have {_WORDS[code]}" for code, count in counts.items()]
    if counts["length"]:
        pairs = [(row.comparison.frames or 0, row.comparison.reference_frames or 0) for row, _ in own]
        there = f"{sum(min(pair) for pair in pairs)} of {sum(pair[1] for pair in pairs)} frames of the ground truth"
        words[list(counts).index("length")] += f": {there} have a counterpart"
    found = sizes(used)
    if len(found) > 1:
        counts["mixed_size"] = len(used)
        told = ", ".join(f"{size} ({count})" for size, count in found.most_common(4))
        words.append(f"pictures of several sizes make this number: {told}; --size N brings all to one")
    return dict(counts), words


def sizes(rows: Sequence[ScoreRow]) -> Counter[str]:
    """How many clips were shown in which size."""
    shown = [(row.comparison.scored_width, row.comparison.scored_height) for row in rows]
    return Counter(f"{width}x{height}" for width, height in shown if width and height)


def _apart(frames: int | None, reference: int | None) -> bool:
    return frames is not None and reference is not None and abs(frames - reference) > max(2, LENGTH * reference)


def _resized(found: Comparison) -> bool:
    own, reference = (found.width, found.height), (found.reference_width, found.reference_height)
    return None not in own and None not in reference and own != reference
