"""Progressive guidance (section 3.4, Fig. 6, Algorithms 1 and 2): which prompt level speaks at which noise level.

Levels run from global to local. The diffusion steps are divided among them; inside its share a level starts alone and
gives way, down to a half, to a neighbour. One function of the diffusion timestep serves training and sampling, so the
network hears the same text at the same noise level in both, whatever the sampler's spacing and number of steps.

The paper leaves the direction open: its prose and Fig. 6 let the coarse prompt speak while the picture is noise;
Algorithm 2, with ``t`` read as the diffusion timestep, lets it speak at low noise. Both readings are here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from tbd.errors import UsageError
from tbd.model.recipe import Direction, Guidance, Partner, Schedule

if TYPE_CHECKING:
    import torch

ALPHA_MAX, ALPHA_MIN = 1.0, 0.5
"""A level's own weight at the start and at the end of its share (Algorithm 1)."""


def stage_weights(
    timesteps: torch.Tensor,
    *,
    fractions: Sequence[float] = (0.4, 0.6),
    num_train_timesteps: int = 1000,
    direction: Direction = "denoising",
    schedule: Schedule = "paper",
    partner: Partner = "next",
) -> torch.Tensor:
    """Weight of every prompt level at every timestep: Algorithms 1 and 2 for any number of levels.

    Args:
        timesteps: ``(B,)`` integers in [0, ``num_train_timesteps``); 0 is the clean picture.
        fractions: share of each level, coarse first, positive, adding up to 1; the paper's s1 = 0.4 t is (0.4, 0.6).
        num_train_timesteps: T.
        direction: ``denoising``: coarse while the picture is noise (prose, Fig. 6); ``timestep``: Algorithm 2 to the letter.
        schedule: ``paper``: a level's weight falls from 1 to 1/2 over its share, and jumps at the boundary as printed;
            ``hard``: one level at a time; ``continuous``: neighbours cross over without a jump.
        partner: who takes the rest of the weight: the ``next`` level (the one before for the last), the ``previous``
            (the second for the first), or ``cyclic``. For two levels all three are the paper's.

    Returns:
        ``(B, k)`` float32, rows adding up to 1, on the device of ``timesteps``.

    Raises:
        UsageError: fractions that are not positive or do not add up to 1, or a timestep out of range.
    """
    import torch

    bounds = _bounds(fractions, num_train_timesteps)
    steps = timesteps.long()
    if steps.numel() and not 0 <= int(steps.min()) <= int(steps.max()) < num_train_timesteps:
        raise UsageError(f"a timestep outside 0 … {num_train_timesteps - 1}")
    progress = num_train_timesteps - 1 - steps if direction == "denoising" else steps  # T * u(t), in whole steps
    edges = torch.tensor(bounds, device=steps.device)
    level = torch.bucketize(progress, edges[1:-1], right=True)  # a boundary belongs to the next level (Alg. 2's "<")
    within = (progress - edges[level]).float() / (edges[level + 1] - edges[level])
    return _weights(level, within, len(fractions), schedule, partner)


def blend(embeddings: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The text at a noise level: the sum of all levels by their weights, token by token (Algorithm 2).

    Args:
        embeddings: ``(B, k, L, D)`` text embeddings, coarse to fine.
        weights: ``(B, k)`` of ``stage_weights``.

    Returns:
        ``(B, L, D)`` in the type of ``embeddings``.
    """
    import torch

    return torch.einsum("bk,bkld->bld", weights.to(embeddings.dtype), embeddings)


def weights_for(timesteps: torch.Tensor, guidance: Guidance, num_train_timesteps: int) -> torch.Tensor:
    """``stage_weights`` as a recipe has them; one level, ``none`` too, gives ones ``(B, 1)``."""
    schedule: Schedule = "paper" if guidance.schedule == "none" else guidance.schedule
    return stage_weights(
        timesteps,
        fractions=guidance.shares,
        num_train_timesteps=num_train_timesteps,
        direction=guidance.direction,
        schedule=schedule,
        partner=guidance.partner,
    )


def _bounds(fractions: Sequence[float], total: int) -> list[int]:
    """Where the shares begin and end, in whole timesteps, so that no comparison rounds."""
    if not fractions or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise UsageError(f"fractions {tuple(fractions)}: they must be positive and add up to 1")
    bounds = [0, *(round(part * total) for part in accumulate(fractions))]
    if len(set(bounds)) != len(bounds):
        raise UsageError(f"fractions {tuple(fractions)}: a share is shorter than one of {total} timesteps")
    return bounds


def _weights(level: torch.Tensor, within: torch.Tensor, k: int, schedule: str, partner: str) -> torch.Tensor:
    import torch

    own, other = torch.nn.functional.one_hot(level, k).float(), _partner(level, within, k, schedule, partner)
    if k == 1 or schedule == "hard":
        return own
    alpha = _alpha(level, within, k, schedule)[:, None]
    return alpha * own + (1 - alpha) * torch.nn.functional.one_hot(other, k)


def _alpha(level: torch.Tensor, within: torch.Tensor, k: int, schedule: str) -> torch.Tensor:
    """A level's own weight: Algorithm 1, or its continuous sibling (first falls, last rises, middle ones peak)."""
    fall = ALPHA_MAX - within * (ALPHA_MAX - ALPHA_MIN)
    if schedule == "paper":
        return fall
    rise = ALPHA_MIN + within * (ALPHA_MAX - ALPHA_MIN)
    peak = ALPHA_MAX - (2 * within - 1).abs() * (ALPHA_MAX - ALPHA_MIN)
    return fall.where(level == 0, rise.where(level == k - 1, peak))


def _partner(level: torch.Tensor, within: torch.Tensor, k: int, schedule: str, partner: str) -> torch.Tensor:
    after, before = level + 1, level - 1
    if k == 1:
        return level
    if schedule == "continuous":  # the neighbour on whose side the step lies
        nearer = before.where(within < 0.5, after)
        return after.where(level == 0, before.where(level == k - 1, nearer))
    if partner == "next":
        return after.where(level < k - 1, before)
    if partner == "previous":
        return before.where(level > 0, after)
    return after % k
