"""Tiny networks with nothing left at zero, and inputs that fit them."""

import torch

from tbd.model.network import build_network
from tbd.model.recipe import Network

FRAMES, EARLIER, SIDE, WIDTH = 3, 2, 8, 16
"""Frames of a clip, frames before it, side of a latent, width of a token."""


def network(stage=1, *, stirred=True, seed=0, **changes):
    """A tiny network; ``stirred`` moves every weight a little, also those that begin at zero."""
    torch.manual_seed(seed)
    made = build_network(Network(size="tiny", **changes), stage)
    if stirred:
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.05)
    return made


def inputs(stage=1, batch=2, frames=None, seed=1, length=77):
    """Arguments of ``TBDNetwork.forward``."""
    torch.manual_seed(seed)
    count = frames or (FRAMES if stage == 2 else 1)
    found = {
        "sample": torch.randn(batch, 4, count, SIDE, SIDE),
        "timesteps": torch.randint(0, 1000, (batch,)),
        "text": torch.randn(batch, length, WIDTH),
        "reference_latents": torch.randn(batch, 4, SIDE, SIDE),
        "reference_text": torch.randn(1, length, WIDTH),
    }
    if stage == 2:
        found["motion_latents"] = torch.randn(batch, 4, EARLIER, SIDE, SIDE)
        found["audio"] = torch.randn(batch, count, 5, 12, WIDTH)
    return found
