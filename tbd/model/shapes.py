"""Sizes of the networks: the public configurations of Stable Diffusion 1.5's family, and two toy families of the same kind.

The numbers of ``SD15`` stand in the published ``config.json`` files of stable-diffusion-v1-5, sd-vae-ft-mse,
wav2vec2-base-960h and animatediff-motion-adapter-v1-5-2, and in Hallo's ``audio_proj.py``. Keys that are not named
keep the defaults of diffusers and transformers, which are the published values too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tbd.model.recipe import Network


@dataclass(frozen=True)
class NetworkSizes:
    """Keyword arguments of the classes that make one family.

    Attributes:
        unet: of ``TBDUNet`` and ``ReferenceNet``.
        motion: of every ``MotionLayer``.
        audio: of ``AudioProjection``, without what the recipe decides.
        vae: of diffusers' ``AutoencoderKL``.
        text: of transformers' ``CLIPTextConfig``.
        speech: of transformers' ``Wav2Vec2Config``.
    """

    unet: dict[str, Any]
    motion: dict[str, Any]
    audio: dict[str, Any]
    vae: dict[str, Any]
    text: dict[str, Any]
    speech: dict[str, Any]


SD15 = NetworkSizes(
    unet={
        "block_out_channels": (320, 640, 1280, 1280),
        "layers_per_block": 2,
        "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
        "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
        "cross_attention_dim": 768,
        "heads": 8,
        "norm_num_groups": 32,
    },
    motion={"heads": 8, "length": 32},
    audio={"layers": 12, "channels": 768, "hidden": 512, "width": 768},
    vae={
        "block_out_channels": (128, 256, 512, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 2,
        "latent_channels": 4,
        "sample_size": 256,
        "scaling_factor": 0.18215,
    },
    text={
        "vocab_size": 49_408,
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "projection_dim": 768,
    },
    speech={"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
)

TOY_VAE: dict[str, Any] = {
    "block_out_channels": (16, 32, 64),
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 8,
    "sample_size": 64,
    "scaling_factor": 5.0,
}
"""An autoencoder of factor 4: at 64 x 64 pixels a factor of 8 leaves too little of a mouth (31 against 37 dB)."""

TINY = NetworkSizes(
    unet={
        "block_out_channels": (16, 32),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": 16,
        "heads": 2,
        "norm_num_groups": 4,
    },
    motion={"heads": 2, "length": 32},
    audio={"layers": 12, "channels": 16, "hidden": 16, "width": 16},
    vae=TOY_VAE,
    text={
        "vocab_size": 49_408,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "projection_dim": 16,
    },
    speech={
        "hidden_size": 16,
        "num_hidden_layers": 12,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "conv_dim": (8,) * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
    },
)


SMALL = NetworkSizes(
    unet=TINY.unet | {"block_out_channels": (64, 128), "cross_attention_dim": 64, "heads": 4, "norm_num_groups": 16},
    motion={"heads": 4, "length": 32},
    audio={"layers": 12, "channels": 32, "hidden": 64, "width": 64},
    vae=TOY_VAE,
    text=TINY.text | {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "projection_dim": 64},
    speech=TINY.speech | {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64, "conv_dim": (16,) * 7},
)


def network_sizes(network: Network) -> NetworkSizes:
    """The family of a recipe."""
    return {"sd15": SD15, "small": SMALL, "tiny": TINY}[network.size]
