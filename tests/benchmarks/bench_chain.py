"""What keeping the cache is worth: one chain of four steps against four growing calls.

The model is random, the work is real: 1,024 image tokens, the shipped prompts, 100 new tokens a
step. Byte pairs trained on the prompts stand in for Qwen's vocabulary, which is not shipped; they
give about as many tokens for English text (printed beside CLIP's count).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np
import pytest
import tiny_qwen
import torch
from timing import least_seconds

from tbd.annotate.backends.base import ConversationStart, Question, Reply
from tbd.annotate.backends.qwen import QwenBackend
from tbd.annotate.backends.qwen_session import QwenSession
from tbd.annotate.steps import STEPS, load_prompts
from tbd.schema import Annotation

pytestmark = pytest.mark.bench

SIDE = 896
"""Pixels: 32 x 32 tokens of Qwen2-VL."""

NEW_TOKENS = 100
TOPIC = Annotation("cot", "happiness", 2)


@pytest.fixture(scope="module")
def prompts():
    return load_prompts("v1")


@pytest.fixture(scope="module")
def backend(tmp_path_factory, prompts):
    """About 50 M parameters on a CPU, 0.4 B on a GPU, the vision tower's share as in the 7B model (8 %)."""
    torch.set_num_threads(1)
    size, layers = (2048, 10) if torch.cuda.is_available() else (768, 9)
    folder = tmp_path_factory.mktemp("bench") / "qwen2-vl"
    tiny_qwen.save("qwen2_vl", folder, size=size, layers=layers, text="\n".join(prompts.texts.values()))
    return QwenBackend(folder, batch_size=16)


def faces(prompts, count: int, side: int = SIDE) -> list[ConversationStart]:
    pixels = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return [ConversationStart(str(row), image[None], prompts.system(), TOPIC) for row, image in enumerate(pixels)]


def chain(session: QwenSession, questions: Sequence[Question]) -> list[list[Reply]]:
    steps = [session.ask([question] * len(session.rows)) for question in questions]
    assert [reply.text for replies in steps for reply in replies if reply.finish == "failed"] == []
    return steps


def growing_calls(session: QwenSession, replies: Sequence[Reply]) -> list[list[int]]:
    """Four calls of transformers' own ``generate``, each with the picture and the whole history."""
    row, written = session.rows[0], []
    for reply in replies:
        ids = torch.tensor([row.ids[: reply.usage.prompt_tokens]], device=session.model.device)
        output = session.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=(ids == 5).int(),
            max_new_tokens=NEW_TOKENS,
            suppress_tokens=session.writer.never.tolist(),
            do_sample=False,
            **{name: value.to(ids.device) for name, value in row.pixels.items()},
        )
        written.append(output[0, ids.shape[1] :].tolist())
    return written


def test_one_chain_beats_four_growing_calls(backend, prompts):
    questions = [Question(step, prompts.question(step, TOPIC), {}, NEW_TOKENS) for step in STEPS["cot"]]
    visits = []
    hook = backend.network.model.visual.register_forward_hook(lambda *_: visits.append(1))
    with backend.open(faces(prompts, 1)) as session:
        replies = [replies[0] for replies in chain(session, questions)]
        visits_of_chain = len(visits)
        written = growing_calls(session, replies)
        visits_of_calls = len(visits) - visits_of_chain
        hook.remove()
        kept, naive = least_seconds(
            lambda: asked_anew(backend, prompts, questions), lambda: growing_calls(session, replies), times=3
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


def asked_anew(backend: QwenBackend, prompts, questions: Sequence[Question]) -> None:
    with backend.open(faces(prompts, 1)) as session:
        chain(session, questions)


def tell(*lines: str) -> None:
    """Figures on the terminal, where ``make bench`` shows them."""
    sys.stderr.write("\n".join(("", *lines, "")))


def vocabularies(backend, prompts) -> str:
    from tbd.manifest.tokens import count_tokens

    text = "\n".join(prompts.texts.values())
    ours = len(backend.processor.tokenizer(text)["input_ids"])
    return f"{ours} tokens of the stand-in vocabulary, {count_tokens(text)} of CLIP's"


def test_batches_scale_on_a_gpu(backend, prompts):
    if not torch.cuda.is_available():
        tell("no GPU here: batches are not measured")
        return
    questions = [Question(step, prompts.question(step, TOPIC), {}, NEW_TOKENS) for step in STEPS["cot"]]
    bench_batches(backend, faces(prompts, 1, 504), questions[:1])  # warm up
    rates = {size: bench_batches(backend, faces(prompts, size, 504), questions) for size in (1, 4, 16)}
    tell(*(f"batch {size}: {rate:.2f} chains/s" for size, rate in rates.items()))
    assert rates[16] > 2 * rates[1]


def bench_batches(backend: QwenBackend, batch: Sequence[ConversationStart], questions: Sequence[Question]) -> float:
    """Chains a second of one batch on a GPU."""
    torch.cuda.synchronize()
    started = time.perf_counter()
    with backend.open(batch) as session:
        chain(session, questions)
    torch.cuda.synchronize()
    return len(batch) / (time.perf_counter() - started)
