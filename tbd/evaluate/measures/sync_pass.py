"""One clip on its way to sync scores: faces are followed while the frames pass, and their lips looked at.

Memory does not grow with the clip but for one feature a frame: a frame is let go when its pictures are
cut out, a picture when its features are there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tbd import weights
from tbd.evaluate.measures import file_chain
from tbd.evaluate.measures.face_tracks import Boxes, Track, Tracker, cut_out, resized
from tbd.evaluate.measures.frames import Pixels
from tbd.evaluate.measures.lip_sync import LARGER_THAN, SAMPLES, SyncProtocol, sync_scores
from tbd.evaluate.metrics.base import ClipInfo, ClipScore, Window
from tbd.media.lip_window import FPS, FRAMES
from tbd.media.mfcc import RATE, mfcc

if TYPE_CHECKING:
    from tbd.media.syncnet import Features, Listener

MOST = 3
"""Faces at the same time whose lips are looked at: the largest. What the network costs is bounded by this."""

STEP = 16
"""Features of the lips at a time."""

SAME_RATE = 0.01
"""Rates that differ by less, in frames a second, are equal."""

KEYS = ("sync_conf", "sync_dist", "sync_offset")


class SyncPass:
    """The accumulator: follows faces, looks at lips as they pass, and listens when a track ends.

    Args:
        clip: with sound.
        protocol: how the lips are found.
        listener: the network.
    """

    def __init__(self, clip: ClipInfo, protocol: SyncProtocol, listener: Listener) -> None:
        assert clip.audio is not None
        self._clip, self._how, self._listener, self._audio = clip, protocol, listener, clip.audio
        self._faces = _finder(protocol.detector, clip.device)
        self._tracker = Tracker()
        self._held: dict[int, Pixels] = {}
        self._lips: dict[Track, _Lips] = {}
        self._all = _Lips(listener)
        self._left_out: set[Track] = set()
        self._scored: list[dict[str, Any]] = []
        self._fell_short: list[Track] = []
        self._heard_too_little = False
        self._frames = 0

    def update(self, window: Window) -> None:
        """Take the next frames, brought to 25 a second."""
        boxes = self._faces(window)
        for i, frame in enumerate(window.pred):
            for index in _at_25(window.first + i, self._clip.fps):
                self._frames += 1
                if boxes is None:
                    self._all.add(resized(frame))
                else:
                    self._follow(index, frame, boxes[i])

    def finish(self) -> ClipScore:
        """The clip's scores, or why there are none."""
        for track in self._tracker.running:
            self._end(track)
        if self._how.detector is None:
            self._score(self._all, 0, {})
        if not self._scored:
            return ClipScore(None, 0, self._why_none())
        score = _clip_score(self._scored, self._clip.fps)
        if self._left_out:
            score.details["left_out"] = f"{len(self._left_out)} smaller faces: {MOST} at a time are looked at"
        return score

    def state(self) -> dict[str, Any]:
        """The tracks that run with what their lips have shown, the frames that are held, and the scores so far."""
        running = [(track, self._lips.get(track)) for track in self._tracker.running]
        return {
            "tracks": [[*track.state(), track in self._left_out, lips and lips.state()] for track, lips in running],
            "scenes": self._tracker.scenes.state(),
            "held": self._held,
            "all": self._all.state(),
            "scored": self._scored,
            "fell_short": [track.state() for track in self._fell_short],
            "too_little": self._heard_too_little,
            "frames": self._frames,
            "left_out": len(self._left_out),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._tracker.scenes.restore(state["scenes"])
        for first, boxes, seen, cut, left_out, lips in state["tracks"]:
            track = Track(first, list(boxes), seen, cut)
            self._tracker.running.append(track)
            if left_out:
                self._left_out.add(track)
            if lips:
                self._lips[track] = _Lips(self._listener, self._how.files)
                self._lips[track].restore(lips)
        gone = state["left_out"] - len(self._left_out)
        self._left_out |= {Track(-1, []) for _ in range(gone)}  # they have ended; only their number is told
        self._held = {int(index): frame for index, frame in state["held"].items()}
        self._all.restore(state["all"])
        self._fell_short = [Track(first, list(boxes), seen, cut) for first, boxes, seen, cut in state["fell_short"]]
        self._scored, self._frames = state["scored"], state["frames"]
        self._heard_too_little = state["too_little"]

    def _follow(self, index: int, frame: Pixels, boxes: Boxes) -> None:
        self._held[index] = frame
        for track in self._tracker.step(index, frame, boxes):
            self._end(track)
        self._choose()
        for track in self._tracker.running:
            self._cut(track, ended=False)
        needed = self._tracker.needs(index)
        for old in [i for i in self._held if i < needed]:
            del self._held[old]

    def _choose(self) -> None:
        """Leave out all but the largest of the faces that run; one that was left out never comes back."""
        running = [track for track in self._tracker.running if track not in self._left_out]
        for track in sorted(running, key=lambda track: -track.side)[MOST:]:
            self._left_out.add(track)
            self._lips.pop(track, None)

    def _cut(self, track: Track, ended: bool) -> None:
        """Cut out the pictures of a track whose place is settled."""
        if track in self._left_out:
            track.cut = len(track.boxes)
            return
        lips = self._lips.setdefault(track, _Lips(self._listener, self._how.files))
        for i in track.ready(ended):
            lips.add(cut_out(self._held[track.first + i], *track.place(i)))
            track.cut = i + 1

    def _end(self, track: Track) -> None:
        if track in self._left_out:
            return
        if track.seen < self._how.least or track.side <= LARGER_THAN:
            self._fell_short.append(track)
            self._lips.pop(track, None)
            return
        self._cut(track, ended=True)
        about = {"first_frame": track.first, "frames": len(track.boxes), "face": round(track.side, 1)}
        self._score(self._lips.pop(track), track.first, about)

    def _score(self, lips: _Lips, first: int, about: dict[str, Any]) -> None:
        """Listen to what was said while the lips were seen. One window fewer than could be: as the original."""
        sound = self._audio[first * SAMPLES : (first + lips.frames) * SAMPLES]
        windows = min(lips.frames, len(sound) // SAMPLES) - FRAMES
        if windows < 1:
            self._heard_too_little = True
            return
        found = sync_scores(lips.features()[:windows], self._listener.speech(mfcc(sound), windows))
        values = (found.confidence, found.distance, found.offset)
        self._scored.append({**about, "windows": windows, **dict(zip(KEYS, values, strict=True))})

    def _why_none(self) -> str:
        if self._heard_too_little or self._how.detector is None:
            return f"too short: {self._frames} frames and {len(self._audio) / RATE:.2f} s of sound"
        if not self._fell_short:
            return "no face was found"
        longest = max(self._fell_short, key=lambda track: track.seen)
        if longest.seen >= self._how.least:
            return f"the face is {longest.side:.0f} pixels, and a track needs more than {LARGER_THAN}"
        return f"no face track: the longest has {longest.seen} frames, and {self._how.least} are needed"


class ThroughFiles(SyncPass):
    """The same, with pictures and sound as the published pipeline finds them in the files that it wrote.

    It begins again with the clip: what a codec holds cannot be stored.
    """

    state = restore = None  # type: ignore[assignment]

    def __init__(self, clip: ClipInfo, protocol: SyncProtocol, listener: Listener) -> None:
        assert clip.audio is not None
        super().__init__(replace(clip, audio=file_chain.sound(clip.audio, clip.sound_rate)), protocol, listener)
        self._pictures, self._first = file_chain.Pictures(), 0

    def update(self, window: Window) -> None:
        """Take the next frames."""
        self._take(self._pictures.push(list(window.pred)))

    def finish(self) -> ClipScore:
        """The clip's scores."""
        self._take(self._pictures.flush())
        return super().finish()

    def _take(self, pictures: list[Pixels]) -> None:
        if pictures:
            super().update(Window(np.stack(pictures), None, self._first))
            self._first += len(pictures)


class _Lips:
    """Pictures of one face on their way to features; holds at most ``STEP + 4`` of them.

    Args:
        files: they are written as JPEG and read again first.
    """

    def __init__(self, listener: Listener, files: bool = False) -> None:
        self.frames = 0
        self._listener = listener
        self._recoder = file_chain.Recoder("mjpeg", None) if files else None
        self._held: list[Pixels] = []
        self._found: list[Features] = []

    def add(self, picture: Pixels) -> None:
        for one in self._recoder.push([picture]) if self._recoder else [picture]:
            self._keep(one)

    def _keep(self, picture: Pixels) -> None:
        self.frames += 1
        self._held.append(picture)
        if len(self._held) == STEP + FRAMES - 1:
            self._look()

    def features(self) -> Features:
        """``(frames - 4, D)``; call once, at the end, with five frames or more."""
        if len(self._held) >= FRAMES:
            self._look()
        return np.concatenate(self._found)

    def state(self) -> dict[str, Any]:
        return {"frames": self.frames, "held": self._held, "found": self._found}

    def restore(self, state: dict[str, Any]) -> None:
        self.frames, self._held, self._found = state["frames"], list(state["held"]), list(state["found"])

    def _look(self) -> None:
        self._found.append(self._listener.lips(np.stack(self._held)))
        self._held = self._held[1 - FRAMES :]


def _clip_score(tracks: Sequence[dict[str, Any]], fps: float) -> ClipScore:
    """The mean over tracks. Of faces seen at the same time the largest counts, the others are bystanders."""
    chosen: list[dict[str, Any]] = []
    for track in sorted(tracks, key=lambda track: -track.get("face", 0)):
        if not any(_together(track, other) for other in chosen):
            chosen.append(track)
    details: dict[str, Any] = {key: math.fsum(track[key] for track in chosen) / len(chosen) for key in KEYS}
    details["tracks"] = sorted(chosen, key=lambda track: track.get("first_frame", 0))
    if bystanders := [track for track in tracks if track not in chosen]:
        details["bystanders"] = bystanders
        details["note"] = f"{len(bystanders) + 1} faces at the same time: the largest counts"
    if abs(fps - FPS) >= SAME_RATE:
        details["rate"] = f"{fps:.5g} -> 25 frames a second"
    return ClipScore(details["sync_conf"], sum(track["windows"] for track in chosen), details=details)


def _together(one: dict[str, Any], other: dict[str, Any]) -> bool:
    begin = max(one["first_frame"], other["first_frame"])
    return bool(begin < min(track["first_frame"] + track["frames"] for track in (one, other)))


def _at_25(index: int, fps: float) -> Iterator[int]:
    """The frames at 25 a second that show frame ``index`` of a video: those nearest to it in time."""
    if abs(fps - FPS) < SAME_RATE:
        yield index
        return
    low, high = (max(0, math.ceil((index + side) * FPS / fps)) for side in (-0.5, 0.5))
    yield from range(low, high)


def _finder(detector: str | None, device: str) -> Callable[[Window], list[Boxes] | None]:
    """What finds the faces of a window's frames, surest or largest first; None for the whole frame."""
    if detector is None:
        return lambda window: None
    if detector == "mtcnn":
        return lambda window: [np.array([face.box for face in faces]).reshape(-1, 4) for faces in window.pred_faces()]
    from tbd.evaluate.networks.s3fd import s3fd

    net = s3fd(weights.resolve(detector), device)
    return lambda window: window.of_pred("s3fd", net.find)
