"""I3D written down once more, slowly, as a TorchScript program like ``i3d_torchscript.pt``, with names of its own."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def same(x: Tensor, k: list[int], s: list[int]) -> Tensor:
    for axis in range(3):
        n = x.shape[2 + axis]
        total = max(k[axis] - s[axis], 0) if n % s[axis] == 0 else max(k[axis] - n % s[axis], 0)
        edges = [0, 0, 0, 0, 0, 0]
        edges[4 - 2 * axis] = total // 2
        edges[5 - 2 * axis] = total - total // 2
        x = F.pad(x, edges)
    return x


def pool(x: Tensor, k: list[int], s: list[int]) -> Tensor:
    return F.max_pool3d(same(x, k, s), k, s)


class Conv(nn.Module):
    def __init__(self, a: int, b: int, k: int, s: int = 1) -> None:
        super().__init__()
        self.k, self.s = [k] * 3, [s] * 3
        self.conv = nn.Conv3d(a, b, k, s, bias=False)
        self.batchnorm = nn.BatchNorm3d(b, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.batchnorm(self.conv(same(x, self.k, self.s))))


class Branches(nn.Module):
    def __init__(self, n: int, a: int, b: int, c: int, d: int, e: int, f: int) -> None:
        super().__init__()
        self.branch_0 = Conv(n, a, 1)
        self.branch_1 = nn.Sequential(Conv(n, b, 1), Conv(b, c, 3))
        self.branch_2 = nn.Sequential(Conv(n, d, 1), Conv(d, e, 3))
        self.branch_3 = Conv(n, f, 1)

    def forward(self, x: Tensor) -> Tensor:
        last = self.branch_3(pool(x, [3, 3, 3], [1, 1, 1]))
        return torch.cat([self.branch_0(x), self.branch_1(x), self.branch_2(x), last], 1)


class PlainI3D(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.ModuleList([Conv(3, 64, 7, 2), Conv(64, 64, 1), Conv(64, 192, 3)])
        self.b3 = Branches(192, 64, 96, 128, 16, 32, 32)
        self.c3 = Branches(256, 128, 128, 192, 32, 96, 64)
        self.b4 = Branches(480, 192, 96, 208, 16, 48, 64)
        self.c4 = Branches(512, 160, 112, 224, 24, 64, 64)
        self.d4 = Branches(512, 128, 128, 256, 24, 64, 64)
        self.e4 = Branches(512, 112, 144, 288, 32, 64, 64)
        self.f4 = Branches(528, 256, 160, 320, 32, 128, 128)
        self.b5 = Branches(832, 256, 160, 320, 32, 128, 128)
        self.c5 = Branches(832, 384, 192, 384, 48, 128, 128)
        self.classes = nn.Conv3d(1024, 400, 1)

    def forward(self, x: Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False) -> Tensor:
        if resize:
            b, c, t, h, w = x.shape
            frames = x.permute(0, 2, 1, 3, 4).reshape(b * t, c, h, w).float()
            frames = F.interpolate(frames, size=[224, 224], mode="bilinear", align_corners=False)
            x = frames.reshape(b, t, c, 224, 224).permute(0, 2, 1, 3, 4)
        if rescale:
            x = 2 * x / 255 - 1
        x = pool(self.stem[0](x), [1, 3, 3], [1, 2, 2])
        x = pool(self.stem[2](self.stem[1](x)), [1, 3, 3], [1, 2, 2])
        x = pool(self.c3(self.b3(x)), [3, 3, 3], [2, 2, 2])
        x = pool(self.f4(self.e4(self.d4(self.c4(self.b4(x))))), [2, 2, 2], [2, 2, 2])
        x = F.avg_pool3d(self.c5(self.b5(x)), [2, 7, 7], [1, 1, 1])
        x = self.classes(x).squeeze(4).squeeze(3).mean(2)
        return x if return_features else x.softmax(1)


_STEM = ("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3")
_BRANCHES = {
    "branch_0": "b0",
    "branch_1.0": "b1a",
    "branch_1.1": "b1b",
    "branch_2.0": "b2a",
    "branch_2.1": "b2b",
    "branch_3": "b3b",
}


def published_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under the names of ``i3d_pretrained_400.pt``."""
    return {_published(name): tensor for name, tensor in state.items()}


def _published(name: str) -> str:
    name = name.replace("batchnorm", "bn").replace(".conv.", ".conv3d.")
    first, _, rest = name.partition(".")
    if first == "classes":
        return f"logits.conv3d.{rest}"
    if first == "stem":
        number, _, rest = rest.partition(".")
        return f"{_STEM[int(number)]}.{rest}"
    for own, theirs in _BRANCHES.items():
        if rest.startswith(f"{own}."):
            rest = theirs + rest[len(own) :]
            break
    return f"Mixed_{first[1]}{first[0]}.{rest}"
