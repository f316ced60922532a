"""One batch of chains on a Qwen model: questions in, replies out, nothing read twice.

Each row keeps all of its token ids. That makes a resumed chain, a retry and a batch that ran out
of memory the same thing: what the cache does not hold is read again from the ids.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from tbd.annotate.backends.base import ConversationStart, Question, Reply, Usage
from tbd.annotate.backends.kv_cache import PrefixCache, decode

_REPLY = "@@reply@@"

_FAILURES = (RuntimeError, ValueError, LookupError, MemoryError)
"""What torch and transformers raise on input or hardware; anything else is a bug."""


class LoadedModel(Protocol):
    """What a session needs of its backend: the model, its processor, and how many chains fit at once."""

    batch_size: int

    @property
    def network(self) -> Any:
        """A ``Qwen*ForConditionalGeneration`` in evaluation mode, on its device."""

    @property
    def processor(self) -> Any:
        """Its tokenizer, chat template and image processor."""

    def note(self, words: str) -> None:
        """Keep something that a person should know."""


@dataclass(eq=False)
class QwenConversation:
    """One conversation.

    Attributes:
        ids: everything said so far, the pictures' tokens included.
        pixels: ``pixel_values (patches, values)`` and ``image_grid_thw (n, 3)`` of its n pictures.
        question: what is being asked.
        failure: why this row cannot go on.
    """

    start: ConversationStart
    ids: list[int] = field(default_factory=list)
    pixels: dict[str, torch.Tensor] = field(default_factory=dict)
    question: Question | None = None
    failure: str = ""


@dataclass(eq=False)
class QwenBatch:
    """Rows that share a cache. Without a context they have not been read yet."""

    rows: list[QwenConversation]
    context: PrefixCache | None = None


class QwenSession:
    """A batch of conversations that advance together; see ``backends.base.Session``."""

    def __init__(self, backend: LoadedModel, starts: Sequence[ConversationStart]) -> None:
        self.backend = backend
        self.model, self.writer = backend.network, ChatFormat(backend.processor, backend.network)
        self.rows = [QwenConversation(start) for start in starts]
        size = backend.batch_size
        self.batches = [QwenBatch(self.rows[start : start + size]) for start in range(0, len(self.rows), size)]

    def close(self) -> None:
        """Free the caches."""
        self.batches = []

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """One reply for each question, in order; a row that cannot go on gets a ``failed`` one.

        A batch that fails, for lack of memory or because of one of its rows, is asked again in
        halves, so that no row takes others down.
        """
        for row, question in zip(self.rows, questions, strict=True):
            self._put(row, question)
        replies: dict[QwenConversation, Reply] = {}
        waiting, self.batches = self.batches, []
        while waiting:
            batch = waiting.pop(0)
            if any(row.failure for row in batch.rows):
                batch = QwenBatch([row for row in batch.rows if not row.failure])
            if not batch.rows:
                continue
            try:
                replies |= self._advance(batch)
                self.batches.append(batch)
                continue
            except _FAILURES as error:
                reason, memory = f"{type(error).__name__}: {error}", _is_memory(error)
            waiting = self._smaller(batch, reason, memory, [*self.batches, *waiting]) + waiting
        return [replies.get(row) or Reply(f"the model failed: {row.failure}", "failed") for row in self.rows]

    def _put(self, row: QwenConversation, question: Question) -> None:
        """Append the question to the row's ids; with the first one come pictures and history."""
        if row.failure:
            return
        row.question = question
        try:
            if row.ids:
                row.ids += self.writer.next(question.text)
            else:
                row.ids, row.pixels = self.writer.start(row.start, question.text)
        except _FAILURES as error:
            row.failure = f"{type(error).__name__}: {error}"

    def _advance(self, batch: QwenBatch) -> dict[QwenConversation, Reply]:
        started = time.perf_counter()
        context = batch.context or PrefixCache(self.model, len(batch.rows))
        cached = list(context.read)
        images = [row.pixels for row in batch.rows] if batch.context is None else []
        batch.context = context
        questions = [row.question for row in batch.rows if row.question]
        logits = context.feed([row.ids[seen:] for row, seen in zip(batch.rows, cached, strict=True)], images)
        written = decode(context, logits, questions, self.writer.stop, self.writer.never)
        seconds = (time.perf_counter() - started) / len(batch.rows)
        replies = {}
        for row, seen, (ids, stopped) in zip(batch.rows, cached, written, strict=True):
            usage = Usage(len(row.ids), seen, len(ids), seconds)
            replies[row] = Reply(self.writer.text(ids), "stop" if stopped else "length", usage, tuple(ids))
            row.ids += ids
        return replies

    def _smaller(self, batch: QwenBatch, reason: str, memory: bool, others: Sequence[QwenBatch]) -> list[QwenBatch]:
        """What to try instead of a batch that failed. Its rows lose their cache, not their ids."""
        rows, freed = batch.rows, False
        batch.context = None
        if memory:
            freed = any(other.context for other in others)
            for other in others:
                other.context = None
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        if len(rows) > 1:
            half = (len(rows) + 1) // 2
            if memory and half < self.backend.batch_size:
                self.backend.note(f"out of memory with {len(rows)} chains at once: going on with {half}")
                self.backend.batch_size = half
            return [QwenBatch(rows[:half]), QwenBatch(rows[half:])]
        if freed:
            return [QwenBatch(rows)]
        rows[0].failure = reason
        return []


class ChatFormat:
    """Turns words into token ids in the model's own chat format, and back.

    Attributes:
        stop: ids that end a reply.
        never: ids that a reply must not have: all other special tokens (a written ``<|image_pad|>``
            would ask for a picture that is not there) and the unused end of the embedding table.
    """

    def __init__(self, processor: Any, model: Any) -> None:
        self.processor, self.tokenizer = processor, processor.tokenizer
        ends = model.generation_config.eos_token_id
        self.stop = frozenset(
            [self.tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [] if ends is None else [ends])]
        )
        special = {id: token.content for id, token in self.tokenizer.added_tokens_decoder.items() if token.special}
        self._special = sorted(special.values(), key=len, reverse=True)
        unused = range(len(self.tokenizer), model.get_output_embeddings().weight.shape[0])
        self.never = torch.tensor(sorted({*special, *unused} - self.stop), dtype=torch.long, device=model.device)

    def start(self, start: ConversationStart, text: str) -> tuple[list[int], dict[str, torch.Tensor]]:
        """Ids and pictures of a conversation up to the reply to ``text``, its history included.

        Raises:
            ValueError: there is no picture.
        """
        if start.images is None:
            raise ValueError("this backend needs a picture")
        asked = [*(turn.question for turn in start.history), text]
        messages = [
            {"role": "system", "content": [{"type": "text", "text": self._plain(start.system)}]},
            *(
                {"role": role, "content": [{"type": "text", "text": self._plain(words)}]}
                for turn in start.examples
                for role, words in (("user", turn.question), ("assistant", turn.reply))
            ),
            {
                "role": "user",
                "content": [{"type": "image"}] * len(start.images) + [{"type": "text", "text": self._plain(asked[0])}],
            },
        ]
        encoded = self.processor(text=[self._render(messages)], images=list(start.images), return_tensors="pt")
        ids = encoded["input_ids"][0].tolist()
        for turn, question in zip(start.history, asked[1:], strict=True):
            ids += self._ids(self._plain(turn.reply)) if turn.token_ids is None else turn.token_ids
            ids += self.next(question)
        return ids, {name: encoded[name] for name in ("pixel_values", "image_grid_thw")}

    def next(self, text: str) -> list[int]:
        """Ids from the end of one reply to the beginning of the next, with a question in between."""
        question = [{"type": "text", "text": self._plain(text)}]
        messages = [
            {"role": "user", "content": [{"type": "text", "text": "?"}]},
            {"role": "assistant", "content": [{"type": "text", "text": _REPLY}]},
            {"role": "user", "content": question},
        ]
        return self._ids(self._render(messages).partition(_REPLY)[2])

    def text(self, ids: Sequence[int]) -> str:
        """The words of a reply."""
        words: str = self.tokenizer.decode(ids, skip_special_tokens=True)
        return words

    def _render(self, messages: list[dict[str, Any]]) -> str:
        rendered: str = self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return rendered

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _plain(self, text: str) -> str:
        """Special tokens that somebody wrote into a question stay words."""
        for token in self._special:
            text = text.replace(token, f"{token[0]} {token[1:]}")
        return text


def _is_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
