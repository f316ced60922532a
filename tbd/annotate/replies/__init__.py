"""Reading the model's replies as a careful person would: JSON first, tables and headings second.

A schema may be ignored by the server; a model may think aloud, fence, comment, break its JSON, use
its own keys, or answer as the paper's Fig. 4 shows. ``read`` takes what is there and invents nothing;
``unread`` lists what looks like a part of the answer and could not be taken. The raw reply is kept.

    reply -> answer (thoughts, fences and chat cut off) -> objects | tables | sections -> fields
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tbd.annotate.replies.action_units import read_action_units
from tbd.annotate.replies.answer import extract_answer
from tbd.annotate.replies.facial_information import read_facial_information
from tbd.annotate.replies.muscles import read_muscles
from tbd.annotate.replies.prompts import PROMPTS, description, levels

__all__ = ["PROMPTS", "Unreadable", "extract_answer", "read", "unread"]

_Fields = dict[str, Any]
_READERS: dict[str, Callable[[str], tuple[_Fields, list[str]]]] = {
    "step1": read_facial_information,
    "step2": read_action_units,
    "step3": read_muscles,
    "step4": levels,
    "describe": description,
}
_LACKING = {
    "step1": "none of gender, age_range, ethnicity, appearance",
    "step2": "no action units",
    "step3": "no muscles",
    "step4": "none of scene, expression, muscles, dynamics",
    "describe": "no prompt",
}


class Unreadable(Exception):
    """The reply has none of the step's parts; ``str(error)`` says what is missing."""


def read(step: str, text: str) -> _Fields:
    """The fields of ``tbd.schema.Annotation`` that one step's reply fills.

    Args:
        step: ``step1`` … ``step4`` or ``describe``.
        text: the raw reply.

    Raises:
        Unreadable: nothing of the step's parts could be found.
    """
    fields, _ = _taken(step, text)
    if not fields:
        raise Unreadable(_LACKING[step])
    return dict(fields)


def unread(step: str, text: str) -> list[str]:
    """Entries of a reply that look like parts of the answer and were not taken, as they stand there."""
    return _taken(step, text)[1]


@functools.lru_cache(maxsize=256)
def _taken(step: str, text: str) -> tuple[_Fields, list[str]]:
    """A reply is read when it is judged, taken and gated: once is enough."""
    return _READERS[step](extract_answer(text))
