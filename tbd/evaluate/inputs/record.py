"""What an evaluation was: all that is needed to read its numbers, and to repeat it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class EvaluationRecord:
    """Written beside the numbers as ``evaluation.json``; equal for all shards, ``asked`` aside.

    Attributes:
        runs: name -> what is known of the run: its folder, how its videos were matched, what made it.
        metrics: protocols that were computed.
        skipped: protocol -> why it was not, with its direction.
        weights: protocol -> ``{file, sha256, published}``; also of the autoencoder, under its catalogue key.
        settings: align, length, region, size, portrait.
        baselines: kind -> name of those that were computed.
        notes: what a reader must know.
        truth: where the ground truth came from, in words.
        truth_root: the folder below which its files lie; of several datasets, by name.
        version: of tbd.
        videos: 64 hex digits from the names and sizes of all matched videos; empty in older results.
        asked: the options of the command that say ground truth and choice of clips; None where they are not known.
    """

    runs: Mapping[str, Mapping[str, Any]]
    metrics: tuple[str, ...]
    skipped: Mapping[str, Mapping[str, str]]
    weights: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Any]
    baselines: Mapping[str, str]
    notes: tuple[str, ...]
    truth: str
    version: str
    truth_root: Mapping[str, str] = field(default_factory=dict)
    videos: str = ""
    asked: tuple[str, ...] | None = None
