"""The frozen networks around the one that is trained: image autoencoder, text and speech encoder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from tbd.errors import InputError
from tbd.model.autoencoder import ImageAutoencoder
from tbd.model.encoder_files import RANDOM, encoder_folder, encoder_identities, random_identity
from tbd.model.initial_weights import seeded
from tbd.model.recipe import Network, PartWeights
from tbd.model.shapes import network_sizes
from tbd.model.speech import SpeechEncoder
from tbd.model.text import TextEncoder

LOG_VARIANCE = -10.0
"""Of a random autoencoder's posterior."""


@dataclass(frozen=True)
class FrozenEncoders:
    """Image autoencoder, text and speech encoder."""

    image: ImageAutoencoder
    text: TextEncoder
    speech: SpeechEncoder

    @property
    def identities(self) -> dict[str, str]:
        """Which weights each has: sha256 of its file, or ``random-…``."""
        return {name: getattr(self, name).identity for name in ("image", "text", "speech")}


def load_encoders(network: Network, parts: PartWeights, *, seed: int = 0, device: str = "cpu") -> FrozenEncoders:
    """The encoders of a recipe in float32: each from its file on this machine, or at random weights.

    Args:
        network: what they are for.
        parts: where each is; ``random`` draws its weights from ``seed``.
        device: where they run.

    Raises:
        MissingError: one is not on this machine; says how to get it.
        InputError: one is damaged, another model, or of a size that the network cannot take.
    """
    from diffusers import AutoencoderKL
    from transformers import CLIPTextModel, Wav2Vec2Model

    sizes = network_sizes(network)
    drawn = random_encoders(network, seed) if RANDOM in (parts.vae, parts.text_encoder, parts.speech) else None
    image: Any = drawn.image.model if drawn and parts.vae == RANDOM else None
    text: Any = drawn.text.model if drawn and parts.text_encoder == RANDOM else None
    sound: Any = drawn.speech.model if drawn and parts.speech == RANDOM else None
    if image is None:
        image = _pretrained(AutoencoderKL, folder := encoder_folder("vae", parts))
        _sized(image, folder, latent_channels=sizes.vae["latent_channels"])
    if text is None:
        text = _pretrained(CLIPTextModel, folder := encoder_folder("text_encoder", parts))
        _sized(text, folder, hidden_size=sizes.unet["cross_attention_dim"])
    if sound is None:
        sound = _pretrained(
            Wav2Vec2Model, folder := encoder_folder("speech", parts), unused="lm_head", kept="masked_spec"
        )
        layers, channels = sizes.audio["layers"], sizes.audio["channels"]
        _sized(sound, folder, num_hidden_layers=layers, hidden_size=channels, do_stable_layer_norm=False)
    names = encoder_identities(network, parts, seed)
    return FrozenEncoders(
        ImageAutoencoder(image.to(device), names["image"]),
        TextEncoder(text.to(device), names["text"]),
        SpeechEncoder(sound.to(device), names["speech"]),
    )


def random_encoders(network: Network, seed: int, device: str = "cpu") -> FrozenEncoders:
    """Encoders at random weights, the same for the same seed; their identity says so.

    The autoencoder's posterior is made narrow, as a trained one's is, so that latents are pictures and not noise.
    """
    from diffusers import AutoencoderKL
    from transformers import CLIPTextConfig, CLIPTextModel, Wav2Vec2Config, Wav2Vec2Model

    sizes, identity = network_sizes(network), random_identity(network, seed)
    with seeded(seed):
        image: Any = cast(Any, AutoencoderKL)(**sizes.vae)
        image.quant_conv.bias.data[sizes.vae["latent_channels"] :] = LOG_VARIANCE
        text: Any = CLIPTextModel(CLIPTextConfig(**sizes.text))
        speech: Any = Wav2Vec2Model(Wav2Vec2Config(**sizes.speech))
    return FrozenEncoders(
        ImageAutoencoder(image.to(device), identity),
        TextEncoder(text.to(device), identity),
        SpeechEncoder(speech.to(device), identity),
    )


def _pretrained(kind: Any, folder: Path, *, unused: str = "", kept: str = "") -> Any:
    """A frozen network from its folder; a missing or unknown weight is an error, never a random one."""
    import re

    words: dict[str, Any] = {"use_safetensors": True, "local_files_only": True, "output_loading_info": True}
    words |= {"torch_dtype": torch.float32} if kind.__module__.startswith("diffusers") else {"dtype": torch.float32}
    try:
        with quiet_loading():
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


@contextlib.contextmanager
def quiet_loading() -> Iterator[None]:
    """Without the bars of transformers and diffusers, and transformers' table of keys: ours is stricter, in one line."""
    from diffusers.utils import logging as pipelines
    from transformers.utils import logging as models

    kinds: tuple[Any, Any] = (pipelines, models)
    before = [(kind, kind.get_verbosity(), kind.is_progress_bar_enabled()) for kind in kinds]
    for kind in kinds:
        kind.set_verbosity_error()
        kind.disable_progress_bar()
    try:
        yield
    finally:
        for kind, verbosity, bar in before:
            kind.set_verbosity(verbosity)
            if bar:
                kind.enable_progress_bar()
