"""Emotion words and codes: from the many spellings in use to one name, and never by guessing.

Canonical names are ``tbd.schema.EMOTIONS`` and ``calm``. Several integer orders are in use for the same
eight emotions, so an integer counts only together with the scheme it belongs to.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from tbd.errors import InputError, UsageError
from tbd.filenames import SCHEMES
from tbd.schema import EMOTIONS, INTENSITIES

NAMES = (*EMOTIONS, "calm")
"""Every canonical name."""

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "happiness": tuple(
        "happy happiness happily joy joyful joyfully joyous cheerful cheerfully delighted delight glad gladly pleased "
        "amused elated smiling smile smiles grin grinning".split()
    ),
    "sadness": tuple(
        "sad sadness sadly sorrow sorrowful unhappy unhappily grief grieving mournful dejected downcast melancholy".split()
    ),
    "anger": tuple(
        "angry anger angrily mad furious furiously fury rage enraged irritated irate annoyed outraged".split()
    ),
    "fear": tuple("fear fearful fearfully afraid scared frightened terrified terror horrified".split()),
    "disgust": (*"disgusted disgust disgusting revulsion repulsed repulsion revolted".split(), "grossed out"),
    "surprise": tuple(
        "surprised surprise surprising astonished astonishment amazed amazement".split(),
    ),
    "contempt": tuple("contempt contemptuous contemptuously disdain disdainful scorn scornful scornfully".split()),
    "neutral": (
        "neutral",
        "neutrality",
        "no expression",
        "no emotion",
        "without expression",
        "expressionless",
        "relaxed",
    ),
    "calm": ("calm", "calmly"),
}
"""Words that mean one emotion, in labels and in free text."""

CODES: Mapping[str, str] = {
    "hap": "happiness",
    "sad": "sadness",
    "ang": "anger",
    "fea": "fear",
    "dis": "disgust",
    "sur": "surprise",
    "con": "contempt",
    "neu": "neutral",
    "none": "neutral",
}
"""Short forms in labels and file names (EAT, EAMM, CREMA-D, Fig. 11 of the paper); not words of a sentence."""

NEAR: Mapping[str, tuple[str, ...]] = {
    "anxious": ("fear",),
    "startled": ("surprise", "fear"),
    "ecstatic": ("happiness",),
    "sneering": ("contempt", "disgust"),
    "sneer": ("contempt", "disgust"),
    "smug": ("contempt",),
    "frustrated": ("anger",),
    "worried": ("fear", "sadness"),
}
"""Words near an emotion that are never taken for it without asking, and what they may have meant."""

LEVEL_WORDS: Mapping[int, tuple[str, ...]] = {
    1: (*"mild mildly slight slightly subtle subtly faint faintly gentle gently weak low trace barely soft softly".split(),
        "a hint of"),
    2: tuple("moderate moderately noticeable noticeably clear clearly medium marked visible distinct".split()),
    3: tuple(
        "intense intensely strong strongly severe extreme extremely exaggerated maximal maximum very fully wide".split()
    ),
}  # fmt: skip
"""Words of strength, by MEAD level."""

_WORDS = {word: name for name, words in SYNONYMS.items() for word in words}
_LABELS = _WORDS | dict(CODES)
_LEVELS = {word: level for level, words in LEVEL_WORDS.items() for word in words}
_NEGATION = r"(?:not|no|never|without|hardly|isn't|not at all)\s+(?:(?:a|an|any|the|very|really|too|so)\s+)*"


def canonical(label: str, scheme: str | None = None) -> str:
    """The canonical name of an emotion label.

    Args:
        label: a word in any letter case, a short code, or an integer of ``scheme``.
        scheme: one of ``SCHEMES``; without it integers are refused.

    Raises:
        UsageError: the label is unknown, near to several emotions, or an integer without a scheme.
    """
    word = " ".join(label.split()).lower()
    if re.fullmatch(r"\d+", word):
        return _by_number(word, scheme)
    if word in _LABELS:
        return _LABELS[word]
    if word in NEAR:
        raise UsageError(f"emotion {label!r} may mean {' or '.join(NEAR[word])}; it is not chosen for you", next=_NEXT)
    close = difflib.get_close_matches(word, list(_LABELS), 1, 0.6)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(NAMES)}"
    raise UsageError(f"unknown emotion {label!r}; {hint}", next=_NEXT)


_NEXT = f"write one of {', '.join(NAMES)}"


def _by_number(number: str, scheme: str | None) -> str:
    if scheme is None:
        raise UsageError(
            f"emotion {number}: a number says nothing without its scheme ({', '.join(SCHEMES)}); their orders differ",
            next=_NEXT,
        )
    if scheme not in SCHEMES:
        raise UsageError(f"unknown label scheme {scheme!r}; there are: {', '.join(SCHEMES)}")
    names = SCHEMES[scheme]
    if int(number) >= len(names) or not names[int(number)]:
        raise UsageError(f"emotion {number} is no code of the scheme {scheme} ({len(names)} codes)")
    return names[int(number)]


def candidates(text: str) -> dict[str, tuple[str, ...]]:
    """The words of a sentence that name an emotion, each with what it may mean; negated ones are left out."""
    found: dict[str, tuple[str, ...]] = {}
    rest = " ".join(text.lower().replace("’", "'").split())
    for word in sorted((*_WORDS, *NEAR), key=len, reverse=True):
        pattern = rf"(?<![\w']){re.escape(word)}(?!\w)"
        if not re.search(pattern, rest):
            continue
        if re.search(pattern, re.sub(_NEGATION + pattern.removeprefix("(?<![\\w'])"), " ", rest)):
            found[word] = (_WORDS[word],) if word in _WORDS else NEAR[word]
        rest = re.sub(pattern, " ", rest)
    return found


def emotion_in(text: str) -> str:
    """The one emotion that an instruction asks for.

    Raises:
        InputError: it names none, more than one, or only words that are near several; the message
            has the words and the candidates.
    """
    found = candidates(text)
    sure = {meant[0] for word, meant in found.items() if word in _WORDS}
    maybe = {word: meant for word, meant in found.items() if word in NEAR and not sure & set(meant)}
    if len(sure) == 1 and not maybe:
        return sure.pop()
    if not found:
        raise InputError(f"{text!r} names no emotion; known: {', '.join(NAMES)}", next="add --emotion happiness")
    names = sorted(sure | {name for meant in maybe.values() for name in meant})
    words = ", ".join(f"{word} ({' or '.join(meant)})" for word, meant in found.items())
    why = f"names {len(names)} emotions" if len(names) > 1 else "names an emotion only nearly"
    raise InputError(f"{text!r} {why}: {words}", next=f"say which is meant: --emotion {names[0]}")


def level_in(text: str) -> int | None:
    """The level, 1 to 3, that an instruction asks for; None when it has no word of strength.

    "very slight" is one expression and mild: a strengthening word before another belongs to that one.

    Raises:
        InputError: its words of strength disagree.
    """
    rest = " ".join(text.lower().split())
    found: dict[int, str] = {}
    for word in sorted(_LEVELS, key=len, reverse=True):
        pattern = rf"(?<!\w)(?:(?:very|extremely)\s+)?{re.escape(word)}(?!\w)"
        if re.search(pattern, rest):
            found.setdefault(_LEVELS[word], word)
            rest = re.sub(pattern, " ", rest)
    if len(found) > 1:
        words = ", ".join(f"{word} ({INTENSITIES[level]})" for level, word in sorted(found.items()))
        raise InputError(f"{text!r} asks for more than one strength: {words}", next="say which: --intensity moderate")
    return next(iter(found), None)


def level_of(word: str) -> int:
    """A level written as 1 to 3 or as mild, moderate, intense.

    Raises:
        UsageError: it is neither.
    """
    names = {name: level for level, name in INTENSITIES.items()}
    text = word.strip().lower()
    text = text.removesuffix(".0")
    if text in names:
        return names[text]
    if text in ("1", "2", "3"):
        return int(text)
    raise UsageError(f"level {word!r} is neither 1, 2, 3 nor {', '.join(names)}")
