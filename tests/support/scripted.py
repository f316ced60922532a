"""A backend whose replies a test writes, and a dataset whose pictures nobody has to decode."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from tbd.annotate import run
from tbd.annotate.backends.base import ConversationStart, Question, Reply, Usage
from tbd.annotate.backends.facs import FacsBackend
from tbd.annotate.examine_pool import Examined, ExamineJob
from tbd.annotate.recipe import AnnotateRecipe
from tbd.schema import Medium

Script = Callable[[ConversationStart, Question, Reply], Reply]
"""Given the conversation, the question and the knowledge base's good reply: what is answered."""


class ScriptedBackend:
    """Answers like ``facs`` unless the script says otherwise. Counts what it is asked."""

    name, model, revision = "scripted", "scripted-1", "r1"
    needs_image = True

    def __init__(self, script: Script = lambda face, question, good: good, batch_size: int = 1, concurrency: int = 1):
        self.script, self.batch_size, self.concurrency = script, batch_size, concurrency
        self.asked: list[tuple[str, Question]] = []
        self.batches: list[int] = []
        self.open_now = self.most_open = 0
        self.lock = threading.Lock()
        self.notes: list[str] = []

    @contextmanager
    def open(self, faces: Sequence[ConversationStart]) -> Iterator[ScriptedSession]:
        assert len({len(face.history) for face in faces}) == 1
        with self.lock:
            self.batches.append(len(faces))
            self.open_now += 1
            self.most_open = max(self.most_open, self.open_now)
        with FacsBackend().open(faces) as known:
            yield ScriptedSession(self, faces, known)
        with self.lock:
            self.open_now -= 1

    def stop(self) -> None:
        """Nothing is waited for."""

    def close(self) -> None:
        """Nothing is held."""


class ScriptedSession:
    def __init__(self, backend: ScriptedBackend, faces: Sequence[ConversationStart], known) -> None:
        self.backend, self.faces, self.known = backend, faces, known

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        good = self.known.ask(questions)
        with self.backend.lock:
            self.backend.asked += [(face.key, question) for face, question in zip(self.faces, questions, strict=True)]
        usage = Usage(prompt_tokens=100, cached_tokens=60, completion_tokens=20, seconds=0.1)
        return [
            self.backend.script(face, question, replace(reply, usage=usage))
            for face, question, reply in zip(self.faces, questions, good, strict=True)
        ]


def fake_examine(job: ExamineJob) -> Examined:
    """A look that reads the first bytes of a file instead of decoding it: ``broken`` cannot be read,
    ``faceless`` has no face, everything else is a picture that its bytes decide."""
    words = job.path.read_bytes()
    if words.startswith(b"broken"):
        return Examined(error=f"{job.path.name}: cannot be decoded")
    medium = Medium(True, 25.0, 50, 2.0, 512, 512, 12)
    if words.startswith(b"faceless"):
        return Examined(medium)
    drawn = np.frombuffer(hashlib.sha256(words).digest() * 6, np.uint8).reshape(8, 8, 3)
    images = np.stack([drawn ^ np.uint8(index) for index in range(job.frames)])
    sha = hashlib.sha256(images.tobytes()).hexdigest()
    box = (100.0, 100.0, 300.0, 300.0)
    return Examined(replace(medium, face_box=box, crop_box=(0.0, 0.0, 512.0, 512.0), image_sha256=sha), images)


def mead_tree(root: Path, clips: Sequence[tuple[str, str, int, int]], words: str = "clip") -> Path:
    """Files laid out as MEAD; each entry is (speaker, MEAD's emotion word, level, index)."""
    for speaker, emotion, level, index in clips:
        path = root / speaker / "video" / "front" / emotion / f"level_{level}" / f"{index:03d}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{words} {speaker} {emotion} {level} {index}")
    return root


def annotate(dataset: Path, output: Path, **changes: Any) -> dict[str, Any]:
    """Annotate a dataset in this process; the summary."""
    recipe = changes.pop("recipe", AnnotateRecipe(backend={"name": "facs"}))
    request = run.AnnotationRequest(dataset, recipe, output, workers=0, quiet=True, **changes)
    return run.run_annotation(run.prepare_annotation(request))


def table(output: Path) -> list[dict[str, Any]]:
    """The rows of a manifest folder."""
    return pq.read_table(output / "manifest.parquet").to_pylist()
