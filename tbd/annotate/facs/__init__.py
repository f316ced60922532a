"""The Facial Action Coding System: codes, names, muscles, emotions, and what excludes what.

``parse_action_units("AU6+12C, no AU4")`` reads codes from text; ``ACTION_UNITS[12]``,
``EMOTIONS["happiness"]`` and ``MUSCLES["mentalis"]`` are tables read from ``annotate/facs/*.toml``.
"""

from tbd.annotate.facs.codes import LETTERS, Mention, parse_action_units
from tbd.annotate.facs.knowledge_base import (
    ACTION_UNITS,
    EMOTIONS,
    MUSCLES,
    ActionUnitFacts,
    EmotionFacts,
    knowledge,
    knowledge_sha256,
)
from tbd.annotate.facs.names import find_action_unit, find_muscle

__all__ = [
    "ACTION_UNITS",
    "EMOTIONS",
    "LETTERS",
    "MUSCLES",
    "ActionUnitFacts",
    "EmotionFacts",
    "Mention",
    "find_action_unit",
    "find_muscle",
    "knowledge",
    "knowledge_sha256",
    "parse_action_units",
]
