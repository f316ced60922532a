"""A face to talk about, questions, and servers that a test starts: what the tests of the server backend share."""

from __future__ import annotations

import socket

import numpy as np

from tbd.annotate.backends.base import ConversationStart, Question
from tbd.schema import Annotation

TOPIC = Annotation("cot", "anger", 2)
SCHEMA = {"type": "object", "properties": {"gender": {"type": "string"}}, "required": ["gender"]}
QUICK = {"timeout": 20, "retries": 2, "backoff": 0.01}
SHORT = 0.4
"""Seconds; only for servers that would keep us waiting."""


def face(key="mead_M003_front_anger_2_001", history=(), seed=0, frames=1):
    images = np.random.default_rng(seed).integers(0, 256, (frames, 64, 64, 3), dtype=np.uint8)
    return ConversationStart(key, images, "You describe faces.", TOPIC, tuple(history))


def question(text="Who is it?", step="step1", **more):
    return Question(step, text, SCHEMA, 128, **more)


def ask(backend, *questions, **kwargs):
    """The replies of one conversation."""
    with backend.open([face(**kwargs)]) as session:
        return [session.ask([one])[0] for one in questions or [question()]]


def dead_url():
    """An address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def pictures(body):
    return [part for turn in body["messages"] if isinstance(turn["content"], list) for part in turn["content"][:1]]
