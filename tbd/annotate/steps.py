"""The four steps of CoT-FA (section 3.2, Fig. 4): what is asked, and the JSON that is hoped for.

The words live in ``annotate/prompts/<version>/*.md``; ``$name`` in them is filled from the topic.
"""

from __future__ import annotations

import functools
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tbd import workspace
from tbd.annotate.facs import ACTION_UNITS, EMOTIONS
from tbd.errors import RecipeError
from tbd.recipe import digest
from tbd.schema import Annotation, Mode

STEPS: Mapping[Mode, tuple[str, ...]] = {
    "cot": ("step1", "step2", "step3", "step4"),
    "describe": ("describe",),
    "label": (),
}
"""Calls to the model in each mode. ``label`` needs none: its prompt is the label in words."""


@dataclass(frozen=True)
class Prompts:
    """One version of the prompt files."""

    version: str
    texts: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """Of all texts together; part of the fingerprint."""
        return digest(dict(self.texts))

    def system(self) -> str:
        """The system message of every conversation."""
        return self.texts["system"]

    def question(self, step: str, topic: Annotation) -> str:
        """The words of one step about one topic."""
        return string.Template(self.texts[step]).substitute(_blanks(topic))


def load_prompts(version: str) -> Prompts:
    """Read ``annotate/prompts/<version>/``.

    Raises:
        RecipeError: a file is missing, or one has a blank that no topic fills.
    """
    folder = workspace.find(f"annotate/prompts/{version}")
    texts = {}
    for step in ("system", *STEPS["cot"], *STEPS["describe"]):
        try:
            texts[step] = (folder / f"{step}.md").read_text(encoding="utf-8").strip()
            string.Template(texts[step]).substitute(_blanks(Annotation("cot", "happiness", 2)))
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(f"{folder / step}.md: cannot be read ({error})", next="tbd init") from None
        except (KeyError, ValueError) as error:
            known = ", ".join(f"${name}" for name in _blanks(Annotation("cot", None)))
            raise RecipeError(f"{folder / step}.md: unknown blank {error}; there are {known}") from None
    return Prompts(version, texts)


def label_prompt(topic: Annotation) -> str:
    """The one prompt of mode ``label``: the emotion label in words (Table 2, first row)."""
    return f"A {topic.gender or 'person'} is speaking with {_emotion_words(topic)}."


@functools.cache
def schema(step: str) -> Mapping[str, Any]:
    """JSON schema of a step's reply. Action-unit codes are an enumeration, so none can be invented."""
    return _SCHEMAS[step]()


def _blanks(topic: Annotation) -> dict[str, str]:
    strength = topic.intensity or ""
    noun = topic.emotion or "emotion"
    adjective = _adjective(topic)
    request = f'The request for this face is: "{topic.instruction}".' if topic.instruction else ""
    label = f"The person expresses {_emotion_words(topic)}." if topic.emotion else ""
    return {
        "topic": " ".join(filter(None, (request, label))),
        "emotion": noun,
        "at_intensity": f" at {strength} intensity" if strength else "",
        "scene_form": "{A} {ethnicity} {gender} in {age} with {appearance}, is speaking with "
        f"{_article(adjective)} {adjective} emotion",
        "strength_noun": f"{strength} {noun}".strip().title(),
    }


def _emotion_words(topic: Annotation) -> str:
    words = f"{topic.intensity or ''} {_adjective(topic)}".strip()
    return f"{_article(words)} {words} emotion"


def _adjective(topic: Annotation) -> str:
    if topic.emotion is None:
        return "natural"
    known = EMOTIONS.get(topic.emotion)
    return known.adjective if known else topic.emotion


def _article(word: str) -> str:
    return "an" if word[:1] in "aeiou" else "a"


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _words(limit: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": limit}


def _list(items: dict[str, Any], least: int, most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def _code() -> dict[str, Any]:
    return {"type": "integer", "enum": sorted(ACTION_UNITS)}


_SCHEMAS = {
    "step1": lambda: _object(gender=_words(20), age_range=_words(40), ethnicity=_words(40), appearance=_words(160)),
    "step2": lambda: _object(
        action_units=_list(
            _object(
                au=_code(),
                name=_words(60),
                side={"type": "string", "enum": ["both", "left", "right"]},
                intensity={"type": "string", "enum": list("ABCDE")},
                description=_words(200),
            ),
            1,
            7,
        )
    ),
    "step3": lambda: _object(
        muscles=_list(_object(name=_words(80), au=_code(), action=_words(200)), 1, 14),
        synergies=_words(300),
        variation=_words(300),
        social=_words(300),
    ),
    "step4": lambda: _object(scene=_words(240), expression=_words(160), muscles=_words(220), dynamics=_words(160)),
    "describe": lambda: _object(prompt=_words(400)),
}
