"""Progressive guidance (section 3.4) for other people's pipelines: prompts change from global to local as the noise falls.

    guide = ProgressivePrompts.encode(pipe, ["a woman is speaking", "her lip corners rise, her cheeks lift"])
    video = pipe(**guide.inputs(num_inference_steps=40), guidance_scale=7.5)

It is a ``callback_on_step_end``, so it works with every diffusers pipeline that offers ``prompt_embeds`` to its callback
(Stable Diffusion, AnimateDiff, Wan and most others), without training and without a change to their code.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from typing import Any

import torch

from tbd.errors import UsageError
from tbd.model.guidance import blend, weights_for
from tbd.model.recipe import Guidance

EMBEDS = "prompt_embeds"


class ProgressivePrompts:
    """Blends the embeddings of prompt levels by noise level: Algorithms 1 and 2 as a step callback.

    A flow-matching pipeline's timestep is its noise level in thousandths, and is read as such.

    Args:
        levels: ``(k, L, D)`` embeddings of one picture's prompts, or ``(B, k, L, D)`` of several; coarse to fine.
        guidance: schedule, shares, direction; None is the paper's for as many levels.
        negative: ``(L, D)`` or ``(B, L, D)`` embedding of what to stay away from; None leaves it to the pipeline.

    Raises:
        UsageError: the guidance is for another number of levels.
    """

    def __init__(
        self, levels: torch.Tensor, guidance: Guidance | None = None, negative: torch.Tensor | None = None
    ) -> None:
        self.levels = levels[None] if levels.ndim == 3 else levels
        self.guidance = guidance or Guidance(levels=self.levels.shape[1])
        self.negative = negative[None] if negative is not None and negative.ndim == 2 else negative
        if self.guidance.k != self.levels.shape[1]:
            raise UsageError(f"{self.levels.shape[1]} prompt levels, the guidance is for {self.guidance.k}")
        self._rows: torch.Tensor | None = None
        self._now = self.levels[:, 0]

    @classmethod
    def encode(
        cls,
        pipe: Any,
        prompts: Sequence[str],
        *,
        negative_prompt: str = "",
        guidance: Guidance | None = None,
        **encoding: Any,
    ) -> ProgressivePrompts:
        """From texts, by the pipeline's own ``encode_prompt``.

        Args:
            pipe: a diffusers pipeline.
            prompts: of one picture or video, coarse to fine.
            negative_prompt: for classifier-free guidance.
            guidance: None is the paper's.
            encoding: further arguments of ``encode_prompt``, such as ``max_sequence_length``.

        Raises:
            UsageError: the pipeline does not encode prompts in a way that is known here; give it embeddings.
        """
        known = inspect.signature(pipe.encode_prompt).parameters
        device = getattr(pipe, "_execution_device", pipe.device)
        common = {"device": device, "num_images_per_prompt": 1, "num_videos_per_prompt": 1, "clip_skip": None}
        common |= {"negative_prompt": None, "do_classifier_free_guidance": False} | encoding
        found = [
            pipe.encode_prompt(**{key: value for key, value in {"prompt": text, **common}.items() if key in known})
            for text in [*prompts, negative_prompt]
        ]
        embeds = [one[0] if isinstance(one, tuple | list) else one for one in found]
        if not all(isinstance(one, torch.Tensor) and one.shape == embeds[0].shape for one in embeds):
            raise UsageError(
                f"{type(pipe).__name__} does not encode every prompt to the same shape",
                next="ProgressivePrompts(levels), with (k, L, D) embeddings of your own",
            )
        return cls(torch.cat(embeds[:-1]), guidance, embeds[-1])

    def inputs(self, *, num_inference_steps: int | None = None, pipe: Any = None) -> dict[str, Any]:
        """Arguments for the pipeline's call: the first step's embeddings, and this callback for all others.

        Args:
            num_inference_steps: passed on.
            pipe: with its scheduler the first step's noise level is exact; without, it is taken to be pure noise.
        """
        found: dict[str, Any] = {"callback_on_step_end": self, "callback_on_step_end_tensor_inputs": [EMBEDS]}
        first = self.total - 1
        if num_inference_steps is not None:
            found["num_inference_steps"] = num_inference_steps
        if pipe is not None and num_inference_steps is not None:
            schedule = copy.deepcopy(pipe.scheduler)
            schedule.set_timesteps(num_inference_steps)
            first = schedule.timesteps[0]
        self._rows, self._now = None, self.at(first)
        found[EMBEDS] = self._now
        if self.negative is not None:
            found["negative_prompt_embeds"] = self.negative.expand(len(self.levels), -1, -1)
        return found

    total = 1000
    """Timesteps of training, in which every diffusers pipeline counts."""

    def at(self, timestep: Any) -> torch.Tensor:
        """``(B, L, D)`` the text at a timestep (an integer of diffusion, or 1000 times a flow's noise level)."""
        step = torch.as_tensor(timestep).float().round().long().clamp(0, self.total - 1).reshape(1).cpu()
        weights = weights_for(step, self.guidance, self.total).to(self.levels.device)
        return blend(self.levels, weights.expand(len(self.levels), -1))

    def __call__(self, pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """``callback_on_step_end``: after a step, the embeddings of the next one.

        Raises:
            UsageError: the pipeline does not show its embeddings, or shows others than it was given.
        """
        given = tensors.get(EMBEDS)
        if given is None:
            raise UsageError(
                f"{type(pipe).__name__} does not offer {EMBEDS} to its callback",
                next="callback_on_step_end_tensor_inputs=['prompt_embeds'], as inputs() says",
            )
        if step == 0 or self._rows is None or len(self._rows) != len(given):
            self._rows = self._found(given)
        following = _timestep_after(pipe, step)
        if following is None:
            return tensors
        self._now = self.at(following)
        given, wanted = given.clone(), self._rows >= 0
        given[wanted] = self._now.to(given)[self._rows[wanted]]
        return {**tensors, EMBEDS: given}

    def _found(self, given: torch.Tensor) -> torch.Tensor:
        """``(N,)`` which of our texts each row of the pipeline's embeddings is; -1: none of them, such as the negative.

        Pipelines put the negative half before the positive one or keep it apart, and repeat rows for frames.
        """
        rows = torch.full((len(given),), -1, device=given.device)
        for number, own in enumerate(self._now.to(given)):
            if own.shape == given.shape[1:]:
                rows[(given == own).flatten(1).all(1)] = number
        if (rows < 0).all():
            raise UsageError(
                "the pipeline's prompt_embeds are not those that it was given",
                next="pipe(**guide.inputs(num_inference_steps=N), ...), without a prompt of its own",
            )
        return rows


def _timestep_after(pipe: Any, step: int) -> Any:
    """The timestep of the next step; None after the last. Image-to-image runs only the end of the schedule."""
    every = pipe.scheduler.timesteps
    count = int(getattr(pipe, "num_timesteps", None) or len(every))
    place = len(every) - count + step + 1
    return every[place] if place < len(every) else None
