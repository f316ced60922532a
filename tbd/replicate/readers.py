"""The reader of drawn faces is trained here, once a machine, and kept in the cache.

For programs::

    from tbd.replicate.readers import ensure_reader, read_clip

    ensure_reader()                      # trains it where it is not there yet: about four minutes on one thread
    found = read_clip("clip.mp4")        # units (T, 17), opening (T,), embedding (64,) of a canonical clip of a drawn person

The metrics that look through it are au_f1@drawn, au_mae@drawn, au_corr@drawn, mouth_corr@drawn, identity@drawn, fid@drawn and
fvd@drawn; ``tbd eval --suite drawn`` computes all of them, and trains the reader first if need be. Column i of the units
belongs to ``UNITS[i]``. How far the reader is to be believed is measured on people it never saw: ``reader_facts()["held_out"]``.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tbd import weights, workspace
from tbd.demo.dataset import VERSION as DRAWINGS
from tbd.errors import InputError
from tbd.evaluate.inputs.streams import of_file
from tbd.evaluate.networks.drawn_reader import (
    UNITS,
    VERSION,
    WEIGHTS,
    DrawnReader,
    Readings,
    drawn_reader,
    facts,
    small,
)
from tbd.recipe import digest
from tbd.replicate.reader_data import HELD_OUT, LEARNT, DrawnPictures, draw_pictures
from tbd.replicate.reader_errors import held_out_errors

__all__ = [
    "UNITS",
    "ReaderRecipe",
    "Readings",
    "ensure_reader",
    "read_clip",
    "reader_facts",
    "reader_words",
    "train_reader",
]

Told = Callable[[float], None]
TRAINING = "training the reader of drawn faces, once on this machine"


@dataclass(frozen=True)
class ReaderRecipe:
    """How the reader is trained.

    Attributes:
        people, each: persons to learn from, and pictures of each.
        held_out, looks: persons it never sees, and pictures of each, for its errors.
        steps, batch, rate: AdamW's steps, pictures a step, and the greatest learning rate (a cosine with warm-up).
        scale: of the cosines between a face and the people, before the softmax.
        seed: of the first weights, the order and the noise.
    """

    people: int = 160
    each: int = 40
    held_out: int = 40
    looks: int = 24
    steps: int = 1300
    batch: int = 64
    rate: float = 3e-3
    scale: float = 12.0
    seed: int = 0

    @property
    def sha256(self) -> str:
        """Of everything that decides the weights: this recipe, the network, and the drawings."""
        return digest([asdict(self), VERSION, DRAWINGS])


def ensure_reader(recipe: ReaderRecipe | None = None, told: Told = lambda share: None) -> Path:
    """The reader's file; trained first where there is none, or one of another recipe.

    Args:
        told: hears the share that is done, 0 to 1.

    Raises:
        MissingError: the disk is full, or the cache cannot be written.
    """
    recipe = recipe or ReaderRecipe()
    path = reader_path()
    try:
        if facts(path)["sha256"] == recipe.sha256:
            return path
    except InputError:
        pass  # none, or one of another version
    return train_reader(path, recipe, told)


def reader_path() -> Path:
    """Where the reader of this machine lies."""
    entry = weights.lookup(WEIGHTS)
    return workspace.cache() / "weights" / entry.key / entry.files[0].name


def reader_facts() -> Mapping[str, Any]:
    """What is known of the reader: ``recipe sha256 seconds held_out``.

    Raises:
        MissingError: it has not been trained here.
    """
    return facts(weights.resolve(WEIGHTS))


def reader_words() -> str:
    """How far the reader is to be believed, on people it never saw.

    Raises:
        MissingError: it has not been trained here.
    """
    held = reader_facts()["held_out"]
    return (
        f"on {held['pictures']} pictures of {held['people']} people it never saw, units correlate {held['units_corr']:.2f} and "
        f"the opening of the mouth {held['opening_corr']:.2f} with the truth, and {100 * held['knn']:.0f} % of the pictures lie "
        "nearest to another one of the same person"
    )


def read_clip(video: Path | str) -> Readings:
    """Read a canonical clip of a drawn person, such as ``tbd generate`` and ``tbd prepare`` write.

    Returns:
        ``units`` (T, 17), ``opening`` (T,), ``embedding`` (64,), ``features`` (T, 128).

    Raises:
        InputError: the file cannot be read.
    """
    stream = of_file(Path(video))
    frames = np.stack([stream.picture(frame) for _, frame in stream.raw()])
    return drawn_reader(ensure_reader()).read_clip(frames)


def train_reader(path: Path, recipe: ReaderRecipe, told: Told = lambda share: None) -> Path:
    """Draw, train, measure on people it never saw, and write the file and ``.json`` beside it. The same on every run."""
    began, workers = time.monotonic(), min(os.cpu_count() or 1, 8)
    workers = workers if workers > 1 else 0
    learnt = draw_pictures(LEARNT, recipe.people, recipe.each, workers=workers)
    others = draw_pictures(HELD_OUT, recipe.held_out, recipe.looks, takes=1.0, workers=workers)
    told(0.3)
    reader = fit(learnt, recipe, lambda share: told(0.3 + 0.7 * share))
    known = {
        "version": VERSION, "sha256": recipe.sha256, "recipe": asdict(recipe), "drawings": DRAWINGS,
        "units": list(UNITS), "held_out": held_out_errors(reader, others),
    }  # fmt: skip
    _write(path, reader, known)
    workspace.write_json(path.with_suffix(".json"), known | {"seconds": round(time.monotonic() - began, 1)})
    return path


def fit(data: DrawnPictures, recipe: ReaderRecipe, told: Told = lambda share: None) -> DrawnReader:
    """Train a reader on labelled pictures, on one thread: the order of sums, and so every bit, depends on how many there are."""
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        reader = DrawnReader(recipe.people).train()
        optimizer = torch.optim.AdamW(reader.parameters(), recipe.rate, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step / recipe.steps))
        order = np.random.default_rng(recipe.seed)
        for step in range(recipe.steps):
            chosen = order.integers(len(data.pictures), size=recipe.batch)
            loss = _loss(reader, data, chosen, recipe.scale, told_eyes=step < recipe.steps // 5)
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(reader.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            told((step + 1) / recipe.steps)
    reader.people = None
    return reader.eval()


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch computes on one thread meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _rate(share: float) -> float:
    return min(1.0, share / 0.05) * 0.5 * (1 + math.cos(math.pi * share))


def _loss(
    reader: DrawnReader, data: DrawnPictures, chosen: np.ndarray[Any, Any], scale: float, *, told_eyes: bool
) -> Tensor:
    """Squared errors of units and opening, each by its own spread, and of the eyes' places; and the wrong person.

    Args:
        told_eyes: faces are aligned by their true eyes, while the network cannot find them yet.
    """
    values = np.column_stack([data.units, data.opening])
    true, spread = torch.from_numpy(values[chosen]), torch.from_numpy(values.std(0) + 1e-3)
    pictures, eyes = mirrored(small(data.pictures[chosen]), torch.from_numpy(data.eyes[chosen]))
    pictures = spoiled(pictures)
    found = reader.eyes(pictures)
    shown, embedding, _ = reader(pictures, eyes + 0.01 * torch.randn_like(eyes) if told_eyes else found.detach())
    assert reader.people is not None
    likeness = embedding @ functional.normalize(reader.people).T
    who = functional.cross_entropy(scale * likeness, torch.from_numpy(data.people[chosen]), label_smoothing=0.05)
    loss: Tensor = (((shown - true) / spread) ** 2).mean() + 100 * functional.mse_loss(found, eyes) + 0.1 * who
    return loss


def mirrored(pictures: Tensor, eyes: Tensor) -> tuple[Tensor, Tensor]:
    """Half of the pictures mirrored, with their eyes."""
    turned = torch.rand(len(pictures), 1, 1, 1) < 0.5
    other = eyes.flip(1) * torch.tensor([-1.0, 1.0])
    return torch.where(turned, pictures.flip(3), pictures), torch.where(turned[:, 0], other, eyes)


def spoiled(pictures: Tensor) -> Tensor:
    """Pictures as a generator may give them back: in other light, blurred, with noise."""
    n = len(pictures)
    light = 1 + 0.12 * torch.randn(n, 1, 1, 1)
    tint = 0.05 * torch.randn(n, 3, 1, 1)
    pictures = pictures * light + tint
    pictures = _blurred(pictures, torch.rand(n, 1, 1, 1))
    return (pictures + 0.05 * torch.rand(n, 1, 1, 1) * torch.randn_like(pictures)).clamp(-1, 1)


def _blurred(pictures: Tensor, share: Tensor) -> Tensor:
    """Between sharp (0) and blurred by about 1.2 pixels (1)."""
    kernel = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0])
    kernel = (kernel[:, None] * kernel / kernel.sum() ** 2).expand(3, 1, 5, 5)
    soft = functional.conv2d(functional.pad(pictures, (2, 2, 2, 2), mode="replicate"), kernel, groups=3)
    return pictures + share * (soft - pictures)


def _write(path: Path, reader: DrawnReader, known: Mapping[str, Any]) -> None:
    from safetensors.torch import save

    state = {name: value.contiguous() for name, value in reader.state_dict().items()}
    content = save(state, {"tbd": json.dumps(known)})
    workspace.write_whole(path, lambda temporary: temporary.write_bytes(content))
