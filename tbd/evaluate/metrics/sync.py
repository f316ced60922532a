"""Lip sync by SyncNet: confidence (LSE-C, the paper's Sync_conf; higher is better), distance (LSE-D; lower), offset.

    d_j = mean over i of |v_i - a_(i+j-s) + 1e-6|,  j = 0 .. 2 s,  s = 15 frames
    distance = min_j d_j,  offset = s - argmin_j d_j,  confidence = median_j d_j - min_j d_j

v and a are features of five frames of the lips and of the same 0.2 s of sound; a is zero outside. The
offset is in frames of 1/25 s. If the lips of frame i say what is heard at frame i - 3, it is +3: the
sound comes 3 frames too early and has to be delayed by 3.

Source: Chung and Zisserman 2016 and joonson/syncnet_python; as LSE by Prajwal et al. 2020 (Wav2Lip).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tbd import weights
from tbd.errors import InputError
from tbd.evaluate.measures.lip_sync import LARGER_THAN, SILENCE, SyncProtocol
from tbd.evaluate.measures.statistics import mean
from tbd.evaluate.metrics.base import Accumulator, Aggregate, ClipInfo, ClipScore, Direction, Metric
from tbd.media.lip_window import FPS, FRAMES

PROTOCOLS = (
    SyncProtocol("joonson-short", "s3fd", 36, "tracks as joonson/syncnet_python, from 36 frames on instead of 101"),
    SyncProtocol("joonson", "s3fd", 101, "tracks as joonson/syncnet_python: more than 100 frames"),
    SyncProtocol("joonson-files", "s3fd", 101, "as joonson, through the AVI, MP3 and JPEG files that it writes", True),
    SyncProtocol("mtcnn-short", "mtcnn", 36, "as joonson-short, but MTCNN finds the faces"),
    SyncProtocol("whole", None, FRAMES + 1, "no tracks: the whole frame at 224 x 224 (Wav2Lip's script for LRS)"),
)


class Sync(Metric):
    """One of the three numbers. All three of a protocol come from one pass."""

    unit = "clips"
    source = "Chung and Zisserman 2016; joonson/syncnet_python"
    compares = "nothing"
    needs_audio = True

    def __init__(self, key: str, title: str, direction: Direction, protocol: SyncProtocol) -> None:
        self.key, self.title, self.direction = key, title, direction
        self.protocol = f"{key}@{protocol.name}"
        self.shares = f"sync@{protocol.name}"
        self.needs_faces = protocol.detector is not None
        self.weights = ("syncnet", protocol.detector) if protocol.detector else ("syncnet",)
        self._how = protocol

    def open(self, clip: ClipInfo) -> Accumulator:
        """Start a clip.

        Raises:
            InputError: no sound, silence, or too few frames.
        """
        from tbd.evaluate.measures.sync_pass import SyncPass, ThroughFiles
        from tbd.media.syncnet import syncnet

        check_sound(clip.audio)
        check_length(clip, self._how)
        network = syncnet(weights.resolve("syncnet"), clip.device)
        return ThroughFiles(clip, self._how, network) if self._how.files else SyncPass(clip, self._how, network)

    def read(self, score: ClipScore) -> ClipScore:
        """The number that this metric is named after."""
        return replace(score, value=score.details.get(self.key))

    def aggregate(self, scores: Sequence[ClipScore], reference: Sequence[ClipScore] = ()) -> Aggregate:
        """The mean over clips; for the offset also the share of clips that are at most one frame off."""
        found = mean(scores)
        if self.key == "sync_offset" and found.n:
            near = [abs(score.value) <= 1 for score in scores if score.usable and score.value is not None]
            found.details["within_one_frame"] = sum(near) / len(near)
        return found


def check_sound(audio: npt.NDArray[np.int16] | None) -> None:
    """Refuse a clip that says nothing.

    Raises:
        InputError: no sound, or silence.
    """
    if audio is None or not len(audio):
        raise InputError("no sound")
    if max(int(audio.max()), -int(audio.min())) <= SILENCE:
        raise InputError("silence: no sample is louder than -60 dB")


def check_length(clip: ClipInfo, protocol: SyncProtocol) -> None:
    """Refuse a clip in which no track can be long enough, or no face large enough.

    Raises:
        InputError: too few frames, or too small ones.
    """
    frames = round(clip.num_frames * FPS / clip.fps)
    if frames < protocol.least:
        raise InputError(f"too short: {frames} frames at 25 a second, and {protocol.least} are needed")
    if protocol.detector and min(clip.size) < 128:
        raise InputError(f"{clip.size[0]}x{clip.size[1]} pixels: a track needs a face of more than {LARGER_THAN}")


_NUMBERS: tuple[tuple[str, str, Direction], ...] = (
    ("sync_conf", "Sync_conf", "higher"),
    ("sync_dist", "Sync_dist", "lower"),
    ("sync_offset", "Sync offset", "closest"),
)

METRICS: tuple[Metric, ...] = tuple(Sync(*number, protocol) for number in _NUMBERS for protocol in PROTOCOLS)
