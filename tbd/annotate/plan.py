"""The plan: which clips need a chain, which share one, and what is done already."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tbd.annotate.facs import knowledge_sha256
from tbd.annotate.journal import RowState
from tbd.annotate.recipe import BLIND, AnnotateRecipe
from tbd.annotate.steps import STEPS, Prompts
from tbd.errors import InputError
from tbd.hashes import file_stamp
from tbd.manifest.schema import SCHEMA_VERSION
from tbd.recipe import digest, essence
from tbd.schema import Annotation, Clip

_ASKED_AS = {"error": "failed", "unanswered": "failed", "unfinished": "truncated"}
RETRIES = ("failed", "refused", "truncated", "rejected")
"""What ``--retry`` may name; ``failed`` is status ``error``, ``rejected`` is a person's verdict."""


REUSED = ("error", "refused", "unanswered", "unfinished")
"""Rows that broke off at one reply; those before it were accepted. A truncated or rejected text is written anew."""


@dataclass(frozen=True)
class ChainGroup:
    """Clips that share one chain.

    Attributes:
        todo: the clips to write a row for.
        candidates: every clip of the dataset that shares the chain, in order of ``clip_id``; the
            first with a readable face lends its picture, whichever clips were selected.
    """

    chain_id: str
    todo: tuple[Clip, ...]
    candidates: tuple[Clip, ...]


@dataclass(frozen=True)
class AnnotationPlan:
    """What a run will do.

    Attributes:
        selected: clips in the selection.
        done: of them, rows that stand already.
        groups: the chains to run, each with the rows it feeds.
        reasons: why rows are to be written: new, changed, retry.
        rounds: clip_id -> how often its text was asked for anew (with this run).
        reuse: clip_ids of rows whose replies were good up to the one that failed: those stand.
        gone: rows of clips that are no longer in the data set.
        stamps: clip_id -> hash of the clip's description and of its files' size and time.
    """

    selected: int
    done: int
    groups: tuple[ChainGroup, ...]
    reasons: Mapping[str, int] = field(default_factory=dict)
    rounds: Mapping[str, int] = field(default_factory=dict)
    reuse: frozenset[str] = frozenset()
    stamps: Mapping[str, str] = field(default_factory=dict)
    gone: int = 0

    @property
    def rows(self) -> int:
        """Rows to be written."""
        return sum(len(group.todo) for group in self.groups)


def run_identity(recipe: AnnotateRecipe, prompts: Prompts, origin: tuple[str, str, str]) -> dict[str, Any]:
    """Everything besides the clip itself that can change a row. Its digest is the fingerprint."""
    return {
        "recipe": essence(recipe),
        "prompts": prompts.sha256,
        "facs": knowledge_sha256(),
        "schema": SCHEMA_VERSION,
        "backend": dict(zip(("name", "model", "revision"), origin, strict=True)),
    }


def make_plan(
    clips: Sequence[Clip],
    everything: Sequence[Clip],
    *,
    per: Literal["clip", "identity"],
    root: Path,
    fingerprint: str,
    states: Mapping[str, RowState],
    retry: Collection[str] = (),
    rejected: Collection[str] = (),
    beside: str = "",
) -> AnnotationPlan:
    """Compare a selection with what the journal has.

    Args:
        clips: the selection.  everything: all clips of the dataset, sorted by ``clip_id``.
        states: finished rows by clip_id.
        retry: names of ``RETRIES``.  rejected: clip_ids that people rejected for their text.
        beside: ending of a file next to each clip that its text also depends on.
    """
    stamps = {clip.clip_id: clip_stamp(clip, root, beside) for clip in clips}
    reasons: Counter[str] = Counter()
    rounds, todo = {}, []
    for clip in clips:
        state = states.get(clip.clip_id)
        again = "rejected" in retry and clip.clip_id in rejected
        reason = _reason(state, fingerprint, stamps[clip.clip_id], retry, again)
        if state:
            anew = again or (reason or "").startswith("retry")
            rounds[clip.clip_id] = state.round + (anew and state.status != "unanswered")
        if reason:
            reasons[reason] += 1
            todo.append(clip)
    groups = _group(todo, everything, per)
    broken = {clip.clip_id for clip in todo if (state := states.get(clip.clip_id)) and state.status in REUSED}
    gone = len(states.keys() - {clip.clip_id for clip in everything}) if states else 0
    reuse = frozenset(broken - set(rejected))
    return AnnotationPlan(len(clips), len(clips) - len(todo), groups, dict(reasons), rounds, reuse, stamps, gone)


def clip_stamp(clip: Clip, root: Path, beside: str = "") -> str:
    """Hash of the clip's description and of the size and time of its files, of the one with the ending ``beside`` too."""
    words = f"{clip!r}\n{files_stamp(clip, root)}"
    if beside:
        words += f" {_stamp(str((root / clip.file_name).with_suffix(beside)))}"
    return hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def files_stamp(clip: Clip, root: Path) -> str:
    """Size and time of the clip's video and speech; no file is opened."""
    names = filter(None, (clip.file_name, clip.audio_file_name))
    return " ".join(_stamp(os.path.join(root, name)) for name in names)  # noqa: PTH118 (281,400 of them)


def _stamp(path: str) -> str:
    try:
        return file_stamp(path)
    except InputError:
        return "-"  # not there


def chain_id(clip: Clip, per: Literal["clip", "identity"]) -> str:
    """The name of the chain that a clip takes its text from."""
    if per == "clip":
        return clip.clip_id
    parts = (clip.dataset, clip.subject, clip.emotion or clip.emotion_raw, clip.level, clip.instruction)
    words = "_".join(str(part) for part in parts[:4] if part is not None)
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", words)
    return safe if safe == words and not clip.instruction else f"{safe[:80]}-{digest(parts)[:8]}"


def chain_topic(clip: Clip, recipe: AnnotateRecipe) -> Annotation:
    """What the chain is asked about. Only a backend without eyes takes the gender from metadata."""
    blind = recipe.backend.name in BLIND or not STEPS[recipe.chain.mode]
    return Annotation(
        mode=recipe.chain.mode,
        emotion=clip.emotion,
        level=clip.level,
        instruction=clip.instruction,
        gender=clip.gender if blind else None,
    )


def _reason(state: RowState | None, fingerprint: str, clip: str, retry: Collection[str], again: bool) -> str | None:
    if state is None:
        return "new"
    if again:
        return "rejected by a person"
    if state.fingerprint != fingerprint:
        return "recipe changed"
    if state.clip != clip:
        return "clip changed"
    status = _ASKED_AS.get(state.status, state.status)
    return f"retry {status}" if status in retry else None


def _group(
    todo: Sequence[Clip], everything: Iterable[Clip], per: Literal["clip", "identity"]
) -> tuple[ChainGroup, ...]:
    if per == "clip":
        return tuple(ChainGroup(clip.clip_id, (clip,), (clip,)) for clip in todo)
    wanted: dict[str, list[Clip]] = {}
    for clip in todo:
        wanted.setdefault(chain_id(clip, per), []).append(clip)
    sharing: dict[str, list[Clip]] = {name: [] for name in wanted}
    for clip in everything:
        name = chain_id(clip, per)
        if name in sharing:
            sharing[name].append(clip)
    return tuple(ChainGroup(name, tuple(members), tuple(sharing[name])) for name, members in wanted.items())
