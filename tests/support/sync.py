"""What stands in for SyncNet and its detector where a test is about neither: lips whose brightness is the loudness."""

from __future__ import annotations

import numpy as np

from tbd.evaluate.metrics.base import ClipInfo, Window

FACE = (100.0, 100.0, 260.0, 260.0)


def loudness(frames: int, seed: int = 0) -> np.ndarray:
    """One number a frame from 0 to 1."""
    return np.random.default_rng(seed).random(frames)


def speech(levels: np.ndarray, seed: int = 1) -> np.ndarray:
    """Noise, int16 at 16 kHz, as loud in each 25th of a second as ``levels`` say."""
    noise = np.random.default_rng(seed).normal(0, 1, (len(levels), 640))
    return np.round(noise * (np.exp(2 * levels)[:, None] * 900)).clip(-32768, 32767).astype(np.int16).ravel()


def faces(levels: np.ndarray, size: tuple[int, int] = (360, 320)) -> np.ndarray:
    """Frames as bright as ``levels`` say, within the same scene."""
    width, height = size
    bright = np.round(90 + 80 * levels).astype(np.uint8)
    return np.tile(bright[:, None, None, None], (1, height, width, 3))


class Planted:
    """Looks and listens like SyncNet: five frames' brightness, twenty columns' energy, less their mean."""

    def lips(self, crops: np.ndarray) -> np.ndarray:
        bright = crops[:, 60:160, 60:160].mean((1, 2, 3)) / 80
        return centred(np.lib.stride_tricks.sliding_window_view(bright, 5))

    def speech(self, cepstrum: np.ndarray, count: int) -> np.ndarray:
        columns = np.lib.stride_tricks.sliding_window_view(cepstrum[:, 0] / 4, 20)[::4][:count]
        return centred(columns.reshape(count, 5, 4)[..., :3].mean(2))


def centred(values: np.ndarray) -> np.ndarray:
    return (values - values.mean(1, keepdims=True)).astype(np.float32)


def clip(frames: np.ndarray, audio: np.ndarray | None, fps: float = 25.0, **more: object) -> ClipInfo:
    """What a metric is told of these frames."""
    return ClipInfo("clip", fps, (frames.shape[2], frames.shape[1]), len(frames), audio, **more)


def windows(pred: np.ndarray, ref: np.ndarray | None = None, size: int = 32) -> list[Window]:
    """The frames as the pass hands them out."""
    starts = range(0, len(pred), size)
    return [Window(pred[i : i + size], None if ref is None else ref[i : i + size], i) for i in starts]
