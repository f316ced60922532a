"""A batch of conversations as a Qwen-VL model sees it: cached keys and values, and greedy decoding.

``generate`` of transformers keeps the offset of the rotary positions behind an image
(``rope_deltas``) on the model object, where a second conversation silently overwrites it, and knows
one token limit a batch. Here every batch counts its own positions and hands them to the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from tbd.annotate.backends.base import Question


class PrefixCache:
    """What the model has read of ``B`` conversations: their keys and values, and where each stands.

    Rows are padded on the left of every piece that is fed, so padding may lie anywhere in the cache;
    the mask hides it and positions do not count it.

    Attributes:
        read: tokens of each row that are in the cache.
        position: ``(B, 1)``, the rotary position of each row's next token. Behind an image it is
            smaller than the number of tokens: an image of h x w tokens advances it by max(h, w).
    """

    def __init__(self, model: Any, rows: int) -> None:
        self.model = model
        self.cache = DynamicCache(config=model.config)
        self.mask = torch.zeros(rows, 0, dtype=torch.long, device=model.device)
        self.position = torch.zeros(rows, 1, dtype=torch.long, device=model.device)
        self.read = [0] * rows

    @torch.inference_mode()
    def feed(self, pieces: Sequence[Sequence[int]], images: Sequence[dict[str, torch.Tensor]] = ()) -> torch.Tensor:
        """Read on in every row.

        Args:
            pieces: the next token ids of each row; an empty piece leaves its row as it is.
            images: ``pixel_values`` and ``image_grid_thw`` of each row's pictures, with the first piece.

        Returns:
            ``(B, vocabulary)`` float32 logits after the last token of each piece.
        """
        ids, mask = self._padded(pieces)
        pictures = (
            {name: torch.cat([image[name] for image in images]).to(ids.device) for name in images[0]} if images else {}
        )
        positions = self._positions(ids, mask, pictures.get("image_grid_thw"))
        self.mask = torch.cat([self.mask, mask], dim=1)
        output = self.model(
            input_ids=ids,
            attention_mask=self.mask,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
            **pictures,
        )
        self.position = positions.amax(dim=(0, 2)).unsqueeze(1) + 1
        self.read = [read + len(piece) for read, piece in zip(self.read, pieces, strict=True)]
        logits: torch.Tensor = output.logits[:, -1].float().to(ids.device)
        return logits

    def _padded(self, pieces: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        rows = [torch.tensor(piece, dtype=torch.long) for piece in pieces]
        ids = pad_sequence(rows, batch_first=True, padding_side="left")
        mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True, padding_side="left")
        return ids.to(self.mask.device), mask.to(self.mask.device)

    def _positions(self, ids: torch.Tensor, mask: torch.Tensor, grid: torch.Tensor | None) -> torch.Tensor:
        """``(3, B, n)``: time, height and width of every token (M-RoPE, Qwen2-VL report, section 2.1)."""
        if grid is None:
            return (self.position + mask.cumsum(1) - 1).expand(3, -1, -1)
        is_image = (ids == self.model.config.image_token_id).int()
        positions: torch.Tensor = self.model.model.get_rope_index(
            ids, is_image, image_grid_thw=grid, attention_mask=mask
        )[0]
        return positions


@torch.inference_mode()
def decode(
    context: PrefixCache, logits: torch.Tensor, questions: Sequence[Question], stop: frozenset[int], never: torch.Tensor
) -> list[tuple[list[int], bool]]:
    """Write one reply in every row.

    Args:
        context: has read the questions.
        logits: ``(B, vocabulary)``, what ``feed`` returned for them.
        questions: limit, temperature and seed of each row.
        stop: token ids that end a reply.
        never: token ids that must not be written.

    Returns:
        For each row the new token ids without the stop token, and whether it stopped by itself. All
        but the last token of a row that ran into its limit are in the cache.
    """
    replies: list[list[int]] = [[] for _ in questions]
    stopped = [False] * len(questions)
    alive = [True] * len(questions)
    while True:
        logits[:, never] = -torch.inf
        for row, token in enumerate(_choose(logits, questions, replies)):
            if not alive[row]:
                continue
            stopped[row] = token in stop
            if not stopped[row]:
                replies[row].append(token)
            alive[row] = not stopped[row] and len(replies[row]) < questions[row].max_tokens
        if not any(alive):
            return list(zip(replies, stopped, strict=True))
        logits = context.feed([reply[-1:] if going else [] for reply, going in zip(replies, alive, strict=True)])


def _choose(logits: torch.Tensor, questions: Sequence[Question], replies: Sequence[Sequence[int]]) -> list[int]:
    """The next token of each row: the likeliest, or one drawn from the softmax at the row's temperature.

    Drawing takes the largest of the logits plus Gumbel noise. The noise depends on seed and place in
    the reply alone, so neither batch nor device changes what is drawn.
    """
    tokens: list[int] = logits.argmax(dim=-1).tolist()
    for row, question in enumerate(questions):
        if question.temperature > 0:
            noise = np.random.default_rng([question.seed, len(replies[row])]).gumbel(size=logits.shape[1])
            tokens[row] = int(np.argmax(logits[row].cpu().numpy() / question.temperature + noise))
    return tokens
