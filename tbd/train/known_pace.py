"""How fast this machine trains, as ``tbd train bench`` last measured it: kept in the cache folder, for plans. Needs no torch."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbd import workspace
from tbd.recipe import digest, essence
from tbd.train.recipe import TrainRecipe, stage_settings

FILE = "bench.json"
CPU = "CPU"
"""What the bench calls a machine without a card."""


@dataclass(frozen=True)
class TrainingPace:
    """A measured pace.

    Attributes:
        steps_per_second: of the network's steps alone: nothing is loaded, encoded, validated or saved meanwhile.
        device: the card's name, or ``CPU``.
    """

    steps_per_second: float
    device: str


def keep_pace(recipe: TrainRecipe, stage: int, pace: TrainingPace) -> None:
    """Remember the pace of a stage of a recipe on this machine.

    Raises:
        InputError, MissingError: the cache folder cannot be written, or its disk is full.
    """
    found = _known() | {_key(recipe, stage, pace.device == CPU): [pace.steps_per_second, pace.device]}
    workspace.write_json(_file(), found)


def known_pace(recipe: TrainRecipe, stage: int, *, device: str = "auto") -> TrainingPace | None:
    """The pace of a stage of a recipe on this machine; None where it was never measured.

    Args:
        recipe: fitted to the card, as it was for the bench; only what the pace depends on has to agree.
        stage: 1 or 2.
        device: ``auto`` prefers that of a card, ``cpu`` takes no other than the CPU's.
    """
    known = _known()
    for cpu in (True,) if device == "cpu" else (False, True):
        if (found := known.get(_key(recipe, stage, cpu))) is not None:
            return TrainingPace(float(found[0]), str(found[1]))
    return None


def _file() -> Path:
    return workspace.cache() / FILE


def _known() -> dict[str, Any]:
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # never measured, or unreadable: measured anew
    return found if isinstance(found, dict) else {}


def _key(recipe: TrainRecipe, stage: int, cpu: bool) -> str:
    """This machine and all of a recipe that decides about a step's time."""
    parts = [essence(part) for part in (recipe.network, stage_settings(recipe, stage), recipe.hardware)]
    text = [recipe.model.guidance.k, recipe.model.chunks]
    asked = [stage, recipe.data.size, *text, recipe.optimizer.name, recipe.ema.decay > 0, parts]
    return f"{platform.node()} {'cpu' if cpu else 'card'} {digest(asked)[:16]}"
