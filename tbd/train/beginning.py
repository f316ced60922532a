"""What a run begins with and whether it may: what checkpoints recorded, held against what is asked for now.

Nothing is loaded, and torch is not needed: ``--dry-run`` refuses what the run would refuse, in the same words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbd import recipe as recipes
from tbd.errors import InputError, MissingError
from tbd.model.checkpoints import Checkpoint, find_checkpoint, has_checkpoint, latest_checkpoint
from tbd.model.encoder_files import ENCODERS, encoder_identities
from tbd.train.clips import TrainingClips
from tbd.train.request import TrainingRequest, check_request, recorded_recipe, run_identity

_ANYWAY = "--changed to go on all the same (it is recorded)"


@dataclass(frozen=True)
class Beginning:
    """What a run begins with.

    Attributes:
        before: its own last checkpoint, or the stage 1 that it grows out of; None: neither.
        resumed: ``before`` is its own.
        warm_start: the stage 2 whose audio and motion layers it takes, where ``weights.warm_start`` names one.
        changes: what is otherwise than it was, all of it allowed, for the history.
        notes: what a person should know besides.
    """

    before: Checkpoint | None = None
    resumed: bool = False
    warm_start: Checkpoint | None = None
    changes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def step(self) -> int:
        """Steps done."""
        return self.before.step if self.before and self.resumed else 0


def find_beginning(request: TrainingRequest, clips: TrainingClips, *, dry: bool = False) -> Beginning:
    """The checkpoints that a run begins with, after a look at whether they belong to what is asked for.

    Args:
        request: what is asked for.
        clips: to train on.
        dry: published weights may be missing; what of them cannot be compared is said.

    Raises:
        UsageError: as ``check_request``.
        InputError: the folder holds another run, it began with another stage 1, recipe, rows or frozen networks have
            changed, or stage 1 does not fit.
        MissingError: weights are not on this machine.
    """
    check_request(request)
    last = latest_checkpoint(request.output)
    if last is not None:
        return _resumed(request, clips, last, dry)
    if request.first is None:
        return Beginning()
    before = find_checkpoint(request.first)
    if request.stage == 1:  # other texts or data, the same layers
        return _grown(request, before, ("network",), dry)
    return _second(request, before, dry)


def with_change(history: Mapping[str, Any], step: int, what: Sequence[str]) -> dict[str, Any]:
    """A run's history with what changed at a step; the same history where nothing did."""
    if not what:
        return dict(history)
    return {**history, "changes": [*history.get("changes", []), {"step": step, "what": list(what)}]}


def _resumed(request: TrainingRequest, clips: TrainingClips, last: Checkpoint, dry: bool) -> Beginning:
    notes = _check_first(request, last)
    now = run_identity(request, clips)
    found = recipes.difference(recorded_recipe(last.meta), now["recipe"])
    if last.meta.clips != now["clips"]:
        found.append("clips: other approved rows, prompts or windows")
    others, unknown = _other_encoders(request, last, dry)
    _refuse(f"{last.path}: was trained otherwise", [*found, *others], request, "another folder with -o DIR")
    return Beginning(last, True, changes=(*found, *others), notes=(*notes, *unknown))


def _second(request: TrainingRequest, before: Checkpoint, dry: bool) -> Beginning:
    grown = _grown(request, before, tuple(recorded_recipe(before.meta)["model"]), dry)
    warm = _warm_start(request.recipe.weights.warm_start)
    if warm is None:
        return grown
    others, unknown = _other_encoders(request, warm, dry)
    what = f"{warm.path}: its layers (weights.warm_start) were trained beside other frozen networks"
    _refuse(what, others, request, "the same weights")
    changes = (*grown.changes, *(f"warm start: {line}" for line in others))
    return Beginning(before, False, warm, changes, (*grown.notes, *unknown))


def _grown(request: TrainingRequest, before: Checkpoint, parts: Sequence[str], dry: bool) -> Beginning:
    """What grows out of a stage 1.

    Args:
        parts: of ``model`` that have to agree.
    """
    trained, asked = recorded_recipe(before.meta)["model"], recipes.essence(request.recipe)["model"]
    found = recipes.difference({part: trained[part] for part in parts}, {part: asked[part] for part in parts})
    others, unknown = _other_encoders(request, before, dry)
    what = f"{before.path}: stage 1 was trained as another model"
    _refuse(what, [*found, *others], request, "the same recipe and weights for both")
    return Beginning(before, False, changes=(*found, *others), notes=tuple(unknown))


def _refuse(what: str, found: Sequence[str], request: TrainingRequest, instead: str) -> None:
    if found and not request.changed:
        raise InputError("\n".join([what, *(f"  {line}" for line in found)]), next=f"{instead}, or {_ANYWAY}")


def _other_encoders(request: TrainingRequest, before: Checkpoint, dry: bool) -> tuple[list[str], list[str]]:
    """Frozen networks that are others than a checkpoint was trained with, and what cannot be told about them."""
    recorded = before.meta.encoders
    if not recorded:
        return [], [f"{before.path}: an older version did not record its frozen networks, so they are not compared"]
    recipe = request.recipe
    try:
        now = encoder_identities(recipe.network, recipe.weights, recipe.seed)
    except MissingError as error:
        if not dry:
            raise
        return [], [f"{error.message}: whether {before.path} was trained with them cannot be told (next: {error.next})"]
    heard = {part: name for part, name in ENCODERS.items() if before.stage == 2 or part != "speech"}
    return [
        f"weights.{part}: {_short(recorded[name])} -> {_short(now[name])} ({name} encoder)"
        for part, name in heard.items()
        if name in recorded and recorded[name] != now[name]
    ], []


def _short(identity: str) -> str:
    return identity if identity.startswith("random") else f"sha256 {identity[:12]}…"


def _warm_start(named: str | None) -> Checkpoint | None:
    """The checkpoint that a warm start names; None where it names Hallo's weights, or nothing.

    Raises:
        InputError: it is one of stage 1, which has nothing that stage 2 adds.
    """
    if named is None or not (Path(named).is_dir() and has_checkpoint(Path(named))):
        return None
    found = find_checkpoint(Path(named))
    if found.stage != 2:
        raise InputError(
            f"weights.warm_start={named}: a checkpoint of stage 1 has no audio or motion layers",
            next="--set weights.warm_start=DIR with a checkpoint of stage 2",
        )
    return found


def _check_first(request: TrainingRequest, last: Checkpoint) -> list[str]:
    """Hold ``--from`` against what a run began with: it would play no part any more."""
    asked, history = request.first, last.meta.history
    stage1 = history.get("stage1")
    if asked is None or (stage1 is not None and _is_the_same(stage1, asked)):
        return []
    if stage1 is None and "weights" not in history:
        return [f"{last.path}: an older version did not record what it began with, so --from is not compared"]
    began = f"{stage1['checkpoint']} as it was then" if stage1 else "no stage 1"
    raise InputError(
        f"{request.output}: this run began with {began}, and --from names {asked}",
        next=f"the same command without --from goes on; with another -o it begins with {asked}",
    )


def _is_the_same(stage1: Mapping[str, Any], asked: Path) -> bool:
    """Whether ``--from`` names the stage 1 that was recorded: by its bytes, wherever it lies by now; else by its place,
    for a run may go on after another one began with it, and make room."""
    began, weights = Path(stage1["checkpoint"]), stage1.get("weights", "")
    if weights and weights in (_weights(asked), _weights(asked / began.name)):
        return True
    if asked.resolve() not in (began.resolve(), began.parent.resolve()):
        return False
    return not weights or _weights(began) in ("", weights)


def _weights(path: Path) -> str:
    """``recorded_hash`` of a checkpoint; empty where it is gone, or does not say."""
    try:
        return find_checkpoint(path).recorded_hash
    except InputError:
        return ""
