"""Small run folders against a small manifest: drawn ground truth, and videos that are a little worse."""

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
from media import tone, video
from rows import row, sealed
from scipy.ndimage import gaussian_filter

from tbd.evaluate.metrics.base import Aggregate, ClipScore, Metric

SIZE = 64


def face(i, seed=0, size=SIZE):
    """A drawn head on a textured ground whose mouth opens and closes; frame ``i`` of clip ``seed``."""
    rng = np.random.default_rng(seed)
    ground = gaussian_filter(rng.uniform(0, 255, (size, size, 3)), (2, 2, 0))
    y, x = np.mgrid[:size, :size] / size - 0.5
    frame = np.where(((x / 0.3) ** 2 + (y / 0.4) ** 2 < 1)[..., None], (225, 180, 150), ground)
    for side in (-0.12, 0.12):
        frame[(x - side) ** 2 + (y + 0.08) ** 2 < 0.0015] = (40, 30, 30)
    opened = 0.02 + 0.05 * abs(np.sin((i + seed) / 3))
    frame[(x / 0.12) ** 2 + ((y - 0.2) / opened) ** 2 < 1] = (120, 30, 40)
    return frame.round().astype(np.uint8)


def clip(seed=0, frames=10, size=SIZE):
    """Frames of one clip."""
    return [face(i, seed, size) for i in range(frames)]


def worse(frames, sigma=1.0, noise=0.0, seed=0):
    """Blurred and noisy frames."""
    rng = np.random.default_rng(seed)
    soft = [gaussian_filter(frame.astype(float), (sigma, sigma, 0)) for frame in frames]
    return [np.clip(frame + noise * rng.normal(size=frame.shape), 0, 255).astype(np.uint8) for frame in soft]


def dataset(folder, count=3, frames=10, size=SIZE, fps=25, **changes):
    """A dataset and its manifest: ``folder/data`` and ``folder/data_manifests/toy``; returns the manifest's folder.

    The crop box is the whole frame and the canonical size that of the videos, so that the canonical clip is the file.
    """
    root = Path(folder) / "data"
    rows = []
    for seed in range(count):
        name = f"M003/video/front/happy/level_2/{seed + 1:03d}.mp4"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        video(root / name, clip(seed, frames, size), fps, audio=tone(frames / fps))
        box = [0.0, 0.0, float(size), float(size)]
        facts = {"crop_box": box, "face_box": box, "width": size, "height": size, "fps": fps, "num_frames": frames}
        clip_id = f"mead_M003_front_happy_2_{seed + 1:03d}"
        rows.append(row(clip_id, file_name=name, reference_frame=frames // 2, split="test", **(facts | changes)))
    manifest = sealed(Path(folder) / "data_manifests" / "toy", rows)
    document = {"root": str(root), "dataset": "mead", "recipe": {"clip": {"size": size}}}
    (manifest / "run.json").write_text(json.dumps(document))
    return manifest


def run(folder, name, manifest=None, count=3, frames=10, size=SIZE, fps=25, *, ours=True, **how):
    """A run folder with a worse video of each clip; ``ours`` writes ``run.json``."""
    videos = Path(folder) / "runs" / name / "videos"
    videos.mkdir(parents=True)
    for seed in range(count):
        pictures = worse(clip(seed, frames, size), **how)
        video(videos / f"mead_M003_front_happy_2_{seed + 1:03d}.mp4", pictures, fps, audio=tone(frames / fps))
    if ours:
        (videos.parent / "run.json").write_text(json.dumps({"manifest": str(manifest), "split": "test"}))
    return videos.parent


class Brightness(Metric):
    """A metric of one video that any test can compute in its head; it counts its frames and remembers windows."""

    key, protocol, title, direction, unit = "brightness", "brightness@mean", "Brightness", "higher", "frames"
    source, compares = "tests", "nothing"
    seen: ClassVar[list] = []

    def open(self, clip):
        return _Levels(self, clip)

    def aggregate(self, scores, reference=()):
        values = [score.value for score in scores if score.usable]
        return Aggregate(float(np.mean(values)) if values else None, len(values), len(scores), "mean over clips")


class Difference(Brightness):
    """Mean absolute difference between frames."""

    key, protocol, title, direction, compares = "difference", "difference@l1", "Difference", "lower", "frames"


class Spread(Brightness):
    """Distance between the mean colours of two sets of frames."""

    key, protocol, title, direction, compares = "spread", "spread@colour", "Spread", "lower", "sets"

    def open(self, clip):
        return _Colours(self, clip)

    def aggregate(self, scores, reference=()):
        pairs = [(one.features, other.features) for one, other in zip(scores, reference, strict=True) if one.usable]
        if not pairs:
            return Aggregate(None, 0, len(scores), "distance of means", reason="no clip")
        one, other = (np.concatenate([pair[side] for pair in pairs]).mean(0) for side in (0, 1))
        return Aggregate(float(np.linalg.norm(one - other)), len(pairs), len(scores), "distance of means")


class _Levels:
    def __init__(self, metric, clip):
        self.metric, self.clip, self.values = metric, clip, []

    def update(self, window):
        assert 1 <= len(window.pred) <= 32 and window.first == len(self.values)
        self.metric.seen.append((self.metric.key, self.clip.clip_id, window.first, len(window.pred)))
        other = 0.0 if window.ref is None else window.ref.astype(float)
        self.values += list(np.abs(window.pred - other).mean(axis=(1, 2, 3)))

    def finish(self):
        return ClipScore(float(np.mean(self.values)) if self.values else None, len(self.values))


class _Colours(_Levels):
    def update(self, window):
        self.values += list(window.pred.mean(axis=(1, 2)))

    def finish(self):
        return ClipScore(None, len(self.values), features=np.array(self.values))
