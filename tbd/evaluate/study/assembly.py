"""``tbd study new``: choose clips, copy them under names that say nothing, and lay out who rates what."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from tbd import workspace
from tbd.errors import InputError
from tbd.evaluate.study import media
from tbd.evaluate.study.design import orders
from tbd.evaluate.study.stimuli import Candidate, StudyRequest, candidates, chosen
from tbd.evaluate.study.study_folder import MEDIA, SCALE, AttentionCheck, Study, StudyClip, write_study


def new_study(request: StudyRequest, progress: Callable[[], object] = lambda: None) -> Study:
    """Make a study; its folder appears when it is complete.

    Args:
        progress: called after each clip.

    Raises:
        UsageError: fewer clips than asked for.
        InputError: the folder is taken, or a run cannot be used.
    """
    out = request.output
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: is there already and not empty", next="choose another folder with -o DIR")
    runs, common = candidates(request)
    clips = chosen(common, request.clips, request.seed)
    building = out.with_name(f".{out.name}.tmp")
    with workspace.writing(out):
        try:
            shutil.rmtree(building, ignore_errors=True)
            (building / MEDIA).mkdir(parents=True)
            study = _built(request, list(runs), [str(path) for path in runs.values()], clips, building, progress)
            write_study(building, study)
            building.replace(out)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return study


def _built(
    request: StudyRequest, systems: Sequence[str], folders: Sequence[str], clips: Sequence[Candidate], building: Path,
    progress: Callable[[], object],
) -> Study:  # fmt: skip
    shown = []
    for clip in clips:
        shown.append(_copied(clip, building / MEDIA))
        progress()
    return Study(
        name=request.output.name,
        seed=request.seed,
        systems=tuple(systems),
        folders=tuple(folders),
        clips=tuple(shown),
        checks=tuple(_check(number, shown, building / MEDIA) for number in range(request.checks)),
        raters=tuple(secrets.token_urlsafe(12) for _ in range(request.raters)),
        orders=tuple(
            map(tuple, orders(len(clips), len(systems), request.raters, request.checks, request.seed))
        ),
        invitation=secrets.token_urlsafe(24),
    )  # fmt: skip


def _copied(clip: Candidate, folder: Path) -> StudyClip:
    portrait = f"{_name()}.jpg"
    media.write_portrait(clip.portrait(), folder / portrait)
    names = tuple(f"{_name()}.mp4" for _ in clip.videos)
    for video, name in zip(clip.videos, names, strict=True):
        media.neutral_copy(video, folder / name)
    return StudyClip(clip.clip_id, clip.stratum, clip.emotion, clip.intensity, portrait, names)


def _check(number: int, clips: Sequence[StudyClip], folder: Path) -> AttentionCheck:
    """Each asks for another answer, and stands beside the words and portrait of another clip."""
    answer, beside = (2, 4, 1, 5, 3)[number % 5], clips[number % len(clips)]
    name = f"{_name()}.mp4"
    media.write_check(folder / name, answer, SCALE[answer])
    return AttentionCheck(name, answer, beside.emotion, beside.portrait)


def _name() -> str:
    """A name that nobody can guess, and that says nothing."""
    return secrets.token_hex(8)
