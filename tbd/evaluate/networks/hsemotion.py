"""HSEmotion: which of eight emotions a face shows, by an EfficientNet-B0 trained on AffectNet.

Savchenko, *HSEmotion: High-speed emotion recognition library*, Software Impacts 2022; the ONNX file of
av-savchenko/hsemotion-onnx.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tbd.errors import InputError
from tbd.evaluate.networks import onnx

Pixels = npt.NDArray[np.uint8]

EMOTIONS = ("anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
"""In the order of its output: AffectNet's names in alphabetical order, here by the names of ``tbd.schema``."""

SIDE = 224
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class HSEmotion:
    """The classifier.

    Args:
        network: an ``onnxruntime.InferenceSession`` from ``(n, 3, 224, 224)`` to ``(n, 8)`` logits.
    """

    emotions = EMOTIONS

    def __init__(self, network: Any) -> None:
        self._network = network

    def classify(self, faces: list[Pixels]) -> npt.NDArray[np.float64]:
        """``(n, 8)`` probabilities of ``EMOTIONS`` for n uint8 RGB crops of any size.

        Raises:
            InputError: the network has another number of classes.
        """
        logits = self.logits(faces)
        weights = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(weights / weights.sum(1, keepdims=True), np.float64)

    def logits(self, faces: list[Pixels]) -> npt.NDArray[np.float64]:
        """``(n, 8)`` class scores before the softmax.

        Raises:
            InputError: the network has another number of classes.
        """
        small = [Image.fromarray(face).resize((SIDE, SIDE), Image.Resampling.BILINEAR) for face in faces]
        values = (np.stack([np.asarray(one) for one in small]) / 255 - MEAN) / SPREAD
        logits = onnx.run(self._network, values.transpose(0, 3, 1, 2).astype(np.float32)).astype(np.float64)
        if logits.shape[1] != len(EMOTIONS):
            raise InputError(f"an emotion network with {logits.shape[1]} classes, not {len(EMOTIONS)}")
        return logits


@functools.cache
def hsemotion(path: Path, device: str = "cpu") -> HSEmotion:
    """This process's classifier."""
    return HSEmotion(onnx.session(path, device))
