"""What each step of a replication depends on: its command, and everything that this reads."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast, get_args

from tbd import recipe as recipes
from tbd.errors import RecipeError
from tbd.model.recipe import Network
from tbd.replicate.plan import (
    ENCODER,
    GRID_SECONDS,
    READING,
    TEST_CLIPS,
    TEXT_ENCODER,
    WORLD,
    ReplicationStep,
    portrait_names,
)
from tbd.replicate.recipe import ReplicationRecipe, ToySize
from tbd.train.recipe import Data


def step_keys(recipe: ReplicationRecipe, steps: Sequence[ReplicationStep], folder: Path) -> dict[str, str]:
    """Step -> digest of its command and of what that reads: world, recipe, the choice of clips, what earlier steps made.

    Args:
        folder: in which the commands are typed; the recipe of the training may be a file there.

    Raises:
        RecipeError: there is no such recipe of ``tbd train``, or it is not of a toy size.
    """
    from tbd.annotate.backends.oracle import OracleBackend
    from tbd.demo.dataset import VERSION
    from tbd.replicate.readers import ReaderRecipe
    from tbd.replicate.text_encoder import TextEncoderRecipe

    reader = ReaderRecipe().sha256
    made = {
        "mead": recipes.digest([recipe.world.model_dump(mode="json"), VERSION]),
        "oracle": OracleBackend().revision,
        "drawn": reader,  # the suite of metrics, which look through it
        "drawn-reader": reader,
        recipe.training: recipes.digest(training_document(recipe.training, folder)),
        TEXT_ENCODER: TextEncoderRecipe(toy_size(recipe.training, folder)).sha256,
        TEST_CLIPS: recipes.digest([recipe.rendering.clips, recipe.rows]),
        **{f"{name}.wav": recipes.digest(GRID_SECONDS) for name in portrait_names(recipe)},
    }
    keys = {WORLD.name: made["mead"], ENCODER.name: made[TEXT_ENCODER]}
    for step in steps:
        words = [part for word in shlex.split(step.line) for part in dict.fromkeys((word, *word.split("=")))]
        output = step.output
        keys[step.name] = recipes.digest(
            [step.line, *(made[word] for word in words if word in made and word != output)]
        )
        if output:
            made[output] = keys[step.name]
    return keys | {READING.name: recipes.digest([reader, *keys.values()])}


def training_document(name: str, folder: Path, instead: str = "--set training=replicate") -> dict[str, Any]:
    """The recipe of ``tbd train`` that drawn people are trained with, as it is found from their folder.

    Args:
        instead: the option that is advised where there is none.

    Raises:
        RecipeError: there is no such recipe.
    """
    try:
        with contextlib.chdir(folder):
            return recipes.read("train", name)
    except RecipeError as error:
        raise RecipeError(error.message, next=instead) from None


def toy_size(name: str, folder: Path, instead: str = "--set training=replicate") -> ToySize:
    """Size of the network that a recipe of ``tbd train`` describes: its text encoder is trained here, and has to fit.

    Raises:
        RecipeError: there is no such recipe, or it is of full size, whose text encoder is Stable Diffusion's.
    """
    size = training_document(name, folder, instead).get("model", {}).get("network", {}).get("size", Network().size)
    if size not in get_args(ToySize):
        sizes = " or ".join(get_args(ToySize))
        raise RecipeError(
            f"recipe {name}: its network has the size {size}; drawn people are learned by {sizes}", next=instead
        )
    return cast(ToySize, size)


def picture_side(name: str, folder: Path) -> int:
    """Side in pixels of the pictures that a recipe of ``tbd train`` learns from and draws.

    Raises:
        RecipeError: there is no such recipe.
    """
    return int(training_document(name, folder).get("data", {}).get("size", Data().size))
