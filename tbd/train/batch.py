"""From a batch of samples to what the network is asked: encoded where it was not cached, scaled, on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import torch

from tbd.errors import InputError
from tbd.model.frozen_encoders import FrozenEncoders
from tbd.model.speech import windows
from tbd.train.clips import TrainingClip
from tbd.train.dataset import Sample, clip_sound
from tbd.train.recipe import TrainRecipe


@dataclass(frozen=True)
class Batch:
    """A batch on the device.

    Attributes:
        latents: ``(B, 4, F, h, w)`` clean targets.
        reference: ``(B, 4, h, w)``.
        earlier: ``(B, 4, M, h, w)`` frames before the targets, or None.
        audio: ``(B, F, window, layers, channels)``, or None in stage 1.
        text: ``(B, k, L, D)``, coarse to fine.
        noise: ``(B, 4, F, h, w)``.
        timesteps: ``(B,)``.
        keep_reference, keep_text, keep_audio, keep_motion: ``(B,)`` bool.
        region: ``(B, h, w)`` weights of the loss, or None.
        lips, mfcc: ``(B, 5)`` and ``(B, 13, 20)`` of ``sync_window``, or None where ``loss.sync`` is off.
    """

    latents: torch.Tensor
    reference: torch.Tensor
    earlier: torch.Tensor | None
    audio: torch.Tensor | None
    text: torch.Tensor
    noise: torch.Tensor
    timesteps: torch.Tensor
    keep_reference: torch.Tensor
    keep_text: torch.Tensor
    keep_audio: torch.Tensor
    keep_motion: torch.Tensor
    region: torch.Tensor | None = None
    lips: torch.Tensor | None = None
    mfcc: torch.Tensor | None = None


def merge_batches(batches: Sequence[Batch], device: torch.device) -> Batch:
    """Batches as one, on a device."""
    found: dict[str, torch.Tensor | None] = {}
    for field in fields(Batch):
        values = [getattr(batch, field.name) for batch in batches]
        found[field.name] = None if values[0] is None else torch.cat(values).to(device)
    return Batch(**found)  # type: ignore[arg-type]


class BatchEncoder:
    """The frozen networks as the trainer uses them; texts are embedded once.

    Args:
        base: image, text and speech encoder.
        recipe: chunks of text, context of sound.
        device: where batches go.
    """

    def __init__(self, base: FrozenEncoders, recipe: TrainRecipe, device: torch.device) -> None:
        self.base, self.recipe, self.device = base, recipe, device
        self._embedded = lru_cache(maxsize=4096)(self._embed)
        self.empty = self.text([""])

    def text(self, prompts: Sequence[str]) -> torch.Tensor:
        """``(n, L, D)`` embeddings on the device."""
        return torch.stack([self._embedded(prompt) for prompt in prompts]).to(self.device)

    def batch(self, samples: Sample) -> Batch:
        """A batch of ``data.loader``, encoded.

        Raises:
            InputError: a clip of it could not be read.
        """
        if "error" in samples:
            raise InputError(samples["error"], next=samples["next"])
        if "parts" in samples:
            return merge_batches([self.batch(part) for part in samples["parts"]], self.device)
        draws, device = samples["draw"], self.device
        moments = samples["moments"].to(device) if "moments" in samples else self._moments(samples["frames"])
        noisy = self.recipe.data.moments == "both"
        latents = self.base.image.scaled(moments, samples["posterior"].to(device) if noisy else None).transpose(1, 2)
        targets = samples["noise"].shape[2]
        earlier = latents[:, :, 1:-targets]

        def flags(name: str) -> torch.Tensor:
            return torch.tensor([getattr(draw, name) for draw in draws], device=device)

        return Batch(
            latents=latents[:, :, -targets:],
            reference=latents[:, :, 0],
            earlier=earlier if earlier.shape[2] else None,
            audio=self._audio(samples),
            text=samples["text"].to(device).float() if "text" in samples else self._texts(samples["prompts"]),
            noise=samples["noise"].to(device),
            timesteps=flags("timestep"),
            keep_reference=flags("keep_reference"),
            keep_text=flags("keep_text"),
            keep_audio=flags("keep_audio"),
            keep_motion=torch.tensor(samples["keep_motion"], device=device),
            **{name: samples[name].to(device) for name in ("region", "lips", "mfcc") if name in samples},
        )

    def _embed(self, prompt: str) -> torch.Tensor:
        text = self.recipe.model.text
        return self.base.text.encode([prompt], self.recipe.model.chunks, text.overflow)[0].half().float()

    def _texts(self, prompts: Sequence[Sequence[str]]) -> torch.Tensor:
        return torch.stack([self.text(levels) for levels in prompts])

    def _moments(self, frames: torch.Tensor) -> torch.Tensor:
        """``(B, N, S, S, 3)`` -> ``(B, N, 8 or 4, h, w)``, rounded as the cache rounds."""
        found = clip_moments(self.base, frames.flatten(0, 1), self.recipe.data.moments).half()
        return found.reshape(*frames.shape[:2], *found.shape[1:]).to(self.device)

    def _audio(self, samples: Sample) -> torch.Tensor | None:
        if "windows" in samples:
            found: torch.Tensor = samples["windows"].to(self.device).float()
            return found
        if "sound" not in samples:
            return None
        context, parts = self.recipe.network.audio_context, []
        for wave, frames, targets in zip(samples["sound"], samples["clip_frames"], samples["targets"], strict=True):
            layers = self.base.speech.layers(wave, frames).half()
            parts.append(windows(layers, targets.to(layers.device), context))
        return torch.stack(parts).to(self.device).float()


def clip_moments(base: FrozenEncoders, frames: torch.Tensor, kind: str) -> torch.Tensor:
    """``(N, S, S, 3)`` uint8 -> ``(N, 8, h, w)`` moments, or their mean alone ``(N, 4, h, w)``."""
    moments = base.image.moments(frames)
    return moments if kind == "both" else moments.chunk(2, 1)[0]


def clip_layers(base: FrozenEncoders, clip: TrainingClip) -> torch.Tensor:
    """``(T, layers, channels)`` of a clip's whole sound.

    Raises:
        InputError: it has none, or too little.
    """
    try:
        return base.speech.layers(clip_sound(clip), clip.canonical.num_frames)
    except ValueError as error:
        raise InputError(str(error)) from None
