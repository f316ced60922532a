"""ArcFace: whose face it is, as 512 numbers of length 1; and SCRFD, which finds the five points that it is aligned by.

Deng et al., *ArcFace: Additive angular margin loss for deep face recognition*, CVPR 2019, and Guo et al.,
*Sample and computation redistribution for efficient face detection*, ICLR 2022, by the files of
insightface's ``buffalo_l``, whose use is limited to non-commercial research.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.errors import InputError
from tbd.evaluate.inputs.align import similarity
from tbd.evaluate.networks import onnx

Pixels = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]

TEMPLATE: Points = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)]
)
"""Eyes, nose and corners of the mouth, left before right in the picture: (x, y) in the 112 x 112 aligned face."""

SIDE = 112

DETECTION = (640, 640)
"""Pixels that SCRFD searches. insightface chooses by itself since 1.0, which changes the points."""

SURE = 0.5


def aligned(picture: Pixels, points: Points) -> Pixels:
    """A face turned, scaled and shifted onto ``TEMPLATE`` (least squares), ``(112, 112, 3)``; bilinear, black outside.

    Args:
        picture: ``(H, W, 3)`` uint8 RGB.
        points: ``(5, 2)`` of the face in its pixels, in the order of ``TEMPLATE``.
    """
    import cv2  # insightface brings it, and its faces are aligned by it

    matrix = similarity(points, TEMPLATE)
    return np.asarray(cv2.warpAffine(np.ascontiguousarray(picture), matrix, (SIDE, SIDE), borderValue=0.0), np.uint8)


class ArcFace:
    """The recognition network.

    Args:
        network: an ``onnxruntime.InferenceSession`` from ``(n, 3, 112, 112)`` to ``(n, d)``.
    """

    def __init__(self, network: Any) -> None:
        self._network = network

    def embed(self, faces: Pixels) -> npt.NDArray[np.float64]:
        """``(n, 112, 112, 3)`` aligned uint8 RGB faces -> ``(n, d)`` of length 1."""
        values = (faces.astype(np.float32) - 127.5) / 127.5
        found = onnx.run(self._network, values.transpose(0, 3, 1, 2)).astype(np.float64)
        length: npt.NDArray[np.float64] = np.linalg.norm(found, axis=1, keepdims=True)
        return found / np.maximum(length, 1e-12)


class SCRFD:
    """The detector, through insightface."""

    def __init__(self, path: Path, device: str = "cpu") -> None:
        from insightface.model_zoo import scrfd as insight

        self._net = insight.SCRFD(str(path), session=onnx.session(path, device))
        self._net.prepare(-1 if device == "cpu" else 0, input_size=DETECTION, det_thresh=SURE)
        if not self._net.use_kps:
            raise InputError(f"{path}: a detector without landmarks", next="tbd weights verify")

    def find(self, frames: Pixels) -> list[Points]:
        """For each of ``(T, H, W, 3)`` uint8 RGB frames ``(faces, 5, 2)`` points, the largest face first."""
        return [self._one(frame) for frame in frames]

    def _one(self, frame: Pixels) -> Points:
        boxes, points = self._net.detect(np.ascontiguousarray(frame[..., ::-1]))
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        return np.asarray(points, np.float64).reshape(-1, 5, 2)[np.argsort(-areas, kind="stable")]


@functools.cache
def arcface(folder: Path, device: str = "cpu") -> ArcFace:
    """This process's recognition network, from the folder of ``buffalo_l``."""
    return ArcFace(onnx.session(folder / "w600k_r50.onnx", device))


@functools.cache
def scrfd(folder: Path, device: str = "cpu") -> SCRFD:
    """This process's detector, from the folder of ``buffalo_l``."""
    return SCRFD(folder / "det_10g.onnx", device)
