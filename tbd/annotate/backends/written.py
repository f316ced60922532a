"""What the backends without a model share: every reply is known beforehand, pictures are not looked at, nothing is held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tbd.annotate.backends.base import ConversationStart, Question, Reply


class WrittenBackend:
    """Replies from what is written down; a subclass says its ``name``, its ``revision`` and ``reply``."""

    name = model = ""
    batch_size = 32
    concurrency = 1
    needs_image = False

    @property
    def revision(self) -> str:
        """Changes whenever a reply may."""
        raise NotImplementedError

    def reply(self, start: ConversationStart, step: str) -> Reply:
        """The JSON reply to one step, or a ``failed`` one with its reason."""
        raise NotImplementedError

    @contextmanager
    def open(self, starts: Sequence[ConversationStart]) -> Iterator[WrittenSession]:
        """Start conversations."""
        yield WrittenSession(starts, self.reply)

    def stop(self) -> None:
        """Nothing is waited for."""

    def close(self) -> None:
        """Nothing is held."""


class WrittenSession:
    """Conversations whose answers are known."""

    def __init__(self, starts: Sequence[ConversationStart], reply: Callable[[ConversationStart, str], Reply]) -> None:
        self.starts, self._reply = starts, reply

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """One reply for each conversation."""
        return [self._reply(start, question.step) for start, question in zip(self.starts, questions, strict=True)]
