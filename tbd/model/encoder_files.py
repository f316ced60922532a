"""The files of the frozen networks: where they lie and which weights they hold, without loading a network or torch."""

from __future__ import annotations

import json
from pathlib import Path

from tbd import weights
from tbd.errors import InputError
from tbd.hashes import sha256_file
from tbd.model.recipe import Network, PartWeights
from tbd.model.shapes import network_sizes

RANDOM = "random"
"""A part without a file."""
ENCODERS = {"vae": "image", "text_encoder": "text", "speech": "speech"}
"""Keys of ``PartWeights`` -> names of ``FrozenEncoders``."""
_FILES = {
    "vae": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
    "speech": "model.safetensors",
}


def encoder_identities(network: Network, parts: PartWeights, seed: int) -> dict[str, str]:
    """``FrozenEncoders.identities`` from the files alone: no model is built.

    Raises:
        MissingError: weights are not on this machine; says how to get them.
        InputError: a folder without them.
    """
    found = {}
    for part, name in ENCODERS.items():
        if getattr(parts, part) == RANDOM:
            found[name] = random_identity(network, seed)
            continue
        file = encoder_file(part, weights.resolve(getattr(parts, part)))
        if not file.is_file():
            raise InputError(f"{file}: the weights are expected in this one file", next="tbd weights list")
        found[name] = sha256_file(file)
    return found


def encoder_file(part: str, folder: Path) -> Path:
    """The one file in a folder that holds the weights of ``part``, a key of ``ENCODERS``."""
    return _inside(part, folder) / _FILES[part]


def latent_factor(network: Network, parts: PartWeights | None = None) -> int:
    """Pixels a latent, along a side, from the autoencoder's ``config.json``; without ``parts`` the size's own.

    Raises:
        MissingError, InputError: as ``encoder_identities``.
    """
    blocks = network_sizes(network).vae["block_out_channels"]
    if parts is not None and parts.vae != RANDOM:
        file = encoder_folder("vae", parts) / "config.json"
        try:
            blocks = json.loads(file.read_text(encoding="utf-8"))["block_out_channels"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{file}: no autoencoder ({type(error).__name__})", next="tbd weights verify") from None
    return int(2 ** (len(blocks) - 1))


def random_identity(network: Network, seed: int) -> str:
    """The identity of encoders at random weights."""
    return f"random-{network.size}-{seed}"


def encoder_folder(part: str, parts: PartWeights) -> Path:
    """The folder of a part of a recipe, a key of ``ENCODERS``.

    Raises:
        MissingError: it is not on this machine; says how to get it.
    """
    return _inside(part, weights.resolve(getattr(parts, part)))


def _inside(part: str, folder: Path) -> Path:
    inside = folder / "text_encoder"  # as in a whole stable-diffusion-v1-5
    return inside if part == "text_encoder" and inside.is_dir() else folder
