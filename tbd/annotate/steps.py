"""The four steps of CoT-FA (section 3.2, Fig. 4): what is asked, and the JSON that is hoped for.

The words live in ``annotate/prompts/<version>/*.md``; ``$name`` in them is filled from the topic.
"""

from __future__ import annotations

import functools
import json
import string
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbd import workspace
from tbd.annotate.facs import ACTION_UNITS, EMOTIONS
from tbd.errors import RecipeError
from tbd.recipe import digest
from tbd.schema import Annotation, Mode

CHARACTERS = 3.6
"""Of English JSON to a token of Qwen's vocabulary."""

STEPS: Mapping[Mode, tuple[str, ...]] = {
    "cot": ("step1", "step2", "step3", "step4"),
    "describe": ("describe",),
    "label": (),
}
"""Calls to the model in each mode. ``label`` needs none: its prompt is the label in words."""

FIRST = ("step1", "describe")
"""The calls that show the picture."""


@dataclass(frozen=True)
class Prompts:
    """One version of the prompt files."""

    version: str
    texts: Mapping[str, str]
    examples: tuple[tuple[str, str], ...] = ()
    """Few-shot turns before the first question: what was asked, and the reply that is wanted."""

    @property
    def sha256(self) -> str:
        """Of all texts together; part of the fingerprint."""
        return digest(dict(self.texts) | ({"examples": self.examples} if self.examples else {}))

    def system(self) -> str:
        """The system message of every conversation."""
        return self.texts["system"]

    def question(self, step: str, topic: Annotation, pictures: int = 1) -> str:
        """The words of one step about one topic; the first step says so where it shows several ``pictures``."""
        before = f"{self.texts['frames']}\n\n" if pictures > 1 and step in FIRST else ""
        return string.Template(before + self.texts[step]).substitute(_blanks(topic, pictures))


def load_prompts(version: str, frames: int = 1) -> Prompts:
    """Read ``annotate/prompts/<version>/``.

    Args:
        version: name of the folder.
        frames: pictures that a model sees; several need the words of ``frames.md``.

    Raises:
        RecipeError: a file is missing, or one has a blank that no topic fills.
    """
    folder = workspace.find(f"annotate/prompts/{version}")
    texts = {}
    for step in ("system", *STEPS["cot"], *STEPS["describe"], *(["frames"] if frames > 1 else [])):
        try:
            texts[step] = (folder / f"{step}.md").read_text(encoding="utf-8").strip()
            string.Template(texts[step]).substitute(_blanks(Annotation("cot", "happiness", 2)))
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(f"{folder / step}.md: cannot be read ({error})", next="tbd init") from None
        except (KeyError, ValueError) as error:
            known = ", ".join(f"${name}" for name in _blanks(Annotation("cot", None)))
            raise RecipeError(f"{folder / step}.md: unknown blank {error}; there are {known}") from None
    return Prompts(version, texts, _examples(folder / "examples.toml"))


def _examples(path: Path) -> tuple[tuple[str, str], ...]:
    """``[[example]]`` tables with ``user`` and ``assistant``; none where there is no such file."""
    if not path.is_file():
        return ()
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))["example"]
        return tuple((str(one["user"]), str(one["assistant"])) for one in found)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        form = '[[example]] with user = "…" and assistant = "…"'
        raise RecipeError(f"{path}: cannot be read ({error!r}); it takes {form}", next=f"mend {path}") from None


def label_prompt(topic: Annotation) -> str:
    """The one prompt of mode ``label``: the emotion label in words (Table 2, first row)."""
    return f"A {topic.gender or 'person'} is speaking with {_emotion_words(topic)}."


@functools.cache
def schema(step: str, tokens: int) -> Mapping[str, Any]:
    """JSON schema of a step's reply: the longest one that it allows fits into the token limit.

    Action-unit codes are an enumeration, so none can be invented.

    Args:
        tokens: the step's limit of new tokens; texts get shorter limits where it is small.
    """
    shares = (1 - 0.05 * part for part in range(20))
    made = map(_SCHEMAS[step], shares)
    return next((form for form in made if _longest(form) <= tokens * CHARACTERS), _SCHEMAS[step](0.05))


def _longest(schema: Mapping[str, Any]) -> int:
    """Characters of the longest compact JSON text that a schema allows."""
    match schema:
        case {"enum": values}:
            return max(len(json.dumps(value)) for value in values)
        case {"type": "string"}:
            return int(schema["maxLength"]) + 2
        case {"type": "array"}:
            return int(schema["maxItems"]) * (_longest(schema["items"]) + 2) + 2
    return sum(len(name) + 6 + _longest(inner) for name, inner in schema["properties"].items()) + 2


def _blanks(topic: Annotation, pictures: int = 1) -> dict[str, str]:
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
        "pictures": str(pictures),
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


def _words(limit: int, share: float) -> dict[str, Any]:
    return {"type": "string", "maxLength": max(12, round(limit * share))}


def _list(items: dict[str, Any], least: int, most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def _code() -> dict[str, Any]:
    return {"type": "integer", "enum": sorted(ACTION_UNITS)}


_SCHEMAS: Mapping[str, Callable[[float], dict[str, Any]]] = {
    "step1": lambda share: _object(
        gender=_words(20, 1), age_range=_words(40, share), ethnicity=_words(40, share), appearance=_words(160, share)
    ),
    "step2": lambda share: _object(
        action_units=_list(
            _object(
                au=_code(),
                name=_words(40, 1),
                side={"type": "string", "enum": ["both", "left", "right"]},
                intensity={"type": "string", "enum": list("ABCDE")},
                description=_words(200, share),
            ),
            1,
            7,
        )
    ),
    "step3": lambda share: _object(
        muscles=_list(_object(name=_words(45, 1), au=_code(), action=_words(200, share)), 1, max(8, round(14 * share))),
        synergies=_words(300, share),
        variation=_words(300, share),
        social=_words(300, share),
    ),
    "step4": lambda share: _object(
        scene=_words(240, share), expression=_words(160, share), muscles=_words(220, share), dynamics=_words(160, share)
    ),
    "describe": lambda share: _object(prompt=_words(400, share)),
}
"""Schemas with their longest texts times a share."""
