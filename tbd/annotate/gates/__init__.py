"""Quality gates: what a person should look at before a row is trained on.

``check`` judges a finished annotation, ``judge_reply`` one raw reply. Both are pure and take a few
milliseconds at most. ``GATES`` lists every code with its severity, meaning and advice.

The FACS gates (codes, names, muscles, combinations, emotion, strength, agreement of the steps) judge
``cot`` rows; the others judge every mode. Combinations are judged as of one moment, although a row
speaks of a clip: step II describes what shows together at the height of the expression.
"""

from __future__ import annotations

from collections.abc import Callable

from tbd.annotate.gates.coding import coding_flags
from tbd.annotate.gates.emotion import emotion_flags
from tbd.annotate.gates.instruction_echo import echo_flags
from tbd.annotate.gates.movement import movement_flags
from tbd.annotate.gates.person import person_flags
from tbd.annotate.gates.prompts import prompt_flags
from tbd.annotate.gates.replies import judge_reply, reply_flags
from tbd.annotate.gates.steps import step_flags
from tbd.annotate.gates.table import GATES
from tbd.annotate.gates.wording import wording_flags
from tbd.manifest.tokens import count_tokens as clip_tokens
from tbd.schema import Annotation, Flag, Gate

__all__ = ["GATES", "Gate", "check", "judge_reply"]


def check(annotation: Annotation, *, count_tokens: Callable[[str], int] = clip_tokens) -> list[Flag]:
    """Everything worth knowing about an annotation, in the order of the FACS reference, section 8.

    Replies, codes, names, muscles, combinations, emotion, strength and labels, agreement of the
    steps, prompts. A row without action units, muscles or one of its prompts always has an error.

    Args:
        annotation: what a chain wrote; any content, however broken.
        count_tokens: CLIP tokens of a text, both specials included.

    Returns:
        Flags with ``code``, ``severity``, ``message``, ``where`` and ``quote``; empty when all is well.
    """
    facs = annotation.mode == "cot"
    flags = [
        *reply_flags(annotation),
        *(coding_flags(annotation) if facs else ()),
        *(emotion_flags(annotation) if facs else ()),
        *wording_flags(annotation),
        *(step_flags(annotation) if facs else ()),
        *movement_flags(annotation),
        *person_flags(annotation),
        *echo_flags(annotation),
        *prompt_flags(annotation, count_tokens),
    ]
    return list(dict.fromkeys(flags))
