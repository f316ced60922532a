"""Where a run begins: fresh, from stage 1, or at its own last checkpoint; the network is loaded, or made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbd import weights
from tbd.hashes import sha256_file
from tbd.model.checkpoints import Checkpoint
from tbd.model.encoder_files import RANDOM
from tbd.model.frozen_encoders import FrozenEncoders, load_encoders
from tbd.model.initial_weights import add_stage2_layers, pretrained_network, random_network
from tbd.model.network import TBDNetwork
from tbd.train.beginning import Beginning, find_beginning, with_change
from tbd.train.clips import TrainingClips
from tbd.train.recipe import TrainRecipe
from tbd.train.request import TrainingRequest


@dataclass(frozen=True)
class StartState:
    """A network and where it stands.

    Attributes:
        network: at its weights, which may lie in files still.
        step: steps done.
        source: the checkpoint that the weights are from; None: nothing is on disk yet.
        averaged: they are that checkpoint's averages.
        resumed: this run's own checkpoint; None: a new run.
        history: what was started from, for ``meta.json``.
        notes: what a person should know.
    """

    network: TBDNetwork
    step: int
    source: Path | None
    resumed: Path | None
    history: dict[str, Any]
    notes: tuple[str, ...]
    averaged: bool = False


def recipe_encoders(recipe: TrainRecipe, device: str) -> FrozenEncoders:
    """The frozen networks of a recipe.

    Raises:
        MissingError: weights are not on this machine.
    """
    return load_encoders(recipe.network, recipe.weights, seed=recipe.seed, device=device)


def start_state(request: TrainingRequest, clips: TrainingClips) -> StartState:
    """The network to train, at the last checkpoint of its folder where there is one.

    Raises:
        MissingError: weights are not on this machine.
        InputError: as ``find_beginning``.
        UsageError: stage 2 without a stage 1.
    """
    begun = find_beginning(request, clips)
    _judge(request)  # what is missing is said before networks are loaded
    if begun.before is None:
        return _first(request.recipe)
    if begun.resumed:
        return _resumed(begun, begun.before)
    return _second(request, begun, begun.before) if request.stage == 2 else _from_stage1(begun, begun.before)


def _resumed(begun: Beginning, last: Checkpoint) -> StartState:
    history, notes = with_change(last.meta.history, last.step, begun.changes), (*begun.changes, *begun.notes)
    return StartState(last.network(average=False, mapped=True), last.step, last.path, last.path, history, notes)


def _first(recipe: TrainRecipe) -> StartState:
    if recipe.weights.unet == RANDOM:
        network = random_network(recipe.network, 1, recipe.seed)
        return StartState(network, 0, None, None, {"weights": {"unet": f"random-{recipe.seed}"}}, ())
    network, reports = pretrained_network(
        recipe.network, unet=recipe.weights.unet, warm_start=recipe.weights.warm_start
    )
    history = {"weights": _files(recipe.weights.unet, recipe.weights.warm_start)}
    return StartState(network, 0, None, None, history, tuple(report.line() for report in reports))


def _from_stage1(begun: Beginning, before: Checkpoint) -> StartState:
    """Stage 1 with the weights of another stage 1."""
    notes = (*begun.changes, *begun.notes, _from(before))
    return StartState(
        before.network(mapped=True), 0, before.path, None, _history(begun, before), notes, before.averaged
    )


def _second(request: TrainingRequest, begun: Beginning, before: Checkpoint) -> StartState:
    recipe, trained = request.recipe, begun.warm_start
    named, warm = recipe.weights.motion, recipe.weights.warm_start
    motion = None if named == RANDOM else named
    network, reports = add_stage2_layers(
        before.network(mapped=True),
        recipe.network,
        motion=motion,
        warm_start=trained.network(mapped=True) if trained else warm,
        seed=recipe.seed,
    )
    files = _files(motion, str(trained.path) if trained else warm, _judge(request))
    notes = (*begun.changes, *begun.notes, *(report.line() for report in reports), _from(before))
    history = _history(begun, before) | {"weights": files}
    return StartState(network, 0, before.path, None, history, notes, before.averaged)


def _from(before: Checkpoint) -> str:
    return f"from {before.path}" + (", averaged weights" if before.averaged else "")


def _history(begun: Beginning, before: Checkpoint) -> dict[str, Any]:
    """What a run that begins with a stage 1 records of it."""
    stage1 = {
        "checkpoint": str(before.path),
        "weights": before.recorded_hash,
        "clips": before.meta.clips,
        "averaged": before.averaged,
        "of": before.meta.history,
    }
    return with_change({"stage1": stage1, "changes": []}, 0, begun.changes)


def _judge(request: TrainingRequest) -> str | None:
    """The name of SyncNet's weights where the loss asks for them.

    Raises:
        MissingError: they are not on this machine.
    """
    if request.stage == 1 or not request.recipe.loss.sync:
        return None
    weights.resolve(request.recipe.weights.sync)
    return request.recipe.weights.sync


def _files(*names: str | None) -> dict[str, Any]:
    """Which published weights a run started from."""
    found = {}
    for name in filter(None, names):
        place = weights.resolve(name)
        files: Sequence[Path] = [place] if place.is_file() else sorted(place.rglob("*.safetensors"))
        found[name] = {file.name: {"sha256": sha256_file(file), "published": weights.published(file)} for file in files}
    return found
