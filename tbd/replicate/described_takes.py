"""Takes of nobody, in words and in numbers: what the replication's text encoder learns from. No picture is drawn."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd import schema
from tbd.annotate.backends.base import ConversationStart, Question, ShownFace
from tbd.annotate.backends.oracle import OracleBackend, shown_units
from tbd.annotate.facs import EMOTIONS
from tbd.annotate.steps import label_prompt
from tbd.demo.dataset import varied
from tbd.demo.landmarks import Expression
from tbd.evaluate.networks.drawn_reader import UNITS
from tbd.manifest import levels
from tbd.media.drawn_units import BLINK

Values = npt.NDArray[np.float32]

STEPS = {"describe": "describe", "cot": "step4"}
"""Mode of a prompt -> the step of a conversation that writes it."""


def described_takes(count: int, seed: int) -> tuple[list[str], Values]:
    """Takes of nobody, in words and in numbers.

    Args:
        count: how many; emotions, levels and modes by chance, half of them as the chain of four steps tells it.
        seed: of chance.

    Returns:
        ``count`` texts: all levels of a prompt joined, or one of its two; and the strengths ``(count, 34)`` float32 of
        ``UNITS``, left and right, from 0 to 1.
    """
    random = np.random.default_rng([11, seed])
    found = [_take(random) for _ in range(count)]
    return [text for text, _ in found], np.stack([strengths for _, strengths in found])


def _take(random: np.random.Generator) -> tuple[str, Values]:
    emotion = str(random.choice(schema.EMOTIONS))
    level = int(random.choice(list(EMOTIONS[emotion].levels)))
    acting = varied(emotion, level, int(random.integers(1 << 31)))
    face = acting.expression(random.uniform(0, 1.2), 0.0)
    pairs = {unit: left_right(face, unit) for unit in face.units if unit != BLINK}
    mode: Any = random.choice(["label", "describe", "cot", "cot"])
    topic = schema.Annotation(mode, emotion, level, gender=str(random.choice(["man", "woman"])))
    prompts = _prompts(topic, ShownFace(shown_units(pairs), acting.onset, 0.0, ""))
    text = str(random.choice(levels(prompts, 1 + int(random.random() < 0.3))))
    return text, np.array([pairs.get(unit, (0.0, 0.0)) for unit in UNITS], np.float32).ravel()


def left_right(face: Expression, unit: int) -> tuple[float, float]:
    """Strength of a unit on the person's left and right, each 0 to 1, as the truth beside a drawn clip has them."""
    right, left = face.pair(unit).tolist()
    return left, right


def _prompts(topic: schema.Annotation, shown: ShownFace) -> list[str]:
    if topic.mode == "label":
        return [label_prompt(topic)]
    start = ConversationStart("", None, "", topic, shown=shown)
    with OracleBackend().open([start]) as session:
        reply = session.ask([Question(STEPS[topic.mode], "", {}, 0)])[0]
    return list(json.loads(reply.text).values())
