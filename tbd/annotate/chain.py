"""The chain of thought: ask the steps of a batch in order, judge each reply, ask again, journal.

    questions -> session.ask -> judge -> accepted: journal, next step
                                      -> not:      ask again with a note, up to ``attempts`` times

A reply that stays bad ends its chain; what was answered before is kept, and the row says why.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from tbd.annotate import recipe as settings
from tbd.annotate.backends.base import Backend, ConversationStart, Question, Reply, ShownFace, Turn
from tbd.annotate.gates import judge_reply
from tbd.annotate.gates.instruction_echo import hands_back
from tbd.annotate.journal import Journal, StepRecord
from tbd.annotate.replies import Unreadable, read
from tbd.annotate.steps import STEPS, Prompts, label_prompt, schema
from tbd.recipe import digest
from tbd.schema import Annotation, Status

NOTES = {
    "unreadable": "Answer with one JSON object in exactly the form given above, and nothing else.",
    "refused": "This concerns an actor's visible facial movement for a drawing; nobody is to be identified. Do answer.",
    "wrong_language": "Answer in English only.",
    "repetition": "Do not repeat yourself.",
    "truncated": "Be brief.",
    "echoed": "Do not hand the form back: put in what holds for this face.",
}
"""What is added to a question that is asked again, by what was wrong with the reply."""

TOLERABLE = ("truncated", "repetition", "wrong_language", "echoed")
"""Defects that, after the last attempt, are kept and flagged if the reply can be read."""

AGAIN = 0.3
"""Temperature of whatever is asked again: a greedy answer would only come back."""

OUTCOMES: dict[str, Status] = {"refused": "refused", "truncated": "truncated"}
"""How a row ends whose reply could not be kept; ``error`` for the rest."""


@dataclass(eq=False)
class Chain:
    """One conversation on its way from the first step to the last.

    Attributes:
        key: stable name; a server routes by it.
        topic: what is to be annotated; replies are filled in as they come.
        images: canonical crops ``(n, 512, 512, 3)`` uint8 RGB, or None for a backend that needs none.
        image_sha256: stands for the pictures in the keys of the journal.
        pictures: how many there are: known before they are decoded.
        shown: what a drawn clip is known to show, for the oracle.
        round: 0, and one more each time the text was asked for anew (``--retry``).
        reuse: replies of earlier rounds stand, up to the one that failed.
        turns: finished exchanges.
        attempt, defect: how often the present step was asked in vain, and what was wrong last.
        status, error: how it ended.  answered: False when no reply came, so that no reply is at fault.
    """

    key: str
    topic: Annotation
    images: np.ndarray[Any, np.dtype[np.uint8]] | None = None
    image_sha256: str | None = None
    pictures: int = 1
    shown: ShownFace | None = None
    round: int = 0
    reuse: bool = False
    turns: list[Turn] = field(default_factory=list)
    attempt: int = 0
    defect: str = ""
    status: Status = "success"
    error: str | None = None
    answered: bool = True
    ended: bool = False


@dataclass(frozen=True)
class ChainRunner:
    """Everything a chain needs besides itself: the same for all chains of a run."""

    recipe: settings.AnnotateRecipe
    prompts: Prompts
    journal: Journal
    origin: tuple[str, str, str]
    """Backend, model and revision: part of every step's key."""
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set: no further call is begun; chains that have not ended stay as they are."""

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps of this run's mode."""
        return STEPS[self.recipe.chain.mode]

    @cached_property
    def _reply_settings(self) -> dict[str, Any]:
        """The recipe's, worked out once: every key of a step holds them."""
        return self.recipe.reply_settings()

    def recall(self, chain: Chain) -> None:
        """Take the leading steps that the journal has already."""
        if not self.steps:
            chain.topic, chain.ended = replace(chain.topic, prompts=(label_prompt(chain.topic),)), True
        while not chain.ended:
            step = self.steps[len(chain.turns)]
            record = self._recorded(chain, step)
            if record is None or not self.accept(chain, step, record):
                return

    def _recorded(self, chain: Chain, step: str) -> StepRecord | None:
        """What the journal has of this round, or, where replies are re-used, of the latest round before it."""
        for number in range(chain.round, -1 if chain.reuse else chain.round - 1, -1):
            if record := self.journal.step(self.key(replace(chain, round=number), step)):
                return record
        return None

    def run(self, chains: Sequence[Chain], backend: Backend) -> None:
        """Carry a batch of chains that have equally many turns to their ends.

        A session cannot lose one of its conversations: a chain whose reply is not accepted rides
        along unheeded until the session ends, and then goes on by itself.
        """
        waiting = [list(chains)]
        while waiting and not self.stopping.is_set():
            batch = waiting.pop()
            self._session(batch, backend)
            waiting += [[chain] for chain in batch if not chain.ended]

    def _session(self, chains: list[Chain], backend: Backend) -> None:
        """One session, from the present step as far as any of its chains gets."""
        system = self.prompts.system()
        examples = tuple(Turn(*example) for example in self.prompts.examples)
        starts = [
            ConversationStart(chain.key, chain.images, system, chain.topic, tuple(chain.turns), examples, chain.shown)
            for chain in chains
        ]
        riding = list(chains)
        with backend.open(starts) as session:
            for step in self.steps[len(chains[0].turns) :]:
                questions = [self._question(chain, step) for chain in chains]
                replies = session.ask(questions)
                for chain, question, reply in zip(chains, questions, replies, strict=True):
                    if chain in riding and not self._take(chain, question, reply):
                        riding.remove(chain)
                if not riding or self.stopping.is_set():
                    return

    def _question(self, chain: Chain, step: str) -> Question:
        budget = self.recipe.chain.max_tokens[-1 if step == "describe" else int(step[-1]) - 1]
        note = f"\n\n{NOTES[chain.defect]}" if chain.attempt else ""
        return Question(
            step=step,
            text=self.prompts.question(step, chain.topic, chain.pictures) + note,
            schema=schema(step, budget),
            max_tokens=budget * (2 if chain.defect == "truncated" and chain.attempt else 1),
            temperature=AGAIN if chain.attempt or chain.round else 0.0,
            seed=self.recipe.chain.seed + chain.round + 1000 * chain.attempt,
        )

    def _take(self, chain: Chain, question: Question, reply: Reply) -> bool:
        """Accept a reply, count a vain attempt, or end the chain. True: it can ride on."""
        step = question.step
        if reply.finish == "failed" and self.stopping.is_set():
            return False  # given up, not failed: asked again by the next run
        if reply.finish == "failed":
            chain.answered = False
            return self._end(chain, "error", f"{step}: {reply.text}")
        record = StepRecord(question.text, reply.text, reply.finish, reply.usage, reply.token_ids)
        key = self.key(chain, step)
        defect = self._defect(step, reply)
        last = chain.attempt + 1 >= self.recipe.chain.attempts
        tolerable = defect is None or (last and defect in TOLERABLE)
        if tolerable and self.accept(chain, step, record):
            self.journal.put_step(key, record, lasting=self.recipe.backend.name not in settings.BLIND)
            return not chain.ended
        defect = defect or "unreadable"
        if not last:
            chain.attempt, chain.defect = chain.attempt + 1, defect
            return False
        chain.topic = replace(chain.topic, step_outputs=(*chain.topic.step_outputs, reply.text))
        return self._end(chain, OUTCOMES.get(defect, "error"), f"{step}: reply is {defect.replace('_', ' ')}")

    def accept(self, chain: Chain, step: str, record: StepRecord) -> bool:
        """Fill a reply into the topic and move on; False when it cannot be read."""
        try:
            fields = read(step, record.reply)
        except Unreadable:
            return False
        cut = (len(chain.turns),) if record.finish == "length" else ()
        chain.topic = replace(
            chain.topic,
            **fields,
            step_outputs=(*chain.topic.step_outputs, record.reply),
            truncated=chain.topic.truncated + cut,
        )
        chain.turns.append(Turn(record.question, record.reply, record.token_ids))
        chain.attempt = 0
        if cut:
            chain.status = "truncated"
        chain.ended = len(chain.turns) == len(self.steps)
        return True

    def _defect(self, step: str, reply: Reply) -> str | None:
        codes = [flag.code for flag in judge_reply(reply.text)]
        for code in ("refused", "wrong_language", "repetition"):
            if code in codes:
                return code
        if reply.finish == "length":
            return "truncated"
        try:
            fields = read(step, reply.text)
        except Unreadable:
            return "unreadable"
        return "echoed" if hands_back(fields) else None

    def _end(self, chain: Chain, status: Status, error: str) -> bool:
        chain.status, chain.error, chain.ended = status, error, True
        return False

    def key(self, chain: Chain, step: str) -> str:
        """Hash of everything that can change this step's reply."""
        question = self._question(replace(chain, attempt=0), step)
        shown = {"shown": chain.shown.source} if chain.shown else {}
        return digest(
            shown
            | {
                "origin": self.origin,
                "image": chain.image_sha256,
                "system": [self.prompts.system(), self.prompts.examples]
                if self.prompts.examples
                else self.prompts.system(),
                "question": question.text,
                "topic": None if chain.image_sha256 else _request(chain.topic),
                "schema": question.schema,
                "limit": question.max_tokens,
                "sampling": [question.temperature, question.seed, chain.round],
                "backend": self._reply_settings,
                "before": [[turn.question, turn.reply] for turn in chain.turns],
            }
        )


def _request(topic: Annotation) -> list[str | int | None]:
    """What a backend without eyes answers from; the others know only the question."""
    return [topic.emotion, topic.level, topic.instruction, topic.gender]
