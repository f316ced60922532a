import functools
import gzip
import json
import tempfile
from pathlib import Path

import pytest
import torch
from tiny_weights import TINY_NETWORK
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from tbd.errors import InputError
from tbd.manifest import CLIP_LIMIT, count_tokens
from tbd.manifest.tokens import _vocabulary
from tbd.model.frozen_encoders import random_encoders
from tbd.model.shapes import TINY
from tbd.model.text import TextEncoder, overlong

PROMPTS = [
    "",
    "A Caucasian woman in her 30s with brown hair, is speaking with a happy emotion",
    "The lip corners are pulled up & back; 12 teeth show. It's gentle, isn't it?",
    "Ärger — naïve façade 😀",
]
LONG = " ".join(f"muscle {i} contracts and the skin moves" for i in range(12))


@functools.cache
def _encoder():
    return random_encoders(TINY_NETWORK, 0).text


@functools.cache
def _tokenizer():
    """CLIP's own tokenizer, from ``vocab.json`` and ``merges.txt`` in the published form."""
    folder = Path(tempfile.mkdtemp(prefix="tbd-clip-"))
    lines = gzip.decompress(_vocabulary().read_bytes()).decode().split("\n")[1 : 49_152 - 256 - 2 + 1]
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [code for code in range(256) if code not in visible]
    letters = [chr(code) for code in visible] + [chr(256 + i) for i in range(len(rest))]
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(line.split()) for line in lines)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines]) + "\n")
    end = "<|endoftext|>"
    return CLIPTokenizer.from_pretrained(
        folder, pad_token=end, unk_token=end, eos_token=end, bos_token="<|startoftext|>", model_max_length=77
    )


@pytest.mark.parametrize("prompt", [*PROMPTS[:3], LONG[:200]])
@torch.no_grad()
def test_one_chunk_is_what_stable_diffusion_makes_of_it(prompt):
    ids = _tokenizer()(prompt, padding="max_length", truncation=True, max_length=77, return_tensors="pt").input_ids
    own = _encoder().model(input_ids=ids).last_hidden_state
    found = _encoder().encode([prompt])
    assert found.shape == (1, 77, 16)
    torch.testing.assert_close(found, own, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_text_fits_exactly_where_the_manifest_counts_that_it_fits(prompt):
    assert len(_tokenizer()(prompt).input_ids) == count_tokens(prompt) or not prompt.isascii()
    room = count_tokens(prompt)
    assert (overlong(prompt, 1) == 0) == (room <= CLIP_LIMIT)


def test_texts_of_one_call_do_not_touch_each_other():
    together = _encoder().encode(PROMPTS)
    assert together.shape == (4, 77, 16)
    for prompt, found in zip(PROMPTS, together, strict=True):
        torch.testing.assert_close(found, _encoder().encode([prompt])[0], atol=1e-5, rtol=1e-5)


def test_two_chunks_are_two_texts_laid_end_to_end():
    words = "smile " * 75  # one token each
    more = "frown " * 10
    both = _encoder().encode([words + more], 2)
    assert both.shape == (1, 154, 16)
    apart = torch.cat([_encoder().encode([words]), _encoder().encode([more])], 1)
    torch.testing.assert_close(both, apart, atol=1e-5, rtol=1e-5)


def test_a_short_text_in_two_chunks_is_followed_by_the_empty_text():
    found = _encoder().encode([PROMPTS[1]], 2)
    torch.testing.assert_close(found[:, 77:], _encoder().encode([""]), atol=1e-5, rtol=1e-5)


def test_the_limit_is_exact():
    assert _encoder().encode(["smile " * 75]).shape == (1, 77, 16)
    with pytest.raises(InputError, match="76 CLIP tokens does not fit 1 x 75: smile") as caught:
        _encoder().encode(["smile " * 76])
    assert "chunks=2" in caught.value.next
    assert [overlong("smile " * n, chunks) for n, chunks in ((75, 1), (76, 1), (150, 2), (160, 2))] == [0, 1, 0, 10]


def test_a_cut_text_is_its_beginning():
    cut = _encoder().encode(["smile " * 90], overflow="cut")
    torch.testing.assert_close(cut, _encoder().encode(["smile " * 75]), atol=1e-6, rtol=1e-6)


def test_another_vocabulary_is_refused():
    small = CLIPTextModel(CLIPTextConfig(**{**TINY.text, "vocab_size": 1000}))
    with pytest.raises(InputError, match="1000 words; CLIP's vocabulary has 49408"):
        TextEncoder(small, "x")


def test_it_is_frozen_and_without_dropout():
    model = CLIPTextModel(CLIPTextConfig(**TINY.text, attention_dropout=0.5)).train()
    encoder = TextEncoder(model, "x")
    assert torch.equal(encoder.encode(PROMPTS[1:2]), encoder.encode(PROMPTS[1:2]))
    assert not any(weight.requires_grad for weight in model.parameters())
