"""Chains on the workers of a Ray cluster: one worker for each GPU, or for each endpoint of a server.

The driver keeps the journal and judges the replies; a worker holds a model, or the connections to a
server. A worker that is lost takes nothing with it: its conversations are begun again on another one
with all that was said before, as a resumed run would begin them.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from tbd.annotate.backends.base import Backend, ConversationStart, Question, Reply, Session, Turn
from tbd.annotate.recipe import AnnotateRecipe
from tbd.cluster.connection import cluster_size, ray_library
from tbd.errors import MissingError, TbdError

PATIENCE = 120.0
"""Seconds that the last worker has to come back."""


class ChainActor:
    """The far end: a backend, and the sessions that are open on it."""

    def __init__(self, recipe: AnnotateRecipe, endpoints: Sequence[str]) -> None:
        self._asked_for, self._lock = (recipe, tuple(endpoints)), threading.Lock()
        self._backend: Backend | None = None
        self._sessions: dict[int, tuple[ExitStack, Session]] = {}

    @property
    def backend(self) -> Backend:
        """Made when it is first asked for, so that its errors are the caller's."""
        from tbd.annotate.backends.factory import create

        with self._lock:
            self._backend = self._backend or create(*self._asked_for)
            return self._backend

    def facts(self) -> tuple[str, str, str, int, int]:
        """Name, model, revision, chains of a session, sessions at a time."""
        one = self.backend
        return one.name, one.model, one.revision, one.batch_size, one.concurrency

    def ask(
        self, number: int, starts: Sequence[ConversationStart] | None, questions: Sequence[Question]
    ) -> list[Reply]:
        """One reply for each question; with ``starts`` the session is opened first."""
        if starts is not None:
            stack = ExitStack()
            self._sessions[number] = stack, stack.enter_context(self.backend.open(starts))
        return self._sessions[number][1].ask(questions)

    def end(self, number: int) -> None:
        """Close a session."""
        if found := self._sessions.pop(number, None):
            found[0].close()

    def stop(self) -> None:
        """Wait for nothing any more."""
        self.backend.stop()

    def notes(self) -> list[str]:
        """What a report should tell."""
        return list(getattr(self.backend, "notes", ()))


class ChainWorkers:
    """All workers of a run. ``said`` hears of those that are lost."""

    def __init__(self, recipe: AnnotateRecipe, endpoints: Sequence[str], said: Callable[[str], None]) -> None:
        self._ray, self._said, self._lock = ray_library(), said, threading.Lock()
        served = recipe.backend.name == "server"
        gpus = cluster_size("GPU")
        shares = [(url,) for url in dict.fromkeys(endpoints)] if served else [()] * max(gpus, 1)
        threads = recipe.server.concurrency + 2 if served else 2
        options = {"num_cpus": 0, "num_gpus": int(not served and gpus > 0), "max_concurrency": threads}
        actor: Any = self._ray.remote(**options)(ChainActor)
        self._make = [partial(actor.remote, recipe, share) for share in shares]
        self.actors = [make() for make in self._make]
        self.gone: set[int] = set()
        self.done = [0] * len(shares)
        self.facts = self.call(0, "facts")

    def call(self, worker: int, verb: str, *values: Any) -> Any:
        """Call a method of a worker.

        Raises:
            ConnectionError: the worker is lost; another one takes its place.
            TbdError: what the method raised.
        """
        actor = self.actors[worker]
        try:
            return self._ray.get(getattr(actor, verb).remote(*values))
        except self._ray.exceptions.RayTaskError as error:  # the method raised it
            raise (error.cause if isinstance(error.cause, Exception) else error) from None
        except self._ray.exceptions.RayError as error:  # it died, its node did, or the node took it for lack of memory
            with self._lock:
                if self.actors[worker] is actor:
                    self.actors[worker] = self._make[worker]()
                    self._said(f"chain worker {worker + 1} was lost; its conversations go on elsewhere")
            raise ConnectionError from error

    def other(self, than: int) -> int:
        """A worker that answers, another one if there is one.

        Raises:
            MissingError: none does for ``PATIENCE`` seconds.
        """
        order = [*range(than + 1, len(self.actors)), *range(than + 1)]
        asked: dict[Any, int] = {self.actors[one].facts.remote(): one for one in order if one not in self.gone}
        ready, _ = self._ray.wait(list(asked), num_returns=1, timeout=PATIENCE) if asked else ([], [])
        if not ready:
            raise MissingError(
                "no worker of the cluster is left", next="ray status   # then run the same command again"
            )
        return asked[ready[0]]

    def throughput(self) -> list[str]:
        """What each worker has answered, in words."""
        return [f"chain worker {index + 1}: {done} replies" for index, done in enumerate(self.done)]

    def close(self) -> None:
        """End the workers."""
        for actor in self.actors:
            self._ray.kill(actor)


class ClusterBackend:
    """One worker of ``ChainWorkers`` as a backend of the run."""

    needs_image = True

    def __init__(self, workers: ChainWorkers, worker: int) -> None:
        self._workers, self._worker = workers, worker
        self.name, self.model, self.revision, self.batch_size, self.concurrency = workers.facts
        self.notes: list[str] = []
        self._closed = False

    @contextmanager
    def open(self, starts: Sequence[ConversationStart]) -> Iterator[ClusterSession]:
        """Start a batch of conversations over there, with the first question."""
        session = ClusterSession(self._workers, self._worker, starts)
        try:
            yield session
        finally:
            session.end()

    def stop(self) -> None:
        """Wait for nothing any more."""
        self._workers.actors[self._worker].stop.remote()

    def close(self) -> None:
        """Fetch what the worker has to tell, once."""
        if self._closed:
            return
        self._closed = True
        try:
            self.notes = self._workers.call(self._worker, "notes")
        except (ConnectionError, TbdError):
            self.notes = []


class ClusterSession:
    """A batch of conversations that can move from a worker to another."""

    _numbers = itertools.count()

    def __init__(self, workers: ChainWorkers, worker: int, starts: Sequence[ConversationStart]) -> None:
        self._workers, self._worker, self._starts = workers, worker, list(starts)
        self._number: int | None = None

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """One reply for each question.

        Raises:
            TbdError: the backend as a whole gave up, on every worker.
        """
        while True:
            starts = self._starts if self._number is None else None
            self._number = next(self._numbers) if self._number is None else self._number
            try:
                replies: list[Reply] = self._workers.call(self._worker, "ask", self._number, starts, questions)
                break
            except ConnectionError:
                self._number, self._worker = None, self._workers.other(self._worker)
            except MissingError:
                self._workers.gone.add(self._worker)
                if len(self._workers.gone) == len(self._workers.actors):
                    raise
                self._number, self._worker = None, self._workers.other(self._worker)
        self._workers.done[self._worker] += len(replies)
        said = [Turn(asked.text, reply.text, reply.token_ids) for asked, reply in zip(questions, replies, strict=True)]
        self._starts = [
            replace(one, history=(*one.history, turn)) for one, turn in zip(self._starts, said, strict=True)
        ]
        return replies

    def end(self) -> None:
        """Close it, without waiting."""
        if self._number is not None:
            self._workers.actors[self._worker].end.remote(self._number)
