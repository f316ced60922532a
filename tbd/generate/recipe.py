"""The generation recipe: every key that ``tbd generate --set`` and ``--sweep`` may change, with its default."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationError

from tbd import recipe as recipes
from tbd.errors import UsageError
from tbd.generate.sampler_presets import find_preset
from tbd.generate.windows import WindowMode
from tbd.model.recipe import Guidance
from tbd.recipe import Recipe, operational

if TYPE_CHECKING:
    from tbd.generate.pipeline import Sampling

SHORT = {"guidance.k": "guidance.levels", "steps": "sampler.steps", "scale": "scales.all", "preset": "sampler.preset"}
"""Short names of keys."""


class SamplerRecipe(Recipe):
    """How a clip is denoised; None takes the preset's."""

    preset: Literal["paper", "fast"] = "paper"
    """``paper``: 40 steps of DDIM; ``fast``: fewer steps of DPM-Solver++ and re-used inner blocks."""
    scheduler: str | None = None
    """A class of diffusers, such as ``UniPCMultistepScheduler``."""
    steps: int | None = Field(None, ge=1, le=1000)
    """Denoising steps."""
    interval: tuple[float, float] | None = None
    """Guidance only between these shares of the way from noise (0) to picture (1)."""
    reuse: int | None = Field(None, ge=1, le=10)
    """Inner blocks are computed at every so many-th step."""


class ScalesRecipe(Recipe):
    """Classifier-free guidance by condition; ``all`` stands for those that are not given."""

    all: float = Field(3.5, ge=0)
    """1 is no guidance; more follows the conditions more closely."""
    picture: float | None = Field(None, ge=0)
    """Of the reference picture."""
    text: float | None = Field(None, ge=0)
    """Of the prompt."""
    audio: float | None = Field(None, ge=0)
    """Of the sound."""


class WindowsRecipe(Recipe):
    """Long speech in windows."""

    mode: WindowMode = "autoregressive"
    """``autoregressive``: one after the other; ``overlap``: neighbours share frames; ``shift``: their borders move at every step."""
    overlap: int = Field(4, ge=0)
    """Frames that neighbours share, or by which borders move."""
    batch: int = operational(4, ge=1)
    """Windows that are denoised at once; an ``autoregressive`` one waits for the one before."""
    drift_limit: float = Field(0.5, ge=0)
    """Standard deviations by which a window may move from the first before its motion frames are brought back."""


class GenerateRecipe(Recipe):
    """A whole generation recipe."""

    sampler: SamplerRecipe = SamplerRecipe()
    scales: ScalesRecipe = ScalesRecipe()
    windows: WindowsRecipe = WindowsRecipe()
    guidance: Guidance | None = None
    """Progressive guidance: keys that are not given stay the checkpoint's own; None: all of them do."""
    reference: Literal["clip", "neutral", "person"] = "clip"
    """Of a split: ``clip`` shows the model a frame of the very clip, as the paper does (its expression leaks);
    ``neutral`` one of a neutral clip of the same person; ``person`` one of any other clip of theirs, neutral if possible."""
    seed: int = Field(0, ge=0)
    """Of the noise; each clip draws its own from it."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """``auto``: bfloat16 on a GPU, float32 elsewhere."""
    compile: bool = operational(False)
    """torch.compile of the repeated blocks."""

    def guided(self, trained: Guidance) -> GenerateRecipe:
        """With the keys of ``guidance`` that were not given as the checkpoint was trained.

        Raises:
            UsageError: as ``changed_guidance``.
        """
        if self.guidance is None:
            return self
        return self.model_copy(update={"guidance": changed_guidance(trained, self.guidance)})

    def settled(self, devices: Sequence[str]) -> GenerateRecipe:
        """With what ``precision = auto`` means on these devices."""
        return self.model_copy(update={"precision": settled_precision(self.precision, devices)})

    def sampling(self) -> Sampling:
        """As the pipeline takes it."""
        from dataclasses import replace

        from tbd.generate.guidance_scales import GuidanceScales
        from tbd.generate.pipeline import Sampling

        preset = find_preset(self.sampler.preset)
        given = self.sampler.model_dump(exclude={"preset"}, exclude_none=True)
        each = (self.scales.picture, self.scales.text, self.scales.audio)
        picture, text, audio = (self.scales.all if one is None else one for one in each)
        return Sampling(
            replace(preset, **given),
            GuidanceScales(picture, text, audio),
            self.windows.mode,
            self.windows.overlap,
            self.windows.batch,
            self.windows.drift_limit,
            self.guidance,
        )


def settled_precision(precision: str, devices: Sequence[str]) -> str:
    """``float32`` or ``bfloat16``; ``auto`` is bfloat16 where every device is a GPU."""
    if precision != "auto":
        return precision
    return "bfloat16" if all(device.startswith("cuda") for device in devices) else "float32"


def changed_guidance(trained: Guidance, given: Guidance) -> Guidance:
    """The guidance of a checkpoint with the keys that were given; its shares go where the number of levels changes.

    Raises:
        UsageError: what was given does not go with the rest of it.
    """
    changes = given.model_dump(exclude_unset=True)
    if trained.schedule == "none" and changes.get("levels", 1) > 1 and "schedule" not in changes:
        raise UsageError(
            f"guidance.levels={given.levels}: the checkpoint was trained on one joined text (guidance.schedule=none)",
            next=f"--set guidance.schedule=paper --set guidance.levels={given.levels}",
        )
    whole = trained.model_dump() | changes
    if "fractions" not in changes and Guidance.model_validate(whole | {"fractions": None}).k != trained.k:
        whole["fractions"] = None
    try:
        return Guidance.model_validate(whole)
    except ValidationError as error:
        why = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UsageError(
            f"guidance: {why} (the checkpoint has {trained.k} levels)", next="--set guidance.levels=N with them"
        ) from None


def load_generate_recipe(overrides: Iterable[str]) -> GenerateRecipe:
    """The recipe from ``key=value`` settings; ``guidance.k`` and other short names are known.

    Raises:
        RecipeError: unknown keys or values; all of them are listed.
    """
    full = []
    for override in overrides:
        key, sign, value = override.partition("=")
        full.append(f"{SHORT.get(key.strip(), key)}{sign}{value}")
    return recipes.load(GenerateRecipe, "generate", None, full)
