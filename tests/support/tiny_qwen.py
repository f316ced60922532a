"""Tiny random Qwen2-VL, Qwen2.5-VL and Qwen3-VL models: the real classes, saved in the real formats.

    folder = tiny_qwen.save("qwen2_vl", tmp_path / "qwen2-vl")

The vocabulary is the 256 bytes and the special tokens; given a text, byte pairs are merged on top.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

KINDS = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)

TEMPLATE = (
    "{% for turn in messages %}<|im_start|>{{ turn['role'] }}\n"
    "{% if turn['content'] is string %}{{ turn['content'] }}{% else %}"
    "{% for part in turn['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% else %}<|vision_start|><|image_pad|><|vision_end|>{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The chat format of the family: one block a turn, a picture as three special tokens."""


def save(kind: str, folder: Path, *, size: int = 64, layers: int = 2, text: str = "", seed: int = 0) -> Path:
    """Build a model and its processor and save both, as a snapshot from the hub would lie there.

    Args:
        kind: one of ``KINDS``.
        folder: where to; made when missing.
        size: hidden size; heads have 16 channels up to 64, else 64.
        layers: of the language model and of the vision tower (at least 2).
        text: train byte-pair merges on it; nothing keeps one token a byte.
        seed: of the weights.
    """
    import torch

    torch.manual_seed(seed)
    processor = make_processor(kind, text)
    model = _model(kind, size, layers, len(processor.tokenizer))
    with torch.no_grad():  # larger than at initialisation, so that replies depend on what was read
        for name, weight in model.named_parameters():
            if weight.ndim > 1 and "norm" not in name:
                weight.mul_(3)
        model.lm_head.weight[[0, 2]] = 0  # the stop tokens are never the likeliest: replies run to their limit
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = [2, 0], 0
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def make_processor(kind: str, text: str) -> Any:
    """Tokenizer, chat template and image processor of a model without a vocabulary: bytes, or pairs that ``text`` teaches.

    Args:
        kind: one of ``KINDS``.
        text: train byte-pair merges on it; nothing keeps one token a byte.
    """
    from transformers import (
        Qwen2_5_VLProcessor,
        Qwen2Tokenizer,
        Qwen2VLImageProcessor,
        Qwen2VLProcessor,
        Qwen2VLVideoProcessor,
        Qwen3VLProcessor,
        Qwen3VLVideoProcessor,
    )

    vocabulary, merges = _byte_pairs(text)
    tokenizer = Qwen2Tokenizer(
        vocab=vocabulary,
        merges=merges,
        unk_token=None,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=list(SPECIAL[1:]),
    )
    pixels = {"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 16}
    classes: dict[str, Any] = {
        "qwen2_vl": (Qwen2VLProcessor, Qwen2VLVideoProcessor, {}),
        "qwen2_5_vl": (Qwen2_5_VLProcessor, Qwen2VLVideoProcessor, {}),
        "qwen3_vl": (
            Qwen3VLProcessor,
            Qwen3VLVideoProcessor,
            {"patch_size": 16, "image_mean": [0.5] * 3, "image_std": [0.5] * 3},
        ),
    }
    processor, video, options = classes[kind]
    return processor(
        image_processor=Qwen2VLImageProcessor(size=pixels, **options),
        tokenizer=tokenizer,
        video_processor=video(size=pixels),
        chat_template=TEMPLATE,
    )


def _byte_pairs(text: str) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Special tokens first, then the bytes, then the merges that ``text`` teaches."""
    import json

    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    if not text:
        return {token: index for index, token in enumerate([*SPECIAL, *alphabet])}, []
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=1200, special_tokens=list(SPECIAL), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([text], trainer)
    learned = json.loads(tokenizer.to_str())["model"]
    return learned["vocab"], [tuple(pair) for pair in learned["merges"]]


def _model(kind: str, size: int, layers: int, vocabulary: int) -> Any:
    import transformers

    head = 16 if size <= 64 else 64
    text: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": size,
        "intermediate_size": size * 2,
        "num_hidden_layers": layers,
        "num_attention_heads": size // head,
        "num_key_value_heads": max(1, size // head // 2),
        "max_position_embeddings": 8192,
        "rope_parameters": _rope(kind, head),
        "bos_token_id": 0,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    common = {"image_token_id": 5, "video_token_id": 6, "vision_start_token_id": 3, "vision_end_token_id": 4}
    if kind == "qwen3_vl":
        text["head_dim"] = head
    classes = {"qwen2_vl": "Qwen2VL", "qwen2_5_vl": "Qwen2_5_VL", "qwen3_vl": "Qwen3VL"}
    config = getattr(transformers, f"{classes[kind]}Config")(
        text_config=text, vision_config=_vision(kind, size, layers), tie_word_embeddings=False, **common
    )
    return getattr(transformers, f"{classes[kind]}ForConditionalGeneration")(config).eval()


def _rope(kind: str, head: int) -> dict[str, Any]:
    half = head // 2
    time = half // 4 if kind != "qwen3_vl" else half - 2 * (half // 4)
    rest = (half - time) // 2
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [time, rest, half - time - rest]}
    return rope | ({"mrope_interleaved": True} if kind == "qwen3_vl" else {})


def _vision(kind: str, size: int, layers: int) -> dict[str, Any]:
    width = max(32, size // 4)
    shared = {"depth": layers, "num_heads": max(2, width // 64), "spatial_merge_size": 2, "temporal_patch_size": 2}
    if kind == "qwen2_vl":
        return shared | {"embed_dim": width, "hidden_size": size, "mlp_ratio": 4, "patch_size": 14}
    wide = shared | {"hidden_size": width, "intermediate_size": 2 * width, "out_hidden_size": size}
    if kind == "qwen2_5_vl":
        return wide | {"patch_size": 14, "fullatt_block_indexes": [1], "window_size": 56}
    return wide | {"patch_size": 16, "num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1]}
