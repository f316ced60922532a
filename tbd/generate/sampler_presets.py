"""Samplers by name: the paper's, and a fast one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tbd.errors import UsageError


@dataclass(frozen=True)
class SamplerPreset:
    """How a clip is denoised.

    Attributes:
        name: of the preset.
        scheduler: diffusers' class.
        steps: denoising steps.
        interval: of guidance, in progress from noise (0) to picture (1).
        reuse: the inner blocks are computed at every ``reuse``-th step only; 1 computes all.
    """

    name: str
    scheduler: str
    steps: int
    interval: tuple[float, float] = (0.0, 1.0)
    reuse: int = 1


PRESETS = {
    "paper": SamplerPreset("paper", "DDIMScheduler", 40),
    "fast": SamplerPreset("fast", "DPMSolverMultistepScheduler", 12, (0.1, 0.7), 2),
}
"""``paper``: 40 DDIM steps (section 4.4.2). ``fast``: DPM-Solver++(2M), guidance in the middle, re-used deep features."""


UNSEEDED = ("DPMSolverSDEScheduler",)
"""Samplers of diffusers whose ``step`` draws noise and takes no generator."""


def find_preset(name: str) -> SamplerPreset:
    """A preset by name.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in PRESETS:
        raise UsageError(f"no preset {name!r}; there are: {', '.join(PRESETS)}", next="--preset paper")
    return PRESETS[name]


def make_scheduler(name: str, config: Any) -> Any:
    """A scheduler of diffusers on the noise schedule that a model was trained with.

    Args:
        name: class name.
        config: of the scheduler that was saved with the model.

    Raises:
        UsageError: diffusers has no such scheduler, or it draws noise of its own that no seed reaches.
    """
    import diffusers

    if name in UNSEEDED:
        raise UsageError(
            f"scheduler {name!r}: draws noise that the seed does not reach, so no video could be made again",
            next="--set sampler.scheduler=EulerAncestralDiscreteScheduler, which draws it from the seed",
        )
    kind = getattr(diffusers, name, None)
    if kind is None or not hasattr(kind, "set_timesteps"):
        raise UsageError(f"diffusers has no scheduler {name!r}", next="--set sampler.scheduler=DDIMScheduler")
    extra = {"algorithm_type": "dpmsolver++", "solver_order": 2} if name.startswith("DPMSolverMulti") else {}
    return kind.from_config(config, **extra)
