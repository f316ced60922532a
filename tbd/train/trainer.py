"""The loop: step after step, on one process or many, until the last step or a signal.

Everything random hangs on the sample's number (``draws``), so the loop keeps no state of chance: a run that was killed
goes on at its last checkpoint and ends with the same weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Protocol

import torch
from accelerate import DistributedType

from tbd import workspace
from tbd.errors import MissingError, TbdError
from tbd.model import checkpoints
from tbd.model.noise import noise_scheduler
from tbd.train import checkpoint, memory_presets
from tbd.train.batch import BatchEncoder
from tbd.train.clips import TrainingClips
from tbd.train.dataset import TrainingDataset, data_loader, process_share
from tbd.train.ema import WeightAverage
from tbd.train.latent_cache import LatentCache
from tbd.train.loss import min_snr_weights as loss_weights
from tbd.train.loss import sample_losses
from tbd.train.optimizer import learning_rate, make_optimizer, set_learning_rate
from tbd.train.run_log import RunLog
from tbd.train.sampling import clip_order
from tbd.train.saving import restore, save
from tbd.train.stages import freeze, predict, stage_settings
from tbd.train.start_state import StartState, TrainingRequest, recipe_encoders
from tbd.train.validation import Validation, Validator, sample_videos


class TrainingCallback(Protocol):
    """Who looks on."""

    def step(self, step: int, values: dict[str, float]) -> None:
        """A step is done: ``loss``, ``grad_norm``, ``lr``, ``frames_per_second`` over all processes, ``waiting`` (share of
        the time spent on waiting for data), ``memory_gb`` (peak on the GPU)."""

    def note(self, words: str) -> None:
        """Something a person should know."""


class _Nobody:
    """The watcher of every process but the first."""

    def step(self, step: int, values: dict[str, float]) -> None: ...

    def note(self, words: str) -> None: ...


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended.

    Attributes:
        step: steps done.
        of: steps asked for.
        loss: of the last step; None where none was done.
        validation: the last one.
        bad: steps without a finite loss, which changed nothing.
        checkpoint: the newest.
    """

    step: int
    of: int
    loss: float | None
    validation: dict[str, Any] | None
    bad: int
    checkpoint: Path | None


class Trainer:
    """One run on this process.

    Args:
        request: what was asked for.
        clips: to train on and to validate with.
        beginning: the network and where it stands.
        watcher: who looks on; only on the first process.

    Raises:
        MissingError: no bitsandbytes, or no tracker of that name.
    """

    def __init__(
        self, request: TrainingRequest, clips: TrainingClips, beginning: StartState, watcher: TrainingCallback
    ) -> None:
        self.request, self.clips, self.beginning = request, clips, beginning
        self.recipe, self.stage, self.step = request.recipe, request.stage, beginning.step
        self.settings = stage_settings(self.recipe, self.stage)
        self.record = RunLog(request, self.recipe)
        self.accelerator = accelerator = self.record.accelerator
        self.rank, self.world = accelerator.process_index, accelerator.num_processes
        self.sharded = accelerator.distributed_type == DistributedType.FSDP
        self.watcher = watcher if self.rank == 0 else _Nobody()
        self.validation: Validation | None = None
        self.validated = self.saved = -1
        self.bad = self.in_a_row = 0
        self._prepare(beginning)
        keep = self._keep()
        self.samples = TrainingDataset(
            clips.train, self._order(), self.recipe, self.stage, keep, self.encoders.base.image.factor
        )
        if clips.validation:
            self.validator: Validator | None = Validator(
                clips.validation,
                self.recipe,
                self.stage,
                self.samples,
                self.encoders,
                self.schedule,
                *((0, 1) if self.sharded else (self.rank, self.world)),
            )
        else:
            self.validator = None

    @property
    def per_step(self) -> int:
        """Samples of one step, over all processes."""
        return int(self.recipe.hardware.batch * self.recipe.hardware.accumulate * self.world)

    def run(self, stopping: Event) -> TrainingResult:
        """Train until the last step, or until ``stopping`` is set on any process; the last state is saved.

        Raises:
            TbdError: too many steps in a row without a finite loss.
            InputError: a clip cannot be read.
            MissingError: the disk or the GPU's memory is full.
        """
        loss = None
        try:
            if self.step == 0 and self.validator:
                self._validate(self.validator)  # where the curve begins
            source, ended = self._batches(), time.monotonic()
            while self.step < self.settings.steps and not self._stop(stopping):
                batches = next(source)
                waited = time.monotonic() - ended
                loss, norm = self._one(batches)
                self._tell(loss, norm, time.monotonic() - ended, waited)
                self._milestones()
                ended = time.monotonic()
        except torch.OutOfMemoryError as error:
            raise self._out_of_memory(error) from None
        self._save()
        self.record.end()
        done = self.validation.as_json() if self.validation else None
        last = checkpoints.latest_checkpoint(self.request.output)
        return TrainingResult(self.step, self.settings.steps, loss, done, self.bad, last.path if last else None)

    def _one(self, batches: list[Any]) -> tuple[float, float]:
        """One step of the optimizer; its loss and the norm of its gradient."""
        set_learning_rate(self.optimizer, learning_rate(self.recipe.optimizer, self.step))
        losses = [self._backward(batch, last=batch is batches[-1]) for batch in batches]
        norm = float(self.accelerator.clip_grad_norm_(self.learning, self.recipe.optimizer.clip))
        loss = float(self.accelerator.reduce(torch.stack(losses).mean(), "mean"))
        finite = math.isfinite(norm) and math.isfinite(loss)
        if finite or self.accelerator.scaler is not None:  # a scaler has to hear of overflow, and skips it itself
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._count(finite)
        if finite:
            self.average.step()
        self.step += 1
        return loss, norm

    def _backward(self, samples: Any, last: bool) -> torch.Tensor:
        batch = self.encoders.batch(samples)
        together = nullcontext if last else self.accelerator.no_sync
        with together(self.network):
            prediction, target = predict(self.network, batch, self.encoders.empty, self.schedule, self.recipe)
            weights = loss_weights(self.schedule, batch.timesteps, self.recipe.loss.min_snr)
            loss = (sample_losses(prediction, target) * weights).mean()
            self.accelerator.backward(loss / self.recipe.hardware.accumulate)
        return loss.detach()

    def _count(self, finite: bool) -> None:
        """A step without a finite loss changes nothing; too many in a row end the run."""
        self.in_a_row = 0 if finite else self.in_a_row + 1
        if finite:
            return
        self.bad += 1
        self.watcher.note(f"step {self.step + 1}: the loss or its gradient is not finite; the step is skipped")
        if self.in_a_row >= self.recipe.watch.max_bad_steps:
            last = checkpoints.latest_checkpoint(self.request.output)
            raise TbdError(
                f"{self.in_a_row} steps in a row without a finite loss; the last good checkpoint is {last.path if last else None}",
                next="a smaller optimizer.lr, or hardware.precision=float32",
            )

    def _milestones(self) -> None:
        watch, last = self.recipe.watch, self.step == self.settings.steps
        saving = self.step % watch.save_every == 0
        if self.validator and (self.step % watch.validate_every == 0 or saving or last):
            self._validate(self.validator)
        if self.validator and watch.sample_every and (self.step % watch.sample_every == 0 or last):
            self._sample(self.validator)
        if saving and not last:
            self._save()

    def _validate(self, validator: Validator) -> None:
        self.plain.eval()
        with self.average.shown():
            how = "mean" if self.sharded else "sum"  # where weights are spread, all processes do the same
            self.validation = validator.measure(self.plain, lambda sums: self.accelerator.reduce(sums, how))
        self.plain.train()
        self.validated = self.step
        self.record.validation(self.step, self.validation)
        self.watcher.note(f"step {self.step}: validation loss {self.validation.loss:.4f}")

    def _sample(self, validator: Validator) -> None:
        if self.sharded:
            self.watcher.note("no samples are drawn while FSDP spreads the weights; tbd generate draws them")
        if self.sharded or self.rank != 0:
            return
        self.plain.eval()
        folder = self.request.output / "samples" / f"step-{self.step}"
        with self.average.shown():
            sample_videos(self.plain, validator, folder, self.watcher.note, self.accelerator.autocast)
        self.plain.train()

    def _save(self) -> None:
        if self.step != self.saved:
            save(self)
            self.saved = self.step

    def _tell(self, loss: float, norm: float, seconds: float, waited: float) -> None:
        frames = self.per_step * self.settings.frames
        values = {
            "loss": loss,
            "grad_norm": norm,
            "lr": learning_rate(self.recipe.optimizer, self.step - 1),
            "frames_per_second": frames / seconds,
            "waiting": waited / seconds,
            "memory_gb": torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else 0.0,
        }
        self.record.step(self.step, values)
        self.watcher.step(self.step, values)

    def _prepare(self, beginning: StartState) -> None:
        """Freeze, wrap, and put everything on the device, at the state of the last checkpoint."""
        hardware, network = self.recipe.hardware, beginning.network
        self.names = freeze(network, self.recipe, self.stage)
        network.set_checkpointing(hardware.checkpointing)
        self.schedule = noise_scheduler(self.recipe.model.noise)
        if hardware.precision == "bfloat16" and not self.sharded:  # FSDP wants one type
            for parameter in network.parameters():
                if not parameter.requires_grad:
                    parameter.data = parameter.data.bfloat16()
        if hardware.channels_last:
            network.to(memory_format=torch.channels_last)
        if hardware.compile:
            parts: tuple[Any, ...] = (network.unet, network.reference_net)
            for part in parts:
                part.compile_repeated_blocks()
        wanted = set(self.names)
        tool = make_optimizer([p for name, p in network.named_parameters() if name in wanted], self.recipe.optimizer)
        self.network, self.optimizer = self.accelerator.prepare(network, tool)
        self.plain = self.accelerator.unwrap_model(self.network)
        self.learning = [p for name, p in self.plain.named_parameters() if name in wanted]
        self.average = WeightAverage(self.names, self.learning, self.recipe.ema.decay)
        self.encoders = BatchEncoder(
            recipe_encoders(self.recipe, str(self.accelerator.device)), self.recipe, self.accelerator.device
        )
        if beginning.resumed:
            restore(self, beginning.resumed)
            self.saved = beginning.step
        self.network.train()

    def _keep(self) -> LatentCache | None:
        """The cache, if one is used; every clip must be in it."""
        if self.request.cache is None:
            return None
        return LatentCache(self.request.cache, self.encoders.base.identities, self.recipe.data.moments)

    def _order(self) -> Any:
        return clip_order(self.clips.train, self.recipe, self.stage, self.settings.steps * self.per_step)

    def _batches(self) -> Iterator[list[Any]]:
        """For each step that is left, the batches of this process."""
        hardware = self.recipe.hardware
        first, last = self.step * self.per_step, self.settings.steps * self.per_step
        numbers = list(process_share(first, last, self.rank, self.world, hardware.batch))
        source = iter(data_loader(self.samples, numbers, hardware.batch, self.recipe.data.workers))
        for _ in range(self.step, self.settings.steps):
            yield [next(source) for _ in range(hardware.accumulate)]

    def _stop(self, stopping: Event) -> bool:
        """Whether any process was asked to stop; all end at the same step."""
        if self.world > 1:
            asked = torch.tensor(float(stopping.is_set()), device=self.accelerator.device)
            if self.accelerator.reduce(asked, "sum") > 0:
                stopping.set()
        return stopping.is_set()

    def _out_of_memory(self, error: Exception) -> MissingError:
        smaller = memory_presets.smaller_preset(self.request.gpu_memory)
        fix = f"--gpu-memory {smaller}" if smaller else "--set data.size=256, or a larger card"
        return MissingError(
            f"the GPU's memory is full at step {self.step + 1} ({str(error).splitlines()[0]})", next=fix
        )


def train_stage(
    request: TrainingRequest, clips: TrainingClips, beginning: StartState, watcher: TrainingCallback, stopping: Event
) -> TrainingResult:
    """Train a stage to its last step; killed or stopped, the same call goes on.

    Args:
        request: what was asked for.
        clips: of ``rows.read_training_clips``.
        beginning: of ``setup.begin``.
        watcher: who looks on.
        stopping: set it to save and end.

    Raises:
        MissingError: another run holds the folder, or memory, disk or packages are lacking.
        TbdError, InputError: as ``Trainer``.
    """
    if beginning.resumed and beginning.step >= stage_settings(request.recipe, request.stage).steps:
        return _finished(beginning.resumed, beginning.step)
    with workspace.writing(request.output):
        request.output.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(request, clips, beginning, watcher)
    with workspace.alone(request.output) if trainer.rank == 0 else nullcontext():
        if trainer.rank == 0:
            checkpoint.sweep(request.output)
        trainer.record.begin(trainer.step)
        return trainer.run(stopping)


def _finished(last: Path, step: int) -> TrainingResult:
    """How a run ended that had been finished before; nothing is written."""
    recorded = checkpoints.read_checkpoint(last).meta
    return TrainingResult(step, step, None, recorded.get("validation"), int(recorded["bad_steps"]), last)
