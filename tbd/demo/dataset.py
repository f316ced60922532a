"""A small dataset that looks like MEAD on disk and shows nobody: drawn faces, synthetic voices."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd import schema, workspace
from tbd.annotate.facs import EMOTIONS
from tbd.demo.acting import Acting
from tbd.demo.face import Portrait
from tbd.demo.identity import PEOPLE, Identity, person
from tbd.demo.landmarks import Units
from tbd.demo.voice import energy, speak
from tbd.errors import InputError, UsageError
from tbd.media import video

Pixels = npt.NDArray[np.uint8]

STRENGTH = {letter: round(0.2 * number, 1) for number, letter in enumerate("ABCDE", 1)}
"""FACS letter -> how far the drawing moves."""
VERSION = 1
"""Raised when the same seed draws other pictures."""
SETTINGS = ".drawn.json"
"""What a folder was drawn with; its dot hides it from those who look for clips."""


@dataclass(frozen=True)
class Take:
    """One clip to draw: who shows what, and where the file goes below the root."""

    identity: Identity
    emotion: str
    level: int
    index: int
    seconds: float
    seed: int

    @property
    def path(self) -> Path:
        """``M901/video/front/angry/level_3/001.mp4``"""
        folder = Path(self.identity.name, "video", "front", EMOTIONS[self.emotion].mead, f"level_{self.level}")
        return folder / f"{self.index:03d}.mp4"


def draw(root: Path, *, seed: int = 0, size: int = 256, fps: float = 25.0, workers: int | None = None) -> list[Path]:
    """Draw 24 clips of 2 to 3 seconds: eight people, eight emotions, three levels, sound in every file.

    The tree is MEAD's (``{speaker}/video/front/{emotion}/level_{n}/{index}.mp4``) with speakers M901 to M904 and W901 to
    W904, numbers that MEAD does not use. Every file is written whole, and a file that is there is kept: run it again
    after an interruption and it goes on.

    Args:
        root: folder of the dataset, made if need be.
        seed: other seeds draw other people, voices and motions; the same seed gives the same frames.
        size: side of the square frames in pixels.
        fps: frames a second.
        workers: processes; None takes one a core. They change nothing in the pictures.

    Returns:
        The files, in the order of ``takes``.

    Raises:
        InputError: the folder was drawn with other settings, or cannot be written.
        MissingError: the disk is full.
    """
    _claim(root, {"version": VERSION, "seed": seed, "size": size, "fps": fps})
    plan = takes(seed)
    missing = [take for take in plan if not (root / take.path).is_file()]
    workers = min(workers or os.cpu_count() or 1, len(missing))
    if workers > 1:
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            list(pool.map(_draw_take, missing, *([value] * len(missing) for value in (root, size, fps))))
    else:
        for take in missing:
            _draw_take(take, root, size, fps)
    return [root / take.path for take in plan]


def takes(seed: int = 0) -> list[Take]:
    """The 24 clips of a seed: every emotion at every level (neutral three times at level 1), three a person."""
    random = np.random.default_rng([3, seed])
    shown = [(emotion, level) for emotion in schema.EMOTIONS if emotion != "neutral" for level in (1, 2, 3)]
    shown += [("neutral", 1)] * 3
    return [
        Take(person(i % len(PEOPLE), seed), emotion, level, 1, round(random.uniform(2.0, 3.0), 2), 1000 * seed + i)
        for i, (emotion, level) in enumerate(shown)
    ]


def draw_clip(
    path: Path,
    identity: Identity = PEOPLE[0],
    emotion: str = "neutral",
    level: int = 1,
    *,
    seconds: float = 2.0,
    fps: float = 25.0,
    size: int = 256,
    silent: bool = False,
    faces: int = 1,
    seed: int = 0,
) -> Path:
    """Draw one clip as an mp4 (h264, aac) whose mouth follows its sound.

    Args:
        path: ends in ``.mp4``; missing folders are made.
        identity: who is drawn; further faces are the next people of ``PEOPLE``.
        emotion: canonical name.  level: 1 to 3.
        seconds, fps: length and rate; at least one frame.
        size: side of one face's square; n faces stand side by side in a picture n times as wide.
        silent: leave the sound out of the file; the mouth still moves.
        faces: 0 leaves an empty wall.
        seed: of the voice and the motion.

    Returns:
        ``path``.

    Raises:
        UsageError: no such emotion or level.
    """
    count = max(1, round(seconds * fps))
    sound = speak(count / fps, pitch=identity.pitch, seed=seed)
    acting = Acting(strengths(emotion, level), seed)
    pictures = film(_cast(identity, faces), acting, energy(sound, fps, count), fps=fps, size=size)
    video.write(path, pictures, fps, None if silent else sound)
    return path


def film(
    people: list[Identity], acting: Acting, loudness: npt.NDArray[np.float64], *, fps: float, size: int
) -> Iterator[Pixels]:
    """Frames ``(size, size * max(1, people), 3)`` uint8 RGB, one for each value of ``loudness`` (0 to 1)."""
    portraits = [Portrait(one, size) for one in people]
    empty = np.full((size, size, 3), PEOPLE[0].wall, np.uint8)
    for number, loud in enumerate(loudness.tolist()):
        now = number / fps
        row = [one.draw(acting.expression(now, loud), acting.pose(now, loud)) for one in portraits]
        yield np.concatenate(row, 1) if row else empty


def strengths(emotion: str, level: int) -> Units:
    """The action units that the knowledge base proposes for an emotion at a level, A to E as 0.2 to 1.0.

    Raises:
        UsageError: no such emotion or level.
    """
    if emotion not in EMOTIONS or level not in EMOTIONS[emotion].levels:
        raise UsageError(f"no {emotion!r} at level {level} can be drawn; emotions: {', '.join(EMOTIONS)}")
    units: dict[int, tuple[float, float]] = {}
    for code in EMOTIONS[emotion].levels[level].mentions:
        strength = STRENGTH[code.intensity or "C"]
        left, right = units.get(code.au, (0.0, 0.0))
        units[code.au] = (left if code.side == "right" else strength, right if code.side == "left" else strength)
    return units


def _cast(identity: Identity, faces: int) -> list[Identity]:
    first = PEOPLE.index(identity) if identity in PEOPLE else 0
    others = [PEOPLE[(first + offset) % len(PEOPLE)] for offset in range(1, faces)]
    return [identity, *others][:faces]


def _draw_take(take: Take, root: Path, size: int, fps: float) -> None:
    draw_clip(
        root / take.path, take.identity, take.emotion, take.level,
        seconds=take.seconds, fps=fps, size=size, seed=take.seed,
    )  # fmt: skip


def _claim(root: Path, settings: dict[str, Any]) -> None:
    """Note what the folder is drawn with, so that two seeds never mix in one tree."""
    note = root / SETTINGS
    if not note.is_file():
        workspace.write_json(note, settings)
        return
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if found != settings:
        raise InputError(
            f"{root}: drawn with other settings ({found}), asked for {settings}",
            next=f"rm -r {root}   # or choose another folder",
        )
