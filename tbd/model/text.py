"""The text encoder: CLIP's last hidden states, 77 tokens a chunk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch

from tbd.errors import InputError
from tbd.manifest import CLIP_LIMIT, token_ids

if TYPE_CHECKING:
    from transformers import CLIPTextModel

START, END = 49_406, 49_407
"""CLIP's two specials; the second also fills what is left of a chunk, as Stable Diffusion was trained."""
ROOM = CLIP_LIMIT - 2
"""Tokens of text in one chunk."""


class TextEncoder:
    """CLIP's text model, frozen.

    Args:
        model: transformers' model with CLIP's own vocabulary.
        identity: which weights these are, for cache keys and records.

    Raises:
        InputError: the model has another vocabulary.
    """

    def __init__(self, model: CLIPTextModel, identity: str) -> None:
        if model.config.vocab_size != END + 1:
            raise InputError(f"a text encoder with {model.config.vocab_size} words; CLIP's vocabulary has {END + 1}")
        self.model = model.eval().requires_grad_(False)
        self.identity = identity

    @torch.no_grad()
    def encode(
        self, texts: Sequence[str], chunks: int = 1, overflow: Literal["error", "cut"] = "error"
    ) -> torch.Tensor:
        """Embed texts; each is spread over ``chunks`` windows of CLIP, which are laid end to end.

        Args:
            texts: n texts; an empty one is the unconditional text.
            chunks: of 75 tokens each.
            overflow: what happens to a longer text; see ``overlong`` to find them first.

        Returns:
            ``(n, 77 * chunks, D)`` float32 on the model's device.

        Raises:
            InputError: a text does not fit and may not be cut.
        """
        rows = [row for text in texts for row in chunked(text, chunks, overflow)]
        ids = torch.tensor(rows, device=self.model.device)
        found = self.model(input_ids=ids).last_hidden_state.float()
        return found.reshape(len(texts), chunks * CLIP_LIMIT, -1)


def overlong(text: str, chunks: int) -> int:
    """Tokens by which a text passes its chunks; 0 when it fits."""
    return max(0, len(token_ids(text)) - chunks * ROOM)


def chunked(text: str, chunks: int, overflow: Literal["error", "cut"]) -> list[list[int]]:
    """The token ids of a text as ``chunks`` windows of 77: start, up to 75 tokens, and ends that fill what is left.

    Raises:
        InputError: the text does not fit and may not be cut.
    """
    ids = token_ids(text)
    if overflow == "error" and len(ids) > chunks * ROOM:
        raise InputError(
            f"a prompt of {len(ids)} CLIP tokens does not fit {chunks} x {ROOM}: {text[:60]}…",
            next="tbd review, and shorten it; or --set model.text.chunks=2",
        )
    parts = [ids[ROOM * i : ROOM * (i + 1)] for i in range(chunks)]
    return [[START, *part, *[END] * (CLIP_LIMIT - 1 - len(part))] for part in parts]
