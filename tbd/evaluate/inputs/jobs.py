"""What one clip asks of the pass: its ground truth, the videos to score, the metrics, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tbd.evaluate.inputs.align import Align, Length, Region
from tbd.evaluate.metrics.base import ClipScore, Compares, Metric
from tbd.media.canonical import ClipRule

Kind = Literal["run", "truth", "still", "vae"]
Status = Literal["ok", "failed", "missing", "extra", "duplicate", "unreadable"]

ANCHORS: Mapping[Kind, str] = {
    "truth": "ground truth",
    "vae": "ground truth through the SD VAE",
    "still": "still reference picture",
}
"""What every table shows beside the runs: the truth itself, the ceiling of any SD 1.5 model, the floor."""


@dataclass(frozen=True)
class Take:
    """One video of a clip: a run's, or an anchor, which has no file of its own."""

    name: str
    kind: Kind = "run"
    video: Path | None = None


@dataclass(frozen=True)
class Settings:
    """How pictures are compared; part of every protocol.

    Attributes:
        align, length, region: see ``tbd.evaluate.inputs.align``.
        device: where networks run.
        threads: accumulators that may work at the same time.
    """

    align: Align = "canvas"
    length: Length = "truncate"
    region: Region = "full"
    device: str = "cpu"
    threads: int = 1


@dataclass(frozen=True)
class Truth:
    """Where the ground truth of a clip comes from: a manifest row, or a file.

    Attributes:
        row: of the manifest.
        root: where its dataset lies.
        rule: by which the manifest's clips became canonical.
        reference: a file, between two folders.
    """

    row: Mapping[str, Any] | None = None
    root: Path = Path()
    rule: ClipRule = field(default_factory=ClipRule)
    reference: Path | None = None


@dataclass(frozen=True)
class Job:
    """One clip of all runs: its ground truth is decoded once for all of them.

    Attributes:
        weights: protocol -> hashes of the weights that it looks through.
    """

    clip_id: str
    truth: Truth
    takes: tuple[Take, ...]
    metrics: tuple[Metric, ...]
    settings: Settings = Settings()
    weights: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Scored:
    """One row of ``clips.parquet`` on its way, without its features.

    Attributes:
        key: under which the cache holds what the metric read; empty where nothing could be computed.
        reference_key: the same for the ground truth, for metrics that compare sets.
        frames, reference_frames: of the video and of the ground truth.
        note: what was done to the video that a reader should know.
    """

    name: str
    kind: Kind
    clip_id: str
    protocol: str
    score: ClipScore
    status: Status = "ok"
    key: str = ""
    reference_key: str = ""
    frames: int | None = None
    reference_frames: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Group:
    """Metrics that share one accumulator (most stand alone)."""

    name: str
    metrics: tuple[Metric, ...]

    @property
    def lead(self) -> Metric:
        """The metric that opens the accumulator."""
        return self.metrics[0]

    @property
    def compares(self) -> Compares:
        """What all of them look at."""
        return self.lead.compares

    def region(self, chosen: Region) -> Region:
        """Metrics that seek faces or listen need the whole picture; the others look at the chosen part."""
        return "full" if self.lead.needs_audio or self.lead.needs_faces else chosen


def groups(metrics: Sequence[Metric]) -> list[Group]:
    """Metrics by the accumulator that they share, in the order given."""
    found: dict[str, list[Metric]] = {}
    for metric in metrics:
        found.setdefault(metric.shares or metric.protocol, []).append(metric)
    return [Group(name, tuple(members)) for name, members in found.items()]
