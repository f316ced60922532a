"""The backend that knows: for drawn clips, whose true action units lie beside them. No weights, no picture.

It answers the same four steps as a model that sees perfectly would, through the same knowledge base, prompts and gates: step
II has the units that the reference frame shows, with sides and letters, and the fine prompt puts them into words. It is the
ceiling of what a vision-language model could write about these clips, and says nothing about whether one sees.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from tbd.annotate.backends.base import ConversationStart, Reply, ShownFace
from tbd.annotate.backends.facs import action_units, facial_information, label, muscles, scene, whose
from tbd.annotate.backends.written import WrittenBackend
from tbd.annotate.facs import ACTION_UNITS, EMOTIONS, EmotionFacts, Mention, knowledge_sha256
from tbd.errors import InputError
from tbd.media.drawn_units import BLINK, DrawnUnits, letter, read_units
from tbd.recipe import digest
from tbd.schema import ActionUnit, Annotation, Side

VERSION = 1
"""Raised when the same units get other words; part of every row's origin."""
MOST_UNITS = 7
"""Entries of step II; above it, sides that differ least are told as one, then the weakest units are left out."""
HOW = {"A": "barely", "B": "slightly", "C": "clearly", "D": "strongly", "E": "fully"}
"""FACS letter -> word of the fine prompt."""
AT_ONCE, SOON = 0.35, 0.5
"""Seconds of an onset that is told as "at once" and as "soon"; a longer one is "slowly"."""

PLAIN: tuple[tuple[frozenset[int], str], ...] = (
    (frozenset({1, 4}), "slanted brows"), (frozenset({1}), "raised brows"), (frozenset({2}), "raised brows"),
    (frozenset({4}), "lowered brows"), (frozenset({5}), "staring eyes"), (frozenset({6}), "narrowed eyes"),
    (frozenset({7}), "narrowed eyes"), (frozenset({9}), "a wrinkled nose"), (frozenset({10}), "a raised upper lip"),
    (frozenset({12}), "raised mouth corners"), (frozenset({14}), "tucked mouth corners"),
    (frozenset({15}), "lowered mouth corners"), (frozenset({20}), "a stretched mouth"), (frozenset({27}), "an open mouth"),
    (frozenset({26}), "an open mouth"), (frozenset({23}), "tight lips"), (frozenset({24}), "tight lips"),
)  # fmt: skip
"""What anybody sees who codes no units; the first that fits tells of a unit."""


class OracleBackend(WrittenBackend):
    """Replies from the truth about drawn clips. The revision changes with the knowledge base and with this module's words."""

    def __init__(self) -> None:
        super().__init__("oracle", digest([knowledge_sha256(), VERSION])[:12], _reply)


def shown_face(clip: Path, frame: int) -> ShownFace:
    """What a drawn clip shows at a frame.

    Args:
        clip: the video; its truth lies beside it.
        frame: index from the start of the file; a later one than the last takes the last.

    Raises:
        InputError: the clip has no such truth: it was not drawn.
    """
    try:
        truth = read_units(clip)
    except InputError as error:
        raise InputError(f"{error.message}; --backend facs is for real clips", next="--backend facs") from None
    frame = min(frame, len(truth) - 1)
    pairs = {unit: (float(both[frame, 0]), float(both[frame, 1])) for unit, both in truth.units.items()}
    return ShownFace(shown_units(pairs), _onset(truth), float(truth.opening[frame]), f"{truth.sha256} {frame}")


def shown_units(pairs: Mapping[int, tuple[float, float]]) -> tuple[ActionUnit, ...]:
    """Units with their strengths (left, right), 0 to 1, as step II codes them (``mentions``)."""
    return tuple(ActionUnit(one.au, ACTION_UNITS[one.au].name, one.side, one.intensity) for one in mentions(pairs))


def mentions(pairs: Mapping[int, tuple[float, float]]) -> list[Mention]:
    """Units with their strengths (left, right) as FACS writes them: one entry, or one a side where the letters differ.

    Blinks, unknown codes, and what is weaker than a trace are left out. There are at most ``MOST_UNITS`` entries.
    """
    seen = {
        unit: _sides(unit, left, right)
        for unit, (left, right) in sorted(pairs.items())
        if unit not in (0, BLINK) and unit in ACTION_UNITS
    }
    seen = {unit: sides for unit, sides in seen.items() if sides}
    strongest = sorted(seen, key=lambda unit: (-max(pairs[unit]), unit))[:MOST_UNITS]
    found = {unit: seen[unit] for unit in sorted(strongest)}
    uneven = sorted(found, key=lambda unit: (abs(pairs[unit][0] - pairs[unit][1]), unit))
    while sum(map(len, found.values())) > MOST_UNITS:
        unit = next(unit for unit in uneven if len(found[unit]) > 1)
        found[unit] = [(None, letter(max(pairs[unit])))]
    return [Mention(unit, side, how) for unit, sides in found.items() for side, how in sides]


def _sides(unit: int, left: float, right: float) -> list[tuple[Side | None, str]]:
    both: list[tuple[Side | None, str]] = [("left", letter(left)), ("right", letter(right))]
    if not ACTION_UNITS[unit].sided:
        both = [(None, letter((left + right) / 2))]
    elif both[0][1] == both[1][1]:
        both = [(None, letter(left))]
    return [one for one in both if one[1]]


def _onset(truth: DrawnUnits) -> float:
    """Seconds until the units together first come near their greatest strength."""
    total = sum((both.sum(1) for unit, both in truth.units.items() if unit not in (0, BLINK)), np.zeros(len(truth)))
    return float(truth.seconds[int(np.argmax(total >= 0.97 * total.max()))])


def _reply(start: ConversationStart, step: str) -> Reply:
    topic, shown = start.topic, start.shown
    emotion = EMOTIONS.get(topic.emotion or "")
    if emotion is None:
        return Reply(f"the oracle backend needs an emotion label and got {topic.emotion!r}", "failed")
    if shown is None:
        return Reply("the oracle backend knows drawn clips only; --backend facs is for real ones", "failed")
    return Reply(json.dumps(_answer(step, topic, emotion, shown), ensure_ascii=False))


def _answer(step: str, topic: Annotation, emotion: EmotionFacts, shown: ShownFace) -> dict[str, Any]:
    units = [Mention(one.au, one.side, one.intensity) for one in shown.units]
    coded = units or [Mention(0)]
    match step:
        case "step1":
            return facial_information(topic, emotion)
        case "step2":
            return _told_once(action_units(coded))
        case "step3":
            carried = {one.au: one for one in coded if one.au == 0 or ACTION_UNITS[one.au].all_muscles}
            return muscles(emotion, list(carried.values()) or [Mention(0)])
        case "describe":
            return {"prompt": f"{scene(topic, emotion.adjective)} {_plain(topic, emotion, shown)}"}
    return {
        "scene": scene(topic, emotion.adjective),
        "expression": f"{whose(topic).capitalize()} face shows {label(topic, emotion)}.",
        "muscles": in_words(shown.units),
        "dynamics": _dynamics(shown),
    }


def _told_once(reply: dict[str, Any]) -> dict[str, Any]:
    """The second side of a unit is described by its strength alone: a reply that repeats itself reads like a loop."""
    for before, entry in pairwise(reply["action_units"]):
        if before["au"] == entry["au"]:
            entry["description"] = f"{HOW[entry['intensity']]} {entry['side']}"
    return reply


def in_words(units: Sequence[ActionUnit]) -> str:
    """The prompt about the muscles: every unit with its strength and side; other units, other words.

    ``Cheeks rise clearly, lip corners rise strongly left, clearly right, lips part slightly.``
    """
    told: dict[int, list[ActionUnit]] = {}
    for unit in units:
        told.setdefault(unit.au, []).append(unit)
    words = ", ".join(_phrase(au, sides) for au, sides in told.items())
    return f"{words or 'the face stays at rest'}.".removeprefix("the ").capitalize()


def _phrase(au: int, sides: Sequence[ActionUnit]) -> str:
    shows = ACTION_UNITS[au].shows.removeprefix("the ")
    if sides[0].side is None:
        return f"{shows} {HOW[sides[0].intensity or 'C']}"
    return f"{shows} " + ", ".join(f"{HOW[one.intensity or 'C']} {one.side}" for one in sides)


def _dynamics(shown: ShownFace) -> str:
    if not shown.units:
        return "Only speech moves the mouth."
    pace = "at once" if shown.onset < AT_ONCE else "soon" if shown.onset < SOON else "slowly"
    return f"It builds up {pace} and holds while speaking."


def _plain(topic: Annotation, emotion: EmotionFacts, shown: ShownFace) -> str:
    """A face as somebody describes it who knows no units: which parts look how, without strengths and sides."""
    clear = {unit.au for unit in shown.units if (unit.intensity or "C") >= "B"}
    parts = list(dict.fromkeys(_seen(clear)))
    listed = " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
    return f"{whose(topic).capitalize()} face {f'has {listed}' if parts else 'is at rest'}, showing {label(topic, emotion)}."


def _seen(clear: Iterable[int]) -> Iterator[str]:
    left = set(clear)
    for units, words in PLAIN:
        if units <= left:
            left -= units
            yield words
