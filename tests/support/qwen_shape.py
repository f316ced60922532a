"""Qwen2-VL in the shape of its 7B model with random weights: the real class, built on its device, nothing written or downloaded.

    model = qwen_shape.build("7B", torch.device("cuda"), "the prompts")     # 16.6 GB in bfloat16
    with contextlib.closing(QwenSession(model, starts)) as session: ...

Qwen's vocabulary is not shipped: byte pairs trained on the prompts stand in, in an embedding table of the real size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tiny_qwen
import torch

from tbd.annotate.backends.qwen import PIXELS

SHAPES: dict[str, dict[str, dict[str, Any]]] = {
    "7B": {
        "text_config": {
            "vocab_size": 152_064,
            "hidden_size": 3584,
            "intermediate_size": 18_944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "max_position_embeddings": 32_768,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
        },
        "vision_config": {
            "depth": 32,
            "embed_dim": 1280,
            "hidden_size": 3584,
            "num_heads": 16,
            "mlp_ratio": 4,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
        },
    },
    "tiny": {
        "text_config": {
            "vocab_size": 2048,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 32_768,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]},
            "bos_token_id": 0,
            "eos_token_id": 2,
        },
        "vision_config": {"depth": 2, "embed_dim": 32, "hidden_size": 64, "num_heads": 2},
    },
}
"""``7B``: ``config.json`` of Qwen/Qwen2-VL-7B-Instruct, 8,291,375,616 weights. ``tiny``: the same class, for a CPU."""


@dataclass
class RandomQwen:
    """What a session needs of its backend (``qwen_session.LoadedModel``)."""

    network: Any
    processor: Any
    batch_size: int = 16

    def note(self, words: str) -> None:
        """A session that has to tell something did not do all that it was asked."""
        raise AssertionError(words)


def make_network(shape: str, device: torch.device, dtype: torch.dtype = torch.bfloat16) -> Any:
    """``Qwen2VLForConditionalGeneration`` with random weights, made where they stay; on ``meta`` only their shapes."""
    from transformers import AutoModelForImageTextToText, Qwen2VLConfig

    tokens = {name: tiny_qwen.SPECIAL.index(f"<|{word}|>") for name, word in TOKENS.items()}
    config = Qwen2VLConfig(**SHAPES[shape], tie_word_embeddings=False, **tokens)
    with device:
        return AutoModelForImageTextToText.from_config(config, dtype=dtype, attn_implementation="sdpa").eval()


TOKENS = {
    "image_token_id": "image_pad",
    "video_token_id": "video_pad",
    "vision_start_token_id": "vision_start",
    "vision_end_token_id": "vision_end",
}


def build(shape: str, device: torch.device, text: str) -> RandomQwen:
    """A model and its processor; replies run to their limit and hold plain tokens only.

    Args:
        shape: one of ``SHAPES``.
        device: bfloat16 on a card, float32 on a CPU.
        text: what the stand-in vocabulary is trained on.
    """
    torch.manual_seed(0)
    network = make_network(shape, device, torch.bfloat16 if device.type == "cuda" else torch.float32)
    processor = tiny_qwen.make_processor("qwen2_vl", text)
    processor.image_processor.size = dict(PIXELS)
    with torch.no_grad():  # logits of 0 are never the largest: neither stop tokens nor rows without a token are written
        network.lm_head.weight[: len(tiny_qwen.SPECIAL)] = 0
        network.lm_head.weight[len(processor.tokenizer) :] = 0
    network.generation_config.eos_token_id, network.generation_config.pad_token_id = [2, 0], 0
    return RandomQwen(network, processor)
