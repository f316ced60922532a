"""The inference of Think-Before-Draw as a diffusers pipeline: portrait, speech and prompts in, a talking video out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from inspect import signature
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.utils.outputs import BaseOutput
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image
from transformers import CLIPTextModel, Wav2Vec2Model

from tbd.errors import UsageError
from tbd.generate.denoiser import CachedDenoiser, ClipConditions, WindowConditions
from tbd.generate.drift_guard import DriftGuard
from tbd.generate.guidance_scales import GuidanceScales
from tbd.generate.model_card import CardedPipeline
from tbd.generate.portrait import prepare_portrait, read_pixels
from tbd.generate.sampler_presets import PRESETS, SamplerPreset, make_scheduler
from tbd.generate.speech_stream import SpeechStream, read_speech
from tbd.generate.windows import WindowMode, padded_length, section_windows
from tbd.media.canonical import ClipRule, crop, whole_box
from tbd.model.audio_projection import AudioProjection
from tbd.model.autoencoder import ImageAutoencoder
from tbd.model.network import TBDNetwork
from tbd.model.noise import mixed_noise
from tbd.model.recipe import Guidance, ModelRecipe
from tbd.model.reference import ReferenceNet
from tbd.model.speech import SAMPLE_RATE, SpeechEncoder
from tbd.model.text import TextEncoder
from tbd.model.unet import TBDUNet

SECTION = 8
"""Windows of ``overlap`` and ``shift`` that are denoised together: a section."""

StepCallback = Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]


@dataclass
class TalkingHeadOutput(BaseOutput):
    """What a call returns.

    Attributes:
        frames: as ``output_type`` says.
        fps: of the frames.
        drift: of each window from the first, in standard deviations of its latents.
        notes: what a person should know, a line each.
    """

    frames: Any
    fps: float
    drift: list[float]
    notes: list[str]


@dataclass(frozen=True)
class Sampling:
    """How a clip is sampled; the defaults are the paper's.

    Attributes:
        preset: scheduler, steps, interval and re-use.
        scales: of classifier-free guidance.
        mode: of the windows.
        overlap: frames that windows share, or by which their borders move.
        batch: windows at a time, where they are independent; changes no number beyond rounding.
        drift_limit: of the drift guard; 0 only watches.
        guidance: of the prompt levels; None is the model's own.
    """

    preset: SamplerPreset = PRESETS["paper"]
    scales: GuidanceScales = field(default_factory=GuidanceScales)
    mode: WindowMode = "autoregressive"
    overlap: int = 4
    batch: int = 4
    drift_limit: float = 0.5
    guidance: Guidance | None = None

    def scales_within(self) -> GuidanceScales:
        """The scales in the preset's interval."""
        return replace(self.scales, interval=self.preset.interval)


@dataclass
class _Clip:
    """A clip under way."""

    sampling: Sampling
    denoiser: CachedDenoiser
    conditions: ClipConditions
    heard: torch.Tensor
    speech: SpeechStream
    generator: Any
    guard: DriftGuard
    callback: StepCallback | None
    common: torch.Tensor | None
    count: int = 0


class TalkingHeadPipeline(CardedPipeline):
    """Portrait, speech and prompts to a talking video.

    Made by ``tbd.generate.load.load_pipeline`` from a checkpoint, or by ``from_pretrained`` from a folder that
    ``save_pretrained`` wrote. Everything that diffusers' pipelines do works: ``to``, ``enable_model_cpu_offload``,
    ``vae.enable_slicing``, other schedulers, ``push_to_hub``.

    Args:
        unet, reference_net, audio_projection: what was trained.
        vae, text_encoder, speech_encoder: the frozen networks.
        scheduler: with the noise schedule of the training.
        recipe: ``ModelRecipe`` as plain values: prompt levels, motion frames, what the ReferenceNet hears.
        frames: of a window, as trained (14).
        size: side of the pictures in pixels.
        clip_rule: ``ClipRule`` as plain values, by which portraits are cropped.
    """

    model_cpu_offload_seq: Any = "text_encoder->audio_projection->reference_net->unet->vae"
    _exclude_from_cpu_offload = ["speech_encoder"]  # noqa: RUF012 (diffusers' own attribute; its parts are called singly)

    def __init__(
        self,
        unet: TBDUNet,
        reference_net: ReferenceNet,
        audio_projection: AudioProjection,
        vae: AutoencoderKL,
        text_encoder: CLIPTextModel,
        speech_encoder: Wav2Vec2Model,
        scheduler: Any,
        recipe: dict[str, Any] | None = None,
        frames: int = 14,
        size: int = 512,
        clip_rule: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        own: Any = self
        own.register_modules(
            unet=unet,
            reference_net=reference_net,
            audio_projection=audio_projection,
            vae=vae,
            text_encoder=text_encoder,
            speech_encoder=speech_encoder,
            scheduler=scheduler,
        )
        own.register_to_config(recipe=recipe or {}, frames=frames, size=size, clip_rule=clip_rule or {})

    @property
    def settings(self) -> Any:
        """``recipe``, ``frames``, ``size`` and ``clip_rule``, as they were given."""
        return self.config

    @property
    def recipe(self) -> ModelRecipe:
        """How the model was trained."""
        return ModelRecipe.model_validate(dict(self.settings.recipe))

    @property
    def clip_rule(self) -> ClipRule:
        """By which portraits are cropped, at the model's size and rate."""
        return ClipRule(**{**dict(self.settings.clip_rule), "size": self.settings.size})

    @property
    def image(self) -> ImageAutoencoder:
        """The autoencoder as the trainer uses it."""
        return ImageAutoencoder(self.vae, "pipeline")

    @torch.no_grad()
    def __call__(
        self,
        image: Any,
        audio: Any,
        prompts: Sequence[str],
        *,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        generator: torch.Generator | None = None,
        output_type: str = "pil",
        crop_face: bool = True,
        sampling: Sampling | None = None,
        return_dict: bool = True,
        callback_on_step_end: StepCallback | None = None,
    ) -> Any:
        """A talking video.

        Args:
            image: portrait: a file, a PIL picture or ``(H, W, 3)`` uint8 RGB.
            audio: speech: a file, or ``(n,)`` float32 mono at 16 kHz in [-1, 1].
            prompts: coarse to fine, as many as the model hears (``recipe.guidance.k``).
            num_inference_steps: None is the preset's (40 in the paper).
            guidance_scale: one for all conditions; None is ``sampling``'s.
            generator: of the noise; on the CPU, every device gets the same numbers.
            output_type: ``pil``, ``np`` (uint8), ``pt`` (float in [0, 1], ``(T, 3, H, W)``) or ``latent``.
            crop_face: crop around the face as the training data was; False resizes the whole picture.
            sampling: everything else; the paper's by default.
            return_dict: False returns the frames in a tuple.
            callback_on_step_end: diffusers' own kind; is given ``latents``.

        Returns:
            ``TalkingHeadOutput``; frames count ``round(seconds * 25)``, at least 1.

        Raises:
            InputError: no face, no sound, or a prompt that is too long.
            UsageError: another number of prompts.
        """
        chosen = sampling or Sampling()
        if num_inference_steps is not None:
            chosen = replace(chosen, preset=replace(chosen.preset, steps=num_inference_steps))
        if guidance_scale is not None:
            same = float(guidance_scale)
            chosen = replace(chosen, scales=replace(chosen.scales, picture=same, text=same, audio=same))
        notes: list[str] = []
        guard = DriftGuard(chosen.drift_limit)
        windows = self.stream_latents(
            self._picture(image, crop_face, notes), audio, prompts,
            generator=generator, sampling=chosen, guard=guard, callback_on_step_end=callback_on_step_end,
        )  # fmt: skip
        frames = self._output(windows, output_type)
        if not return_dict:
            return (frames,)
        return TalkingHeadOutput(frames=frames, fps=self.clip_rule.fps, drift=guard.drift, notes=notes)

    @torch.no_grad()
    def stream_frames(self, *arguments: Any, **keywords: Any) -> Iterator[npt.NDArray[np.uint8]]:
        """The frames one by one, ``(size, size, 3)`` uint8 RGB, as soon as their window is done.

        Arguments are those of ``stream_latents``; nothing that was handed out is kept.
        """
        for latents in self.stream_latents(*arguments, **keywords):
            yield from self._decode(latents)

    @torch.no_grad()
    def stream_latents(
        self,
        picture: npt.NDArray[np.uint8],
        audio: Any,
        prompts: Sequence[str],
        *,
        generator: torch.Generator | None = None,
        sampling: Sampling | None = None,
        guard: DriftGuard | None = None,
        callback_on_step_end: StepCallback | None = None,
    ) -> Iterator[torch.Tensor]:
        """The latents ``(4, n, h, w)`` of window after window, or section after section.

        Args:
            picture: ``(size, size, 3)`` uint8 RGB, cropped.
            audio, prompts, generator, sampling, callback_on_step_end: as in a call.
            guard: sees every window; made from ``sampling`` if None.
        """
        chosen = sampling or Sampling()
        clip = self._begin(picture, audio, prompts, chosen, generator, guard, callback_on_step_end)
        total, frames = clip.speech.frames, self.settings.frames
        length = frames if chosen.mode == "autoregressive" else frames * SECTION
        earlier = None
        for start in range(0, total, length):
            size = min(length, padded_length(total - start, frames))
            latents = self._section(clip, start, size, earlier)
            earlier = clip.guard.hand_on(latents, self.recipe.network.motion_frames)
            yield latents[0, :, : total - start]

    def frame_count(self, samples: int) -> int:
        """Frames of a video with so many samples of sound at 16 kHz."""
        return max(1, round(samples / SAMPLE_RATE * self.clip_rule.fps))

    def _begin(
        self,
        picture: npt.NDArray[np.uint8],
        audio: Any,
        prompts: Sequence[str],
        sampling: Sampling,
        generator: Any,
        guard: DriftGuard | None,
        callback: StepCallback | None,
    ) -> _Clip:
        recipe, device = self.recipe, self._execution_device
        guidance = sampling.guidance or recipe.guidance
        if len(prompts) != guidance.k:
            raise UsageError(
                f"{len(prompts)} prompts, the model hears {guidance.k} levels",
                next="tbd.manifest.levels(prompts, k) divides the prompts of a row into k levels",
            )
        chunks = recipe.model_copy(update={"guidance": guidance}).chunks
        text, empty = self._text(prompts, chunks), self._text([""], chunks)
        kind = recipe.network.reference_text
        heard = text[:1] if kind == "coarse" else empty if kind == "empty" else torch.zeros_like(empty)
        latents = self.image.scaled(self.image.moments(np.array(picture[None]))).to(device, self.unet.dtype)
        denoiser = self._denoiser(guidance)
        speech = SpeechStream(
            SpeechEncoder(self.speech_encoder, "pipeline"),
            read_speech(audio),
            self.clip_rule.fps,
            recipe.network.audio_context,
        )
        conditions = denoiser.clip(latents, heard, text, empty)
        guard = guard or DriftGuard(sampling.drift_limit)
        common = self._chance(1, generator) if recipe.noise.shared else None  # one for all windows of the clip
        return _Clip(sampling, denoiser, conditions, heard, speech, generator, guard, callback, common)

    def _denoiser(self, guidance: Guidance) -> CachedDenoiser:
        network = TBDNetwork(self.unet, self.reference_net, self.audio_projection)
        return CachedDenoiser(network, guidance, self.scheduler.config.num_train_timesteps)

    def _text(self, prompts: Sequence[str], chunks: int) -> torch.Tensor:
        encoder = TextEncoder(self.text_encoder, "pipeline")
        found = encoder.encode(prompts, chunks, self.recipe.text.overflow)
        return found.half().to(self._execution_device, self.unet.dtype)  # rounded as the trainer's cache rounds

    def _section(self, clip: _Clip, start: int, length: int, earlier: torch.Tensor | None) -> torch.Tensor:
        """Denoise ``length`` frames from ``start`` on: ``(1, 4, length, h, w)``.

        The first window continues the frames before; windows inside a section have none before them.
        """
        sampling, denoiser = clip.sampling, clip.denoiser
        scheduler = make_scheduler(sampling.preset.scheduler, self.scheduler.config)
        scheduler = copy.deepcopy(self.scheduler) if type(scheduler) is type(self.scheduler) else scheduler
        scheduler.set_timesteps(sampling.preset.steps, device=self._execution_device)
        chance = {"generator": clip.generator} if "generator" in signature(scheduler.step).parameters else {}
        latents = self._chance(length, clip.generator)
        if clip.common is not None:
            latents = mixed_noise(latents, clip.common, self.recipe.noise.shared)
        latents = latents * scheduler.init_noise_sigma
        kept: dict[tuple[int, ...], WindowConditions] = {}
        for step, timestep in enumerate(scheduler.timesteps):
            reuse = None if sampling.preset.reuse == 1 else step % sampling.preset.reuse != 0
            seen = scheduler.scale_model_input(latents, timestep)
            prediction = torch.empty_like(latents)
            windows = section_windows(sampling.mode, length, self.settings.frames, step, sampling.overlap)
            for first in range(0, len(windows), sampling.batch):
                chosen = windows[first : first + sampling.batch]
                starts = tuple(window.start for window in chosen)
                if starts not in kept:
                    kept = kept if sampling.mode != "shift" else {}
                    kept[starts] = self._window(denoiser, clip, start, starts, earlier)
                parts = torch.cat([seen[:, :, at : at + self.settings.frames] for at in starts])
                found = denoiser.predict(
                    parts, timestep, clip.conditions, kept[starts], sampling.scales_within(), reuse=reuse
                )
                for window, one in zip(chosen, found, strict=True):
                    prediction[0, :, window.first : window.last] = one[
                        :, window.first - window.start : window.last - window.start
                    ]
            latents = scheduler.step(prediction, timestep, latents, return_dict=False, **chance)[0]
            if clip.callback is not None:
                latents = clip.callback(self, clip.count, timestep, {"latents": latents}).get("latents", latents)
            clip.count += 1
        done: torch.Tensor = latents
        return done

    def _chance(self, frames: int, generator: Any) -> torch.Tensor:
        """``(1, 4, frames, h, w)`` normal noise."""
        side = self.settings.size // self.image.factor
        shape, device = (1, 4, frames, side, side), self._execution_device
        noise: torch.Tensor = randn_tensor(shape, generator=generator, device=device, dtype=self.unet.dtype)
        return noise

    def _window(
        self, denoiser: CachedDenoiser, clip: _Clip, start: int, starts: tuple[int, ...], earlier: torch.Tensor | None
    ) -> WindowConditions:
        frames, count = self.settings.frames, self.recipe.network.motion_frames
        audio = torch.stack([clip.speech.windows(start + at, start + at + frames) for at in starts])
        side = self.settings.size // self.image.factor
        nothing = torch.zeros(1, 4, count, side, side, device=self._execution_device, dtype=self.unet.dtype)
        before = torch.cat([earlier if at == 0 and earlier is not None else nothing for at in starts])
        heard = audio.half().to(self._execution_device, self.unet.dtype)  # rounded as the trainer's cache rounds
        return denoiser.window(heard, before if count else None, clip.heard)

    def _picture(self, image: Any, crop_face: bool, notes: list[str]) -> npt.NDArray[np.uint8]:
        if crop_face:
            found = prepare_portrait(image, self.clip_rule)
            notes += found.notes
            return found.picture
        pixels = read_pixels(image)
        return crop(pixels, whole_box(pixels.shape[1], pixels.shape[0]), self.settings.size)

    def _decode(self, latents: torch.Tensor) -> npt.NDArray[np.uint8]:
        return self.image.decode(latents.float().transpose(0, 1))

    def _output(self, windows: Iterator[torch.Tensor], output_type: str) -> Any:
        if output_type == "latent":
            return torch.cat([one.cpu() for one in windows], 1)
        frames = np.concatenate([self._decode(one) for one in windows])
        if output_type == "np":
            return frames
        if output_type == "pt":
            return torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
        if output_type == "pil":
            return [Image.fromarray(frame) for frame in frames]
        raise UsageError(f"output_type {output_type!r}: not one of pil, np, pt, latent")
