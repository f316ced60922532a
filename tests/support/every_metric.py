"""Every metric, ready to be fed: random weights in the published layouts, planted detectors where a test is about none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import random_weights
import tiny_onnx
import torch
from sync import Planted, clip, windows
from torch import nn

from tbd.evaluate.measures.face_embeddings import Faces, Finder
from tbd.evaluate.measures.openface import Measured
from tbd.evaluate.metrics import action_units, cpbd, csim, emotion, fid, fvd, kid, landmarks, lpips, psnr, ssim, sync
from tbd.evaluate.metrics.base import Aggregate, ClipScore, Metric
from tbd.evaluate.networks import onnx
from tbd.evaluate.networks.arcface import TEMPLATE, ArcFace

SIZE = 96


@dataclass(frozen=True)
class Case:
    """A metric and what it is told beside the frames."""

    metric: Metric
    told: dict[str, Any]
    network: bool = False

    def score(self, pred: np.ndarray, ref: np.ndarray | None = None, size: int = 32, audio: Any = None) -> ClipScore:
        """One clip that comes in windows of ``size`` frames."""
        taker = self.metric.open(clip(pred, audio, **self.told))
        for window in windows(pred, ref if self.metric.compares == "frames" else None, size):
            taker.update(window)
        return self.metric.read(taker.finish())

    def run(self, preds: list[np.ndarray], refs: list[np.ndarray]) -> Aggregate:
        """The headline of a run of several clips."""
        scores = [self.score(*pair) for pair in zip(preds, refs, strict=True)]
        return self.metric.aggregate(scores, [self.score(ref) for ref in refs] if self.sets else ())

    @property
    def sets(self) -> bool:
        """Whether the metric compares sets."""
        return self.metric.compares == "sets"


class TinyI3D(nn.Module):
    """Has the published program's call, and sees edges in space and time; fast."""

    def __init__(self) -> None:
        super().__init__()
        self.see = nn.Conv3d(3, 12, (2, 6, 6), stride=(2, 6, 6))
        self.say = nn.Linear(12, 400)

    def forward(
        self, x: torch.Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False
    ) -> torch.Tensor:
        return self.say(self.see(x).abs().mean((2, 3, 4)))


class TinyInception(nn.Module):
    """Stands in for FID's network, whose own tests look through the whole of it: edges of a few kinds and sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.see = nn.ModuleList(nn.Conv2d(3, 8, size, stride=size) for size in (3, 9))

    def look(self, x: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return torch.cat([layer(x).abs().mean((2, 3)) for layer in self.see], 1)


def weights(folder: Path) -> Path:
    """Files of random weights; small ones, and empty ones for what ``plant`` puts in the place of networks."""
    folder.mkdir(exist_ok=True)
    random_weights.lpips(folder, "alex")
    torch.jit.script(random_weights.lively(TinyI3D())).save(str(folder / "i3d_torchscript.pt"))
    tiny_onnx.linear(folder / "w600k_r50.onnx", 512, 112, cells=14)
    for name in ("pt_inception-2015-12-05-6726825d.pth", "syncnet_v2.model", "det_10g.onnx"):
        (folder / name).write_bytes(b"planted")
    return folder


class Landmarks:
    """Finds 68 points that depend on the picture everywhere, so that every change of it moves them."""

    def __call__(self, frames: np.ndarray) -> list[np.ndarray]:
        rows = np.random.default_rng(0).normal(0, 1, (frames[0].size, 8))
        spread = np.random.default_rng(1).normal(0, 1, (8, 136))
        return [((frame.ravel() / 255) @ rows @ spread).reshape(68, 2) for frame in frames]


class Bright:
    """Sees anger in dark pictures and happiness in bright ones."""

    emotions = ("anger", "happiness")

    def classify(self, faces: list[np.ndarray]) -> np.ndarray:
        bright = np.array([face.mean() / 255 for face in faces])
        return np.column_stack([1 - bright, bright])


class Units:
    """Measures AU12 on bright frames and AU4 on dark ones."""

    def __init__(self) -> None:
        self.bright: list[float] = []

    def update(self, frames: np.ndarray) -> None:
        self.bright += frames.mean((1, 2, 3)).tolist()

    def finish(self) -> Measured:
        share = float(np.mean(np.array(self.bright) > 90))
        return Measured({4: 1 - share, 12: share}, len(self.bright), len(self.bright))


class Aligned(csim.Csim):
    """CSIM whose detector finds one aligned face on every frame."""

    def __init__(self, network: Path) -> None:
        super().__init__("arcface-frames", "frames")
        finder = Finder("planted", lambda frames: [TEMPLATE[None] for _ in frames])
        self._faces = Faces(finder, ArcFace(onnx.session(network)))

    def open(self, clip: Any) -> Any:
        return csim.Likeness(self._faces, None)


def cases(folder: Path) -> dict[str, Case]:
    """Every key of the tables once; SSIM in its three protocols."""
    found = {
        metric.protocol: Case(metric, {}, bool(metric.weights))
        for module in (psnr, ssim, lpips, cpbd, fid, kid, fvd)
        for metric in module.METRICS
        if metric.protocol not in ("lpips@vgg", "fvd@disco", "fvd@videogpt", "fvd@common_metrics", "kid@torch-fidelity")
    }
    found["csim@arcface-frames"] = Case(Aligned(folder / "w600k_r50.onnx"), {}, True)
    for key in ("m_lmd", "f_lmd"):
        found[key] = Case(landmarks.LandmarkDistance(key, key, "planted", Landmarks()), {})
    emotions = emotion.EmotionAccuracy("bright", lambda device: Bright())
    found["emotion_accuracy"] = Case(emotions, {"row": {"emotion": "happiness"}})
    asked = {"row": {"action_units": [{"au": 12}]}}
    found["au_f1"] = Case(action_units.ActionUnits("planted", lambda clip: Units()), asked)
    for metric in sync.METRICS:
        if metric.protocol.endswith("@whole"):
            found[metric.protocol] = Case(metric, {})
    return found


def plant(patch: Any) -> None:
    """Put the stand-ins of Inception and SyncNet in their places."""
    found = random_weights.lively(TinyInception())
    patch.setattr("tbd.evaluate.networks.inception.inception", lambda *_: found)
    patch.setattr("tbd.media.syncnet.syncnet", lambda *_: Planted())
