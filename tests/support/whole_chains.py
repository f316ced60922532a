"""A chain of questions about a made-up picture, two ways: in one session that keeps what it read, and in calls that read all again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from tbd.annotate.backends.base import ConversationStart, Question, Reply
from tbd.annotate.backends.qwen_session import QwenSession
from tbd.annotate.steps import STEPS
from tbd.schema import Annotation

TOPIC = Annotation("cot", "happiness", 2)


def starts(prompts: Any, count: int, side: int) -> list[ConversationStart]:
    """Conversations about pictures of noise, ``side`` pixels wide and high."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return [ConversationStart(str(row), image[None], prompts.system(), TOPIC) for row, image in enumerate(pixels)]


def questions(prompts: Any, new_tokens: int) -> list[Question]:
    """The four steps of the chain, each of which may write ``new_tokens``."""
    return [Question(step, prompts.question(step, TOPIC), {}, new_tokens) for step in STEPS["cot"]]


def chain(session: QwenSession, asked: Sequence[Question]) -> list[list[Reply]]:
    """The replies of every step, one for each row."""
    steps = [session.ask([question] * len(session.rows)) for question in asked]
    assert [reply.text for replies in steps for reply in replies if reply.finish == "failed"] == []
    return steps


def growing_calls(
    session: QwenSession, replies: Sequence[Reply], new_tokens: int, forbidden: list[int] | None
) -> list[list[int]]:
    """Calls of transformers' own ``generate``, each with the picture and the whole history.

    Args:
        session: has been asked; of its first row.
        replies: of that row, one a step.
        new_tokens: that each call writes.
        forbidden: token ids that must not be written.

    Returns:
        The ids that each call wrote.
    """
    row, model, written = session.rows[0], session.model, []
    for reply in replies:
        ids = torch.tensor([row.ids[: reply.usage.prompt_tokens]], device=model.device)
        output = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=(ids == model.config.image_token_id).int(),
            max_new_tokens=new_tokens,
            suppress_tokens=forbidden,
            do_sample=False,
            **{name: value.to(ids.device) for name, value in row.pixels.items()},
        )
        written.append(output[0, ids.shape[1] :].tolist())
    return written
