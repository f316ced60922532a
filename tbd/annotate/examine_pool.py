"""Examining clips in worker processes: the frames are ready before the model asks."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tbd.errors import InputError
from tbd.media.canonical import ClipRule
from tbd.pools import JobFailure, WorkerPool
from tbd.schema import Medium

Images = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True, slots=True)
class ExamineJob:
    """One clip to examine, and how many moments of it are to be seen. With ``medium`` known, only these are decoded."""

    path: Path
    audio: Path | None
    start: float | None
    end: float | None
    rule: ClipRule
    medium: Medium | None = None
    frames: int = 1


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found, or why nothing could be; ``trace`` is the traceback of a bug, ``seconds`` the CPU's time."""

    medium: Medium | None = None
    images: Images | None = None
    """``(n, size, size, 3)`` uint8 RGB; see ``tbd.media.examine.moments``."""
    error: str | None = None
    trace: str = ""
    seconds: float = field(default=0.0, compare=False)


def open_pool(workers: int) -> WorkerPool[ExamineJob, Examined]:
    """Workers that examine clips; 0 works in a thread of this process."""
    return WorkerPool(examine_clip, workers, failed=failed_look, begin=_keep_to_one_core)


def examine_clip(job: ExamineJob) -> Examined:
    """Examine one clip.

    Raises:
        InputError: it cannot be read.
    """
    started = time.process_time()
    try:
        found = _look(job)
    except OSError as error:
        raise InputError(f"{job.path.name}: {error}") from error
    return replace(found, seconds=time.process_time() - started)


def _look(job: ExamineJob) -> Examined:
    from tbd.media.canonical import CanonicalClip
    from tbd.media.examine import examine, moments

    if job.medium and job.medium.crop_box and job.medium.reference_frame is not None:
        clip = CanonicalClip(job.path, job.start, job.end, job.medium.crop_box, job.rule, job.audio)
        places = moments(*clip.source.window(job.start, job.end), job.medium.reference_frame, job.frames)
        return Examined(job.medium, np.stack(list(clip.pictures(places))))
    medium, images = examine(job.path, start=job.start, end=job.end, audio=job.audio, rule=job.rule, frames=job.frames)
    return Examined(medium, images)


def failed_look(job: ExamineJob, failure: JobFailure) -> Examined:
    """What is known of a clip at which nobody could look."""
    reason = without_folders(failure.reason, job)
    if job.path.name not in reason:
        reason = f"{job.path.name}: {reason}"
    return Examined(error=reason, trace=failure.trace if failure.is_bug else "")


def without_folders(message: str, job: ExamineJob) -> str:
    """A message that does not depend on where the dataset lies: a row must not."""
    for path in filter(None, (job.path, job.audio)):
        message = message.replace(str(path), path.name)
    return message


def _keep_to_one_core() -> None:
    with contextlib.suppress(ImportError):
        import torch

        torch.set_num_threads(1)
