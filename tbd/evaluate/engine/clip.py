"""A clip before its pass: opened streams, the looks under which they are compared, and the cache's keys."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.errors import InputError, TbdError
from tbd.evaluate.engine import baselines, cache
from tbd.evaluate.engine.frame_stream import Look
from tbd.evaluate.inputs import align, streams
from tbd.evaluate.inputs.jobs import Group, Job, Take
from tbd.evaluate.inputs.streams import Stream
from tbd.evaluate.metrics.base import ClipInfo

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class View:
    """How a group of metrics wants to see a take.

    Attributes:
        region: the part of the picture that counts.
        compared: laid over the ground truth; else the video as it is.
        like: where the ground truth itself is to be seen: the take over which it is laid.
    """

    region: align.Region
    compared: bool
    like: Take | None = None


@dataclass(frozen=True, eq=False)
class Shown:
    """A view come true.

    Attributes:
        name: of the look; equal names show equal pictures of one stream.
        pred, truth: from source frames to pictures.
        size: (width, height) of the pictures.
        select, truth_select: frames of either that are compared; None takes all.
        compared: how many frames are compared.
    """

    name: str
    pred: Look
    truth: Look
    size: tuple[int, int]
    select: npt.NDArray[np.int64] | None = None
    truth_select: npt.NDArray[np.int64] | None = None
    compared: int = 0


class Scene:
    """Everything about one clip that is looked up rather than decoded; nothing is read before it is asked for."""

    def __init__(self, job: Job, store: cache.Store) -> None:
        self.job, self.store = job, store
        self._opened: dict[Take, Stream | str] = {}
        self._looks: dict[tuple[Take, View], tuple[Look, Look, tuple[int, int], str]] = {}
        self._sound: dict[Take, npt.NDArray[np.int16] | None] = {}

    @functools.cached_property
    def _truth(self) -> Stream | str:
        truth = self.job.truth
        try:
            if truth.reference is not None:
                return streams.of_file(truth.reference)
            if truth.row is not None:
                return streams.of_row(truth.row, truth.root, truth.rule)
        except TbdError as error:
            return self.without_folders(error.message)
        return "none was given"

    @property
    def truth_problem(self) -> str:
        """Why there is no ground truth; empty when there is."""
        return self._truth if isinstance(self._truth, str) else ""

    @property
    def truth(self) -> Stream:
        """The ground truth.

        Raises:
            InputError: there is none.
        """
        if isinstance(self._truth, str):
            raise InputError(f"no ground truth: {self._truth}")
        return self._truth

    @functools.cached_property
    def anchor(self) -> Stream:
        """The ground truth at the size of the first run, so that the anchors can be compared with it."""
        runs = [take for take in self.job.takes if take.kind == "run" and not self.problem(take)]
        return self._sized(runs[0]) if runs else self.truth

    def _sized(self, like: Take) -> Stream:
        """The ground truth as it is laid under a take."""
        if like.kind != "run":
            return self.anchor
        if self.job.settings.align != "crop" or self.truth.box is None:
            return self.truth
        return replace(self.truth, side=self.stream(like).size[0])

    def problem(self, take: Take) -> str:
        """Why a take cannot be read; empty when it can."""
        try:
            self.stream(take)
        except TbdError as error:
            return error.message
        return ""

    def stream(self, take: Take) -> Stream:
        """The frames of a take.

        Raises:
            InputError: it cannot be read.
        """
        if take not in self._opened:
            try:
                self._opened[take] = self._open(take)
            except TbdError as error:
                self._opened[take] = self.without_folders(error.message)
        found = self._opened[take]
        if isinstance(found, str):
            raise InputError(found)
        return found

    def _open(self, take: Take) -> Stream:
        if take.kind == "run":
            if take.video is None:
                raise InputError("missing: no video of this clip")
            fps = self.truth.fps if not self.truth_problem else self.job.truth.rule.fps
            return streams.of_file(take.video, fps if self.job.truth.row or not self.truth_problem else None)
        if take.kind == "still":
            return baselines.still(self.anchor, baselines.portrait(self.anchor, self._reference_frame))
        return baselines.coded(self.anchor, self.job.settings.device) if take.kind == "vae" else self.anchor

    @property
    def _reference_frame(self) -> int | None:
        found = (self.job.truth.row or {}).get("reference_frame")
        return None if found is None else int(found)

    def view(self, take: Take, group: Group) -> View:
        """How a group sees a take: as it is, or laid over the ground truth."""
        region = group.region(self.job.settings.region)
        return View(region, group.compares != "nothing" or (region != "full" and not self.truth_problem))

    def shown(self, take: Take, view: View, pair: bool) -> Shown:
        """Make a view come true.

        Raises:
            InputError: the two cannot be laid over each other, or there is no face where one is needed.
        """
        if (take, view) not in self._looks:
            self._looks[take, view] = self._look(take, view)
        pred, truth, size, name = self._looks[take, view]
        if not pair:
            return Shown(name, pred, truth, size)
        counts = self.stream(take).num_frames, self.truth.num_frames
        select, other = align.pairing(*counts, self.job.settings.length)
        if self.job.settings.length != "resample" or counts[0] == counts[1]:
            return Shown(name, pred, truth, size, compared=len(select))
        return Shown(name, pred, truth, size, select, other, len(select))

    def _look(self, take: Take, view: View) -> tuple[Look, Look, tuple[int, int], str]:
        if view.like is not None:
            _, under, size, name = self._look(view.like, replace(view, like=None))
            return under, under, size, name
        stream = self.stream(take)
        pred: Look = stream.look
        truth: Look = stream.look
        size, name = stream.size, "{}x{}".format(*stream.size)
        if view.compared:
            laid = self._laid(take, stream)
            pred, truth, size, name = laid.pred, laid.truth, laid.size, laid.name
        if view.region != "full":
            known = self.truth if view.compared else stream
            box = align.region_box([truth(frame) for frame in known.sources(align.LOOKS)], view.region)
            pred, truth = align.inside(pred, box), align.inside(truth, box)
            size, name = (box[2] - box[0], box[3] - box[1]), f"{name} {box}"
        return pred, truth, size, name

    def _laid(self, take: Take, stream: Stream) -> align.Geometry:
        if take.kind == "run":
            return align.geometry(stream, self.truth, self.job.settings.align)
        mode: align.Align = "face" if self.job.settings.align == "face" else "canvas"
        return align.geometry(stream, self.anchor, mode)

    def info(self, take: Take, shown: Shown, group: Group) -> ClipInfo:
        """What a metric is told before the first window."""
        stream, lead = self.stream(take), group.lead
        row = self.job.truth.row
        audio = self._audio(take) if lead.needs_audio else None
        return ClipInfo(
            clip_id=self.job.clip_id,
            fps=stream.fps,
            size=shown.size,
            num_frames=shown.compared or stream.num_frames,
            audio=audio,
            row=row and {"clip_id": self.job.clip_id, **{name: row.get(name) for name in lead.columns}},
            portrait=self._portrait if lead.needs_portrait else lambda: None,
            device=self.job.settings.device,
            beside=self._beside(take, group),
        )

    def _beside(self, take: Take, group: Group) -> Path | None:
        """The file next to a video that a metric also reads. The drawn anchors have no file of their own."""
        if not group.lead.beside or take.kind not in ("run", "truth"):
            return None
        path = self.stream(take).source.path.with_suffix(group.lead.beside)
        return path if path.is_file() else None

    def _portrait(self) -> Pixels | None:
        return None if self.truth_problem else baselines.portrait(self.truth, self._reference_frame)

    def _audio(self, take: Take) -> npt.NDArray[np.int16] | None:
        if take not in self._sound:
            self._sound[take] = self.stream(take).audio()
        return self._sound[take]

    def key(self, take: Take, group: Group, view: View, pair: bool) -> str:
        """The cache's key of a question: everything that its answer depends on."""
        lead, row = group.lead, self.job.truth.row or {}
        told: dict[str, Any] = {name: row.get(name) for name in lead.columns}
        if lead.needs_portrait:
            told["portrait"] = "" if self.truth_problem else [self._identity(self.truth), self._reference_frame]
        if beside := self._beside(take, group):
            told["beside"] = self.store.sha256(beside)
        parts: dict[str, Any] = {
            "metric": group.name,
            "version": max(metric.version for metric in group.metrics),
            "weights": sorted({sha for metric in group.metrics for sha in self.job.weights.get(metric.protocol, ())}),
            "told": told,
            "sees": self._sees(take, view),
        }
        if pair:
            parts["against"] = self._sees(take, replace(view, like=take))
            parts["length"] = self.job.settings.length
        return cache.key(**parts)

    def _sees(self, take: Take, view: View) -> dict[str, Any]:
        """What the pictures of a view depend on."""
        laid = self.job.settings.align if view.compared else ""
        if view.like is not None:
            sized = self._sized(view.like)
            seen = self._identity(sized)
            if laid == "crop" and sized.box is None:
                seen["size"] = self.stream(view.like).size
        else:
            seen = self._identity_of(take)
        if laid == "face":
            seen["face"] = True
        if view.region != "full":
            other = view.like or take
            seen["region"] = [view.region, self._identity(self._sized(other)) if view.compared else "", laid]
        return seen

    def _identity_of(self, take: Take) -> dict[str, Any]:
        stream = self.stream(take)
        seen = self._identity(stream)
        if take.kind == "still":
            seen["still"] = self._reference_frame
        if take.kind == "vae":
            seen["vae"] = sorted(self.job.weights.get(baselines.VAE, ()))
        return seen

    def _identity(self, stream: Stream) -> dict[str, Any]:
        seen: dict[str, Any] = {"file": self.store.sha256(stream.source.path), "fps": stream.fps}
        if stream.clip is not None:
            clip = stream.clip
            seen |= {"window": [clip.start, clip.end], "box": stream.box, "side": stream.side}
            seen["rule"] = [clip.rule.version, clip.rule.sample_rate]
            seen["sound"] = self.store.sha256(clip.audio_file) if clip.audio_file else ""
        return seen

    def facts(self, take: Take) -> dict[str, Any]:
        """What every row of a take tells: how many frames there are, and what was done to them."""
        truth = None if self.truth_problem else self.truth.num_frames
        try:
            stream = self.stream(take)
        except TbdError:
            return {"frames": None, "reference_frames": truth, "note": ""}
        notes = [stream.note] if stream.note else []
        if truth is not None and stream.num_frames != truth:
            how = {
                "truncate": "the longer one's end is left out",
                "resample": "both are resampled",
                "strict": "refused",
            }
            notes.append(f"{stream.num_frames} frames against {truth}: {how[self.job.settings.length]}")
        return {"frames": stream.num_frames, "reference_frames": truth, "note": "; ".join(notes)}

    def without_folders(self, message: str) -> str:
        """A row must not depend on where files lie on this machine."""
        truth = self.job.truth
        paths = [take.video for take in self.job.takes if take.video] + ([truth.reference] if truth.reference else [])
        if truth.row is not None:
            paths += [
                truth.root / str(truth.row[name]) for name in ("file_name", "audio_file_name") if truth.row.get(name)
            ]
        for path in paths:
            message = message.replace(str(path), path.name)
        return message
