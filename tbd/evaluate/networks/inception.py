"""The Inception network that FID and KID look through, in the layout of its published weights.

It is torchvision's ``inception_v3`` with 1008 classes and other pooling in eight blocks, as the TensorFlow
graph of 2015-12-05 has it: averages do not count the padding, and the last block takes maxima.
"""

from __future__ import annotations

import functools
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import inception as tv

from tbd.state_dicts import load

SIDE = 299
WIDTH = 2048
BATCH = 8
"""Pictures that are made ready and go through it at once on a processor; on a GPU a whole window."""


class FIDInception(tv.Inception3):
    """The published network. After ``ready`` it gives the 2048 features before the classes."""

    def __init__(self) -> None:
        blocks = [tv.BasicConv2d, _BlockA, tv.InceptionB, _BlockC, tv.InceptionD, _BlockE, tv.InceptionAux]
        super().__init__(1008, aux_logits=False, init_weights=False, inception_blocks=blocks)
        self.Mixed_7c = _LastBlock(2048)

    def ready(self) -> FIDInception:
        """Leave out the classes and take the normalisations into the convolutions: the same features, sooner."""
        self.fc = nn.Identity()
        for block in self.modules():
            if isinstance(block, tv.BasicConv2d):
                block.conv, block.bn = fuse_conv_bn_eval(block.conv, block.bn), nn.Identity()
        return self.to(memory_format=torch.channels_last)  # type: ignore[no-any-return]

    def look(self, pictures: Tensor) -> Tensor:
        """``(B, 3, 299, 299)`` RGB in [-1, 1] -> features ``(B, 2048)``, without gradients."""
        with torch.inference_mode():
            found: Tensor = self(pictures.contiguous(memory_format=torch.channels_last))
        return found


@functools.cache
def inception(path: Path, device: str = "cpu") -> FIDInception:
    """This process's network with the weights of a file.

    Raises:
        InputError: the file holds something else.
    """
    return load(FIDInception(), path, device).ready()


def _averages(x: Tensor) -> Tensor:
    return avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class _BlockA(tv.InceptionA):
    def forward(self, x: Tensor) -> Tensor:
        wide = self.branch5x5_2(self.branch5x5_1(x))
        twice = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), wide, twice, self.branch_pool(_averages(x))], 1)


class _BlockC(tv.InceptionC):
    def forward(self, x: Tensor) -> Tensor:
        once = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        twice = self.branch7x7dbl_5(self.branch7x7dbl_4(twice))
        return torch.cat([self.branch1x1(x), once, twice, self.branch_pool(_averages(x))], 1)


class _BlockE(tv.InceptionE):
    def forward(self, x: Tensor) -> Tensor:
        once = self.branch3x3_1(x)
        twice = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        branches = [self.branch1x1(x), self.branch3x3_2a(once), self.branch3x3_2b(once)]
        branches += [self.branch3x3dbl_3a(twice), self.branch3x3dbl_3b(twice), self.branch_pool(self._pool(x))]
        return torch.cat(branches, 1)

    def _pool(self, x: Tensor) -> Tensor:
        return _averages(x)


class _LastBlock(_BlockE):
    def _pool(self, x: Tensor) -> Tensor:
        return max_pool2d(x, 3, stride=1, padding=1)
