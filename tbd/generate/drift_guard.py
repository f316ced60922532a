"""Keeps long videos from drifting: colours and contrast of the frames that are handed on are held to the first window's."""

from __future__ import annotations

import torch


class DriftGuard:
    """Watches the latents of window after window (autoregressive windows inherit each other's errors).

    The statistics are mean and standard deviation of every latent channel over a window's frames. Where they have moved
    away from the first window's by more than ``limit`` standard deviations, the motion frames for the next window are
    brought back to the first window's statistics; past twice the limit none are handed on, and the next window starts
    from the reference picture alone, as training does for some clips. The window's own frames are never changed.

    Args:
        limit: in standard deviations of the first window; 0 watches and never acts.
    """

    def __init__(self, limit: float = 0.5) -> None:
        self.limit = limit
        self.anchor: tuple[torch.Tensor, torch.Tensor] | None = None
        self.drift: list[float] = []
        self.corrected = self.restarted = 0

    def hand_on(self, latents: torch.Tensor, count: int) -> torch.Tensor:
        """The motion frames for the next window.

        Args:
            latents: ``(B, 4, F, h, w)`` of the window that was just finished.
            count: how many frames are handed on.

        Returns:
            ``(B, 4, count, h, w)``; zeros where the next window shall start anew.
        """
        mean, spread = _statistics(latents)
        if self.anchor is None:
            self.anchor = mean, spread
        drift = self._distance(mean, spread)
        self.drift.append(drift)
        frames = latents[:, :, latents.shape[2] - count :]
        if not self.limit or drift <= self.limit:
            return frames
        if drift > 2 * self.limit:
            self.restarted += 1
            return torch.zeros_like(frames)
        self.corrected += 1
        return (frames - mean) / spread * self.anchor[1] + self.anchor[0]

    def _distance(self, mean: torch.Tensor, spread: torch.Tensor) -> float:
        assert self.anchor is not None
        moved = (mean - self.anchor[0]).abs() / self.anchor[1]
        stretched = (spread / self.anchor[1]).log().abs()
        return float(torch.maximum(moved, stretched).mean())


def _statistics(latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation by channel, ``(1, 4, 1, 1, 1)`` each."""
    values = latents.float()
    over = (0, 2, 3, 4)
    return values.mean(over, keepdim=True), values.std(over, keepdim=True).clamp_min(1e-6)
