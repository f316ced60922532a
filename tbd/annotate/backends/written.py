"""What the backends without a model share: every reply is known beforehand, pictures are not looked at, nothing is held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tbd.annotate.backends.base import ConversationStart, Question, Reply

WrittenReply = Callable[[ConversationStart, str], Reply]
"""The JSON reply to one step of a conversation, or a ``failed`` one with its reason."""


class WrittenBackend:
    """Replies from what is written down.

    Args:
        name: as the manifest names it.
        revision: changes whenever a reply may.
        reply: what it answers.
    """

    batch_size = 32
    concurrency = 1
    needs_image = False

    def __init__(self, name: str, revision: str, reply: WrittenReply) -> None:
        self.name = self.model = name
        self.revision, self._reply = revision, reply

    @contextmanager
    def open(self, starts: Sequence[ConversationStart]) -> Iterator[WrittenSession]:
        """Start conversations."""
        yield WrittenSession(starts, self._reply)

    def stop(self) -> None:
        """Nothing is waited for."""

    def close(self) -> None:
        """Nothing is held."""


class WrittenSession:
    """Conversations whose answers are known."""

    def __init__(self, starts: Sequence[ConversationStart], reply: WrittenReply) -> None:
        self.starts, self._reply = starts, reply

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """One reply for each conversation."""
        return [self._reply(start, question.step) for start, question in zip(self.starts, questions, strict=True)]
