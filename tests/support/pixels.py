"""Drawn frames with edges and texture, and a metric run over them as the one pass runs it."""

import numpy as np
from scipy.ndimage import gaussian_filter

from tbd.evaluate.metrics.base import ClipInfo, Window


def picture(height=96, width=112, seed=0):
    """Grey levels with flat areas, sharp and soft shapes, and a little texture; uint8."""
    rng = np.random.default_rng(seed)
    canvas = np.full((height, width), 90.0)
    for _ in range(14):
        top, left = rng.integers(0, max(1, height - 8)), rng.integers(0, max(1, width - 8))
        shape = np.zeros_like(canvas)
        shape[top : top + rng.integers(6, 40), left : left + rng.integers(6, 40)] = rng.uniform(-90, 120)
        canvas += gaussian_filter(shape, rng.uniform(0.3, 2.5))
    canvas[:, : width // 2] += rng.normal(0, 3, (height, width // 2))
    return np.clip(np.round(canvas), 0, 255).astype(np.uint8)


def frames(count=2, height=40, width=52, seed=0):
    """``(count, height, width, 3)`` uint8; channels differ."""
    planes = [picture(height, width, seed * 1000 + i) for i in range(3 * count)]
    return np.stack(planes).reshape(count, 3, height, width).transpose(0, 2, 3, 1).copy()


def noisy(clean, sigma, seed=5):
    """With Gaussian noise, rounded and clipped; uint8."""
    noise = np.random.default_rng(seed).normal(0, sigma, clean.shape)
    return np.clip(np.round(clean + noise), 0, 255).astype(np.uint8)


def blurred(clean, sigma):
    """Blurred within each frame of ``(T, H, W, 3)`` or within ``(H, W)``; uint8."""
    spread = (0, sigma, sigma, 0) if clean.ndim == 4 else sigma
    return np.round(gaussian_filter(clean.astype(float), spread)).astype(np.uint8)


def score(metric, pred, ref=None, cut=32):
    """What a metric says of one clip that comes in windows of ``cut`` frames."""
    clip = ClipInfo("clip", 25.0, (pred.shape[2], pred.shape[1]), len(pred))
    taker = metric.open(clip)
    for first in range(0, len(pred), cut):
        part = slice(first, first + cut)
        taker.update(Window(pred[part], None if ref is None else ref[part], first))
    return taker.finish()


BAD_FRAMES = {
    "float in 0..1": np.zeros((1, 70, 70, 3)),
    "float in 0..255": np.full((1, 70, 70, 3), 127.0, np.float32),
    "wider integers": np.full((1, 70, 70, 3), 300, np.int64),
    "signed bytes": np.zeros((1, 70, 70, 3), np.int8),
    "one picture": np.zeros((70, 70, 3), np.uint8),
    "grey": np.zeros((1, 70, 70), np.uint8),
    "grey with a channel": np.zeros((1, 70, 70, 1), np.uint8),
    "alpha": np.zeros((1, 70, 70, 4), np.uint8),
    "channels first": np.zeros((1, 3, 70, 70), np.uint8),
    "no frame": np.zeros((0, 70, 70, 3), np.uint8),
    "no pixel": np.zeros((1, 0, 70, 3), np.uint8),
    "a list": [[[[0, 0, 0]]]],
}
