"""The text encoder of drawn people: a CLIP text model of toy size that knows the words of prompts.

The paper's is CLIP, which has learned from pictures what words mean; one at random weights has not: its token "slightly" does
not know of which unit, and the denoising network would have to learn to read before it can obey. Here the model learns it
from texts alone: takes of nobody are put into words as the backend ``oracle`` does, in every mode, and from each token that
follows a text a linear head has to tell how strong every unit is on both sides. Then it is frozen, as CLIP is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from tbd import workspace
from tbd.annotate.backends.oracle import OracleBackend
from tbd.demo.dataset import VERSION as DRAWINGS
from tbd.model.recipe import Network
from tbd.model.shapes import network_sizes
from tbd.model.text import END, chunked
from tbd.recipe import digest
from tbd.replicate.described_takes import described_takes
from tbd.replicate.readers import one_thread
from tbd.replicate.recipe import ToySize

if TYPE_CHECKING:
    from transformers import CLIPTextModel

TRAINING = "training the text encoder on the words of prompts"
RECORD = "training.json"
UNSURE = 0.05
"""Added to the spread of a unit's strengths, so that one that hardly ever shows does not count most."""

Told = Callable[[float], None]


@dataclass(frozen=True)
class TextEncoderRecipe:
    """How the text encoder is trained.

    Attributes:
        size: of the network that will listen to it.
        takes, held_out: texts to learn from, and others for its error.
        steps, batch, rate: AdamW's steps, texts a step, and the greatest learning rate (a cosine with warm-up).
        seed: of the first weights, the takes and the order.
    """

    size: ToySize = "small"
    takes: int = 12_000
    held_out: int = 1_000
    steps: int = 500
    batch: int = 96
    rate: float = 2e-3
    seed: int = 0

    @property
    def sha256(self) -> str:
        """Of everything that decides the weights: this recipe, the drawings, and the words of the oracle."""
        return digest([asdict(self), DRAWINGS, OracleBackend().revision])


def ensure_text_encoder(folder: Path, recipe: TextEncoderRecipe | None = None, told: Told = lambda share: None) -> Path:
    """The text encoder in ``folder``; trained first where there is none, or one of another recipe.

    Args:
        folder: gets transformers' ``config.json`` and ``model.safetensors``, and what it was trained with.
        told: hears the share that is done, 0 to 1.

    Raises:
        MissingError: the disk is full.
    """
    recipe = recipe or TextEncoderRecipe()
    if _record(folder).get("sha256") != recipe.sha256:
        _write(folder, *train_text_encoder(recipe, told), recipe)
    return folder


def text_encoder_words(folder: Path) -> str:
    """How far its embeddings tell the units: of texts that it has not seen."""
    found = _record(folder)
    return f"{found['held_out']} texts that it never saw tell {100 * found['told']:.0f} % of what their units differ by"


def train_text_encoder(recipe: TextEncoderRecipe, told: Told = lambda share: None) -> tuple[CLIPTextModel, float]:
    """Train on one thread, so that every run gives the same.

    Returns:
        The model, and the share of the units' spread that held-out texts tell, at most 1 (an R squared over all units;
        a text that names an emotion only cannot tell all).
    """
    from transformers import CLIPTextConfig, CLIPTextModel

    texts, strengths = described_takes(recipe.takes + recipe.held_out, recipe.seed)
    ids, true = torch.tensor([chunked(text, 1, "cut")[0] for text in texts]), torch.from_numpy(strengths)
    spread, order = true.std(0) + UNSURE, np.random.default_rng(recipe.seed)
    widths = network_sizes(Network(size=recipe.size)).text
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model, head = CLIPTextModel(CLIPTextConfig(**widths)), nn.Linear(widths["hidden_size"], true.shape[1])
        learning = [*model.parameters(), *head.parameters()]
        optimizer = torch.optim.AdamW(learning, recipe.rate, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step / recipe.steps))
        for step in range(recipe.steps):
            chosen = torch.from_numpy(order.integers(recipe.takes, size=recipe.batch))
            loss = _errors(model, head, ids[chosen], true[chosen] / spread).mean()
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(learning, 1.0)
            optimizer.step()
            schedule.step()
            told((step + 1) / recipe.steps)
        model.train(False)
        with torch.no_grad():
            unseen = true[recipe.takes :] / spread
            left = _errors(model, head, ids[recipe.takes :], unseen).mean()
            _spread_out(model, ids[: recipe.held_out])
    return model, float(1 - left / unseen.var(0).mean())


def _errors(model: CLIPTextModel, head: nn.Linear, ids: Tensor, true: Tensor) -> Tensor:
    """``(n, 34)`` squared errors of the strengths, the mean over the tokens that follow each text; all of them carry it."""
    room = min(ids.shape[1], int((ids != END).sum(1).max()) + 8)  # what is padding for all need not be computed
    ids = ids[:, :room]
    after = (ids == END).unsqueeze(2)
    told = head(model(input_ids=ids).last_hidden_state)
    found: Tensor = ((told - true.unsqueeze(1)) ** 2 * after).sum(1) / after.sum(1)
    return found


def _spread_out(model: CLIPTextModel, ids: Tensor) -> None:
    """Scale the last normalisation so that embeddings of texts differ by 1 around 0, as an autoencoder's latents do.

    A text changes a trained embedding by a quarter of its length, the rest is common to all; layers that hear it start
    to learn from what differs, and at first their pace grows with its square.
    """
    found = model(input_ids=ids).last_hidden_state[ids == END]
    inside = getattr(model, "text_model", model)  # transformers 5 has no such part any more
    norm = cast(nn.LayerNorm, inside.final_layer_norm)
    mean, scale = found.mean(0), found.std(0).clamp(min=1e-3)
    norm.bias.copy_((norm.bias - mean) / scale)
    norm.weight.div_(scale)


def _rate(share: float) -> float:
    return min(1.0, (share + 0.002) / 0.06) * 0.5 * (1 + math.cos(math.pi * share))


def _record(folder: Path) -> dict[str, Any]:
    """What the encoder in a folder was trained with; nothing where there is none that can be used."""
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and (folder / "model.safetensors").is_file() else {}


def _write(folder: Path, model: CLIPTextModel, told: float, recipe: TextEncoderRecipe) -> None:
    """The record last: without it there is no encoder."""
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD).unlink(missing_ok=True)
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    content = save(state, {"format": "pt"})
    workspace.write_whole(folder / "model.safetensors", lambda path: path.write_bytes(content))
    workspace.write_json(folder / "config.json", model.config.to_dict() | {"architectures": ["CLIPTextModel"]})
    document = {"sha256": recipe.sha256, "recipe": asdict(recipe), "told": told, "held_out": recipe.held_out}
    workspace.write_json(folder / RECORD, document)
