"""The replication's recipe: every key that ``tbd replicate --set`` may change, with its default."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, NonNegativeInt, field_validator

from tbd.recipe import Recipe

AblationRow = Literal["label", "describe", "cot", "full"]
"""The rows of Table 2: what writes the prompt, and whether it is heard from coarse to fine."""
ToySize = Literal["tiny", "small"]
"""Sizes of the network (``model.network.size``) that a replication can train."""


class DrawnWorld(Recipe):
    """The data set: people who do not exist, and takes whose action units are known."""

    people: int = Field(48, ge=10)
    """A tenth of them is kept for the test."""
    clips: int = Field(288, ge=48)
    """How many are drawn, evenly over people, emotions and levels."""
    seconds: tuple[float, float] = (1.0, 1.4)
    """Shortest and longest clip."""
    size: int = Field(128, ge=64)
    """Side of the drawn pictures in pixels; the model sees ``data.size`` of its own recipe."""
    crop: float = Field(1.4, ge=1)
    """Side of the canonical clip in sides of the face (``clip.scale``): the closer, the more of 64 pixels is face."""
    seed: int = Field(0, ge=0)
    """Another seed draws other people."""


class TrainingSteps(Recipe):
    """Steps of the optimizer."""

    base: int = Field(2000, ge=1)
    """Of the common stage 1 on the prompts of all rows: what Stable Diffusion is to the paper, a network that draws and reads."""
    base_stage2: int = Field(400, ge=1)
    """Of the common stage 2, from the common stage 1 on: what AnimateDiff and Hallo are to the paper, layers that move and hear."""
    stage1: int = Field(450, ge=1)
    """Of each row's own stage 1, from the common one on."""
    stage2: int = Field(120, ge=1)
    """Of each row's own stage 2, from its stage 1 on, with the common one's audio and motion layers."""


class Rendering(Recipe):
    """What is rendered of each model."""

    clips: int = Field(24, ge=8)
    """Of the test people, evenly over emotions and levels."""
    preset: Literal["paper", "fast"] = "fast"
    """Of ``tbd generate``."""
    scale: float = Field(3.0, ge=0)
    """Of classifier-free guidance."""
    portraits: int = Field(6, ge=1)
    """People outside the data set whose portrait shows every emotion at every intensity (Fig. 10)."""


class ReplicationRecipe(Recipe):
    """A whole replication."""

    training: str = "replicate"
    """Recipe of ``tbd train``."""
    world: DrawnWorld = DrawnWorld()
    steps: TrainingSteps = TrainingSteps()
    rendering: Rendering = Rendering()
    rows: tuple[AblationRow, ...] = Field(("label", "describe", "cot", "full"), min_length=1)
    """Of Table 2; ``full`` is needed by all other claims."""
    seeds: tuple[NonNegativeInt, ...] = Field((0,), min_length=1)
    """Every row is trained and rendered once a seed."""
    levels: tuple[Literal[1, 3, 4], ...] = (1, 3, 4)
    """k of Fig. 9 beside the full model's own 2."""
    directions: bool = True
    """Also render with the other reading of Algorithm 2 (coarse prompt at small t)."""

    @field_validator("rows", "seeds", "levels")
    @classmethod
    def _each_once(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(values)) < len(values):
            raise ValueError("one of them stands there twice")
        return values
