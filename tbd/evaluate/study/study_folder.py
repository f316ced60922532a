"""A study on disk.

studies/<name>/study.json      the design: systems, clips, raters, orders; names of systems stand here alone
               media/*.mp4     what raters see, under names that say nothing, without the files' own remarks
               media/*.jpg     the portraits
               votes.sqlite    one row a vote, on disk before the next clip shows
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tbd import workspace
from tbd.errors import InputError

STUDY, MEDIA, VOTES = "study.json", "media", "votes.sqlite"
VERSION = 1


@dataclass(frozen=True)
class Criterion:
    """A question of the page, answered from 1 to 5 (absolute category rating, ITU-T P.910).

    Attributes:
        key: ``lip_sync``.
        title: the column of the table.
        question: ``{emotion}`` stands for the emotion that was asked for.
    """

    key: str
    title: str
    question: str

    def asked(self, emotion: str) -> str:
        """The question in words; a neutral face shows no emotion."""
        return self.question.format(emotion="no emotion" if emotion == "neutral" else emotion)


CRITERIA = (
    Criterion("lip_sync", "Lip", "How well do the lips follow the speech?"),
    Criterion("naturalness", "Nat", "How natural is the video?"),
    Criterion("emotion", "Emo", "How well does the face show {emotion}?"),
    Criterion("identity", "ID", "How much is this the person in the picture?"),
)
"""The four questions of the paper's Table 3."""

SCALE = {5: "Excellent", 4: "Good", 3: "Fair", 2: "Poor", 1: "Bad"}


@dataclass(frozen=True)
class StudyClip:
    """A clip that every system shows.

    Attributes:
        clip_id: of the manifest row or the table.
        stratum: ``mead``, ``open set``.
        emotion, intensity: that were asked for, in words.
        portrait: file in ``media/``.
        videos: file in ``media/`` for each system.
    """

    clip_id: str
    stratum: str
    emotion: str
    intensity: str
    portrait: str
    videos: tuple[str, ...]


@dataclass(frozen=True)
class AttentionCheck:
    """A video that says which answer to give to every question.

    Attributes:
        video: file in ``media/``.
        answer: that it asks for.
        emotion, portrait: shown beside it as beside any other.
    """

    video: str
    answer: int
    emotion: str
    portrait: str


@dataclass(frozen=True)
class Study:
    """A study as it was designed; nothing in it changes while people rate.

    Attributes:
        systems: names of the runs; never shown to raters.
        folders: where the runs lay.
        raters: secret of each rater's address.
        orders: for each rater the items ``(clip, system)``; ``(check, -1)`` for an attention check.
        invitation: secret of the address for everybody.
    """

    name: str
    seed: int
    systems: tuple[str, ...]
    folders: tuple[str, ...]
    clips: tuple[StudyClip, ...]
    checks: tuple[AttentionCheck, ...]
    raters: tuple[str, ...]
    orders: tuple[tuple[tuple[int, int], ...], ...]
    invitation: str
    version: int = VERSION

    def shown(self, rater: int, position: int) -> dict[str, Any]:
        """What the page shows: media, emotion, questions; nothing that tells which system it is."""
        number, system = self.orders[rater][position]
        clip: StudyClip | AttentionCheck = self.clips[number] if system >= 0 else self.checks[number]
        video = clip.videos[system] if isinstance(clip, StudyClip) else clip.video
        intensity = clip.intensity if isinstance(clip, StudyClip) else ""
        return {
            "position": position,
            "of": len(self.orders[rater]),
            "video": f"{MEDIA}/{video}",
            "portrait": f"{MEDIA}/{clip.portrait}",
            "emotion": clip.emotion,
            "intensity": intensity,
            "questions": [{"key": one.key, "text": one.asked(clip.emotion)} for one in CRITERIA],
        }

    @property
    def media(self) -> frozenset[str]:
        """Every file that a page may ask for."""
        videos = [video for clip in self.clips for video in clip.videos] + [check.video for check in self.checks]
        portraits = [clip.portrait for clip in self.clips] + [check.portrait for check in self.checks]
        return frozenset(videos + portraits)


def write_study(folder: Path, study: Study) -> None:
    """Write ``study.json``.

    Raises:
        InputError, MissingError: the folder cannot be written.
    """
    workspace.write_json(folder / STUDY, asdict(study))


def read_study(folder: Path) -> Study:
    """Read ``study.json``.

    Raises:
        InputError: there is none, or it is not one.
    """
    path = folder / STUDY
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return _study(document)
    except OSError:
        raise InputError(f"{folder}: no study there", next="tbd study new RUN RUN -o DIR") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path}: not a study of tbd ({error})", next="tbd study new RUN RUN -o DIR") from None


def _study(document: Mapping[str, Any]) -> Study:
    clips = tuple(StudyClip(**clip | {"videos": tuple(clip["videos"])}) for clip in document["clips"])
    checks = tuple(AttentionCheck(**check) for check in document["checks"])
    orders = tuple(tuple((int(one), int(two)) for one, two in order) for order in document["orders"])
    lists = {name: tuple(map(str, document[name])) for name in ("systems", "folders", "raters")}
    return Study(**{**document, **lists, "clips": clips, "checks": checks, "orders": orders})
