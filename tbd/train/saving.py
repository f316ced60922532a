"""From a running trainer to a checkpoint, and back bit for bit."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.distributed.checkpoint import state_dict as distributed

from tbd import __version__
from tbd.hashes import sha256_file
from tbd.manifest import locate_manifest
from tbd.model import checkpoints
from tbd.model.network import PARTS
from tbd.model.weight_files import WEIGHTS, read_weights
from tbd.train import checkpoint, start_state

if TYPE_CHECKING:
    from tbd.train.trainer import Trainer

PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "safetensors")
_WHOLE = distributed.StateDictOptions(full_state_dict=True, cpu_offload=True)


def save(trainer: Trainer) -> None:
    """Write the checkpoint of this step, make room, and remember the best; every process takes part.

    Raises:
        MissingError: the disk is full; earlier checkpoints are whole.
    """
    weights = distributed.get_model_state_dict(trainer.network, options=_WHOLE)
    memory = _optimizer_state(trainer)
    averaged = {name: _gathered(tensor) for name, tensor in trainer.average.state().items()}
    if trainer.accelerator.is_main_process:
        folder = trainer.request.output

        def fill(temporary: Path) -> None:
            _network(trainer, weights, temporary)
            trainer.schedule.save_pretrained(temporary / checkpoints.SCHEDULER)
            if averaged:
                checkpoint.save_tensors(temporary / checkpoints.AVERAGE, averaged)
            (temporary / checkpoint.STATE).parent.mkdir()
            torch.save(memory, temporary / checkpoint.STATE)

        checkpoint.write(folder, trainer.step, fill, document(trainer))
        best = checkpoints.best_checkpoint(folder)
        checkpoint.rotate(folder, trainer.recipe.watch.keep, best.step if best else None)
    trainer.accelerator.wait_for_everyone()


def restore(trainer: Trainer, source: Path) -> None:
    """Put optimizer, average and counters where a checkpoint left them; the weights are loaded already."""
    found, recorded = checkpoint.state(source), checkpoints.read_checkpoint(source)
    if _sharded(trainer):
        distributed.set_optimizer_state_dict(
            trainer.network,
            _tool(trainer),
            found["optimizer"],
            options=distributed.StateDictOptions(full_state_dict=True),
        )
    else:
        _tool(trainer).load_state_dict(found["optimizer"])
    if trainer.accelerator.scaler is not None and "scaler" in found:
        trainer.accelerator.scaler.load_state_dict(found["scaler"])
    trainer.average.load(recorded.averages(), int(recorded.meta["average_steps"]))
    trainer.bad = int(recorded.meta["bad_steps"])


def document(trainer: Trainer) -> dict[str, Any]:
    """``meta.json``: everything that made these weights."""
    request, step = trainer.request, trainer.step
    return {
        **start_state.run_identity(request, trainer.clips),
        "step": step,
        "samples": step * trainer.per_step,
        "processes": trainer.world,
        "validation": trainer.validation.as_json() if trainer.validation and trainer.validated == step else None,
        "bad_steps": trainer.bad,
        "average_steps": trainer.average.steps,
        "scheduler": dict(trainer.schedule.config),
        "guidance": trainer.recipe.model.guidance.model_dump(mode="json"),
        "trained": {"parameters": sum(p.numel() for p in trainer.learning), "names": len(trainer.names)},
        "manifests": {name: sha256_file(locate_manifest(path)) for name, path in trainer.clips.manifests.items()},
        "encoders": trainer.encoders.base.identities,
        "history": trainer.beginning.history,
        "versions": {"tbd": __version__, "python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def _network(trainer: Trainer, weights: dict[str, Any], folder: Path) -> None:
    """The parts. What does not learn is as it was in the checkpoint before: whole parts are linked to its files, and
    weights that are held in half precision while training are taken from there."""
    own, first = checkpoints.latest_checkpoint(trainer.request.output), trainer.beginning.source
    source = own or (checkpoints.read_checkpoint(first) if first else None)
    averages = source.averages() if source and not own and trainer.beginning.averaged else {}
    learn = set(trainer.names)
    for part in PARTS:
        before = source.path / part if source else None
        mine = [name for name in weights if name.startswith(f"{part}.")]
        if before is None or not before.is_dir() or learn.issuperset(mine):
            continue
        if learn.isdisjoint(mine) and not averages:
            checkpoint.link(before, folder / part)
            weights = {name: value for name, value in weights.items() if name not in set(mine)}
        else:
            exact = {f"{part}.{name}": value for name, value in read_weights(before / WEIGHTS).items()} | averages
            weights |= {name: exact[name] for name in mine if name not in learn and name in exact}
    trainer.plain.save(folder, weights)


def _optimizer_state(trainer: Trainer) -> dict[str, Any]:
    if _sharded(trainer):
        found: dict[str, Any] = {
            "optimizer": distributed.get_optimizer_state_dict(trainer.network, _tool(trainer), options=_WHOLE)
        }
    else:
        found = {"optimizer": _tool(trainer).state_dict()}
    if trainer.accelerator.scaler is not None:
        found["scaler"] = trainer.accelerator.scaler.state_dict()
    return found


def _tool(trainer: Trainer) -> torch.optim.Optimizer:
    tool: torch.optim.Optimizer = getattr(trainer.optimizer, "optimizer", trainer.optimizer)
    return tool


def _sharded(trainer: Trainer) -> bool:
    return any(hasattr(parameter, "full_tensor") for parameter in trainer.learning)


def _gathered(tensor: torch.Tensor) -> torch.Tensor:
    whole: torch.Tensor = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return whole
