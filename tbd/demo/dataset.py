"""A small dataset that looks like MEAD on disk and shows nobody: drawn faces, synthetic voices."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator
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
from tbd.demo.landmarks import Units, opening
from tbd.demo.voice import energy, speak
from tbd.errors import InputError, UsageError
from tbd.media import video
from tbd.media.drawn_units import BLINK, COLUMNS, units_path
from tbd.pools import JobFailure, WorkerPool

Pixels = npt.NDArray[np.uint8]

STRENGTH = {letter: round(0.2 * number, 1) for number, letter in enumerate("ABCDE", 1)}
"""FACS letter -> how far the drawing moves."""
VERSION = 2
"""Raised when the same seed draws other pictures."""
SECONDS = (2.0, 3.0)
"""Length of the shortest and of the longest clip."""
SETTINGS = ".drawn.json"
"""What a folder was drawn with; its dot hides it from those who look for clips."""


@dataclass(frozen=True)
class DrawnClip:
    """One clip to draw: who shows what, and where the file goes below the root.

    Attributes:
        faces: 2 puts somebody else beside the speaker: a flawed clip.
        silent: without sound: a flawed clip.
    """

    identity: Identity
    emotion: str
    level: int
    index: int
    seconds: float
    seed: int
    faces: int = 1
    silent: bool = False

    @property
    def path(self) -> Path:
        """``M901/video/front/angry/level_3/001.mp4``"""
        folder = Path(self.identity.name, "video", "front", EMOTIONS[self.emotion].mead, f"level_{self.level}")
        return folder / f"{self.index:03d}.mp4"


def draw(
    root: Path,
    *,
    seed: int = 0,
    people: int = 8,
    clips: int = 24,
    size: int = 256,
    fps: float = 25.0,
    seconds: tuple[float, float] = SECONDS,
    workers: int | None = None,
) -> list[Path]:
    """Draw clips of people who do not exist, with sound, in MEAD's tree.

    Every clip shows its emotion in a way of its own: which units, how strong, on which side, how fast. The truth about
    each frame lies beside it (``write_units``). The last two clips are flawed on purpose, for the first review: two
    faces in the picture, and no sound. The tree is ``{speaker}/video/front/{emotion}/level_{n}/{index}.mp4`` with
    speakers from M901 and W901, numbers that MEAD does not use. Every file is written whole, and a file that is there
    is kept: run it again after an interruption and it goes on.

    Args:
        root: folder of the dataset, made if need be.
        seed: other seeds draw other people, voices and motions; the same seed gives the same frames.
        people, clips: how many; emotions and levels take turns.
        size: side of the square frames in pixels.
        fps: frames a second.
        seconds: of the shortest and of the longest clip.
        workers: processes; None takes one a core. They change nothing in the pictures.

    Returns:
        The files, in the order of ``drawn_clips``.

    Raises:
        UsageError: fewer than two people or eight clips.
        InputError: the folder was drawn with other settings, or cannot be written.
        MissingError: the disk is full.
    """
    settings: dict[str, Any] = {
        "version": VERSION,
        "seed": seed,
        "people": people,
        "clips": clips,
        "size": size,
        "fps": fps,
    }
    if seconds != SECONDS:
        settings["seconds"] = list(seconds)
    plan = drawn_clips(seed, people, clips, seconds)
    _claim(root, settings)
    missing = [clip for clip in plan if not (root / clip.path).is_file()]
    workers = min(workers or os.cpu_count() or 1, len(missing))
    draw_one = functools.partial(_draw_clip, root=root, size=size, fps=fps)
    with WorkerPool(draw_one, workers if workers > 1 else 0, failed=_give_up) as pool:
        for _ in pool.run(missing):
            pass
    return [root / clip.path for clip in plan]


def drawn_clips(
    seed: int = 0, people: int = 8, clips: int = 24, seconds: tuple[float, float] = SECONDS
) -> list[DrawnClip]:
    """The clips of a seed: every emotion at every level in turn, every person in turn; the last two flawed.

    Raises:
        UsageError: fewer than two people or eight clips.
    """
    if people < 2 or clips < 8:
        raise UsageError(f"{people} people and {clips} clips: at least 2 and 8 are drawn", next="tbd demo")
    random = np.random.default_rng([3, seed])
    shown = [(emotion, level) for emotion in schema.EMOTIONS if emotion != "neutral" for level in (1, 2, 3)]
    shown += [("neutral", 1)] * 3
    found: list[DrawnClip] = []
    for i in range(clips):
        emotion, level = shown[(i + i // (len(shown) * people)) % len(shown)]
        who = person((i + i // len(shown)) % people, seed)
        index = 1 + sum(one.identity == who and (one.emotion, one.level) == (emotion, level) for one in found)
        flaw = i - clips + 2
        found.append(
            DrawnClip(
                who, emotion, level, index, round(random.uniform(*seconds), 2), 1000 * seed + i,
                faces=2 if flaw == 0 else 1, silent=flaw == 1,
            )
        )  # fmt: skip
    return found


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
    acting: Acting | None = None,
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
        acting: what is shown instead of the emotion's textbook units.

    Returns:
        ``path``.

    Raises:
        UsageError: no such emotion or level.
    """
    count = max(1, round(seconds * fps))
    sound = speak(count / fps, pitch=identity.pitch, seed=seed)
    acting = acting or Acting(strengths(emotion, level), seed)
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


def varied(emotion: str, level: int, seed: int) -> Acting:
    """One way of showing an emotion: textbook units with strengths, sides, timing, and what is left out, of its own.

    The first two units always show; of the others each stays with probability 0.75.
    """
    random = np.random.default_rng([5, seed])
    units: dict[int, tuple[float, float]] = {}
    for place, (unit, strength) in enumerate(strengths(emotion, level).items()):
        left, right = strength if isinstance(strength, tuple) else (strength, strength)
        much, lean = random.uniform(0.75, 1.25), random.uniform(-0.25, 0.25) * (random.random() < 0.4)
        if place < 2 or random.random() < 0.75:
            units[unit] = (min(1.0, left * much * (1 - lean)), min(1.0, right * much * (1 + lean)))
    return Acting(units, seed, random.uniform(0.25, 0.7))


def write_units(path: Path, acting: Acting, loudness: npt.NDArray[np.float64], fps: float) -> None:
    """The truth about each frame of a clip as CSV: ``frame seconds energy opening`` and ``au{n}_left au{n}_right``.

    Args:
        path: of the clip; the table is called like it, with the ending ``.units.csv``.
        acting: what was shown.
        loudness: ``(frames,)`` of the voice, 0 to 1.
        fps: frames a second.
    """
    units = sorted({*acting.units, BLINK})
    lines = [",".join([*COLUMNS, *(f"au{unit}_left,au{unit}_right" for unit in units)])]
    for number, loud in enumerate(loudness.tolist()):
        now = acting.expression(number / fps, loud)
        sides = [value for unit in units for value in now.pair(unit)[::-1]]
        lines.append(
            ",".join([f"{number},{number / fps:.3f},{loud:.4f},{opening(now):.4f}", *(f"{v:.3f}" for v in sides)])
        )
    workspace.write_text(units_path(path), "\n".join(lines) + "\n")


def _cast(identity: Identity, faces: int) -> list[Identity]:
    first = PEOPLE.index(identity) if identity in PEOPLE else 0
    others = [PEOPLE[(first + offset) % len(PEOPLE)] for offset in range(1, faces)]
    return [identity, *others][:faces]


def _draw_clip(clip: DrawnClip, root: Path, size: int, fps: float) -> None:
    acting, count = varied(clip.emotion, clip.level, clip.seed), max(1, round(clip.seconds * fps))
    sound = speak(count / fps, pitch=clip.identity.pitch, seed=clip.seed)
    write_units(root / clip.path, acting, energy(sound, fps, count), fps)
    draw_clip(
        root / clip.path, clip.identity, clip.emotion, clip.level, seconds=clip.seconds, fps=fps, size=size,
        seed=clip.seed, faces=clip.faces, silent=clip.silent, acting=acting,
    )  # fmt: skip


def _give_up(clip: DrawnClip, failure: JobFailure) -> None:
    """What cannot be drawn once cannot be drawn: a full disk, or a folder that cannot be written."""
    raise failure.error


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
