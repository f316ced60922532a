"""Recipes fitted to a card: what ``--gpu-memory`` lays over them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import Any

from tbd import recipe, workspace
from tbd.errors import MissingError, UsageError
from tbd.train.recipe import TrainRecipe

FOLDER = "train/memory"


def memory_presets() -> list[int]:
    """Sizes of cards in GB that have a preset, the smallest first."""
    return sorted(int(path.stem) for path in workspace.find(FOLDER).glob("*.toml") if path.stem.isdigit())


def smaller_preset(gigabytes: int | None) -> int | None:
    """The next smaller preset; the largest for None, and None when there is none."""
    below = [size for size in memory_presets() if gigabytes is None or size < gigabytes]
    return below[-1] if below else None


def out_of_memory(error: Exception, step: int, gigabytes: int | None) -> MissingError:
    """A full card in our words, with the next smaller preset.

    Args:
        error: torch's.
        step: that was under way.
        gigabytes: preset of the run; None: it had none.
    """
    smaller = smaller_preset(gigabytes)
    fix = f"--gpu-memory {smaller}" if smaller else "--set data.size=256, or a larger card"
    return MissingError(f"the GPU's memory is full at step {step} ({str(error).splitlines()[0]})", next=fix)


def load_recipe(name: str | None, overrides: Iterable[str] = (), gigabytes: int | None = None) -> TrainRecipe:
    """A training recipe, fitted to a card. One step still sees as many samples: smaller batches are accumulated.

    Args:
        name: recipe name or file; None takes the defaults.
        overrides: ``key=value`` on top of everything.
        gigabytes: memory of the card; None leaves the recipe as it is.

    Raises:
        RecipeError: the recipe has mistakes.
        UsageError: there is no preset for such a card.
    """
    if gigabytes is None:
        return recipe.load(TrainRecipe, "train", name, overrides)
    wanted = recipe.load(TrainRecipe, "train", name).hardware
    preset = _preset(gigabytes)
    batch = preset.get("hardware", {}).get("batch", wanted.batch)
    samples = wanted.batch * wanted.accumulate
    hardware = preset.get("hardware", {}) | {"batch": min(batch, samples), "accumulate": -(-samples // batch)}
    return recipe.load(TrainRecipe, "train", name, overrides, on_top=preset | {"hardware": hardware})


def _preset(gigabytes: int) -> dict[str, Any]:
    if gigabytes not in memory_presets():
        known = ", ".join(map(str, memory_presets()))
        raise UsageError(
            f"--gpu-memory {gigabytes}: no preset; there are {known}", next=f"--gpu-memory {_nearest(gigabytes)}"
        )
    return tomllib.loads(workspace.find(f"{FOLDER}/{gigabytes}.toml").read_text(encoding="utf-8"))


def _nearest(gigabytes: int) -> int:
    fitting = [size for size in memory_presets() if size <= gigabytes]
    return fitting[-1] if fitting else memory_presets()[0]
