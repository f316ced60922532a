"""The loop that trains an autoencoder: steps, pictures to look at, a state to go on from, and diffusers' folder."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Any, Protocol

import torch
from safetensors.torch import save_file

from tbd import recipe as recipes
from tbd import weights, workspace
from tbd.errors import InputError
from tbd.locks import folder_lock
from tbd.model.autoencoder import ImageAutoencoder
from tbd.model.encoder_files import RANDOM
from tbd.model.frozen_encoders import random_encoders
from tbd.model.weight_files import WEIGHTS, read_pickle
from tbd.train.autoencoder.frames import FaceFrames, split_people
from tbd.train.autoencoder.loss import reconstruction_loss
from tbd.train.autoencoder.quality import Reconstruction, ReconstructionJudge
from tbd.train.autoencoder.regions import face_regions
from tbd.train.bad_steps import BadSteps
from tbd.train.clips import TrainingClips
from tbd.train.dataset import collate, data_loader
from tbd.train.host_memory import keep_freed_memory
from tbd.train.left_out import LeftOutClips
from tbd.train.optimizer import set_learning_rate
from tbd.train.recipe import TrainRecipe

META, STATE, STEPS, SHOWN = "meta.json", "state.pt", "train.jsonl", "reconstructions.png"
WARM_UP = 0.02
"""Share of the steps in which the rate rises."""
MEASURED = 512
"""Pictures over which the latents are whitened."""
PRECISION = {"bfloat16": torch.bfloat16, "float16": torch.bfloat16}
"""Of autocast; float16 has no scaler here, so bfloat16 stands in for it."""


class AutoencoderCallback(Protocol):
    """Is told how the training goes."""

    def step(self, step: int, loss: float) -> None:
        """A step is done."""

    def note(self, words: str) -> None:
        """Something a person should know."""


@dataclass(frozen=True)
class AutoencoderResult:
    """How the training of an autoencoder ended.

    Attributes:
        step, of: steps done, and asked for.
        quality: on people who were kept back; None before the first look.
        left_out: clips that could not be read: ``manifest/clip_id`` -> why; ``meta.json`` names them too.
        folder: diffusers' folder, whole once ``step`` is ``of``.
    """

    step: int
    of: int
    quality: Reconstruction | None
    folder: Path
    left_out: dict[str, str]


class AutoencoderTrainer:
    """One run. Everything random hangs on the sample's number, so a stopped run goes on as if it had not been stopped.

    Args:
        clips: approved ones.
        recipe: its ``autoencoder`` section, size, seed; ``weights.vae`` is where it starts.
        folder: of the run.
        device: ``cuda`` or ``cpu``.
        callback: is told how it goes.

    Raises:
        InputError: one clip alone, another run's folder, or no clip to judge by that can be read.
        MissingError: the weights to start from are not on this machine.
    """

    def __init__(
        self, clips: TrainingClips, recipe: TrainRecipe, folder: Path, device: str, callback: AutoencoderCallback
    ) -> None:
        self.recipe, self.settings, self.folder, self.callback = recipe, recipe.autoencoder, folder, callback
        self.device = torch.device(device)
        keep_freed_memory(self.device.type)
        people = split_people((*clips.train, *clips.validation), self.settings.held_out, recipe.seed)
        self.identity: dict[str, Any] = {"recipe": _essence(recipe), "clips": clips.digest(["person"])}
        if not people.apart:
            callback.note("all clips show one person: other clips of the same one judge the pictures")
        self.left_out = LeftOutClips(len(people.train) + len(people.held_out), recipe, callback.note)
        self.frames = FaceFrames(people.train, recipe, face_regions)
        self.judge = ReconstructionJudge(people.held_out, face_regions)
        self.left_out.add(self.judge.left_out)
        self.drawn, self.faceless = 0, sum(not region.found for region in self.judge.regions)
        self.model: Any = starting_autoencoder(recipe).to(self.device, memory_format=torch.channels_last)
        self.image = ImageAutoencoder(self.model, "in training")
        self.learning = self._freeze()
        self.optimizer = torch.optim.AdamW(self.learning, lr=self.settings.lr, weight_decay=0.0)
        self.bad_steps = BadSteps(recipe.watch.max_bad_steps, callback.note, self._saved, "autoencoder.lr")
        self.step = 0
        self.quality: Reconstruction | None = None
        self._resume()

    def run(self, stopping: Event) -> AutoencoderResult:
        """Train to the last step, or until ``stopping`` is set; either way the state is saved.

        Raises:
            TbdError: too many steps in a row without a finite loss.
            InputError: too many clips cannot be read.
        """
        source = self._batches()
        while self.step < self.settings.steps and not stopping.is_set():
            loss, finite = self._step(self._readable(next(source)))
            self.step += 1
            self.bad_steps.judge(self.step, finite)
            self.callback.step(self.step, loss)
            if self.step % self.recipe.watch.log_every == 0:
                self._log({"step": self.step, "loss": loss})
            if self.step % self.recipe.watch.validate_every == 0 and self.step < self.settings.steps:
                self._look()
            if self.step % self.recipe.watch.save_every == 0:
                self._save_state()
        self._save_state()
        if self.step == self.settings.steps:  # whitening first: pictures are judged with the latents as they will be
            self._whiten()
            self._look()
            self._write()
        self._tell_faceless()
        return AutoencoderResult(self.step, self.settings.steps, self.quality, self.folder, self.left_out.found)

    def _readable(self, batch: dict[str, Any]) -> dict[str, Any]:
        """A batch whose clips can be read; those that cannot are noted."""
        if "error" in batch:
            raise InputError(batch["error"], next=batch["next"])
        self.drawn += len(batch["found"])
        self.faceless += batch["found"].count(False)
        return self.left_out.seen(batch)

    def _step(self, batch: dict[str, Any]) -> tuple[float, bool]:
        """The loss, and whether it and its gradient are finite; if not, nothing changes."""
        set_learning_rate(self.optimizer, self.settings.lr * rate(self.step, self.settings.steps))
        wanted = batch["picture"].to(self.device).float() / 127.5 - 1
        half = PRECISION.get(self.recipe.hardware.precision)
        with torch.autocast(self.device.type, half) if half else nullcontext():
            posterior = self.model.encode(wanted).latent_dist
            noise = torch.randn(posterior.mean.shape, generator=torch.Generator().manual_seed(self.step))
            made = self.model.decode(posterior.mean + posterior.std * noise.to(self.device)).sample
        weight = batch["weight"].to(self.device)
        loss = reconstruction_loss(made, wanted, weight, posterior.parameters, self.settings)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = float(torch.nn.utils.clip_grad_norm_(self.learning, self.recipe.optimizer.clip))
        finite = math.isfinite(norm) and math.isfinite(float(loss.detach()))
        if finite:
            self.optimizer.step()
        return float(loss.detach()), finite

    def _batches(self) -> Iterator[dict[str, Any]]:
        batch = self.settings.batch
        numbers = range(self.step * batch, self.settings.steps * batch)
        return iter(data_loader(self.frames, numbers, batch, self.recipe.data.workers))

    def _freeze(self) -> list[torch.nn.Parameter]:
        learns = ("decoder.", "post_quant_conv.") if self.settings.trainable == "decoder" else ("",)
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name.startswith(learns))
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def _saved(self) -> Path | None:
        return self.folder / STATE if (self.folder / STATE).is_file() else None

    def _tell_faceless(self) -> None:
        if self.faceless:
            pictures = self.drawn + len(self.judge.pictures)
            self.callback.note(
                f"no face was found for {self.faceless} of {pictures} pictures: eyes and mouth are where crops put them"
            )

    def _look(self) -> None:
        self.quality = found = self.judge.measure(self.image)
        self.judge.save(self.image, self.folder / SHOWN)
        self._log({"step": self.step, "psnr": asdict(found)})
        self.callback.note(
            f"step {self.step}: PSNR {found.picture:.1f} dB, face {found.face:.1f}, mouth {found.mouth:.1f} (people kept back)"
        )

    def _whiten(self) -> None:
        """Give every channel of the latents mean 0 and deviation 1, as the diffusion expects, where they are new."""
        if self.settings.trainable == "decoder":
            return
        count = min(MEASURED, self.settings.steps * self.settings.batch)
        samples = [self._readable(collate([self.frames[number]])) for number in range(count)]
        pictures = torch.cat([one["picture"] for one in samples]).permute(0, 2, 3, 1)
        means = self.image.moments(pictures)[:, : self.model.config.latent_channels]
        spread = means.std((0, 2, 3)).clamp(min=1e-4)
        self.model.register_to_config(
            latents_mean=means.mean((0, 2, 3)).tolist(), latents_std=spread.tolist(), scaling_factor=1.0
        )

    def _write(self) -> None:
        """``config.json`` and weights as diffusers has them, and last what made them."""
        self.model.save_config(self.folder)
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in self.model.state_dict().items()}
        workspace.write_whole(
            self.folder / WEIGHTS, lambda temporary: save_file(state, temporary, metadata={"format": "pt"})
        )
        assert self.quality is not None
        workspace.write_json(
            self.folder / META,
            {
                "kind": "autoencoder",
                "step": self.step,
                "psnr": asdict(self.quality),
                "left_out": self.left_out.found,
                **self.identity,
            },
        )

    def _save_state(self) -> None:
        state = {"step": self.step, "identity": json.dumps(self.identity), "model": self.model.state_dict(),
                 "optimizer": self.optimizer.state_dict()}  # fmt: skip
        workspace.write_whole(self.folder / STATE, lambda temporary: torch.save(state, temporary))

    def _resume(self) -> None:
        if not (self.folder / STATE).is_file():
            return
        state = read_pickle(self.folder / STATE)
        before, asked = json.loads(state["identity"]), self.identity["recipe"]
        known = recipes.completed(TrainRecipe, before["recipe"])
        found = recipes.difference({name: known[name] for name in asked}, asked)
        found += ["clips: other approved rows, people or windows"] if before["clips"] != self.identity["clips"] else []
        if found:
            lines = "\n".join(f"  {line}" for line in found)
            raise InputError(f"{self.folder}: was trained otherwise\n{lines}", next="another folder with -o DIR")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = int(state["step"])

    def _log(self, line: dict[str, Any]) -> None:
        with workspace.writing(self.folder / STEPS), (self.folder / STEPS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def train_autoencoder(
    clips: TrainingClips,
    recipe: TrainRecipe,
    folder: Path,
    *,
    device: str,
    callback: AutoencoderCallback,
    stopping: Event,
) -> AutoencoderResult:
    """Train an autoencoder to its last step; stopped, the same call goes on. Arguments as ``AutoencoderTrainer``'s."""
    with workspace.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with folder_lock(folder, purpose="training an autoencoder"):
        return AutoencoderTrainer(clips, recipe, folder, device, callback).run(stopping)


def starting_autoencoder(recipe: TrainRecipe) -> Any:
    """diffusers' ``AutoencoderKL``: ``weights.vae``, or a random one of the recipe's size."""
    from diffusers import AutoencoderKL

    if recipe.weights.vae == RANDOM:
        return random_encoders(recipe.network, recipe.seed).image.model
    folder = weights.resolve(recipe.weights.vae)
    kind: Any = AutoencoderKL
    try:
        return kind.from_pretrained(folder, use_safetensors=True, local_files_only=True)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder}: no autoencoder ({str(error).splitlines()[0]})", next="tbd weights verify"
        ) from None


def rate(step: int, steps: int) -> float:
    """Share of the highest learning rate: up in a straight line, then down along a cosine."""
    rising = max(1, round(WARM_UP * steps))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def _essence(recipe: TrainRecipe) -> dict[str, Any]:
    """What decides about the weights: other sections may differ."""
    whole = recipes.essence(recipe)
    return {name: whole[name] for name in ("autoencoder", "data", "seed")} | {"vae": recipe.weights.vae}
