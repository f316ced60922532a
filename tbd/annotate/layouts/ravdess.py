"""RAVDESS (Livingstone & Russo, 2018): seven two-digit codes, ``01-01-06-02-01-02-12.mp4``.

Modality, vocal channel, emotion, intensity, statement, repetition, actor. A performance comes as
video with sound (01), video alone (02) and sound alone (03); all three are one performance.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tbd.annotate.layouts.base import Layout, Options, Problems, Reading, Tree, flags, share, stem
from tbd.filenames import SCHEMES, SOUNDS
from tbd.schema import ERROR, INFO, Clip, Flag

ACTORS = 24

_NAME = re.compile(r"(0[123])-(0[12])-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)")
_EMOTIONS = {f"{code:02d}": name for code, name in enumerate(SCHEMES["ravdess"]) if name}
_LEVELS = {"01": 2, "02": 3}


def recognise(tree: Tree) -> float:
    """Names of seven codes."""
    return share(tree.media, lambda path: _NAME.fullmatch(stem(path)))


def read(tree: Tree, options: Options) -> Reading:
    """Every video; of a performance with and without sound only the one with sound."""
    problems, clips, twins = Problems(), [], 0
    spoken = {stem(path) for path in tree.videos if stem(path).startswith("01-")}
    sounds = {stem(path): path for path in tree.files if path.lower().endswith(SOUNDS)}
    for path in tree.videos:
        name = stem(path)
        codes = _NAME.fullmatch(name)
        if codes is None:
            problems.add(path, "not_ravdess", INFO, "passed over: not seven codes (01-01-06-02-01-02-12.mp4)")
        elif _wrong(codes):
            problems.add(path, "unknown_code", ERROR, _wrong(codes))
        elif codes[1] == "02" and f"01{name[2:]}" in spoken and options.variant != "all":
            twins += 1
        else:
            clips.append(_clip(path, codes, sounds.get(f"03{name[2:]}")))
    return Reading(clips, problems.listed(), list(_notes(twins, sounds, clips)))


def _wrong(codes: re.Match[str]) -> str:
    if codes[3] not in _EMOTIONS:
        return f"unknown emotion code {codes[3]}; there are 01 to 08"
    if codes[4] not in _LEVELS:
        return f"unknown intensity code {codes[4]}; there are 01 and 02"
    if not 1 <= int(codes[7]) <= ACTORS:
        return f"unknown actor {codes[7]}; there are 01 to {ACTORS}"
    return ""


def _clip(path: str, codes: re.Match[str], sound: str | None) -> Clip:
    emotion = _EMOTIONS[codes[3]]
    return Clip(
        clip_id=f"ravdess_{codes[0]}",
        dataset="ravdess",
        subject=f"Actor_{codes[7]}",
        emotion=emotion,
        emotion_raw=codes[3],
        file_name=path,
        level=None if emotion == "neutral" else _LEVELS[codes[4]],
        audio_file_name=sound if codes[1] == "02" else None,
        gender="man" if int(codes[7]) % 2 else "woman",
        flags=_flags(codes, emotion, sound),
    )


def _flags(codes: re.Match[str], emotion: str, sound: str | None) -> tuple[Flag, ...]:
    def flag(code: str, severity: int, message: str) -> Flag:
        return Flag(code, severity, message, "dataset")

    neutral = emotion == "neutral"
    return flags(
        flag("neutral_level", ERROR, "neutral with strong intensity; RAVDESS has none")
        if neutral and codes[4] != "01"
        else None,
        None if neutral else flag("level_by_convention", INFO, "normal and strong intensity count as levels 2 and 3"),
        flag("song", INFO, "sung, not spoken") if codes[2] == "02" else None,
        flag("audio_fallback", INFO, "the video is silent; the sound is its audio-only twin")
        if codes[1] == "02" and sound
        else None,
    )


def _notes(twins: int, sounds: dict[str, str], clips: list[Clip]) -> Iterable[str]:
    if twins:
        yield f"{twins} silent videos passed over: the same performances are here with sound (--layout ravdess:all takes both)"
    taken = {clip.clip_id for clip in clips}
    repeated = sum(f"ravdess_01{name[2:]}" in taken for name in sounds)
    if repeated:
        yield f"{repeated} audio-only files passed over: they repeat the sound of the videos"


LAYOUT = Layout(
    name="ravdess",
    expects="Actor_12/01-01-06-02-01-02-12.mp4",
    recognise=recognise,
    read=read,
    variants={"all": "also silent videos of performances that are here with sound"},
)
"""The layout of RAVDESS."""
