"""InceptionResnetV1 trained on VGGFace2: the network of the paper's expression features (Fig. 11).

It recognises faces, so its features say who a person is at least as much as what the face does. Cao et al. 2018
(VGGFace2); the network and weights of the package facenet-pytorch.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tbd import state_dicts

SIDE, CLASSES = 160, 8631
Pixels = npt.NDArray[np.uint8]


class FaceNet:
    """Turns crops of faces into features.

    Args:
        network: from ``(n, 3, 160, 160)`` to ``(n, 512)`` of length 1.
    """

    def __init__(self, network: Any, device: str = "cpu") -> None:
        self._network, self._device = network, device

    def embed(self, faces: list[Pixels]) -> npt.NDArray[np.float64]:
        """``(n, 512)`` of length 1 for n uint8 RGB crops of any size: bilinear to 160 x 160, ``(x - 127.5) / 128``."""
        import torch

        small = [np.asarray(Image.fromarray(face).resize((SIDE, SIDE), Image.Resampling.BILINEAR)) for face in faces]
        values = (torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() - 127.5) / 128
        with torch.inference_mode():
            found = self._network(values.to(self._device)).cpu().numpy()
        return np.asarray(found, np.float64)


@functools.cache
def facenet(path: Path, device: str = "cpu") -> FaceNet:
    """This process's network."""
    from facenet_pytorch import InceptionResnetV1
    from torch import nn

    network = InceptionResnetV1(pretrained=None)
    network.logits = nn.Linear(512, CLASSES)  # the file has the classes too
    return FaceNet(state_dicts.load(network, path, device), device)
