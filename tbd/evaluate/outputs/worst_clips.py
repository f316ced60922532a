"""The worst clips of each run beside their ground truth, as pictures that the report shows."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd import workspace
from tbd.errors import TbdError
from tbd.evaluate.inputs import streams
from tbd.evaluate.inputs.align import same_moments
from tbd.evaluate.inputs.jobs import ClipJob, ScoreRow
from tbd.evaluate.inputs.streams import FrameStream
from tbd.evaluate.outputs.scoreboard import columns, direction, number, title

FOLDER, FACTS = "worst", "worst.json"
EACH, MOST, MOMENTS, SIDE = 3, 12, 6, 176
Pixels = npt.NDArray[np.uint8]


def draw_worst(folder: Path, document: Mapping[str, Any], rows: Sequence[ScoreRow], jobs: Sequence[ClipJob]) -> None:
    """Write ``worst/*.jpg`` and what they show; a clip that cannot be drawn is left out.

    Args:
        document: of ``scores.json``.
        jobs: that know where videos and ground truth lie.
    """
    by_id, found = {job.clip_id: job for job in jobs}, []
    for number_, (row, words) in enumerate(worst_rows(document, rows)):
        job = by_id.get(row.clip_id)
        path = (
            next((video.path for video in job.videos if video.kind == "run" and video.name == row.name), None)
            if job
            else None
        )
        try:
            if job is None or path is None or (job.truth.row is None and job.truth.reference is None):
                continue
            truth = _truth(job)
            own, truth = same_moments(streams.of_file(path, truth.fps), truth)
            _write(folder / FOLDER / f"{number_}.jpg", [_shown(own), _shown(truth)])
            found.append({"run": row.name, "clip_id": row.clip_id, "words": words, "file": f"{FOLDER}/{number_}.jpg", "psnr": _psnr(own, truth)})  # fmt: skip
        except TbdError:
            continue
    workspace.write_json(folder / FOLDER / FACTS, found)


def worst_rows(document: Mapping[str, Any], rows: Sequence[ScoreRow]) -> list[tuple[ScoreRow, str]]:
    """Up to ``EACH`` clips of each run, ``MOST`` in all, by the first metric that has a better and a worse."""
    for key in columns(document):
        way = direction(document, key)
        usable = [
            row
            for row in rows
            if row.kind == "run"
            and row.protocol.startswith(f"{key}@")
            and row.score.value is not None
            and math.isfinite(row.score.value)
        ]
        if usable and way in ("higher", "lower"):
            sign = 1 if way == "higher" else -1
            order = sorted(usable, key=lambda row: (sign * (row.score.value or 0.0), row.clip_id))
            own = [[row for row in order if row.name == run["name"]][:EACH] for run in document["runs"]]
            return [(row, f"{title(key)} {number(row.score.value)}") for some in own for row in some][:MOST]
    return []


def read_worst(folder: Path) -> list[dict[str, Any]]:
    """What ``draw_worst`` wrote; empty where there is none."""
    try:
        found: list[dict[str, Any]] = json.loads((folder / FOLDER / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [one for one in found if (folder / one["file"]).is_file()]


def _truth(job: ClipJob) -> FrameStream:
    truth = job.truth
    if truth.reference is not None:
        return streams.of_file(truth.reference)
    assert truth.row is not None
    return streams.of_row(truth.row, truth.root, truth.rule)


def _shown(stream: FrameStream) -> list[Pixels]:
    frames = stream.some(MOMENTS)
    return frames + frames[-1:] * (MOMENTS - len(frames))


def _write(path: Path, lines: Sequence[Sequence[Pixels]]) -> None:
    from PIL import Image, ImageOps

    sheet = Image.new("RGB", (MOMENTS * SIDE, len(lines) * SIDE), (128, 128, 128))
    for y, line in enumerate(lines):
        for x, frame in enumerate(line):
            image = ImageOps.contain(Image.fromarray(frame), (SIDE, SIDE))
            sheet.paste(image, (x * SIDE + (SIDE - image.width) // 2, y * SIDE + (SIDE - image.height) // 2))
    workspace.write_whole(path, lambda temporary: sheet.save(temporary, "JPEG", quality=82))


def _psnr(own: FrameStream, truth: FrameStream) -> list[float]:
    """PSNR of each frame that both have, the ground truth brought to the run's size."""
    from PIL import Image

    from tbd.evaluate.metrics.psnr import CAP, psnr

    values = []
    for (_, one), (_, two) in zip(own.raw(), truth.raw(), strict=False):
        shown, true = own.picture(one), truth.picture(two)
        if true.shape != shown.shape:
            true = np.asarray(Image.fromarray(true).resize((shown.shape[1], shown.shape[0]), Image.Resampling.LANCZOS))
        values.append(min(CAP, float(psnr(shown[None], true[None])[0])))
    return values
