"""The run: media are looked at, chains are asked, rows are journalled, all at the same time.

    plan -> look (processes) -> recall from the journal -> batches -> ask (threads) -> rows

One loop in the main thread owns all state; workers only compute. What is done is on disk, so the
loop may be stopped or killed anywhere and started again.
"""

from __future__ import annotations

import json
import queue
import re
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from tbd.annotate import plan as planning
from tbd.annotate import rows
from tbd.annotate.backends.base import Backend
from tbd.annotate.backends.oracle import shown_face
from tbd.annotate.chain import Chain, ChainRunner
from tbd.annotate.examine_pool import Examined, ExamineJob
from tbd.annotate.journal import RowState
from tbd.annotate.look_cache import medium_from
from tbd.annotate.pace import PaceClock
from tbd.console import Progress
from tbd.errors import InputError, TbdError
from tbd.pools import WorkerPool
from tbd.recipe import digest, essence
from tbd.schema import Annotation, Clip, ManifestRow, Medium, Status

ALIKE = 20
"""Chains at the beginning of a run that, all failed alike, stop it; a clip that cannot be read counts as one of them."""
GROUP_SECONDS = 0.1
"""Finished rows wait so long for each other, so that the disk is waited for once; until then they are not told as done."""


@dataclass(eq=False)
class _GroupProgress:
    """A group on its way. ``tried`` counts the candidates whose picture could not be used."""

    group: planning.ChainGroup
    chain: Chain
    tried: int = 0
    written: int = 0
    watched: bool = False
    """How the chain itself ended was counted already."""
    trace: str = ""
    examined: dict[str, Examined] = field(default_factory=dict)
    media: list[tuple[str, str, str]] = field(default_factory=list)
    """What was found and waits to be journalled with the next row."""


@dataclass
class Runner:
    """One run of a plan.

    Attributes:
        root: where the dataset lies on this machine.
        fingerprint: of this run's recipe; written into every row.
        backends: one entry for each session that may be open at a time.
        pool: looks at media; the run closes it.
        stopping: set it to drain and stop.
        keep_going: a run whose first chains all fail alike is not stopped.
    """

    plan: planning.AnnotationPlan
    chain_runner: ChainRunner
    root: Path
    fingerprint: str
    backends: Sequence[Backend]
    pool: WorkerPool[ExamineJob, Examined]
    progress: Progress
    stopping: threading.Event
    keep_going: bool = False
    failed: int = 0
    flagged: int = 0
    bugs: int = 0
    under_way: int = 0
    """Groups begun and not finished: pictures in memory are bounded by it."""

    def __post_init__(self) -> None:
        self.clock = PaceClock()
        self._asking: set[Future[Any]] = set()
        self._unsettled: list[tuple[int, int]] = []
        self._settled = time.monotonic()

    def run(self) -> None:
        """Work through the plan; returns when it is done or stopped.

        Raises:
            TbdError: the backend as a whole gave up, or the disk did; finished rows are saved.
        """
        self._slots: queue.SimpleQueue[Backend] = queue.SimpleQueue()
        for backend in self.backends:
            self._slots.put(backend)
        self._groups = deque(self.plan.groups)
        self._ready: dict[int, list[_GroupProgress]] = {}
        self._futures: dict[Future[Any], Callable[[Any], None]] = {}
        self._failure: TbdError | None = None
        self._first_errors: list[str] = []
        with self.pool, ThreadPoolExecutor(max(len(self.backends), 1)) as self._threads:
            try:
                while self._feed():
                    done, _ = wait(self._futures, timeout=GROUP_SECONDS, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._settle(future)
                    if time.monotonic() - self._settled >= GROUP_SECONDS:
                        self._commit()
            finally:
                self._commit()
        if self._failure:
            raise self._failure

    def _commit(self) -> None:
        """Bring the rows that were written to disk, then count them as done: what is told survives a kill."""
        self.chain_runner.journal.settle()
        self._settled = time.monotonic()
        for failed, flagged in self._unsettled:
            self.progress.advance(failed=failed, flagged=flagged)
        self._unsettled.clear()

    def _feed(self) -> bool:
        """Start what can be started; False when nothing is under way any more."""
        ahead = self.pool.ahead + 2 * self._batch * len(self.backends)
        while self._groups and self.under_way < ahead and not self.stopping.is_set():
            self._begin(self._groups.popleft())
        if self.stopping.is_set():
            self.pool.abandon()
            for backend in self.backends:
                backend.stop()
            self._ready.clear()
            asking = {future: then for future, then in self._futures.items() if future in self._asking}
            self._futures = asking  # calls under way are finished; what is only looked at is looked at again
        for depth, waiting in self._ready.items():
            while waiting and (len(waiting) >= self._batch or not self._futures):
                batch, self._ready[depth] = waiting[: self._batch], waiting[self._batch :]
                waiting = self._ready[depth]
                self._ask(batch)
        return bool(self._futures)

    def _begin(self, group: planning.ChainGroup) -> None:
        topic = planning.chain_topic(group.todo[0], self.chain_runner.recipe)
        rounds = max(self.plan.rounds.get(clip.clip_id, 0) for clip in group.todo)
        reuse = all(clip.clip_id in self.plan.reuse for clip in group.todo)
        self.under_way += 1
        work = _GroupProgress(group, Chain(group.chain_id, topic, round=rounds, reuse=reuse))
        self._guard(work, lambda: self._seek(work))

    @property
    def _batch(self) -> int:
        return max((backend.batch_size for backend in self.backends), default=1)

    def _settle(self, future: Future[Any]) -> None:
        then = self._futures.pop(future)
        self._asking.discard(future)
        try:
            then(future.result())
        except CancelledError:
            return
        except TbdError as error:
            self._failure = self._failure or error
            self.stopping.set()

    def _guard(self, work: _GroupProgress, act: Callable[[], None]) -> None:
        """One clip never takes others with it: a bug becomes the rows of its chain."""
        try:
            act()
        except TbdError:
            raise
        except Exception as error:  # noqa: BLE001 (this is the boundary)
            self._give_up(work, error)

    def _give_up(self, work: _GroupProgress, error: Exception) -> None:
        chain = work.chain
        step = self.chain_runner.steps[len(chain.turns)] if len(chain.turns) < len(self.chain_runner.steps) else "gates"
        chain.status, chain.ended, chain.answered = "error", True, False
        chain.error = f"{step}: a bug in tbd ({type(error).__name__}: {error})"
        chain.topic = planning.chain_topic(work.group.todo[0], self.chain_runner.recipe)
        work.trace = "".join(traceback.format_exception(error))
        self._finish(work)

    def _seek(self, work: _GroupProgress) -> None:
        """Find the first candidate with a usable face, look by look."""
        if work.tried < len(work.group.candidates):
            clip = work.group.candidates[work.tried]
            self._examine(work, clip, lambda found: self._guard(work, lambda: self._found(work, found)))
        else:
            self._finish(work)

    def _found(self, work: _GroupProgress, found: Examined) -> None:
        if found.medium is None or found.medium.image_sha256 is None:
            work.tried += 1
            self._seek(work)
            return
        eyes = any(backend.needs_image for backend in self.backends)
        if self.chain_runner.recipe.backend.name == "oracle" and not self._known(work, found.medium):
            return
        work.chain.image_sha256 = found.medium.image_sha256 if eyes else None
        work.chain.images = found.images if eyes else None
        work.chain.pictures = min(self._frames, found.medium.num_frames or 1) if eyes else 1
        self.chain_runner.recall(work.chain)
        if work.chain.ended:
            self._finish(work)
        elif eyes and work.chain.images is None:
            clip = work.group.candidates[work.tried]
            job = replace(self._job(clip), medium=found.medium)
            then = partial(self._pictured, work)
            self._futures[self.pool.submit(job)] = lambda found: self._guard(work, lambda: then(found))
        else:
            self._ready.setdefault(len(work.chain.turns), []).append(work)

    def _known(self, work: _GroupProgress, medium: Medium) -> bool:
        """Read what a drawn clip shows; a clip of which nobody knows it ends with that as its error."""
        chain, clip = work.chain, work.group.candidates[work.tried]
        try:
            chain.shown = shown_face(self.root / clip.file_name, medium.reference_frame or 0)
        except InputError as error:
            chain.status, chain.ended, chain.answered, chain.error = "error", True, False, error.message
            self._finish(work)
        return chain.shown is not None

    def _pictured(self, work: _GroupProgress, found: Examined) -> None:
        if found.images is None:
            work.tried += 1
            self._seek(work)
            return
        work.chain.images = found.images
        self._ready.setdefault(len(work.chain.turns), []).append(work)

    def _ask(self, batch: list[_GroupProgress]) -> None:
        def asked() -> Exception | None:
            if self.stopping.is_set():
                return None
            backend = self._slots.get()
            try:
                with self.clock.asking(len(batch)):
                    self.chain_runner.run([work.chain for work in batch], backend)
            except TbdError:
                raise
            except Exception as error:  # noqa: BLE001 (this is the boundary)
                return error
            finally:
                self._slots.put(backend)
            return None

        def answered(bug: Exception | None) -> None:
            for work in batch:
                if work.chain.ended:
                    self._guard(work, partial(self._finish, work))
                elif bug and len(batch) == 1:
                    self._give_up(work, bug)
                elif bug:
                    self._ask([work])  # alone, so that the one at fault is found

        future = self._threads.submit(asked)
        self._futures[future] = answered
        self._asking.add(future)

    def _finish(self, work: _GroupProgress) -> None:
        """The chain has ended: write the rows of its clips as their media are known."""
        work.chain.images = None
        for clip in work.group.todo:
            self._examine(work, clip, partial(self._write, work, clip))

    def _examine(self, work: _GroupProgress, clip: Clip, then: Callable[[Examined], None]) -> None:
        """What is known of a clip's medium, from this run, from the journal, or by looking."""
        name, stamp = self._name(clip), planning.files_stamp(clip, self.root)
        if clip.clip_id in work.examined:
            then(work.examined[clip.clip_id])
            return
        known = self.chain_runner.journal.medium(name)
        if known and known[0] == stamp:
            work.examined[clip.clip_id] = Examined(medium_from(json.loads(known[1])))
            then(work.examined[clip.clip_id])
            return

        def examined(found: Examined) -> None:
            self.clock.looked(found.seconds, found.spared)
            if found.medium:
                work.media.append((name, stamp, json.dumps(asdict(found.medium))))
            work.examined[clip.clip_id] = replace(found, images=None)
            then(found)

        self._futures[self.pool.submit(self._job(clip))] = examined

    def _job(self, clip: Clip) -> ExamineJob:
        audio = self.root / clip.audio_file_name if clip.audio_file_name else None
        rule = self.chain_runner.recipe.clip
        return ExamineJob(self.root / clip.file_name, audio, clip.start, clip.end, rule, frames=self._frames)

    @property
    def _frames(self) -> int:
        """Moments of a clip that a model sees; a backend without eyes sees none, so that no more is decoded for it."""
        return self.chain_runner.recipe.chain.frames if any(backend.needs_image for backend in self.backends) else 1

    def _name(self, clip: Clip) -> str:
        window = [clip.file_name, clip.audio_file_name, clip.start, clip.end, essence(self.chain_runner.recipe.clip)]
        return digest(window + [self._frames] * (self._frames > 1))[:32]

    def _write(self, work: _GroupProgress, clip: Clip, found: Examined) -> None:
        chain = work.chain
        status, error, answered = chain.status, chain.error, chain.answered
        own = found.medium is None or found.medium.image_sha256 is None  # the clip's trouble, not the chain's
        if own:
            status, error, answered = "error", f"media: {found.error or _reason(found.medium)}", False
        elif not chain.ended:
            status, error, answered = "error", "media: no clip of this chain shows a usable face", False
        topic = chain.topic if status != "error" or chain.topic.step_outputs else replace(chain.topic, prompts=())
        try:
            row = self._row(work, clip, found.medium, topic, status, error)
        except Exception as bug:  # noqa: BLE001 (this is the boundary)
            status, error, answered = "error", f"gates: a bug in tbd ({type(bug).__name__}: {bug})", False
            work.trace = "".join(traceback.format_exception(bug))
            row = self._row(
                work, clip, found.medium, planning.chain_topic(clip, self.chain_runner.recipe), status, error
            )
        trace = work.trace or found.trace
        kept: str = "unanswered" if status == "error" and not answered else status
        kept = "unfinished" if status == "truncated" and error else kept
        state = RowState(self.plan.stamps[clip.clip_id], self.fingerprint, kept, chain.round)
        with self.chain_runner.journal.transaction(lasting=False):
            while work.media:
                self.chain_runner.journal.put_medium(*work.media.pop())
            self.chain_runner.journal.put_row(clip.clip_id, state, row)
            if trace:
                self.chain_runner.journal.put_trace(clip.clip_id, trace)
        self.bugs += bool(trace)
        if own or not work.watched:  # one chain is one event, however many clips share it
            self._watch(status, error)
        work.watched = work.watched or not own
        failed, flagged = int(status != "success"), int(row["severity"] >= 2)
        self.failed, self.flagged = self.failed + failed, self.flagged + flagged
        self._unsettled.append((failed, flagged))
        work.written += 1
        self.under_way -= work.written == len(work.group.todo)

    def _row(
        self,
        work: _GroupProgress,
        clip: Clip,
        medium: Medium | None,
        topic: Annotation,
        status: Status,
        error: str | None,
    ) -> rows.JournalRow:
        recipe, (name, model, revision) = self.chain_runner.recipe, self.chain_runner.origin
        origin: ManifestRow = {
            "backend": name,
            "model": model,
            "model_revision": revision,
            "prompt_version": recipe.chain.prompts,
            "fingerprint": self.fingerprint,
            "seed": recipe.chain.seed + work.chain.round,
        }
        chain_id = work.group.chain_id
        return rows.build_row(clip, medium, topic, chain_id=chain_id, status=status, error=error, origin=origin)

    def _watch(self, status: str, error: str | None) -> None:
        """Stop a run whose first chains all failed of the same thing: nobody wants a night of it."""
        if self.keep_going or len(self._first_errors) >= ALIKE:
            return
        self._first_errors.append("" if status == "success" else _kind(error or status))
        first = self._first_errors
        if len(first) == ALIKE and first[0] and len(set(first)) == 1:
            what = "clips" if self.chain_runner.recipe.chain.per == "clip" else "chains"
            self._failure = self._failure or TbdError(
                f"the first {ALIKE} {what} failed alike, the last with: {error}",
                next="add --keep-going to go on anyway",
            )
            self.stopping.set()


def _kind(error: str) -> str:
    """An error without what is different in every clip: names, numbers, quotes."""
    return re.sub(r"\S+\.\w{2,4}\b|'[^']*'|\d+", "_", error)


def _reason(medium: Medium | None) -> str:
    flags = medium.flags if medium else ()
    return max(flags, key=lambda flag: flag.severity).message if flags else "no usable face"
