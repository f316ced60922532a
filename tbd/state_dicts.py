"""Loading published state dicts into our networks: every key has to fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tbd.errors import InputError

if TYPE_CHECKING:
    from torch import nn

Net = TypeVar("Net", bound="nn.Module")


def load(net: Net, path: Path, device: str = "cpu", part: str = "") -> Net:
    """``net`` with the weights of a file, ready to look (``eval``, no gradients), on ``device``.

    Args:
        part: take only the keys that begin with this, without it.

    Raises:
        InputError: the file is no state dict, or one of another network.
    """
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        net.load_state_dict({name.removeprefix(part): found[name] for name in found if name.startswith(part)})
    except Exception as error:  # whatever a damaged pickle raises
        words = " ".join(str(error).split())[:200]
        name = type(net).__name__
        raise InputError(f"{path}: not the weights of {name} ({words})", next="tbd weights verify") from error
    return net.requires_grad_(False).eval().to(device)
