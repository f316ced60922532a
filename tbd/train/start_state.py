"""Where a run begins: fresh, from stage 1, or at its own last checkpoint; and whether it may go on there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbd import recipe as recipes
from tbd import weights
from tbd.errors import InputError
from tbd.hashes import sha256_file
from tbd.model import checkpoints
from tbd.model.checkpoint_meta import CheckpointMeta
from tbd.model.encoder_files import RANDOM
from tbd.model.frozen_encoders import FrozenEncoders, load_encoders
from tbd.model.initial_weights import add_stage2_layers, pretrained_network, random_network
from tbd.model.network import TBDNetwork
from tbd.train.clips import TrainingClips
from tbd.train.recipe import TrainRecipe
from tbd.train.request import TrainingRequest, check_request, recorded_recipe, run_identity


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
        InputError: the folder holds another run, the recipe or the data changed, or stage 1 does not fit.
        UsageError: stage 2 without a stage 1.
    """
    check_request(request)
    _judge(request)  # what is missing is said before networks are loaded
    last = checkpoints.latest_checkpoint(request.output)
    if last is not None:
        return _resume(request, clips, last)
    if request.stage == 1:
        return _first(request)
    return _second(request)


def _resume(request: TrainingRequest, clips: TrainingClips, last: checkpoints.Checkpoint) -> StartState:
    recorded, path = last.meta, last.path
    notes = _differences(recorded, run_identity(request, clips), path, request)
    history = dict(recorded.history)
    if notes:
        history["changes"] = [*history.get("changes", []), {"step": last.step, "what": notes}]
    return StartState(last.network(average=False, mapped=True), last.step, path, path, history, tuple(notes))


def _differences(recorded: CheckpointMeta, now: Mapping[str, Any], last: Path, request: TrainingRequest) -> list[str]:
    """What changed since a checkpoint, if that was allowed."""
    found = recipes.difference(recorded_recipe(recorded), now["recipe"])
    if recorded.clips != now["clips"]:
        found.append("clips: other approved rows, prompts or windows")
    if found and not request.changed:
        raise InputError(
            f"{last}: was trained otherwise\n" + "\n".join(f"  {line}" for line in found),
            next="another folder with -o DIR, or --changed to go on all the same (it is recorded)",
        )
    return found


def _first(request: TrainingRequest) -> StartState:
    recipe = request.recipe
    if request.first is not None:
        return _from_stage1(request, request.first)
    if recipe.weights.unet == RANDOM:
        network = random_network(recipe.network, 1, recipe.seed)
        return StartState(network, 0, None, None, {"weights": {"unet": f"random-{recipe.seed}"}}, ())
    network, reports = pretrained_network(
        recipe.network, unet=recipe.weights.unet, warm_start=recipe.weights.warm_start
    )
    history = {"weights": _files(recipe.weights.unet, recipe.weights.warm_start)}
    return StartState(network, 0, None, None, history, tuple(report.line() for report in reports))


def _from_stage1(request: TrainingRequest, first: Path) -> StartState:
    """Stage 1 with the weights of another stage 1: other texts or data, the same layers."""
    before = checkpoints.find_checkpoint(first)
    found = _other_model(before, request, ("network",))
    history = _history(before, found)
    return StartState(before.network(mapped=True), 0, before.path, None, history, (_from(before),), before.averaged)


def _other_model(before: checkpoints.Checkpoint, request: TrainingRequest, parts: Sequence[str] = ()) -> list[str]:
    """Where a stage 1 was trained as another model, if that was allowed.

    Args:
        parts: of ``model`` that have to agree; empty: all.
    """
    trained, asked = recorded_recipe(before.meta)["model"], recipes.essence(request.recipe)["model"]
    chosen = parts or tuple(trained)
    found = recipes.difference({part: trained[part] for part in chosen}, {part: asked[part] for part in chosen})
    if found and not request.changed:
        raise InputError(
            f"{before.path}: stage 1 was trained as another model\n" + "\n".join(f"  {line}" for line in found),
            next="the same recipe for both, or --changed to go on all the same (it is recorded)",
        )
    return found


def _from(before: checkpoints.Checkpoint) -> str:
    return f"from {before.path}" + (", averaged weights" if before.averaged else "")


def _history(before: checkpoints.Checkpoint, found: Sequence[str]) -> dict[str, Any]:
    """What a run that begins with a stage 1 records of it."""
    stage1 = {
        "checkpoint": str(before.path),
        "clips": before.meta.clips,
        "averaged": before.averaged,
        "of": before.meta.history,
    }
    return {"stage1": stage1, "changes": [{"step": 0, "what": list(found)}] if found else []}


def _second(request: TrainingRequest) -> StartState:
    recipe = request.recipe
    assert request.first is not None  # check_request has seen to it
    before = checkpoints.find_checkpoint(request.first)
    found = _other_model(before, request)
    named, warm = recipe.weights.motion, recipe.weights.warm_start
    motion = None if named == RANDOM else named
    trained = _stage2_checkpoint(warm)
    network, reports = add_stage2_layers(
        before.network(mapped=True),
        recipe.network,
        motion=motion,
        warm_start=trained.network(mapped=True) if trained else warm,
        seed=recipe.seed,
    )
    files = _files(motion, str(trained.path) if trained else warm, _judge(request))
    history = _history(before, found) | {"weights": files}
    notes = [*(report.line() for report in reports), _from(before)]
    return StartState(network, 0, before.path, None, history, tuple(notes), before.averaged)


def _judge(request: TrainingRequest) -> str | None:
    """The name of SyncNet's weights where the loss asks for them.

    Raises:
        MissingError: they are not on this machine.
    """
    if request.stage == 1 or not request.recipe.loss.sync:
        return None
    weights.resolve(request.recipe.weights.sync)
    return request.recipe.weights.sync


def _stage2_checkpoint(warm_start: str | None) -> checkpoints.Checkpoint | None:
    """The checkpoint that a warm start names; None where it names Hallo's weights, or nothing.

    Raises:
        InputError: it is one of stage 1, which has nothing that stage 2 adds.
    """
    if warm_start is None or not (Path(warm_start).is_dir() and checkpoints.has_checkpoint(Path(warm_start))):
        return None
    found = checkpoints.find_checkpoint(Path(warm_start))
    if found.stage != 2:
        raise InputError(
            f"weights.warm_start={warm_start}: a checkpoint of stage 1 has no audio or motion layers",
            next="--set weights.warm_start=DIR with a checkpoint of stage 2",
        )
    return found


def _files(*names: str | None) -> dict[str, Any]:
    """Which published weights a run started from."""
    found = {}
    for name in filter(None, names):
        place = weights.resolve(name)
        files: Sequence[Path] = [place] if place.is_file() else sorted(place.rglob("*.safetensors"))
        found[name] = {file.name: {"sha256": sha256_file(file), "published": weights.published(file)} for file in files}
    return found
