"""Prompt levels: from the prompts of a row to the k texts that guidance changes between.

The limits make every k fit CLIP's 77 tokens: a scene of at most 40, and the other three together at
most 75. Only k = 1, all in one text, may pass 77; the trainer then takes two chunks of 75 tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tbd.errors import UsageError
from tbd.manifest.tokens import count_tokens

LEVELS = ("scene", "expression", "muscles", "dynamics")
"""The four prompts of a chain, coarse to fine."""
CLIP_LIMIT = 77
"""Tokens that CLIP's text model takes, both specials included."""
SCENE_LIMIT = 40
"""Tokens of the first prompt, both specials included."""
REST_LIMIT = 75
"""Tokens of expression, muscles and dynamics joined, both specials included."""


def levels(prompts: Sequence[str], k: int) -> list[str]:
    """The prompts as at most ``k`` texts, global to local (Fig. 9 of the paper compares k = 2, 3, 4).

    The first k - 1 prompts stay as they are and the others are joined by a space. With the four
    prompts of a chain: 4 is scene | expression | muscles | dynamics; 3 is scene | expression |
    muscles + dynamics; 2 is scene | the rest, coarse and fine; 1 is all of it.

    Args:
        prompts: coarse to fine, ``prompts_final`` of a row.
        k: 1 to 4.

    Returns:
        ``min(k, len(prompts))`` texts: a row with fewer prompts than ``k`` gives all it has.

    Raises:
        UsageError: ``k`` is not 1, 2, 3 or 4.
    """
    if k not in (1, 2, 3, 4):
        raise UsageError(f"{k} prompt levels: a prompt can be given in 1, 2, 3 or 4")
    head, rest = list(prompts[: k - 1]), prompts[k - 1 :]
    return [*head, " ".join(rest)] if rest else head


def coarse_and_fine(prompts: Sequence[str]) -> tuple[str | None, str | None]:
    """The two texts of the paper, as ``coarse_prompt`` and ``fine_prompt`` of a row hold them.

    A single prompt is coarse and has no fine one; with a prompt missing or blank there are neither.
    """
    texts = levels(prompts, 2) if all(prompt.strip() for prompt in prompts) else []
    return (texts[0] if texts else None), (texts[1] if len(texts) > 1 else None)


@dataclass(frozen=True, slots=True)
class TokenBudget:
    """CLIP tokens that a prompt takes, both specials included, and how many it may.

    Attributes:
        name: the level, or the levels that share the limit joined by `` + ``.
    """

    name: str
    tokens: int
    limit: int

    @property
    def over(self) -> int:
        """Tokens too many."""
        return max(0, self.tokens - self.limit)


def level_names(count: int) -> tuple[str, ...]:
    """``scene expression muscles dynamics`` for four prompts, else ``prompt``, or ``coarse fine``."""
    named = {1: ("prompt",), 2: ("coarse", "fine"), 4: LEVELS}
    return named.get(count, tuple(f"level {at + 1}" for at in range(count)))


def token_budgets(prompts: Sequence[str]) -> tuple[TokenBudget, ...]:
    """The limits that hold for prompts: scene 40, the others together 75, a single one 77."""
    names = level_names(len(prompts))
    if len(prompts) < 2:
        return tuple(TokenBudget(names[0], count_tokens(text), CLIP_LIMIT) for text in prompts)
    rest = TokenBudget(" + ".join(names[1:]), count_tokens(" ".join(prompts[1:])), REST_LIMIT)
    return TokenBudget(names[0], count_tokens(prompts[0]), SCENE_LIMIT), rest
