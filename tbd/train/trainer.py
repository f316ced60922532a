"""The trainer: step after step, on one process or many, until the last step or a signal.

Everything random hangs on the sample's number (``sampling``), so nothing but that number is kept of chance: a run that
was killed goes on at its last checkpoint, on the CPU with the same bits, and sees every sample once, however many
processes there were before and are now.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Protocol

import torch

from tbd.hashes import sha256_file
from tbd.locks import folder_lock
from tbd.manifest import locate_manifest
from tbd.model import checkpoints
from tbd.model.checkpoint_meta import CheckpointMeta
from tbd.model.encoder_folders import encoder_folders
from tbd.model.noise import noise_scheduler
from tbd.train import checkpoint_writer, memory_presets
from tbd.train.bad_steps import BadSteps
from tbd.train.batch import BatchEncoder
from tbd.train.beginning import with_change
from tbd.train.clips import TrainingClip, TrainingClips
from tbd.train.conditions import words_of
from tbd.train.dataset import TrainingDataset, data_loader, process_share
from tbd.train.host_memory import keep_freed_memory
from tbd.train.latent_cache import LatentCache
from tbd.train.left_out import LeftOutClips
from tbd.train.loss import min_snr_weights, sample_losses
from tbd.train.optimizer import learning_rate, set_learning_rate
from tbd.train.recipe import stage_settings
from tbd.train.request import TrainingRequest, run_identity
from tbd.train.run_log import RunLog
from tbd.train.sample_videos import sample_videos
from tbd.train.sampling import clip_order
from tbd.train.stages import predict
from tbd.train.start_state import StartState, recipe_encoders
from tbd.train.sync_loss import make_sync_loss
from tbd.train.training_state import TrainingState
from tbd.train.validation import Validation, Validator, middle_bins


class TrainingCallback(Protocol):
    """Is told how a run goes, on the first process."""

    def step(self, step: int, values: dict[str, float]) -> None:
        """A step is done: ``loss`` (eq. 1), ``grad_norm``, ``lr``, ``frames_per_second`` over all processes, ``waiting``
        (share of the time spent on waiting for data), ``memory_gb`` (peak on the GPU), ``sync`` (where ``loss.sync`` is on),
        ``left_out`` (clips that could not be read, where there are any)."""

    def note(self, words: str) -> None:
        """Something a person should know."""


class _Silent:
    """The callback of every process but the first."""

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
        left_out: clips that could not be read; the checkpoint's ``meta.json`` names them.
    """

    step: int
    of: int
    loss: float | None
    validation: dict[str, Any] | None
    bad: int
    checkpoint: Path | None
    left_out: int = 0


class Trainer:
    """One run on this process. ``run`` is the whole story; the methods below it stand in its order.

    Args:
        request: what was asked for.
        clips: to train on and to validate with.
        start: the network and where it stands.
        callback: is told how it goes; only on the first process.

    Raises:
        MissingError: no bitsandbytes, or no tracker of that name.
    """

    def __init__(
        self, request: TrainingRequest, clips: TrainingClips, start: StartState, callback: TrainingCallback
    ) -> None:
        self.request, self.clips, self.start = request, clips, start
        self.recipe, self.stage = request.recipe, request.stage
        self.settings = stage_settings(self.recipe, self.stage)
        self.log = RunLog(request, self.recipe)
        self.accelerator = self.log.accelerator
        keep_freed_memory(self.accelerator.device.type)
        self.rank, self.world = self.accelerator.process_index, self.accelerator.num_processes
        self.callback = callback if self.rank == 0 else _Silent()
        self.schedule = noise_scheduler(self.recipe.model.noise)
        self.encoders = BatchEncoder(
            recipe_encoders(self.recipe, str(self.accelerator.device)), self.recipe, self.accelerator.device
        )
        self.sync = make_sync_loss(self.recipe, self.stage, self.encoders.base.image, self.schedule)
        self.state = TrainingState(self.accelerator, start.network, self.recipe, self.stage)
        before = checkpoints.read_checkpoint(start.resumed) if start.resumed else None
        anew = self.state.restore(before) if before else []
        everything = len(clips.train) + len(clips.validation)
        known = before.meta.left_out if before else {}
        self.left_out = LeftOutClips(everything, self.recipe, self.callback.note, known)
        self.bad_steps = BadSteps(self.recipe.watch.max_bad_steps, self.callback.note, self._last, "optimizer.lr")
        self.validation: Validation | None = None
        self.validated, self.saved = -1, start.step if start.resumed else -1
        self.history = self._history(before.meta if before else None, anew)
        self.samples = self._dataset()
        self.validator = self._validator()

    @property
    def step(self) -> int:
        """Steps done."""
        return self.state.step

    @property
    def per_step(self) -> int:
        """Samples of one step, over all processes: the effective batch."""
        return int(self.recipe.hardware.batch * self.recipe.hardware.accumulate * self.world)

    def run(self, stopping: Event) -> TrainingResult:
        """Train until the last step, or until ``stopping`` is set on any process; the last state is saved.

        Raises:
            TbdError: too many steps in a row without a finite loss.
            InputError: too many clips cannot be read, or one was rewritten meanwhile.
            MissingError: the disk or the GPU's memory is full.
        """
        loss = None
        hardware = self.recipe.hardware
        gathered = f", {hardware.accumulate} batches of {hardware.batch}" if hardware.accumulate > 1 else ""
        spread = f", over {self.world} processes" if self.world > 1 else ""
        units = f", weights spread in {len(self.state.units)} units" if self.state.sharded else ""
        self.callback.note(f"{self.per_step} samples a step{gathered}{spread}{units}")
        try:
            if self.step == 0:
                self._validate()  # where the curve begins
            batches, ended = self._batches(), time.monotonic()
            while self.step < self.settings.steps and not self._asked_to_stop(stopping):
                parts = next(batches)
                waited = time.monotonic() - ended
                loss, norm = self._step(parts)
                self._log(loss, norm, seconds=time.monotonic() - ended, waited=waited)
                if self._is_due("validate"):
                    self._validate()  # before saving: the checkpoint records its loss, and the best one stays
                if self._is_due("sample"):
                    self._sample()
                if self._is_due("save"):
                    self._save()
                ended = time.monotonic()
        except torch.OutOfMemoryError as error:
            raise memory_presets.out_of_memory(error, self.step + 1, self.request.gpu_memory) from None
        self._save()
        passed = len(self.left_out.record())
        self.log.end()
        done = self.validation.as_json() if self.validation else None
        return TrainingResult(self.step, self.settings.steps, loss, done, self.state.bad, self._last(), passed)

    def _batches(self) -> Iterator[list[Any]]:
        """For each step that is left, the batches of this process; the first sample is the one nobody has seen."""
        hardware, left = self.recipe.hardware, self.settings.steps - self.step
        first = self.state.samples
        numbers = list(process_share(first, first + left * self.per_step, self.rank, self.world, hardware.batch))
        source = iter(data_loader(self.samples, numbers, hardware.batch, self.recipe.data.workers))
        for _ in range(left):
            yield [self.left_out.seen(next(source)) for _ in range(hardware.accumulate)]

    def _step(self, parts: list[Any]) -> tuple[float, float]:
        """One step of the optimizer over its accumulated batches; its loss and the norm of its gradient."""
        state = self.state
        set_learning_rate(state.optimizer, learning_rate(self.recipe.optimizer, self.step))
        losses = [self._backward(part, last=part is parts[-1]) for part in parts]
        norm = float(self.accelerator.clip_grad_norm_(state.learning, self.recipe.optimizer.clip))
        loss = float(self.accelerator.reduce(torch.stack(losses).mean(), "mean"))
        finite = math.isfinite(norm) and math.isfinite(loss)
        if finite or self.accelerator.scaler is not None:  # a scaler has to hear of overflow, and skips it itself
            state.wrapped.step()
        state.wrapped.zero_grad(set_to_none=True)
        state.step += 1
        state.samples += self.per_step
        state.bad += not finite
        if finite:
            state.average.step()  # after the weights, before anybody looks at them
        self.bad_steps.judge(self.step, finite)
        return loss, norm

    def _backward(self, part: Any, last: bool) -> torch.Tensor:
        """The loss of one batch, and the gradient of all terms; processes exchange gradients with the last one alone."""
        batch = self.encoders.batch(part)
        with (nullcontext if last else self.accelerator.no_sync)(self.state.network):
            prediction, target = predict(self.state.network, batch, self.encoders.empty, self.schedule, self.recipe)
            weights = min_snr_weights(self.schedule, batch.timesteps, self.recipe.loss.min_snr)
            loss = (sample_losses(prediction, target, batch.region) * weights).mean()
            whole = loss if self.sync is None else loss + self.sync(batch, prediction, target)
            self.accelerator.backward(whole / self.recipe.hardware.accumulate)
        return loss.detach()

    def _last(self) -> Path | None:
        last = checkpoints.latest_checkpoint(self.request.output)
        return last.path if last else None

    def _log(self, loss: float, norm: float, *, seconds: float, waited: float) -> None:
        values = {
            "loss": loss,
            "grad_norm": norm,
            "lr": learning_rate(self.recipe.optimizer, self.step - 1),
            "frames_per_second": self.per_step * self.settings.frames / seconds,
            "waiting": waited / seconds,
            "memory_gb": torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else 0.0,
            **({} if self.sync is None else self.sync.figures(self.accelerator.reduce)),
            **({"left_out": float(len(self.left_out.found))} if self.left_out.found else {}),
        }
        self.log.step(self.step, values)
        self.callback.step(self.step, values)

    def _is_due(self, what: str) -> bool:
        """Whether this step ends with validation, samples or a checkpoint. A checkpoint is validated first; the last one
        is written behind the loop."""
        watch, last = self.recipe.watch, self.step == self.settings.steps
        saves = self.step % watch.save_every == 0
        if what == "save":
            return saves and not last
        if what == "sample":
            return watch.sample_every > 0 and (self.step % watch.sample_every == 0 or last)
        return self.step % watch.validate_every == 0 or saves or last

    def _validate(self) -> None:
        if self.validator is None:
            return
        self.validation = self._measure(self.validator)
        self.validated = self.step
        self.log.validation(self.step, self.validation)
        self.callback.note(f"step {self.step}: {self.validation.words()}")
        count = self.recipe.watch.train_clips
        if count and self.step == self.settings.steps:
            middle = middle_bins(self.recipe.watch.bins)  # what is heard is asked there alone
            learned = self._measure(self._validator_of(self.clips.train, count=count, bins=middle))
            self.log.validation(self.step, learned, of="train")
            self.callback.note(
                f"on clips that it learned from, of another clip: {words_of(learned.conditions, sure=True)}"
            )

    def _measure(self, validator: Validator) -> Validation:
        how = "mean" if self.state.sharded else "sum"  # where weights are spread, all processes do the same
        with self.state.averaged() as network:
            found = validator.measure(network, lambda sums: self.accelerator.reduce(sums, how))
        self.left_out.add(validator.left_out)
        return found

    def _sample(self) -> None:
        if self.validator is None:
            return
        if self.state.sharded:
            self.callback.note("no samples are drawn while FSDP spreads the weights; tbd generate draws them")
        if self.state.sharded or self.rank != 0:
            return
        folder = self.request.output / "samples" / f"step-{self.step}"
        with self.state.averaged() as network:
            sample_videos(network, self.validator, folder, self.callback.note, self.accelerator.autocast)

    def _save(self) -> None:
        if self.step == self.saved:
            return
        damaged = checkpoint_writer.save_checkpoint(
            self.state,
            self.request.output,
            self._meta(),
            schedule=self.schedule,
            source=self.start.source,
            averaged=self.start.averaged,
            keep=self.recipe.watch.keep,
        )
        self.saved = self.step
        self._tell(damaged)

    def _meta(self) -> CheckpointMeta:
        """Everything that made these weights."""
        state, now = self.state, self.validation if self.validated == self.step else None
        return CheckpointMeta(
            **run_identity(self.request, self.clips),
            step=state.step,
            samples=state.samples,
            processes=self.world,
            samples_per_step=self.per_step,
            validation=now.as_json() if now else None,
            bad_steps=state.bad,
            left_out=self.left_out.record(),
            average_steps=state.average.steps,
            scheduler=dict(self.schedule.config),
            guidance=self.recipe.model.guidance.model_dump(mode="json"),
            trained={"parameters": sum(p.numel() for p in state.learning), "names": len(state.names)},
            clip_rule=self.clips.train[0].canonical.rule.model_dump(mode="json"),
            manifests={name: sha256_file(locate_manifest(path)) for name, path in self.clips.manifests.items()},
            encoders=self.encoders.base.identities,
            folders=encoder_folders(
                self.recipe.weights, checkpoints.checkpoint_folder(self.request.output, state.step)
            ),
            history=self.history,
            versions=checkpoint_writer.versions(),
        )

    def _history(self, before: CheckpointMeta | None, anew: Sequence[str]) -> dict[str, Any]:
        """What the run started from; what begins anew, and another number of processes, are recorded and said."""
        changes = list(anew)
        if before and before.samples_per_step not in (0, self.per_step):
            samples = f"{before.samples_per_step} -> {self.per_step} samples a step, from sample {before.samples} on"
            spread = f"{before.processes} -> {self.world} processes"
            changes.append(f"{spread}: {samples}; none is left out or seen twice")
        self._tell(changes)
        return with_change(self.start.history, self.step, changes)

    def _tell(self, notes: Sequence[str]) -> None:
        for note in notes:
            self.callback.note(note)

    def _dataset(self) -> TrainingDataset:
        base, place = self.encoders.base, self.request.cache
        cache = LatentCache(place, base.identities, self.recipe.data.moments) if place else None
        total = self.state.samples + (self.settings.steps - self.step) * self.per_step
        order: Any = clip_order(self.clips.train, self.recipe, self.stage, total)
        return TrainingDataset(self.clips.train, order, self.recipe, self.stage, cache, base.image.factor)

    def _validator(self) -> Validator | None:
        return self._validator_of(self.clips.validation) if self.clips.validation else None

    def _validator_of(self, clips: Sequence[TrainingClip], **which: Any) -> Validator:
        rank, world = (0, 1) if self.state.sharded else (self.rank, self.world)
        return Validator(
            clips, self.recipe, self.stage, self.samples, self.encoders, self.schedule, rank, world, **which
        )

    def _asked_to_stop(self, stopping: Event) -> bool:
        """Whether any process was asked to stop; all end at the same step."""
        if self.world > 1:
            asked = torch.tensor(float(stopping.is_set()), device=self.accelerator.device)
            if self.accelerator.reduce(asked, "sum") > 0:
                stopping.set()
        return stopping.is_set()


def train_stage(
    request: TrainingRequest, clips: TrainingClips, start: StartState, callback: TrainingCallback, stopping: Event
) -> TrainingResult:
    """Train a stage to its last step; killed or stopped, the same call goes on.

    Args:
        request: what was asked for.
        clips: of ``read_training_clips``.
        start: of ``start_state``.
        callback: is told how it goes.
        stopping: set it to save and end.

    Raises:
        MissingError: another run holds the folder, or memory, disk or packages are lacking.
        TbdError, InputError: as ``Trainer``.
    """
    if start.resumed and start.step >= stage_settings(request.recipe, request.stage).steps:
        meta = checkpoints.read_checkpoint(start.resumed).meta  # finished before: nothing is written
        return TrainingResult(
            meta.step, meta.step, None, meta.validation, meta.bad_steps, start.resumed, len(meta.left_out)
        )
    trainer = Trainer(request, clips, start, callback)
    with folder_lock(request.output, purpose="training") if trainer.rank == 0 else nullcontext():
        if trainer.rank == 0:
            checkpoint_writer.sweep(request.output)
        trainer.log.begin(trainer.step)
        return trainer.run(stopping)
