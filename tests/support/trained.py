"""Small training runs: started, stopped, killed, and compared bit for bit."""

import multiprocessing
import os
import threading
from pathlib import Path

import torch
import training
from safetensors.torch import load_file

from tbd.model.weight_files import read_pickle
from tbd.train.approved_clips import read_training_clips
from tbd.train.dataset import TrainingDataset
from tbd.train.request import TrainingRequest
from tbd.train.start_state import start_state
from tbd.train.trainer import train_stage
from tbd.train.training_state import OPTIMIZER


class Notes:
    """A watcher that remembers, and sets ``stopping`` after a step if it is told to."""

    def __init__(self, stop_at=None):
        self.steps, self.notes, self.stopping, self.stop_at = {}, [], threading.Event(), stop_at

    def step(self, step, values):
        self.steps[step] = values
        if step == self.stop_at:
            self.stopping.set()

    def note(self, words):
        self.notes.append(words)

    @property
    def losses(self):
        """Loss of every step."""
        return [values["loss"] for values in self.steps.values()]


QUIET = {"watch.tracker": "none", "watch.sample_every": 0, "watch.validate_every": 1000, "watch.bins": 4}
"""Nothing but training; validation at the end alone."""


def recipe(changes=None):
    """The tiny recipe, learning fast enough to be seen."""
    return training.recipe({"optimizer.lr": 1e-3, "ema.decay": 0.9, **QUIET, **(changes or {})})


def run(output, manifest, chosen, stage=1, *, stop_at=None, watcher=None, **request):
    """Train; returns the watcher and what ``train`` returned."""
    seen = watcher or Notes(stop_at)
    clips = read_training_clips([manifest], chosen, stage)
    asked = TrainingRequest((manifest,), chosen, stage, Path(output), device="cpu", **request)
    return seen, train_stage(asked, clips, start_state(asked, clips), seen, seen.stopping)


def content(path):
    """Every tensor and number that training goes on with from a checkpoint."""
    found = {
        f"{file.relative_to(path)}/{name}": tensor
        for file in path.rglob("*.safetensors")
        for name, tensor in load_file(file).items()
    }
    pending = [("state", read_pickle(path / OPTIMIZER))]
    while pending:
        name, value = pending.pop()
        if isinstance(value, dict):
            pending += [(f"{name}.{key}", inner) for key, inner in value.items()]
        elif isinstance(value, list | tuple):
            pending += [(f"{name}.{key}", inner) for key, inner in enumerate(value)]
        else:
            found[name] = value
    return found


def differing(one, other):
    """Names of what is not bit-equal in two checkpoints."""
    left, right = content(one), content(other)
    odd = left.keys() ^ right.keys()
    for name in left.keys() & right.keys():
        a, b = left[name], right[name]
        same = torch.equal(a, b) and a.dtype == b.dtype if isinstance(a, torch.Tensor) else a == b
        odd |= set() if same else {name}
    return sorted(odd)


def apart(environment=None, **given):
    """Start a run in a clean process of its own, which has imported everything already; returns the process.

    Args:
        environment: variables of that process.
        given: ``output manifest stage changes first media samples``, as plain values; the number of every training
            sample that is read is appended to the file ``samples``, a line each.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_run, args=(environment or {}, {"media": str(training.media()), **given}))
    process.start()
    return process


def _run(environment, given):
    os.environ.update(environment)
    torch.set_num_threads(1)
    training.media = lambda: Path(given["media"])
    if given.get("samples"):
        _note_samples(Path(given["samples"]))
    first = Path(given["first"]) if given.get("first") else None
    run(Path(given["output"]), Path(given["manifest"]), recipe(given["changes"]), given["stage"], first=first)


def _note_samples(file):
    example = TrainingDataset.example

    def noting(self, clip, drawn):
        with file.open("a") as lines:
            lines.write(f"{drawn.sample}\n")
        return example(self, clip, drawn)

    TrainingDataset.example = noting
