"""Several GPUs of one machine: a process for each, so that they do not wait for one interpreter."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from typing import Any

from tbd.annotate.backends.base import ConversationStart, Question, Reply
from tbd.annotate.recipe import AnnotateRecipe
from tbd.errors import MissingError, TbdError


class Remote:
    """A ``qwen2-vl`` backend that lives in a process of its own, on one device."""

    needs_image = True
    concurrency = 1

    def __init__(self, recipe: AnnotateRecipe, device: str) -> None:
        from tbd.annotate.backends.factory import create

        described = create(recipe, device=device)
        self.name, self.model, self.revision = described.name, described.model, described.revision
        self.batch_size = described.batch_size
        self.notes: list[str] = []
        context = multiprocessing.get_context("spawn")
        self._line, far_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(far_end, recipe, device), daemon=True)
        self._process.start()
        far_end.close()

    @contextmanager
    def open(self, starts: Sequence[ConversationStart]) -> Iterator[Remote]:
        """Start a batch of conversations over there."""
        self._call("open", list(starts))
        try:
            yield self
        finally:
            self._call("end", None)

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """One reply for each question."""
        replies: list[Reply] = self._call("ask", list(questions))
        return replies

    def stop(self) -> None:
        """A reply that is being written is finished."""

    def close(self) -> None:
        """Fetch the notes and end the process."""
        if self._process.is_alive():
            self.notes += self._call("notes", None)
            self._line.close()
            self._process.join(10)

    def _call(self, verb: str, value: Any) -> Any:
        try:
            self._line.send((verb, value))
            result = self._line.recv()
        except (EOFError, OSError):
            raise MissingError(
                f"the process of the model on this GPU died (exit code {self._process.exitcode})",
                next="run the same command again; with less memory: --set backend.batch_size=1",
            ) from None
        if isinstance(result, TbdError):
            raise result
        return result


def _serve(line: Connection, recipe: AnnotateRecipe, device: str) -> None:
    """The far end: one session at a time, until the line is closed."""
    from tbd.annotate.backends.factory import create

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    backend, session, stack = create(recipe, device=device), None, ExitStack()
    while True:
        try:
            verb, value = line.recv()
        except EOFError:
            return
        try:
            result: Any = None
            if verb == "open":
                session = stack.enter_context(backend.open(value))
            elif verb == "ask" and session is not None:
                result = session.ask(value)
            elif verb == "end":
                stack.close()
            else:
                result = list(getattr(backend, "notes", ()))
        except TbdError as error:
            result = error
        line.send(result)
