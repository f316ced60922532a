"""What keeping the cache is worth: one chain of four steps against four growing calls.

The model is random, the work is real: 1,024 image tokens, the shipped prompts, 100 new tokens a
step. Byte pairs trained on the prompts stand in for Qwen's vocabulary, which is not shipped; they
give about as many tokens for English text (printed beside CLIP's count).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest
import tiny_qwen
import torch
from timing import least_seconds
from whole_chains import chain, growing_calls, questions, starts

from tbd.annotate.backends.base import Question
from tbd.annotate.backends.qwen import QwenBackend
from tbd.annotate.steps import load_prompts

pytestmark = pytest.mark.bench

SIDE = 896
"""Pixels: 32 x 32 tokens of Qwen2-VL."""

NEW_TOKENS = 100


@pytest.fixture(scope="module")
def prompts():
    return load_prompts("v1")


@pytest.fixture(scope="module")
def backend(tmp_path_factory, prompts):
    """About 50 M parameters, the vision tower's share as in the 7B model (8 %), which itself is for a card: ``make gpu``."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("bench") / "qwen2-vl"
    tiny_qwen.save("qwen2_vl", folder, size=768, layers=9, text="\n".join(prompts.texts.values()))
    return QwenBackend(folder, device="cpu")


def test_one_chain_beats_four_growing_calls(backend, prompts):
    asked = questions(prompts, NEW_TOKENS)
    visits = []
    hook = backend.network.model.visual.register_forward_hook(lambda *_: visits.append(1))
    with backend.open(starts(prompts, 1, SIDE)) as session:
        never = session.writer.never.tolist()
        replies = [replies[0] for replies in chain(session, asked)]
        visits_of_chain = len(visits)
        written = growing_calls(session, replies, NEW_TOKENS, never)
        visits_of_calls = len(visits) - visits_of_chain
        hook.remove()
        kept, naive = least_seconds(
            lambda: asked_anew(backend, prompts, asked),
            lambda: growing_calls(session, replies, NEW_TOKENS, never),
            times=3,
        )
    prompt = sum(reply.usage.prompt_tokens for reply in replies)
    computed = prompt - sum(reply.usage.cached_tokens for reply in replies)
    millions = sum(weight.numel() for weight in backend.network.parameters()) / 1e6
    tell(
        f"{millions:.0f} M parameters, {session.rows[0].ids.count(5)} image tokens, {NEW_TOKENS} new tokens a step",
        f"text of the prompts: {vocabularies(backend, prompts)}",
        f"vision tower: {visits_of_chain} run a chain, {visits_of_calls} in four calls",
        f"prompt tokens computed: {computed} of {prompt}, {computed / prompt:.0%}",
        f"processor: {kept:.1f} s against {naive:.1f} s, {naive / kept:.2f} x faster",
    )
    assert [len(reply) for reply in written] == [reply.usage.completion_tokens for reply in replies]
    assert visits_of_chain == 1
    assert computed <= 0.35 * prompt
    assert naive >= 1.4 * kept  # 1.57 to 1.70 was measured; what is computed, above, is the same everywhere


def asked_anew(backend: QwenBackend, prompts, asked: Sequence[Question]) -> None:
    with backend.open(starts(prompts, 1, SIDE)) as session:
        chain(session, asked)


def tell(*lines: str) -> None:
    """Figures on the terminal, where ``make bench`` shows them."""
    sys.stderr.write("\n".join(("", *lines, "")))


def vocabularies(backend, prompts) -> str:
    from tbd.manifest.tokens import count_tokens

    text = "\n".join(prompts.texts.values())
    ours = len(backend.processor.tokenizer(text)["input_ids"])
    return f"{ours} tokens of the stand-in vocabulary, {count_tokens(text)} of CLIP's"
