"""The backend without a model: the FACS knowledge base writes the chain. Deterministic, no weights, no picture.

It answers in the JSON a language model is asked for, so that everything after it is the same. It
invents nobody: what the topic does not tell about the person is "unknown".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tbd.annotate.backends.base import ConversationStart, Reply
from tbd.annotate.backends.written import WrittenBackend
from tbd.annotate.facs import ACTION_UNITS, EMOTIONS, MUSCLES, EmotionFacts, Mention, knowledge_sha256
from tbd.schema import Annotation

_STRENGTH = {"A": " barely", "B": " slightly", "C": " clearly", "D": " strongly", "E": " as far as can be"}
_POSSESSIVE = {"woman": "her", "man": "his"}
_RESTING = ("frontalis_medial", "orbicularis_oculi_orbital", "zygomaticus_major", "orbicularis_oris")
"""Muscles that step III names for a face at rest."""


class FacsBackend(WrittenBackend):
    """Replies from ``annotate/facs/``: one set of texts for each emotion and level. Other words are another revision."""

    def __init__(self) -> None:
        super().__init__("facs", knowledge_sha256()[:12], _reply)


def _reply(start: ConversationStart, step: str) -> Reply:
    topic, emotion = start.topic, EMOTIONS.get(start.topic.emotion or "")
    if emotion is None:
        return Reply(f"the facs backend needs an emotion label and got {topic.emotion!r}", "failed")
    return Reply(json.dumps(_STEPS[step](topic, emotion), ensure_ascii=False))


def facial_information(topic: Annotation, emotion: EmotionFacts) -> dict[str, Any]:
    """Step I's reply: what the topic tells about the person, else "unknown"."""
    names = ("gender", "age_range", "ethnicity", "appearance")
    return {name: getattr(topic, name) or "unknown" for name in names}


def _action_units(topic: Annotation, emotion: EmotionFacts) -> dict[str, Any]:
    return action_units(emotion.at(topic.level).mentions)


def action_units(mentions: Sequence[Mention]) -> dict[str, Any]:
    """Step II's reply about some units."""
    return {
        "action_units": [
            {
                "au": mention.au,
                "name": ACTION_UNITS[mention.au].name,
                "side": mention.side or "both",
                "intensity": mention.intensity or "",
                "description": _description(mention),
            }
            for mention in mentions
        ]
    }


def _description(mention: Mention) -> str:
    """``the lip corners rise slightly on the right side``."""
    side = f" on the {mention.side} side" if mention.side else ""
    return ACTION_UNITS[mention.au].shows + _STRENGTH.get(mention.intensity or "", "") + side


def _muscles(topic: Annotation, emotion: EmotionFacts) -> dict[str, Any]:
    return muscles(emotion, emotion.at(topic.level).mentions)


def muscles(emotion: EmotionFacts, mentions: Sequence[Mention]) -> dict[str, Any]:
    """Step III's reply about some units, each named once."""
    named = [
        {"name": MUSCLES[key].name, "au": mention.au, "action": _action(mention, key)}
        for mention in mentions
        for key in (ACTION_UNITS[mention.au].all_muscles if mention.au else _RESTING)
    ]
    return {
        "muscles": named,
        "synergies": _synergies(mentions),
        "variation": emotion.variation,
        "social": emotion.social,
    }


def _action(mention: Mention, muscle: str) -> str:
    facts = ACTION_UNITS[mention.au]
    return f"lets go, so that {facts.shows}" if muscle in facts.relaxed else facts.action


def _synergies(mentions: Sequence[Mention]) -> str:
    shown = [ACTION_UNITS[mention.au].shows for mention in mentions]
    if len(shown) == 1:
        return f"One movement carries the expression: {shown[0]}."
    return f"At the height of the expression {', '.join(shown[:-1])} and {shown[-1]}, all at the same time."


def _prompts(topic: Annotation, emotion: EmotionFacts) -> dict[str, str]:
    level, the = emotion.at(topic.level), whose(topic)
    blanks = {"the": the, "The": the.capitalize(), "label": label(topic, emotion)}
    texts = {"expression": level.expression, "muscles": level.muscles, "dynamics": level.dynamics}
    return {"scene": scene(topic, emotion.adjective)} | {name: text.format_map(blanks) for name, text in texts.items()}


def whose(topic: Annotation) -> str:
    """``her``, ``his``, or ``the`` of somebody unknown."""
    return _POSSESSIVE.get(topic.gender or "", "the")


def label(topic: Annotation, emotion: EmotionFacts) -> str:
    """``Moderate Happiness``."""
    return f"{topic.intensity or ''} {emotion.noun}".strip().title()


def scene(topic: Annotation, adjective: str) -> str:
    """The first prompt, in the paper's form; what is unknown drops out.

    ``A Korean woman in her thirties with short hair, is speaking with a happy emotion.``
    """
    who = " ".join(filter(None, (topic.ethnicity, topic.gender or "person")))
    age = f" in {topic.age_range}" if topic.age_range else ""
    looks = f" with {topic.appearance}," if topic.appearance else ""
    return f"{_article(who).capitalize()} {who}{age}{looks} is speaking with {_article(adjective)} {adjective} emotion."


def _article(word: str) -> str:
    return "an" if word[:1].lower() in "aeiou" else "a"


def _describe(topic: Annotation, emotion: EmotionFacts) -> dict[str, str]:
    prompts = _prompts(topic, emotion)
    return {"prompt": f"{prompts['scene']} {prompts['expression']}"}


_STEPS: Mapping[str, Callable[[Annotation, EmotionFacts], Mapping[str, Any]]] = {
    "step1": facial_information,
    "step2": _action_units,
    "step3": _muscles,
    "step4": _prompts,
    "describe": _describe,
}
