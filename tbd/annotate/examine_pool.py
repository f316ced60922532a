"""Examining clips in worker processes: the frames are ready before the model asks."""

from __future__ import annotations

import contextlib
import hashlib
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tbd.annotate.look_cache import KeptLook
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
    """What was found, or why nothing could be; ``trace`` is the traceback of a bug.

    ``seconds`` is the CPU's time that the look takes; ``spared`` of it a kept look saved this time.
    """

    medium: Medium | None = None
    images: Images | None = None
    """``(n, size, size, 3)`` uint8 RGB; see ``tbd.media.examine.moments``."""
    error: str | None = None
    trace: str = ""
    seconds: float = field(default=0.0, compare=False)
    spared: float = field(default=0.0, compare=False)


def open_pool(workers: int) -> WorkerPool[ExamineJob, Examined]:
    """Workers that examine clips; 0 works in a thread of this process."""
    return WorkerPool(examine_clip, workers, failed=failed_look)


def examine_clip(job: ExamineJob) -> Examined:
    """Examine one clip, or recall what an earlier look at the same bytes found and decode only what is shown.

    Raises:
        InputError: it cannot be read.
    """
    started = time.process_time()
    try:
        if job.medium and job.medium.crop_box and job.medium.reference_frame is not None:
            return Examined(job.medium, _shown(job, job.medium), seconds=time.process_time() - started)
        return _look(job, started)
    except OSError as error:
        raise InputError(f"{job.path.name}: {error}") from error


def _look(job: ExamineJob, started: float) -> Examined:
    kept = KeptLook(job.path, job.audio, (job.start, job.end), job.rule, job.frames)
    if (found := _recalled(job, kept)) is not None:
        return replace(found, spared=found.seconds - (time.process_time() - started))
    from tbd.media.examine import examine, load_detector

    begun = time.process_time()
    load_detector()  # once a process, so it is no part of what this clip takes
    started += time.process_time() - begun
    medium, images = examine(job.path, start=job.start, end=job.end, audio=job.audio, rule=job.rule, frames=job.frames)
    seconds = time.process_time() - started
    kept.write(medium, seconds)
    return Examined(medium, images, seconds=seconds)


def _recalled(job: ExamineJob, kept: KeptLook) -> Examined | None:
    """What was found before; None where that is not known, or where the pictures are not those that were seen."""
    if (known := kept.read()) is None:
        return None
    medium, seconds = known
    if medium.image_sha256 is None:
        return Examined(medium, seconds=seconds)
    with contextlib.suppress(InputError):  # the file has changed since it was read; a look will tell
        images = _shown(job, medium)
        if hashlib.sha256(images.tobytes()).hexdigest() == medium.image_sha256:
            return Examined(medium, images, seconds=seconds)
    return None


def _shown(job: ExamineJob, medium: Medium) -> Images:
    """The moments of a clip whose medium is known, and has a face, as ``examine`` would give them."""
    from tbd.media.canonical import CanonicalClip
    from tbd.media.examine import moments

    clip = CanonicalClip(job.path, job.start, job.end, medium.crop_box, job.rule, job.audio)
    places = moments(*clip.source.window(job.start, job.end), medium.reference_frame or 0, job.frames)
    return np.stack(list(clip.pictures(places)))


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
