"""The I3D network that FVD looks through (Carreira and Zisserman 2017, Kinetics-400), in plain PyTorch.

Both published conversions of TensorFlow Hub's ``i3d-kinetics-400`` load: ``i3d_pretrained_400.pt``, a state
dict whose names are those of the modules here, and ``i3d_torchscript.pt``, a program. The program's tensors
are taken in their order, and our network with them must see what the program sees; if it does not, the
program itself is run.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool3d, max_pool3d, pad
from torch.nn.utils.fusion import fuse_conv_bn_eval

from tbd.errors import InputError
from tbd.state_dicts import load

SIDE = 224
CLASSES = 400
SHORTEST = 9
"""Frames of the shortest clip that leaves two steps for the last pooling."""

BATCH = 2
"""Clips that go through it at once on a processor."""

EPS = 1e-3
"""Of the normalisations, as in TensorFlow; VideoGPT's copy of the network left PyTorch's 1e-5."""

AGREES = 1e-3
"""Largest difference between a program's features and ours, as a share of the largest feature."""

_MIXED = (
    ("Mixed_3b", 192, (64, 96, 128, 16, 32, 32)),
    ("Mixed_3c", 256, (128, 128, 192, 32, 96, 64)),
    ("Mixed_4b", 480, (192, 96, 208, 16, 48, 64)),
    ("Mixed_4c", 512, (160, 112, 224, 24, 64, 64)),
    ("Mixed_4d", 512, (128, 128, 256, 24, 64, 64)),
    ("Mixed_4e", 512, (112, 144, 288, 32, 64, 64)),
    ("Mixed_4f", 528, (256, 160, 320, 32, 128, 128)),
    ("Mixed_5b", 832, (256, 160, 320, 32, 128, 128)),
    ("Mixed_5c", 832, (384, 192, 384, 48, 128, 128)),
)


class I3D(nn.Module):
    """The published network. Its modules bear the names of ``i3d_pretrained_400.pt``."""

    def __init__(self, eps: float = EPS) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = _Unit(3, 64, 7, 2)
        self.Conv3d_2b_1x1 = _Unit(64, 64, 1)
        self.Conv3d_2c_3x3 = _Unit(64, 192, 3)
        for name, channels, widths in _MIXED:
            self.add_module(name, _Mixed(channels, widths))
        self.logits = _Logits()
        for unit in self.modules():
            if isinstance(unit, _Unit):
                unit.bn.eps = eps

    def forward(self, clips: Tensor) -> Tensor:
        """``(B, 3, T, 224, 224)`` RGB in [-1, 1], T >= 9 -> ``(B, 400)``: class scores before the softmax, mean over time."""
        x = _pooled(self.Conv3d_1a_7x7(clips), (1, 3, 3), (1, 2, 2))
        x = _pooled(self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x)), (1, 3, 3), (1, 2, 2))
        for name, _, _ in _MIXED:
            if name == "Mixed_4b":
                x = _pooled(x, (3, 3, 3), (2, 2, 2))
            elif name == "Mixed_5b":
                x = _pooled(x, (2, 2, 2), (2, 2, 2))
            x = self.get_submodule(name)(x)
        found: Tensor = self.logits.conv3d(avg_pool3d(x, (2, 7, 7), stride=1)).flatten(2).mean(2)
        return found

    def ready(self) -> I3D:
        """Take the normalisations into the convolutions: the same features, sooner."""
        for unit in self.modules():
            if isinstance(unit, _Unit):
                unit.conv3d, unit.bn = fuse_conv_bn_eval(unit.conv3d, unit.bn), nn.Identity()
        return self.to(memory_format=torch.channels_last_3d)


class I3DProgram(nn.Module):
    """A TorchScript program that takes what ``i3d_torchscript.pt`` takes, behind the interface of ``I3D``."""

    def __init__(self, program: torch.jit.ScriptModule) -> None:
        super().__init__()
        self.program = program

    def forward(self, clips: Tensor) -> Tensor:
        """As ``I3D.forward``."""
        found: Tensor = self.program(clips, rescale=False, resize=False, return_features=True)
        return found


def look(network: nn.Module, clips: Tensor) -> Tensor:
    """The features ``(B, 400)`` of any number of clips ``(B, 3, T, 224, 224)``, some at a time, without gradients."""
    size = BATCH if clips.device.type == "cpu" else 16
    with torch.inference_mode():
        parts = (clips[i : i + size] for i in range(0, len(clips), size))
        return torch.cat([network(part.contiguous(memory_format=torch.channels_last_3d)) for part in parts])


class _Unit(nn.Module):
    """Convolution with TensorFlow's padding, normalisation, ReLU."""

    def __init__(self, inside: int, outside: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inside, outside, size, stride, bias=False)
        self.bn: Any = nn.BatchNorm3d(outside, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, inside, T, H, W)`` -> ``(B, outside, ceil(T / stride), …)``."""
        found: Tensor = self.bn(self.conv3d(_same(x, self.conv3d.kernel_size, self.conv3d.stride)))
        return found.relu_()


class _Mixed(nn.Module):
    """Four branches side by side."""

    def __init__(self, inside: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        a, b, c, d, e, f = widths
        self.b0 = _Unit(inside, a, 1)
        self.b1a, self.b1b = _Unit(inside, b, 1), _Unit(b, c, 3)
        self.b2a, self.b2b = _Unit(inside, d, 1), _Unit(d, e, 3)
        self.b3b = _Unit(inside, f, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, inside, T, H, W)`` -> ``(B, a + c + e + f, T, H, W)``."""
        pooled = max_pool3d(x, 3, stride=1, padding=1)
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)], 1)


class _Logits(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(1024, CLASSES, 1)


@functools.cache
def i3d(path: Path, device: str = "cpu", eps: float = EPS) -> nn.Module:
    """This process's network with the weights of a file, a state dict or a TorchScript program.

    Args:
        eps: of the normalisations of a state dict; a program has its own.

    Returns:
        An ``I3D``; a ``I3DProgram`` where the file is one whose tensors are laid out in a way that we do not know.

    Raises:
        InputError: the file holds something else.
    """
    program = _program(path)
    if program is None:
        return load(I3D(eps), path, device).ready()
    theirs = I3DProgram(program).requires_grad_(False).eval()
    clip = torch.rand(1, 3, SHORTEST, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    expected = _seen(theirs, clip, path)
    ours = _filled(I3D(), program)
    if ours and float((look(ours, clip) - expected).abs().max()) < AGREES * float(expected.abs().max()):
        return ours.to(device)
    return theirs.to(device)


def _program(path: Path) -> torch.jit.ScriptModule | None:
    """The TorchScript program in a file; None when it is none."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*torch.jit")  # deprecated, but the file is what it is
        try:
            return torch.jit.load(path, map_location="cpu")  # type: ignore[no-any-return, no-untyped-call]
        except RuntimeError:
            return None


def _seen(network: I3DProgram, clip: Tensor, path: Path) -> Tensor:
    try:
        found = look(network, clip)
    except (RuntimeError, torch.jit.Error) as error:
        found = torch.zeros(0)
        words = str(error).strip().splitlines()[-1][:200]
    else:
        words = f"a clip gives {tuple(found.shape)}, not (1, {CLASSES})"
    if found.shape != (1, CLASSES):
        raise InputError(f"{path}: a TorchScript program, but not I3D ({words})", next="tbd weights verify")
    return found


def _filled(network: I3D, program: torch.jit.ScriptModule) -> I3D | None:
    """Copy a program's tensors: the n-th convolution of one is that of the other, whatever its name; None if not."""
    ours, theirs = list(_layers(network.state_dict())), list(_layers(program.state_dict()))
    shapes = [[{name: one.shape for name, one in layer.items()} for layer in layers] for layers in (ours, theirs)]
    if shapes[0] != shapes[1]:
        return None
    for mine, found in zip(ours, theirs, strict=True):
        for name, tensor in mine.items():
            tensor.copy_(found[name])
    return network.requires_grad_(False).eval().ready()


def _layers(state: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Each convolution with the tensors that follow it, by the last part of their names."""
    layer: dict[str, Tensor] = {}
    for name, tensor in state.items():
        last = name.rpartition(".")[2]
        if tensor.ndim == 5 and layer:
            yield layer
            layer = {}
        if last != "num_batches_tracked":
            layer["kernel" if tensor.ndim == 5 else last] = tensor
    yield layer


def _pooled(x: Tensor, size: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """The largest, with TensorFlow's padding; zeros do for it, because nothing is negative after a ReLU."""
    return max_pool3d(_same(x, size, stride), size, stride)


def _same(x: Tensor, size: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Zeros around, so that ceil(n / stride) results fit; an odd one goes to the end."""
    edges: list[int] = []
    for n, k, s in zip(reversed(x.shape[2:]), reversed(size), reversed(stride), strict=True):
        missing = max((-(-n // s) - 1) * s + k - n, 0)
        edges += [missing // 2, missing - missing // 2]
    return pad(x, edges) if any(edges) else x
