"""What keeping the cache is worth on a card: the chain against growing calls, on random weights in the shape of Qwen2-VL-7B."""

from contextlib import closing

import pytest
import qwen_shape
from card import forget_peak, peak_gb
from timing import wall_seconds
from whole_chains import chain, growing_calls, questions, starts

from tbd.annotate.backends.qwen_session import QwenSession
from tbd.annotate.steps import load_prompts

pytestmark = pytest.mark.gpu

TIMES = 2
NEW_TOKENS = 100


@pytest.fixture(scope="module")
def prompts():
    return load_prompts("v1")


@pytest.fixture(scope="module")
def model(size, device, prompts):
    return qwen_shape.build("7B" if size == "sd15" else "tiny", device, "\n".join(prompts.texts.values()))


@pytest.fixture(scope="module")
def picture(size, prompts):
    """32 x 32 tokens of Qwen2-VL, or 8 x 8."""
    return starts(prompts, 1, 896 if size == "sd15" else 224)


def _asked(model, pictures, asked):
    """Replies by step and row, and the session, closed."""
    with closing(QwenSession(model, pictures)) as session:
        return chain(session, asked), session


@pytest.mark.parametrize("new_tokens", [1, NEW_TOKENS])
def test_one_chain_beats_four_growing_calls(model, picture, prompts, device, figures, new_tokens):
    """With one new token a step it is reading that is compared, with 100 what a person waits for."""
    asked = questions(prompts, new_tokens)
    forget_peak(device)
    steps, session = _asked(model, picture, asked)  # kernels are chosen and loaded
    replies = [rows[0] for rows in steps]
    written = growing_calls(session, replies, new_tokens, None)
    assert [len(ids) for ids in written] == [reply.usage.completion_tokens for reply in replies] == [new_tokens] * 4
    times = [
        (
            wall_seconds(lambda: _asked(model, picture, asked)),
            wall_seconds(lambda: growing_calls(session, replies, new_tokens, None)),
        )
        for _ in range(TIMES)
    ]
    kept, naive = (min(taken) for taken in zip(*times, strict=True))
    prompt = sum(reply.usage.prompt_tokens for reply in replies)
    computed = prompt - sum(reply.usage.cached_tokens for reply in replies)
    billions = sum(weight.numel() for weight in model.network.parameters()) / 1e9
    what = f"chain, {billions:.3g} B weights, {new_tokens} new tokens a step"
    figures[f"{what}: times as fast as four growing calls"] = naive / kept
    figures[f"{what}: seconds, ours and growing calls"] = f"{kept:.3f}, {naive:.3f}"
    figures[f"{what}: prompt tokens computed"] = f"{computed} of {prompt}, {computed / prompt:.0%}"
    if (most := peak_gb(device)) is not None:
        figures[f"{what}: GB at most"] = most
    assert computed <= 0.5 * prompt


@pytest.mark.parametrize("rows", [4, 16])
def test_chains_a_second(model, size, prompts, figures, rows):
    """Rows of one batch, of pictures as the canonical crop has them."""
    pictures = starts(prompts, rows, 504 if size == "sd15" else 112)
    _asked(model, pictures, questions(prompts, 1))
    took = wall_seconds(lambda: _asked(model, pictures, questions(prompts, NEW_TOKENS)))
    figures[f"{rows} chains at a time: chains a second"] = rows / took
