"""The frozen networks around the one that is trained, and the weights that training starts from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from tbd import weights
from tbd.digests import sha256
from tbd.errors import InputError
from tbd.model.autoencoder import ImageAutoencoder
from tbd.model.network import TBDNetwork, build_network
from tbd.model.published_weights import load_hallo, load_motion, load_sd15
from tbd.model.recipe import Network
from tbd.model.shapes import NetworkSizes, network_sizes
from tbd.model.speech import SpeechEncoder
from tbd.model.text import TextEncoder
from tbd.model.weight_files import WEIGHTS, LoadReport, fill

LOG_VARIANCE = -10.0
"""Of a random autoencoder's posterior."""


@dataclass(frozen=True)
class FrozenEncoders:
    """Image, text and speech encoder, all frozen."""

    image: ImageAutoencoder
    text: TextEncoder
    speech: SpeechEncoder

    @property
    def identities(self) -> dict[str, str]:
        """Which weights each has: sha256 of its file, or ``random-…``."""
        return {name: getattr(self, name).identity for name in ("image", "text", "speech")}


def load_encoders(network: Network, *, vae: str, text_encoder: str, speech: str, device: str = "cpu") -> FrozenEncoders:
    """The published encoders, found on this machine; float32.

    Args:
        network: what they are for.
        vae, text_encoder, speech: catalogue keys, hub ids or folders.
        device: where they run.

    Raises:
        MissingError: one is not on this machine; says how to get it.
        InputError: one is damaged, another model, or of a size that the network cannot take.
    """
    from diffusers import AutoencoderKL
    from transformers import CLIPTextModel, Wav2Vec2Model

    sizes = network_sizes(network)
    image_at, text_at, speech_at = (weights.resolve(name) for name in (vae, text_encoder, speech))
    text_at = text_at / "text_encoder" if (text_at / "text_encoder").is_dir() else text_at
    image = _pretrained(AutoencoderKL, image_at)
    text = _pretrained(CLIPTextModel, text_at)
    sound = _pretrained(Wav2Vec2Model, speech_at, unused="lm_head", kept="masked_spec_embed")
    _sized(image, image_at, latent_channels=sizes.vae["latent_channels"])
    _sized(text, text_at, hidden_size=sizes.unet["cross_attention_dim"])
    layers, channels = sizes.audio["layers"], sizes.audio["channels"]
    _sized(sound, speech_at, num_hidden_layers=layers, hidden_size=channels, do_stable_layer_norm=False)
    return FrozenEncoders(
        ImageAutoencoder(image.to(device), _identity(image_at / WEIGHTS)),
        TextEncoder(text.to(device), _identity(text_at / "model.safetensors")),
        SpeechEncoder(sound.to(device), _identity(speech_at / "model.safetensors")),
    )


def random_encoders(network: Network, seed: int, device: str = "cpu") -> FrozenEncoders:
    """Encoders at random weights, the same for the same seed; their identity says so.

    The autoencoder's posterior is made narrow, as a trained one's is, so that latents are pictures and not noise.
    """
    from diffusers import AutoencoderKL
    from transformers import CLIPTextConfig, CLIPTextModel, Wav2Vec2Config, Wav2Vec2Model

    sizes: NetworkSizes = network_sizes(network)
    identity = f"random-{network.size}-{seed}"
    with _seeded(seed):
        image: Any = cast(Any, AutoencoderKL)(**sizes.vae)
        image.quant_conv.bias.data[sizes.vae["latent_channels"] :] = LOG_VARIANCE
        text: Any = CLIPTextModel(CLIPTextConfig(**sizes.text))
        speech: Any = Wav2Vec2Model(Wav2Vec2Config(**sizes.speech))
    return FrozenEncoders(
        ImageAutoencoder(image.to(device), identity),
        TextEncoder(text.to(device), identity),
        SpeechEncoder(speech.to(device), identity),
    )


def pretrained_network(
    network: Network, *, unet: str, warm_start: str | None = None
) -> tuple[TBDNetwork, list[LoadReport]]:
    """The network of stage 1 at Stable Diffusion's weights, with a report on every key.

    Args:
        network: size and layers.
        unet: catalogue key, hub id or folder of SD 1.5.
        warm_start: Hallo's net.pth on top.

    Raises:
        MissingError, InputError: as ``load_base``.
    """
    made = build_network(network, 1)
    reports = load_sd15(made, weights.resolve(unet))
    if warm_start is not None:
        reports += load_hallo(made, weights.resolve(warm_start))
    return made, reports


def random_network(network: Network, stage: int, seed: int) -> TBDNetwork:
    """A network at random weights, the same for the same seed."""
    with _seeded(seed):
        return build_network(network, stage)


def add_stage2_layers(
    first: TBDNetwork, network: Network, *, motion: str | None, warm_start: str | None, seed: int
) -> tuple[TBDNetwork, list[LoadReport]]:
    """The network of stage 2 from that of stage 1: audio and motion layers are added, everything else is taken over.

    Args:
        first: of stage 1, with the same layers.
        network: size and layers.
        motion: AnimateDiff's weights; None starts the motion layers at random, ending in zeros.
        warm_start: Hallo's net.pth, for its motion layers and audio projection.
        seed: of the new layers.

    Raises:
        InputError: ``first`` is another network.
        MissingError: as ``load_base``.
    """
    grown = random_network(network, 2, seed)
    reports = [
        fill(grown.unet, first.unet.state_dict(), "stage 1 -> unet", kept=r"(audio|motion)_modules").check(),
        fill(grown.reference_net, first.reference_net.state_dict(), "stage 1 -> reference_net").check(),
    ]
    if motion is not None:
        reports.append(load_motion(grown.unet, weights.resolve(motion)))
    if warm_start is not None:
        reports += load_hallo(grown, weights.resolve(warm_start))
    return grown, reports


def _pretrained(kind: Any, folder: Path, *, unused: str = "", kept: str = "") -> Any:
    """A frozen network from its folder; a missing or unknown weight is an error, never a random one."""
    import re

    words: dict[str, Any] = {"use_safetensors": True, "local_files_only": True, "output_loading_info": True}
    words |= {"torch_dtype": torch.float32} if kind.__module__.startswith("diffusers") else {"dtype": torch.float32}
    try:
        with _quiet():
            model, found = kind.from_pretrained(folder, **words)
    except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{folder}: cannot be loaded as {kind.__name__} ({first})", next="tbd weights verify"
        ) from None
    except Exception as error:
        if type(error).__name__ != "SafetensorError":
            raise
        raise InputError(f"{folder}: damaged weights ({error})", next="tbd weights verify") from None
    allowed = re.compile(f"^({unused or '(?!)'})|({kept or '(?!)'})")
    odd = [key for kinds in ("missing_keys", "unexpected_keys") for key in found[kinds] if not allowed.search(key)]
    odd += [str(key) for key in found.get("mismatched_keys", ())]
    if odd:
        raise InputError(
            f"{folder}: not the weights of {kind.__name__} ({len(odd)} keys differ, e.g. {odd[0]})",
            next="tbd weights verify",
        )
    return model


def _sized(model: Any, folder: Path, **wanted: int) -> None:
    """Check the numbers of a model's ``config.json`` that the network depends on."""
    found = {name: getattr(model.config, name) for name in wanted}
    odd = [f"{name} {found[name]} instead of {wanted[name]}" for name in wanted if found[name] != wanted[name]]
    if odd:
        raise InputError(
            f"{folder}: does not fit the network, a {type(model).__name__} with {', '.join(odd)}",
            next="tbd weights list, which names those that fit",
        )


def _identity(file: Path) -> str:
    if not file.is_file():
        raise InputError(f"{file}: the weights are expected in this one file", next="tbd weights list")
    return sha256(file)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' own bar, and table of keys: ours is stricter, and says it in one line."""
    from transformers.utils import logging as module

    logging: Any = module
    before, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bar:
            logging.enable_progress_bar()


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
