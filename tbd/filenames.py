"""What a file's name says: by its ending what it holds, and what MEAD names mean in every spelling in use.

A name is split at ``# _ - . /`` and blanks, and each word speaks for itself: ``M003#angry#level_1#001``,
``M003_ang_1_001``, ``M003_level_2_contempt_001`` and ``m03-neutral-level_1-010`` say the same kind of
thing. Two spellings write the emotion as a number and are read only as what they are: the old naming
of M003 by pages, and ProbTalk3D's, which has to be asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

VIDEOS = tuple(
    ".mp4 .m4v .mov .qt .mkv .webm .avi .divx .flv .f4v .mpg .mpeg .mpe .m2v .vob .ts .mts .m2ts .mxf .wmv .asf .ogv .ogm "
    ".rm .rmvb .3gp .3g2 .dv .nut .y4m .ivf .h264 .264 .avc .h265 .265 .hevc .av1 .obu .mjpeg .mjpg".split()
)
"""Endings of files that are taken for video, in lower case; whether they are is found out when they are opened."""
SOUNDS = tuple(
    ".wav .wave .w64 .mp3 .mp2 .m4a .m4b .aac .ac3 .eac3 .flac .ogg .oga .opus .spx .wma .aif .aiff .aifc .caf .au .amr "
    ".mka .wv .ape".split()
)
"""Endings of files that are taken for sound."""
PICTURES = tuple(".jpg .jpeg .jpe .jfif .png .webp .bmp .tif .tiff .avif .jp2 .ppm .pgm .tga".split())
"""Endings of files that are taken for one picture."""

VIEWS = ("front", "down", "top", "left_30", "left_60", "right_30", "right_60")
"""MEAD's seven cameras."""

FOLDERS = {
    "angry": "anger",
    "contempt": "contempt",
    "disgusted": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "sad": "sadness",
    "surprised": "surprise",
}
"""MEAD's emotion folders -> canonical name."""

ALIASES = FOLDERS | {
    "ang": "anger",
    "anger": "anger",
    "con": "contempt",
    "contemptuous": "contempt",
    "dis": "disgust",
    "disgust": "disgust",
    "fea": "fear",
    "fearful": "fear",
    "hap": "happiness",
    "happiness": "happiness",
    "neu": "neutral",
    "sadness": "sadness",
    "sur": "surprise",
    "surprise": "surprise",
}
"""Every spelling of an emotion in a file name."""

SCHEMES: Mapping[str, tuple[str, ...]] = {
    "mead": ("anger", "disgust", "contempt", "fear", "happiness", "sadness", "surprise", "neutral"),
    "probtalk3d": ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"),
    "affectnet": ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"),
    "ravdess": ("", "neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise"),
}
"""Integer codes by scheme: the position is the code."""

_SPEAKER = re.compile(r"[mw]\d{2,3}")
_OLD = re.compile(r"([MW]\d{3})_(\d{1,2})_([123])_output_(\d{1,2})")
_NUMBERS = re.compile(r"([MW]\d{3})_(\d{3})_([0-7])_([012])")
_PAGES = {
    8: "angry",
    16: "disgusted",
    24: "contempt",
    33: "fear",
    43: "happy",
    52: "sad",
    61: "surprised",
    73: "neutral",
}
"""Last page of each emotion in the old naming of M003."""
_BY_NAME = {name: folder for folder, name in FOLDERS.items()}
_SILENT = {"mead", "output", "video", "clip", "aligned", "crop", "cropped", "fps", "25fps"}


@dataclass(frozen=True, slots=True)
class Said:
    """What a name says; None where it is silent.

    Attributes:
        speaker: ``M003``.  view: one of ``VIEWS``.  level: 1 to 3.
        emotion: canonical name.  emotion_raw: as it is written.
        index: the number of the take, as MEAD pads it; ``09-03`` (page and sentence) in the old naming.
        others: words that mean nothing here; two different emotions are both listed.
        numbered: the emotion is a number, whose meaning needs a scheme.
        old: the old naming of M003.
    """

    speaker: str | None = None
    view: str | None = None
    emotion: str | None = None
    emotion_raw: str = ""
    level: int | None = None
    index: str | None = None
    others: tuple[str, ...] = ()
    numbered: bool = False
    old: bool = False


@lru_cache(maxsize=65536)
def read_name(name: str, scheme: str | None = None) -> Said:
    """Read a file name without its ending, or a folder's name.

    Args:
        name: one component of a path.
        scheme: ``probtalk3d`` reads ``M003_001_6_0`` (speaker, sentence, emotion, intensity).
    """
    if old := _OLD.fullmatch(name):
        return _read_old(*old.groups())
    if numbers := _NUMBERS.fullmatch(name):
        return _read_numbers(numbers, scheme)
    return _read_words([word for word in re.split(r"[#_\-./\s]+", name.lower()) if word])


def _read_old(speaker: str, page: str, level: str, sentence: str) -> Said:
    folder = next((folder for last, folder in _PAGES.items() if 0 < int(page) <= last), None)
    if folder is None:
        return Said(speaker, others=(f"page {page}",), old=True)
    index = f"{int(page):02d}-{int(sentence):02d}"
    return Said(speaker, None, FOLDERS[folder], folder, int(level), index, old=True)


def _read_numbers(match: re.Match[str], scheme: str | None) -> Said:
    speaker, sentence, emotion, intensity = match.groups()
    if scheme is None:
        return Said(speaker, index=sentence, numbered=True)
    return Said(speaker, None, SCHEMES[scheme][int(emotion)], emotion, int(intensity) + 1, sentence)


def _read_words(words: list[str]) -> Said:
    speaker, view, level = None, None, None
    emotions: list[str] = []
    numbers: list[str] = []
    others: list[str] = []
    at = 0
    while at < len(words):
        word, after = words[at], words[at + 1] if at + 1 < len(words) else ""
        at += 1
        if speaker is None and _SPEAKER.fullmatch(word):
            speaker = f"{word[0].upper()}{int(word[1:]):03d}"
        elif word in ALIASES:
            emotions.append(word)
        elif f"{word}_{after}" in VIEWS:
            view, at = f"{word}_{after}", at + 1
        elif word in VIEWS:
            view = word
        elif word == "level" and after.isascii() and after.isdigit():
            level, at = int(after), at + 1
        elif marked := re.fullmatch(r"(?:l|level|lv)(\d)", word):
            level = int(marked[1])
        elif word.isascii() and word.isdigit():
            numbers.append(word)
        elif word not in _SILENT:
            others.append(word)
    if level is None and len(numbers) > 1 and numbers[0] in ("1", "2", "3"):
        level = int(numbers.pop(0))
    index = f"{int(numbers[-1]):03d}" if numbers and len(numbers[-1]) < 7 else None
    if len({ALIASES[word] for word in emotions}) > 1:
        return Said(speaker, view, None, "", level, index, tuple(emotions))
    raw = emotions[0] if emotions else ""
    return Said(speaker, view, ALIASES.get(raw), raw, level, index, tuple(others))


def folder_of(emotion: str) -> str:
    """MEAD's own word for a canonical emotion."""
    return _BY_NAME[emotion]
