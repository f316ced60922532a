"""All that is ever trained, as one module: ReferenceNet, denoising UNet, audio projection."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from tbd.model.activation_checkpointing import ActivationCheckpointing
from tbd.model.audio_projection import AudioProjection
from tbd.model.recipe import Network
from tbd.model.reference import ReferenceNet
from tbd.model.shapes import network_sizes
from tbd.model.unet import TBDUNet
from tbd.model.weight_files import WEIGHTS, load_part

PARTS = ("unet", "reference_net", "audio_projection")
"""Folders of a saved network."""


@dataclass(frozen=True)
class Conditions:
    """What stays the same over all denoising steps of a clip.

    Attributes:
        reference: features ``(B, tokens, C)`` of the reference picture, one a site with attention.
        earlier: features ``(B, M, tokens, C)`` of the frames before, or None.
        audio: ``(B, F, tokens, D)``, or None.
    """

    reference: tuple[torch.Tensor, ...] | None
    earlier: tuple[torch.Tensor, ...] | None
    audio: torch.Tensor | None


class TBDNetwork(nn.Module):
    """The network of a stage. One module and one forward, so that data-parallel training wraps it once."""

    def __init__(
        self, unet: TBDUNet, reference_net: ReferenceNet, audio_projection: AudioProjection | None = None
    ) -> None:
        super().__init__()
        self.unet = unet
        self.reference_net = reference_net
        self.audio_projection = audio_projection

    @property
    def _no_split_modules(self) -> list[str]:
        """Classes of the blocks that repeat in both UNets: accelerate looks here for what FSDP gathers at a time."""
        there = {type(module).__name__ for module in self.modules()}
        return [name for name in [*self.unet._repeated_blocks, "ReferenceLayer"] if name in there]

    @property
    def stage(self) -> int:
        """2 with audio and motion, else 1."""
        return 1 if self.audio_projection is None else 2

    def forward(
        self,
        sample: torch.Tensor,
        timesteps: torch.Tensor,
        text: torch.Tensor,
        *,
        reference_latents: torch.Tensor,
        reference_text: torch.Tensor,
        motion_latents: torch.Tensor | None = None,
        audio: torch.Tensor | None = None,
        keep_reference: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """One step from latents and embeddings to a prediction: ``conditions`` and ``denoise``.

        Args:
            sample: ``(B, 4, F, h, w)`` noisy latents.
            timesteps: ``(B,)``.
            text: ``(B, L, D)``, blended.
            reference_latents: ``(B, 4, h, w)``.
            reference_text: ``(B, Lr, D)``, or ``(1, Lr, D)`` for all.
            motion_latents: ``(B, 4, M, h, w)`` frames before the clip's, or None.
            audio: ``(B, F, window, layers, channels)`` of the speech encoder, in stage 2.
            keep_reference: ``(B,)`` bool; False leaves out a clip's reference.

        Returns:
            ``(B, 4, F, h, w)``
        """
        found = self.conditions(reference_latents, reference_text, motion_latents, audio)
        return self.denoise(sample, timesteps, text, found, keep_reference)

    def conditions(
        self,
        reference_latents: torch.Tensor,
        reference_text: torch.Tensor,
        motion_latents: torch.Tensor | None = None,
        audio: torch.Tensor | None = None,
    ) -> Conditions:
        """What a clip's denoising steps share; shapes as in ``forward``. One pass sees reference and earlier frames."""
        pictures = reference_latents[:, None]
        if motion_latents is not None:
            pictures = torch.cat([pictures, motion_latents.transpose(1, 2)], 1)
        batch, many = pictures.shape[:2]
        found = self.reference_net(pictures.flatten(0, 1), reference_text)
        apart = [feature.unflatten(0, (batch, many)) for feature in found]
        tokens = self.audio_projection(audio) if self.audio_projection is not None else None
        earlier = tuple(feature[:, 1:] for feature in apart) if many > 1 else None
        return Conditions(tuple(feature[:, 0] for feature in apart), earlier, tokens)

    def silence(self, batch: int, frames: int) -> torch.Tensor | None:
        """Tokens ``(B, F, tokens, D)`` of clips whose sound is left out: of zeros; None in stage 1."""
        if self.audio_projection is None:
            return None
        sizes: Any = self.audio_projection.config
        nothing = torch.zeros(1, 1, sizes.window, sizes.layers, sizes.channels, device=self.unet.device)
        return self.audio_projection(nothing.to(self.unet.dtype)).expand(batch, frames, -1, -1)

    def denoise(
        self,
        sample: torch.Tensor,
        timesteps: torch.Tensor,
        text: torch.Tensor,
        conditions: Conditions,
        keep_reference: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """One denoising step under ``conditions``; shapes as in ``forward``."""
        return self.unet(
            sample,
            timesteps,
            text,
            reference=conditions.reference,
            audio=conditions.audio,
            earlier=conditions.earlier,
            keep=keep_reference,
        )

    def set_checkpointing(self, mode: ActivationCheckpointing) -> None:
        """What is kept for the backward pass: ``none``, ``selective`` or ``full`` checkpointing."""
        self.unet.checkpointing = self.reference_net.checkpointing = mode

    def save(self, folder: Path, state: dict[str, torch.Tensor] | None = None) -> None:
        """Write ``unet/``, ``reference_net/`` and, in stage 2, ``audio_projection/``: config.json and safetensors each.

        Args:
            folder: made if need be.
            state: the weights, where they are not this module's own (gathered from several GPUs); a part of which it
                has none is not written.
        """
        from safetensors.torch import save_file

        state = self.state_dict() if state is None else state
        for name in PARTS:
            mine = {k.removeprefix(f"{name}."): v.contiguous() for k, v in state.items() if k.startswith(f"{name}.")}
            if mine:
                getattr(self, name).save_config(folder / name)
                save_file(mine, folder / name / WEIGHTS, {"format": "pt"})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote; weights are mapped from the files.

        Raises:
            InputError: a part is missing or damaged.
        """
        audio = folder / PARTS[2]
        return cls(
            load_part(TBDUNet, folder / PARTS[0]),
            load_part(ReferenceNet, folder / PARTS[1]),
            load_part(AudioProjection, audio) if audio.is_dir() else None,
        )


def build_network(network: Network, stage: int) -> TBDNetwork:
    """A network at random weights, on the device that is current (``with torch.device("meta")`` allocates nothing).

    Args:
        network: size and layers.
        stage: 1: reference and spatial layers; 2: audio and motion besides, adding nothing until they have learned.
    """
    sizes, second = network_sizes(network), stage == 2
    unet = TBDUNet(
        **sizes.unet,
        audio_layers=second,
        motion_layers=second,
        separate_text=network.text_layer == "separate",
        lowest_motion=network.lowest_motion,
        motion_heads=sizes.motion["heads"],
        motion_length=sizes.motion["length"],
    )
    window = 2 * network.audio_context + 1
    audio = AudioProjection(window=window, tokens=network.audio_tokens, **sizes.audio) if second else None
    return TBDNetwork(unet, ReferenceNet(**sizes.unet), audio)
