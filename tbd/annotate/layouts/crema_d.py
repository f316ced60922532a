"""CREMA-D (Cao et al., 2014): ``VideoFlash/1001_IEO_ANG_HI.flv`` with tables about actors and votes.

Only sentence IEO was acted at three levels; XX means that none was asked for, not a middle one.
What viewers saw often differs from what was acted, so both are kept: the acted emotion is the label.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping

from tbd.annotate.layouts.base import Layout, Options, Problems, Reading, Tree, flags, share, stem, text_lines
from tbd.errors import InputError
from tbd.labels import CODES
from tbd.schema import ERROR, INFO, WARNING, Clip, Flag

SENTENCES = frozenset("IEO TIE IOM IWW TAI MTI IWL ITH DFA ITS TSI WSI".split())

_NAME = re.compile(r"(1\d{3})_([A-Z]{3})_([A-Z]{3})_([A-Z]{2})", re.IGNORECASE)
_EMOTIONS = {code: CODES[code.lower()] for code in ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")}
_LEVELS = {"LO": 1, "MD": 2, "HI": 3, "XX": None}
_VOTES = {code[0]: name for code, name in _EMOTIONS.items()}
_GENDERS = {"male": "man", "female": "woman"}
_DEFECTS = {
    "1076_MTI_NEU_XX": (WARNING, "known to be faulty"),
    "1076_MTI_SAD_XX": (WARNING, "known to be faulty"),
    "1064_TIE_SAD_XX": (WARNING, "known to be faulty"),
    "1064_IEO_DIS_MD": (ERROR, "a minute long, with all emotions in it"),
}


def recognise(tree: Tree) -> float:
    """Names of actor, sentence, emotion and level."""
    return share(tree.media, lambda path: (codes := _NAME.fullmatch(stem(path))) and not _wrong(codes))


def read(tree: Tree, options: Options) -> Reading:
    """Every video."""
    problems, clips = Problems(), []
    genders, votes = _genders(tree, problems), _votes(tree, problems)
    for path in tree.videos:
        codes = _NAME.fullmatch(stem(path))
        if codes is None:
            problems.add(path, "not_crema_d", INFO, "passed over: not named as CREMA-D (1001_IEO_ANG_HI.flv)")
        elif wrong := _wrong(codes):
            problems.add(path, "unknown_code", ERROR, wrong)
        else:
            clips.append(_clip(path, codes, genders, votes))
    return Reading(clips, problems.listed(), list(_notes(clips, genders)))


def _wrong(codes: re.Match[str]) -> str:
    _, sentence, emotion, level = (part.upper() for part in codes.groups())
    for what, code, known in (
        ("sentence", sentence, SENTENCES),
        ("emotion", emotion, _EMOTIONS),
        ("level", level, _LEVELS),
    ):
        if code not in known:
            return f"unknown {what} code {code}; there are {', '.join(sorted(known))}"
    return ""


def _clip(path: str, codes: re.Match[str], genders: Mapping[str, str], votes: Mapping[str, str]) -> Clip:
    name = codes[0].upper()
    return Clip(
        clip_id=f"crema-d_{name}",
        dataset="crema-d",
        subject=codes[1],
        emotion=_EMOTIONS[codes[3].upper()],
        emotion_raw=codes[3].upper(),
        file_name=path,
        level=_LEVELS[codes[4].upper()],
        gender=genders.get(codes[1]),
        flags=_flags(name, votes.get(name, "")),
    )


def _flags(name: str, vote: str) -> tuple[Flag, ...]:
    acted = name.split("_")[2][0]
    seen = [_VOTES.get(letter, letter) for letter in vote.split(":") if letter]
    defect = _DEFECTS.get(name)
    return flags(
        Flag("known_defect", *defect, "dataset") if defect else None,
        Flag("perceived_differs", INFO, f"most viewers saw {' or '.join(seen)}", "dataset")
        if seen and acted not in vote.split(":")
        else None,
    )


def _genders(tree: Tree, problems: Problems) -> dict[str, str]:
    rows = _table(tree, "VideoDemographics.csv", problems)
    return {
        row["ActorID"].strip(): _GENDERS[sex] for row in rows if (sex := row.get("Sex", "").strip().lower()) in _GENDERS
    }


def _votes(tree: Tree, problems: Problems) -> dict[str, str]:
    rows = _table(tree, "summaryTable.csv", problems)
    return {row["FileName"].strip().upper(): row.get("MultiModalVote", "").strip().upper() for row in rows}


def _table(tree: Tree, name: str, problems: Problems) -> list[dict[str, str]]:
    key = {"VideoDemographics.csv": "ActorID", "summaryTable.csv": "FileName"}[name]
    for path in tree.named(name):
        try:
            rows = [{k: v or "" for k, v in row.items() if k} for row in csv.DictReader(text_lines(tree, path))]
        except (InputError, csv.Error) as error:
            problems.add(path, "unreadable_list", WARNING, str(error))
            continue
        if not rows or key in rows[0]:
            return rows
        problems.add(path, "unreadable_list", WARNING, f"has no column {key}")
    return []


def _notes(clips: list[Clip], genders: Mapping[str, str]) -> Iterable[str]:
    if clips and not genders:
        yield "VideoDemographics.csv is not here: the actors' gender is unknown"
    differing = sum(any(flag.code == "perceived_differs" for flag in clip.flags) for clip in clips)
    if differing:
        yield f"in {differing} clips most viewers saw another emotion than the acted one; the acted one is the label"


LAYOUT = Layout(
    name="crema-d",
    expects="VideoFlash/1001_IEO_ANG_HI.flv",
    recognise=recognise,
    read=read,
)
"""The layout of CREMA-D."""
