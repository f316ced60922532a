"""Which steps of a replication are done, and what time each took: one line a step, in ``journal.jsonl``."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast, get_args

from tbd import recipe as recipes
from tbd.errors import RecipeError
from tbd.model.recipe import Network
from tbd.replicate.plan import TEST_CLIPS, TEXT_ENCODER, ReplicationStep
from tbd.replicate.recipe import ReplicationRecipe, ToySize

JOURNAL = "journal.jsonl"


def step_keys(recipe: ReplicationRecipe, steps: Sequence[ReplicationStep], folder: Path) -> dict[str, str]:
    """Step -> digest of its command and of what that reads: world, recipe, the choice of clips, what earlier steps made.

    Args:
        folder: in which the commands are typed; the recipe of the training may be a file there.

    Raises:
        RecipeError: there is no such recipe of ``tbd train``, or it is not of a toy size.
    """
    from tbd.replicate.text_encoder import TextEncoderRecipe

    made = {
        "mead": recipes.digest(recipe.world.model_dump(mode="json")),
        recipe.training: recipes.digest(training_document(recipe.training, folder)),
        TEXT_ENCODER: TextEncoderRecipe(toy_size(recipe.training, folder)).sha256,
        TEST_CLIPS: recipes.digest([recipe.rendering.clips, recipe.rows]),
    }
    keys = {}
    for step in steps:
        words = re.split(r"[\s=]+", step.line)
        keys[step.name] = recipes.digest([step.line, *(made[word] for word in words if word in made)])
        if "-o" in words:
            made[words[words.index("-o") + 1]] = keys[step.name]
    return keys


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


class ReplicationJournal:
    """The journal of a replication's folder.

    Args:
        folder: of the replication.
        keys: of ``step_keys``.
    """

    def __init__(self, folder: Path, keys: Mapping[str, str]) -> None:
        self.path, self._keys = folder / JOURNAL, keys
        self.seconds: dict[str, float] = {}
        self.processor_seconds: dict[str, float] = {}
        self._done: dict[str, str] = {}
        text = self.path.read_text(encoding="utf-8") if self.path.is_file() else ""
        for line in text.split("\n")[:-1]:  # what a killed run left behind the last newline is no line
            entry = json.loads(line)
            self._note(entry)

    def is_done(self, step: ReplicationStep) -> bool:
        """Whether a step was done with the very command that would be typed now, from the same things."""
        return self._done.get(step.name) == self._keys[step.name]

    def record(self, step: ReplicationStep, seconds: float, processor_seconds: float) -> None:
        """Write down that a step is done, and the time of the try that ended it: by the clock, and of the processors."""
        entry = {"step": step.name, "command": step.line, "key": self._keys[step.name]}
        times = {"seconds": round(seconds, 2), "processor_seconds": round(processor_seconds, 2)}
        self._mend()
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry | times, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._note(entry | times)

    def _note(self, entry: Mapping[str, Any]) -> None:
        name = entry["step"]
        self._done[name], self.seconds[name] = entry.get("key", ""), entry["seconds"]
        if "processor_seconds" in entry:
            self.processor_seconds[name] = entry["processor_seconds"]

    def _mend(self) -> None:
        """Cut off half a line."""
        content = self.path.read_bytes() if self.path.is_file() else b""
        if content and not content.endswith(b"\n"):
            with self.path.open("r+b") as file:
                file.truncate(content.rfind(b"\n") + 1)
