"""What a language model must offer to be a backend: open a batch of chains, ask step by step.

A backend knows nothing of FACS, journals or retries. It gets questions and returns replies::

    with backend.open(starts) as session:           # canonical crops of each chain
        replies = session.ask(questions)           # step I for every chain of the batch
        replies = session.ask(next_questions)      # step II: the session keeps what came before
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from tbd.schema import ActionUnit, Annotation


@dataclass(frozen=True, slots=True)
class Turn:
    """One finished exchange of a conversation: what was asked and what came back."""

    question: str
    reply: str
    token_ids: tuple[int, ...] | None = None
    """The reply as the model generated it; re-tokenised text need not give the same ids."""


@dataclass(frozen=True, slots=True)
class ShownFace:
    """What a drawn clip is known to show: the truth that the ``oracle`` backend answers from.

    Attributes:
        units: at the reference frame, with sides and letters; none for a face at rest.
        onset: seconds from the beginning of the clip until the expression has its strength.
        opening: distance of the lips at the reference frame, in distances between the pupils.
        source: of the truth, for the journal's keys: a hash of its file, and the frame.
    """

    units: tuple[ActionUnit, ...]
    onset: float
    opening: float
    source: str


@dataclass(frozen=True, slots=True)
class ConversationStart:
    """The start of one conversation.

    Attributes:
        key: stable name of the chain; a server backend routes by it.
        images: canonical crops, ``(n, 512, 512, 3)`` uint8 RGB, in order of time; n is 1 unless ``chain.frames`` asks
            for more. None when the backend needs no image.
        system: system message.
        history: exchanges that are journalled already (a resumed chain, or a retry).
        examples: few-shot turns before the first question; they show no picture.
        topic: what is to be annotated, for backends that know the answer without a model.
        shown: what a drawn clip shows, for the oracle.
    """

    key: str
    images: np.ndarray[Any, np.dtype[np.uint8]] | None
    system: str
    topic: Annotation
    history: tuple[Turn, ...] = ()
    examples: tuple[Turn, ...] = ()
    shown: ShownFace | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One step's request. Greedy unless ``temperature`` is above 0."""

    step: str
    text: str
    schema: Mapping[str, Any]
    max_tokens: int
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """Costs of one reply; they go to the journal and the report, never into the manifest."""

    prompt_tokens: int = 0
    """Of the whole conversation up to this question, cached or not."""
    cached_tokens: int = 0
    """Those of them that were not computed again."""
    completion_tokens: int = 0
    seconds: float = 0.0
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. ``failed`` is not an answer: ``text`` then says why (time-out, HTTP status, …)."""

    text: str
    finish: Literal["stop", "length", "failed"] = "stop"
    usage: Usage = field(default_factory=Usage)
    token_ids: tuple[int, ...] | None = None
    note: str = ""
    """What a report should tell about how it came."""


class Session(Protocol):
    """A batch of conversations that advance together, one question each a call."""

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """One reply for each question, in order. A failure is a ``failed`` reply, not an exception."""


class Backend(Protocol):
    """A source of replies."""

    @property
    def name(self) -> str:
        """``qwen2-vl``, ``server``, ``facs`` or ``oracle``."""

    @property
    def model(self) -> str:
        """What answers, as the manifest names it."""

    @property
    def revision(self) -> str:
        """Which version of it: a commit, a hash, or empty when a server does not say."""

    @property
    def batch_size(self) -> int:
        """Chains that one session takes."""

    @property
    def concurrency(self) -> int:
        """Sessions that may be open at the same time, in threads."""

    @property
    def needs_image(self) -> bool:
        """Whether a chain has to bring its pictures."""

    def open(self, starts: Sequence[ConversationStart]) -> AbstractContextManager[Session]:
        """Start a batch of conversations. All starts have equally long histories."""

    def stop(self) -> None:
        """Wait for nothing any more: the run is ending. Calls under way may finish."""

    def close(self) -> None:
        """Give back what the backend holds (GPU memory, connections)."""
