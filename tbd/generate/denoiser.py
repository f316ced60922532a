"""One denoising step of a window under its conditions, whose keys and values were computed once."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from tbd.generate.guidance_scales import GuidanceScales
from tbd.model.attention import KeysValues, blend_keys_values
from tbd.model.guidance import weights_for
from tbd.model.network import TBDNetwork
from tbd.model.recipe import Guidance
from tbd.model.unet_blocks import DeepFeatures

SiteKeys = tuple[KeysValues, ...]
"""Keys and values at every site with attention."""


@dataclass(frozen=True)
class ClipConditions:
    """What stays the same for all windows of a clip.

    Attributes:
        reference: of the portrait.
        text: of all prompt levels, ``(k, L, C)`` each.
        empty: of the empty text.
        silence: of left out sound.
    """

    reference: SiteKeys
    text: SiteKeys
    empty: SiteKeys
    silence: SiteKeys


@dataclass
class WindowConditions:
    """What stays the same over the denoising steps of a batch of windows.

    Attributes:
        audio: keys and values of every frame's sound.
        earlier: features ``(B, M, tokens, C)`` of the frames before, or None.
        deep: re-used inner features of each guidance branch.
    """

    audio: SiteKeys
    earlier: tuple[torch.Tensor, ...] | None
    deep: dict[frozenset[str], DeepFeatures] = field(default_factory=dict)


class CachedDenoiser:
    """Asks the network as ``tbd.model.ddim`` does, without computing any condition twice; the numbers are the same.

    Args:
        network: of stage 2.
        guidance: as the checkpoint has it.
        total: timesteps of training.
    """

    def __init__(self, network: TBDNetwork, guidance: Guidance, total: int = 1000) -> None:
        self.network, self.guidance, self.total = network, guidance, total

    def clip(
        self, latents: torch.Tensor, heard: torch.Tensor, text: torch.Tensor, empty: torch.Tensor
    ) -> ClipConditions:
        """Conditions of a clip.

        Args:
            latents: ``(1, 4, h, w)`` of the portrait.
            heard: ``(1, L, D)`` what the ReferenceNet hears.
            text: ``(k, L, D)`` prompt levels, coarse to fine.
            empty: ``(1, L, D)`` embedding of the empty text.
        """
        unet, silence = self.network.unet, self.network.silence(1, 1)
        assert silence is not None
        return ClipConditions(
            unet.keys_values("reference", self.network.reference_net(latents, heard)),
            unet.keys_values("text", text),
            unet.keys_values("text", empty),
            unet.keys_values("audio", silence.flatten(0, 1)),
        )

    def window(self, audio: torch.Tensor, earlier: torch.Tensor | None, heard: torch.Tensor) -> WindowConditions:
        """Conditions of a batch of windows.

        Args:
            audio: ``(B, F, window, layers, channels)``.
            earlier: ``(B, 4, M, h, w)`` latents of the frames before (zeros: none), or None.
            heard: as in ``clip``.
        """
        assert self.network.audio_projection is not None
        tokens = self.network.audio_projection(audio).flatten(0, 1)
        before = None
        if earlier is not None and earlier.shape[2]:
            found = self.network.reference_net(earlier.transpose(1, 2).flatten(0, 1), heard)
            before = tuple(feature.unflatten(0, earlier.shape[:1] + earlier.shape[2:3]) for feature in found)
        return WindowConditions(self.network.unet.keys_values("audio", tokens), before)

    def predict(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        clip: ClipConditions,
        window: WindowConditions,
        scales: GuidanceScales,
        *,
        reuse: bool | None = None,
    ) -> torch.Tensor:
        """The guided prediction of one step.

        Args:
            latents: ``(B, 4, F, h, w)``.
            timestep: of all of them.
            clip, window: the conditions.
            scales: of classifier-free guidance.
            reuse: take the inner features of the last step without it; None: keep none.

        Returns:
            ``(B, 4, F, h, w)``
        """
        step = timestep.reshape(1).long()
        weights = weights_for(step, self.guidance, self.total)
        text = tuple(blend_keys_values(levels, weights) for levels in clip.text)
        found = torch.zeros_like(latents)
        if not reuse:
            window.deep.clear()
        for conditions, count in scales.branches(1 - (float(timestep) + 1) / self.total).items():
            deep = None if reuse is None else window.deep.setdefault(conditions, DeepFeatures())
            if deep is not None:
                deep.reuse = deep.features is not None
            found += count * self.network.unet(
                latents,
                timestep.expand(len(latents)),
                text if "text" in conditions else clip.empty,
                reference=clip.reference if "picture" in conditions else None,
                audio=window.audio if "audio" in conditions else clip.silence,
                earlier=window.earlier,
                deep=deep,
            )
        return found
