"""What one clip asks of the engine, and what comes back: videos, ground truth, metrics, settings, rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

from tbd.evaluate.inputs.align import Align, Length, Region
from tbd.evaluate.metrics.base import ClipScore, Compares, Metric
from tbd.media.canonical import CanonicalClip, ClipRule
from tbd.recipe import digest
from tbd.schema import ManifestRow

Kind = Literal["run", "truth", "still", "vae"]
Portrait = Literal["clip", "neutral", "person"]
Status = Literal["ok", "failed", "missing", "extra", "duplicate", "unreadable"]

BASELINES: Mapping[Kind, str] = {
    "truth": "ground truth",
    "vae": "ground truth through the SD VAE",
    "still": "still frame of the target clip",
}
"""What every table shows beside the runs: the truth itself, the ceiling of any SD 1.5 model, the floor."""

STILLS: Mapping[Portrait, str] = {
    "clip": BASELINES["still"],
    "neutral": "still picture of a neutral clip",
    "person": "still picture of another clip",
}
"""The floor by the picture that the videos are taken to start from, named as ``tbd generate --reference`` names it."""

PORTRAITS: Mapping[Portrait, str] = {
    "clip": "a frame of the target clip, whose expression it shows",
    "neutral": "a frame of a neutral clip of the person, where the runs started",
    "person": "a frame of another clip of the person, where the runs started",
}
"""The same in words."""

OWN_VAE = "ground truth through the runs' VAE"
"""Name of the ceiling where the autoencoder is given: that of models with another one than SD 1.5's."""
VAE = "sd-vae-ft-mse"
"""Catalogue key of the image autoencoder that every SD 1.5 model draws through."""


@dataclass(frozen=True)
class RunVideo:
    """One video of a clip: a run's, or a baseline, which has no file of its own.

    The name is for tables only. What a video is, is its kind and its content.

    Attributes:
        file: its path below the run's folder, as results name it.
    """

    name: str
    kind: Kind = "run"
    path: Path | None = None
    file: str = ""


TRUTH = RunVideo(BASELINES["truth"], "truth")
"""The ground truth of a clip, as a video."""


@dataclass(frozen=True)
class Settings:
    """How pictures are compared; part of every protocol.

    Attributes:
        align, length, region: see ``tbd.evaluate.inputs.align``.
        size: shorter side in pixels to which all pictures are brought; None leaves them.
        portrait: the picture that the videos are taken to start from; None where there is no ground truth.
        vae: folder of the autoencoder of the runs; None takes SD 1.5's.
        device: where networks run.
        threads: accumulators that may work at the same time.
    """

    align: Align = "canvas"
    length: Length = "truncate"
    region: Region = "full"
    size: int | None = None
    portrait: Portrait | None = "clip"
    vae: Path | None = None
    device: str = "cpu"
    threads: int = 1

    def as_record(self) -> dict[str, Any]:
        """What of it belongs to the protocol, for ``scores.json``."""
        known = {key: getattr(self, key) for key in ("align", "length", "region", "size", "portrait")}
        return known | ({"vae": self.vae.as_posix()} if self.vae else {})


@dataclass(frozen=True)
class GroundTruth:
    """Where the ground truth of a clip comes from: a manifest row, or a file.

    Attributes:
        row: of the manifest.
        root: where its dataset lies.
        rule: by which the manifest's clips became canonical.
        reference: a file, between two folders.
        portrait: a picture that the video started from; None takes a frame of a clip.
        start: the manifest row of that clip, of the same dataset; None takes the ground truth itself.
        file: path of either below its folder, as results name it.
    """

    row: ManifestRow | None = None
    root: Path = Path()
    rule: ClipRule = field(default_factory=ClipRule)
    reference: Path | None = None
    portrait: Path | None = None
    start: ManifestRow | None = None
    file: str = ""

    @property
    def start_frame(self) -> int:
        """The frame of ``start`` that the videos started from, counted from 0 at the start of its file."""
        return int((self.start or {}).get("reference_frame") or 0)

    def start_clip(self, side: int | None = None) -> CanonicalClip | None:
        """The canonical clip of ``start``; None without one.

        Args:
            side: of its pictures, in pixels; None takes the manifest's.

        Raises:
            InputError: the row has no crop box.
        """
        if self.start is None:
            return None
        rule = self.rule if side is None else self.rule.model_copy(update={"size": side})
        return CanonicalClip.of_row(self.start, self.root, rule)

    @property
    def exists(self) -> bool:
        """Whether there is any ground truth at all."""
        return self.reference is not None or bool(self.row and self.row.get("file_name"))


@dataclass(frozen=True)
class ClipJob:
    """One clip of all runs: its ground truth is decoded once for all of them.

    Attributes:
        weights: protocol -> hashes of the weights that it looks through.
    """

    clip_id: str
    truth: GroundTruth
    videos: tuple[RunVideo, ...]
    metrics: tuple[Metric, ...]
    settings: Settings = Settings()
    weights: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """64 hex digits from the clip and the paths of its videos: the same job again, whatever has become of the files."""
        return digest([self.clip_id, [str(video.path.absolute()) for video in self.videos if video.path]])

    def absolute(self) -> Self:
        """The same with paths that do not depend on the current directory."""
        truth, root = self.truth, self.truth.root.absolute()
        true = replace(truth, root=root, reference=_absolute(truth.reference), portrait=_absolute(truth.portrait))
        videos = tuple(replace(video, path=_absolute(video.path)) for video in self.videos)
        settings = replace(self.settings, vae=_absolute(self.settings.vae))
        return replace(self, truth=true, videos=videos, settings=settings)


def _absolute(path: Path | None) -> Path | None:
    return path and path.absolute()


@dataclass(frozen=True)
class Comparison:
    """What was compared with what: it stands beside every number of a clip. None where it is not known.

    Attributes:
        frames, reference_frames: of the video at the rate of the comparison, and of the ground truth.
        compared: frames of both that were compared.
        fps, reference_fps: frames a second of the files themselves.
        width, height, reference_width, reference_height: of their pictures, in pixels.
        scored_width, scored_height: of the pictures that the metric was shown.
        scale: size of the face in the video over its size in the ground truth, laid over each other.
        shift: distance of their middles, in sides of the true face.
        mirrored: the video shows left what the truth shows right.
        damage: what the decoder complained of, in words; empty if nothing.
    """

    frames: int | None = None
    reference_frames: int | None = None
    compared: int | None = None
    fps: float | None = None
    reference_fps: float | None = None
    width: int | None = None
    height: int | None = None
    reference_width: int | None = None
    reference_height: int | None = None
    scored_width: int | None = None
    scored_height: int | None = None
    scale: float | None = None
    shift: float | None = None
    mirrored: bool | None = None
    damage: str = ""


@dataclass(frozen=True)
class ScoreRow:
    """One row of ``clips.parquet`` on its way, without its features.

    Attributes:
        key: under which the cache holds what the metric read; empty where nothing could be computed.
        reference_key: the same for the ground truth, for metrics that compare sets.
        note: what was done to the video that a reader should know.
        video, reference: their files below the run's and the truth's folder; empty where there is none.
        labels: ``emotion level subject view`` of the manifest row, as far as it has them.
        reference_content: 64 hex digits from the content of the ground truth and how it is cut; empty where there is none,
            and in older results.
    """

    name: str
    kind: Kind
    clip_id: str
    protocol: str
    score: ClipScore
    status: Status = "ok"
    key: str = ""
    reference_key: str = ""
    note: str = ""
    comparison: Comparison = Comparison()
    video: str = ""
    reference: str = ""
    labels: Mapping[str, Any] = field(default_factory=dict)
    reference_content: str = ""


@dataclass(frozen=True)
class MetricGroup:
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

    @property
    def needs_portrait(self) -> bool:
        """Whether one of them depends on the picture that the video started from."""
        return any(metric.needs_portrait for metric in self.metrics)

    def region(self, chosen: Region) -> Region:
        """Metrics that seek faces or listen need the whole picture; the others look at the chosen part."""
        return "full" if self.lead.needs_audio or self.lead.needs_faces else chosen


def groups(metrics: Sequence[Metric]) -> list[MetricGroup]:
    """Metrics by the accumulator that they share, in the order given."""
    found: dict[str, list[Metric]] = {}
    for metric in metrics:
        found.setdefault(metric.shares or metric.protocol, []).append(metric)
    return [MetricGroup(name, tuple(members)) for name, members in found.items()]
