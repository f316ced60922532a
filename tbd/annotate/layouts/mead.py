"""MEAD (Wang et al., ECCV 2020), as released, as mirrored and as renamed.

Released: ``{speaker}/video/{view}/{emotion}/level_{n}/{index}.mp4`` beside ``{speaker}/audio/…/{index}.m4a``.
Mirrors add folders and rename files, so words are looked for anywhere in the path: the file's own
name counts first, then the folders from the inside out.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from tbd.annotate.layouts.base import Layout, Options, Problems, Reading, Tree, flags, listed, share, stem
from tbd.annotate.layouts.ids import safe
from tbd.errors import InputError
from tbd.filenames import ALIASES, FOLDERS, VIEWS, Said, folder_of, read_name
from tbd.schema import ERROR, INFO, Clip, Flag

TAKES, NEUTRAL_TAKES = 30, 40
"""Takes of an emotion and level that a complete speaker has; copies differ, so only a soft check."""

FEW = 0.8
"""A group with a smaller share of the usual takes is counted as short."""

_SKIPPED = {"video", "videos", "mead", "data", "1", "2"}


@dataclass(frozen=True, slots=True)
class _Folder:
    """What the folders around a file say."""

    said: Said
    is_tree: bool
    """The emotion is a folder of its own, as in the release."""
    before: str
    """The folder before the emotion, where the view should be."""
    wrong: str
    """The folder before ``level_n`` where it is no emotion."""


def recognise(tree: Tree) -> float:
    """Names with a speaker, an emotion, and a take, or the folders of the release."""
    return share(tree.media, _certain)


def read(tree: Tree, options: Options) -> Reading:
    """Every video with a speaker and an emotion; see the module for the grammar."""
    problems, clips = Problems(), []
    sounds = _sounds(tree)
    scheme = options.variant or None
    for name in tree.videos:
        said, folder = _read(name, scheme)
        clip = _clip(name, said, folder, problems)
        if clip is not None:
            clips.append(clip)
    if sounds:
        clips = _with_sounds(tree, options, clips, sounds)
    return Reading(clips, problems.listed(), list(_notes(clips)))


def _certain(name: str) -> bool:
    said, folder = _read(name, "probtalk3d")
    if said.speaker is None:
        return False
    return (said.emotion is not None and said.index is not None) or folder.said.level is not None


def _read(name: str, scheme: str | None) -> tuple[Said, _Folder]:
    folder = _folder(name.rpartition("/")[0])
    own = read_name(stem(name), scheme)
    outer = folder.said
    if own.old or own.numbered:
        return own, folder
    others = own.others
    emotion, raw = (own.emotion, own.emotion_raw) if own.emotion else (outer.emotion, outer.emotion_raw)
    if own.emotion and outer.emotion and own.emotion != outer.emotion:
        others = (own.emotion_raw, outer.emotion_raw)
    if _are_emotions(others):
        emotion = None
    level = outer.level if own.level is None else own.level
    said = Said(
        own.speaker or outer.speaker, own.view or outer.view, emotion, raw, level, own.index or outer.index, others
    )
    return said, folder


@lru_cache(maxsize=65536)
def _folder(path: str) -> _Folder:
    """Folders from the inside out: the first that says a thing counts, but of speakers the outermost."""
    parts = path.split("/") if path else []
    speaker = view = level = index = None
    emotion, raw, at_emotion, at_level = None, "", -1, -1
    for at in range(len(parts) - 1, -1, -1):
        said = read_name(parts[at])
        is_name = said.speaker is not None and said.emotion is not None
        speaker = said.speaker or speaker
        view = view or said.view
        index = index or (said.index if is_name else None)
        if level is None and said.level is not None:
            level, at_level = said.level, at
        if emotion is None and said.emotion and (is_name or parts[at].lower() in ALIASES):
            emotion, raw, at_emotion = said.emotion, said.emotion_raw, -1 if is_name else at
    before = parts[at_emotion - 1] if at_emotion > 0 else ""
    wrong = parts[at_level - 1] if emotion is None and at_level > 0 else ""
    return _Folder(Said(speaker, view, emotion, raw, level, index), at_emotion >= 0, before, wrong)


def _clip(name: str, said: Said, folder: _Folder, problems: Problems) -> Clip | None:
    if said.speaker is None:
        problems.add(name, "not_mead", INFO, "passed over: no speaker (M or W and three digits) in its path")
        return None
    if said.emotion is None:
        problems.add(name, *_without_emotion(said, folder))
        return None
    if said.view is None and folder.is_tree and not _may_precede(folder.before):
        problems.add(name, "unknown_view", ERROR, _unknown("view", folder.before, VIEWS))
        return None
    view = said.view or "front"
    folder_name = folder_of(said.emotion)
    parts = [said.speaker, view, folder_name, said.level, said.index]
    wished = "_".join(["mead", *(str(part) for part in parts if part is not None)])
    return Clip(
        clip_id=wished if said.index else safe("mead " + name, name),
        dataset="mead",
        subject=said.speaker,
        emotion=said.emotion,
        emotion_raw=said.emotion_raw,
        file_name=name,
        view=view,
        level=said.level if said.level in (1, 2, 3) else None,
        gender="woman" if said.speaker.startswith("W") else "man",
        flags=_flags(said),
    )


def _flags(said: Said) -> tuple[Flag, ...]:
    def flag(code: str, severity: int, message: str) -> Flag:
        return Flag(code, severity, message, "dataset")

    neutral = said.emotion == "neutral" and said.level not in (None, 1)
    return flags(
        flag("neutral_level", ERROR, f"neutral at level {said.level}; MEAD has neutral at level 1 only")
        if neutral
        else None,
        flag("unknown_level", ERROR, f"level {said.level}; MEAD has 1 to 3")
        if said.level not in (None, 1, 2, 3)
        else None,
        flag("level_missing", INFO, "the name says no level")
        if said.level is None and said.emotion != "neutral"
        else None,
        flag("view_assumed", INFO, "the name says no view; renamed copies keep the front camera")
        if said.view is None
        else None,
        flag("old_naming", INFO, "old naming of M003: the emotion follows from the page") if said.old else None,
    )


def _without_emotion(said: Said, folder: _Folder) -> tuple[str, int, str]:
    if said.numbered:
        message = "its emotion is a number, and the orders in use differ; if they are ProbTalk3D's say --layout mead:probtalk3d"
        return "numbered_emotion", ERROR, message
    if _are_emotions(said.others):
        return "two_emotions", ERROR, f"names two emotions: {', '.join(said.others)}"
    word = folder.wrong or next(iter(said.others), "")
    if not word:
        return "no_emotion", ERROR, "no emotion in its path"
    return "unknown_emotion", ERROR, _unknown("emotion", word, FOLDERS)


def _are_emotions(words: tuple[str, ...]) -> bool:
    return len(words) > 1 and set(words) <= ALIASES.keys()


def _unknown(what: str, word: str, known: Iterable[str]) -> str:
    every = list(known)
    close = difflib.get_close_matches(word.lower(), every, 1, 0.4)
    hint = f"the nearest known one is {close[0]!r}" if close else f"known: {', '.join(every)}"
    return f"unknown {what} {word!r}; {hint}"


def _may_precede(folder: str) -> bool:
    """Folders that may stand where the view should be in copies that keep only the front camera."""
    said = read_name(folder)
    return not folder or folder.lower() in _SKIPPED or said.speaker is not None or not said.others


def _sounds(tree: Tree) -> dict[tuple[str, str, int, str], str]:
    """``{speaker}/audio/{emotion}/level_n/{index}.m4a`` by (speaker, emotion, level, index)."""
    found = {}
    for name in tree.named(".m4a"):
        said, _ = _read(name, None)
        if said.speaker and said.emotion and said.level and said.index:
            found[said.speaker, said.emotion, said.level, said.index] = name
    return found


def _with_sounds(
    tree: Tree, options: Options, clips: list[Clip], sounds: Mapping[tuple[str, str, int, str], str]
) -> list[Clip]:
    """Where a speaker's videos are silent, take the sound from the audio tree."""
    silent = _silent_speakers(tree, options, clips)
    flag = Flag(
        "audio_fallback", INFO, "the videos of this speaker have no sound; it is taken from the audio folder", "dataset"
    )
    done = []
    for clip in clips:
        key = (clip.subject, clip.emotion or "", clip.level or 0, clip.clip_id.rpartition("_")[2])
        sound = sounds.get(key) if clip.subject in silent else None
        done.append(replace(clip, audio_file_name=sound, flags=(*clip.flags, flag)) if sound else clip)
    return done


def _silent_speakers(tree: Tree, options: Options, clips: Iterable[Clip]) -> set[str]:
    """Judged by the first of a speaker's videos that can be read, of three."""
    by_speaker: dict[str, list[str]] = defaultdict(list)
    for clip in clips:
        by_speaker[clip.subject].append(clip.file_name)
    silent = set()
    for speaker, names in by_speaker.items():
        for name in names[:3]:
            try:
                if not options.sound(tree.root / name):
                    silent.add(speaker)
                break
            except InputError:
                continue
    return silent


def _notes(clips: Iterable[Clip]) -> Iterable[str]:
    takes: dict[tuple[str, str, str, int], set[int]] = defaultdict(set)
    for clip in clips:
        index = clip.clip_id.rpartition("_")[2]
        if index.isdigit() and clip.level:
            takes[clip.subject, clip.view or "", clip.emotion_raw, clip.level].add(int(index))
    gapped = sorted({group[0] for group, indices in takes.items() if max(indices) > len(indices)})
    if gapped:
        yield f"{len(gapped)} people have gaps in their numbering ({listed(gapped)}): equal numbers are not equal sentences"
    usual = {group: NEUTRAL_TAKES if group[2].startswith("neu") else TAKES for group in takes}
    short = sorted((len(takes[group]), group) for group in takes if len(takes[group]) < FEW * usual[group])
    if short:
        examples = listed(
            (f"{' '.join(map(str, group))}: {count} of about {usual[group]}" for count, group in short), 3
        )
        yield f"{len(short)} of {len(takes)} groups have clearly fewer takes than usual ({examples})"


LAYOUT = Layout(
    name="mead",
    expects="M003/video/front/angry/level_3/001.mp4, also M003_ang_3_001.mp4, M003#angry#level_3#001.mp4 and the like",
    recognise=recognise,
    read=read,
    variants={"probtalk3d": "names such as M003_001_6_0 with ProbTalk3D's emotion numbers"},
    where={"view": "front"},
)
"""The layout of MEAD."""
