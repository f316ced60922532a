"""A clip before its pass: opened streams, how they are laid over each other, what was compared, and the cache's keys."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from tbd.errors import InputError, TbdError
from tbd.evaluate.engine import cache
from tbd.evaluate.inputs import align, baselines, streams
from tbd.evaluate.inputs.align import Transform
from tbd.evaluate.inputs.jobs import VAE, ClipJob, Comparison, MetricGroup, RunVideo
from tbd.evaluate.inputs.streams import FrameStream
from tbd.evaluate.metrics.base import ClipInfo
from tbd.hashes import sha256_file
from tbd.media.picture import read_picture
from tbd.recipe import digest
from tbd.schema import ManifestRow

Pixels = npt.NDArray[np.uint8]


class ClipContext:
    """Everything about one clip that is looked up rather than decoded; nothing is read before it is asked for."""

    def __init__(self, job: ClipJob) -> None:
        self.job = job
        self._opened: dict[RunVideo, FrameStream | str] = {}
        self._transforms: dict[tuple[RunVideo, bool, bool, align.Region], Transform] = {}
        self._sound: dict[RunVideo, npt.NDArray[np.int16] | None] = {}

    # The ground truth

    @functools.cached_property
    def _truth(self) -> FrameStream | str:
        truth = self.job.truth
        try:
            if truth.reference is not None:
                return streams.of_file(truth.reference)
            if truth.row is not None and truth.exists:
                return streams.of_row(truth.row, truth.root, truth.rule)
        except TbdError as error:
            return self.without_folders(error.message)
        return "none was given"

    @property
    def truth_problem(self) -> str:
        """Why there is no ground truth; empty when there is."""
        return self._truth if isinstance(self._truth, str) else ""

    @functools.cached_property
    def truth_content(self) -> str:
        """What the ground truth holds and how it is cut, as 64 hex digits; empty when there is none."""
        return "" if self.truth_problem else digest(self._content(self.truth))

    @property
    def truth(self) -> FrameStream:
        """The ground truth.

        Raises:
            InputError: there is none.
        """
        if isinstance(self._truth, str):
            raise InputError(f"no ground truth: {self._truth}")
        return self._truth

    @functools.cached_property
    def baseline_truth(self) -> FrameStream:
        """The ground truth at the size of the first run, so that the baselines can be compared with it."""
        runs = [video for video in self.job.videos if video.kind == "run" and not self.problem(video)]
        return self._sized_truth(runs[0]) if runs else self.truth

    def _sized_truth(self, like: RunVideo) -> FrameStream:
        """The ground truth at the size at which it is laid under a video."""
        if like.kind != "run":
            return self.baseline_truth
        if self.job.settings.align != "crop" or self.truth.box is None:
            return self.truth
        return replace(self.truth, side=self.stream(like).size[0])

    # Streams

    def problem(self, video: RunVideo) -> str:
        """Why a video cannot be read; empty when it can."""
        try:
            self.stream(video)
        except TbdError as error:
            return error.message
        return ""

    def stream(self, video: RunVideo) -> FrameStream:
        """The frames of a video.

        Raises:
            InputError: it cannot be read.
        """
        if video not in self._opened:
            try:
                self._opened[video] = self._open(video)
            except TbdError as error:
                self._opened[video] = self.without_folders(error.message)
        found = self._opened[video]
        if isinstance(found, str):
            raise InputError(found)
        return found

    def _open(self, video: RunVideo) -> FrameStream:
        if video.kind == "run":
            if video.path is None:
                raise InputError("missing: no video of this clip")
            fps = self.truth.fps if not self.truth_problem else self.job.truth.rule.fps
            return streams.of_file(video.path, fps if self.job.truth.exists else None)
        truth = self.baseline_truth
        if video.kind == "still":
            return baselines.still(truth, self._start(truth))
        return self._autoencoded(truth) if video.kind == "vae" else truth

    def _autoencoded(self, truth: FrameStream) -> FrameStream:
        """The runs' own autoencoder sees pictures at the size at which they are compared, SD 1.5's at their own."""
        settings = self.job.settings
        return baselines.autoencoded(truth, settings.device, settings.vae, settings.size if settings.vae else None)

    @property
    def _reference_frame(self) -> int | None:
        found = (self.job.truth.row or {}).get("reference_frame")
        return None if found is None else int(found)

    def _start(self, truth: FrameStream) -> Pixels:
        """The picture that the videos started from, at the size of the ground truth."""
        other = self.job.truth.start_clip(truth.side)
        if other is not None:
            return other.picture(self.job.truth.start_frame)
        return baselines.portrait(truth, self._reference_frame)

    # How they are laid over each other

    def compared(self, group: MetricGroup) -> bool:
        """Whether a group sees videos laid over the ground truth, rather than as they are."""
        region = group.region(self.job.settings.region)
        return group.compares != "nothing" or (region != "full" and not self.truth_problem)

    def transform(self, video: RunVideo, group: MetricGroup) -> Transform:
        """How a group sees a video and its ground truth.

        Raises:
            InputError: the two cannot be laid over each other, or there is no face where one is needed.
        """
        paired = group.compares == "frames"
        key = video, self.compared(group), paired, group.region(self.job.settings.region)
        if key not in self._transforms:
            self._transforms[key] = self._transform(*key)
        return self._transforms[key]

    def _transform(self, video: RunVideo, compared: bool, paired: bool, region: align.Region) -> Transform:
        stream, settings = self.stream(video), self.job.settings
        if compared:
            mode, truth = settings.align, self.truth
            if video.kind != "run":
                mode, truth = "face" if mode == "face" else "canvas", self.baseline_truth
            if mode == "face" and paired and settings.length != "resample":
                stream, truth = align.same_moments(stream, truth)
            found = align.transform(stream, truth, mode, settings.size)
        else:
            found = Transform.alone(stream).sized(settings.size)
        if region == "full":
            return found
        known = self.truth if compared else stream
        box = align.region_box([found.truth(frame) for frame in known.sources(align.SPREAD)], region)
        return found.cut(box)

    def frames_compared(self, video: RunVideo) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Which frames of a video and of its ground truth are compared.

        Raises:
            InputError: the lengths differ and the policy is strict.
        """
        counts = self.stream(video).num_frames, self.truth.num_frames
        return align.pairing(*counts, self.job.settings.length)

    # What metrics and readers are told

    def info(self, video: RunVideo, group: MetricGroup, num_frames: int) -> ClipInfo:
        """What a metric is told before the first window."""
        lead = group.lead
        return ClipInfo(
            clip_id=self.job.clip_id,
            fps=self.stream(video).fps,
            size=self.transform(video, group).size,
            num_frames=num_frames,
            audio=self._audio(video) if lead.needs_audio else None,
            sound_rate=self.stream(video).sound_rate() if lead.needs_audio else 16_000,
            row=self._row(lead.columns),
            portrait=self._portrait if group.needs_portrait else lambda: None,
            device=self.job.settings.device,
            beside=self._beside(video, group),
            beside_truth=self._beside_truth(group),
        )

    def _row(self, columns: Sequence[str]) -> ManifestRow | None:
        """What a metric is told of the row: its name and some columns, None where the row lacks them."""
        row = self.job.truth.row
        told = row and {"clip_id": self.job.clip_id, **{name: row.get(name) for name in columns}}
        return cast(ManifestRow | None, told)

    def _beside(self, video: RunVideo, group: MetricGroup) -> Path | None:
        """The file next to a video that a metric also reads. The drawn baselines have no file of their own."""
        if not group.lead.beside or video.kind not in ("run", "truth"):
            return None
        path = self.stream(video).source.path.with_suffix(group.lead.beside)
        return path if path.is_file() else None

    def _beside_truth(self, group: MetricGroup) -> Path | None:
        """The file next to the source of the ground truth that a metric also reads."""
        if not group.lead.beside_truth or self.truth_problem:
            return None
        path = self.truth.source.path.with_suffix(group.lead.beside_truth)
        return path if path.is_file() else None

    def _portrait(self) -> Pixels | None:
        if self.job.truth.portrait is not None:
            return read_picture(self.job.truth.portrait)
        return None if self.truth_problem else self._start(self.truth)

    def _audio(self, video: RunVideo) -> npt.NDArray[np.int16] | None:
        if video not in self._sound:
            self._sound[video] = self.stream(video).audio()
        return self._sound[video]

    def comparison(self, video: RunVideo) -> tuple[Comparison, str]:
        """What is compared with what as far as headers tell, and in words what was done to the video."""
        truth = None if self.truth_problem else self.truth
        facts: dict[str, Any] = {}
        if truth:
            facts = {"reference_frames": truth.num_frames, "reference_fps": truth.fps}
            facts |= {"reference_width": truth.size[0], "reference_height": truth.size[1]}
        try:
            stream = self.stream(video)
        except TbdError:
            return Comparison(**facts), ""
        facts |= {"frames": stream.num_frames, "fps": stream.source.fps if video.kind == "run" else stream.fps}
        facts |= {"width": stream.size[0], "height": stream.size[1]}
        notes = [stream.note] if stream.note else []
        if truth and stream.num_frames != truth.num_frames:
            how = {"truncate": "the longer one's end is left out", "resample": "both are resampled"}
            words = how.get(self.job.settings.length, "refused")
            notes.append(f"{stream.num_frames} frames against {truth.num_frames}: {words}")
        return Comparison(**facts), "; ".join(notes)

    def without_folders(self, message: str) -> str:
        """A row must not depend on where files lie on this machine."""
        truth = self.job.truth
        paths = [video.path for video in self.job.videos if video.path] + ([truth.reference] if truth.reference else [])
        for row in filter(None, (truth.row, truth.start)):
            names = [row[name] for name in ("file_name", "audio_file_name") if row.get(name)]
            paths += [truth.root / str(name) for name in names]
        for path in paths:
            message = message.replace(str(path), path.name)
        return message

    # The cache's keys: by kind and content, never by name

    def key(self, video: RunVideo, group: MetricGroup, like: RunVideo | None = None) -> str:
        """The key of a request: everything that its answer depends on.

        Args:
            like: the video is the ground truth, seen as it is laid under this one.
        """
        lead, row = group.lead, self.job.truth.row or {}
        told: dict[str, Any] = {name: row.get(name) for name in lead.columns}
        if group.needs_portrait:
            told["portrait"] = self._portrait_content()
        if beside := self._beside(video, group):
            told["beside"] = sha256_file(beside)
        if beside := self._beside_truth(group):
            told["beside_truth"] = sha256_file(beside)
        parts: dict[str, Any] = {
            "metric": group.name,
            "version": max(metric.version for metric in group.metrics),
            "weights": sorted({sha for metric in group.metrics for sha in self.job.weights.get(metric.protocol, ())}),
            "told": told,
            "sees": self._sees(video, group, like),
        }
        if group.compares == "frames":
            parts["against"] = self._sees(video, group, video)
            parts["length"] = self.job.settings.length
        return cache.key(**parts)

    def _sees(self, video: RunVideo, group: MetricGroup, like: RunVideo | None) -> dict[str, Any]:
        """What the pictures of a request depend on."""
        settings, compared = self.job.settings, self.compared(group)
        laid = settings.align if compared else ""
        if like is not None:
            sized = self._sized_truth(like)
            seen = self._content(sized) | {"kind": "truth"}
            if laid == "crop" and sized.box is None:
                seen["size"] = self.stream(like).size
        else:
            seen = self._content_of(video)
        moments = "same moments" if group.compares == "frames" else True
        seen |= {"face": laid == "face" and moments, "side": settings.size}
        region = group.region(settings.region)
        if region != "full":
            truth = self._content(self._sized_truth(like or video)) if compared else ""
            seen["region"] = [region, truth, laid]
        return seen

    def _portrait_content(self) -> Any:
        if self.job.truth.portrait is not None:
            return sha256_file(self.job.truth.portrait)
        return "" if self.truth_problem else [self._content(self.truth), self._start_content(self.truth)]

    def _start_content(self, truth: FrameStream) -> Any:
        """What ``_start`` depends on besides the ground truth."""
        other = self.job.truth.start_clip(truth.side)
        if other is None:
            return self._reference_frame
        crop = {"box": other.crop_box, "side": truth.side, "rule": other.rule.version}
        return crop | {"file": sha256_file(other.path), "frame": self.job.truth.start_frame}

    def _content_of(self, video: RunVideo) -> dict[str, Any]:
        seen = self._content(self.stream(video)) | {"kind": video.kind if video.kind != "run" else "file"}
        if video.kind == "still":
            seen["still"] = self._start_content(self.baseline_truth)
        if video.kind == "vae":
            seen["vae"] = sorted(self.job.weights.get(VAE, ()))
            seen |= {"shorter": self.job.settings.size} if self.job.settings.vae else {}
        return seen

    def _content(self, stream: FrameStream) -> dict[str, Any]:
        seen: dict[str, Any] = {"file": sha256_file(stream.source.path), "fps": stream.fps}
        if stream.clip is not None:
            clip = stream.clip
            seen |= {"window": [clip.start, clip.end], "box": stream.box, "box_side": stream.side}
            seen["rule"] = [clip.rule.version, clip.rule.sample_rate]
            seen["sound"] = sha256_file(clip.audio_file) if clip.audio_file else ""
        return seen
