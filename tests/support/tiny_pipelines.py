"""Pipelines of diffusers at toy widths and random weights: the real classes, with a tokenizer that is made here."""

import json
import tempfile
from pathlib import Path

import torch
from diffusers import (
    AnimateDiffPipeline,
    AutoencoderKL,
    AutoencoderKLWan,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    MotionAdapter,
    StableDiffusionPipeline,
    UNet2DConditionModel,
    WanPipeline,
    WanTransformer3DModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    PreTrainedTokenizerFast,
    T5Config,
    UMT5EncoderModel,
)

LETTERS = "abcdefghijklmnopqrstuvwxyz"
SMALL = {"height": 16, "width": 16}


def _clip_tokenizer():
    words = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
        (Path(folder) / "merges.txt").write_text("#version: 0.2\n")
        return CLIPTokenizer(f"{folder}/vocab.json", f"{folder}/merges.txt", model_max_length=77), len(words)


def _stable_diffusion_parts():
    torch.manual_seed(0)
    tokenizer, words = _clip_tokenizer()
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=words, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
            bos_token_id=words - 2, eos_token_id=words - 1, pad_token_id=1, projection_dim=16,
        )
    )  # fmt: skip
    unet = UNet2DConditionModel(
        block_out_channels=(8, 8), layers_per_block=1, sample_size=8, norm_num_groups=2, cross_attention_dim=16,
        attention_head_dim=2, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8, 8), down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=2, latent_channels=4,
    )  # fmt: skip
    return tokenizer, text.eval(), unet.eval(), vae.eval(), DDIMScheduler(clip_sample=False, steps_offset=1)


def stable_diffusion():
    """Pipeline, the network that hears the prompts, arguments of a small call."""
    tokenizer, text, unet, vae, schedule = _stable_diffusion_parts()
    pipe = StableDiffusionPipeline(vae, text, tokenizer, unet, schedule, None, None, requires_safety_checker=False)
    return pipe, unet, dict(SMALL)


def animatediff():
    """As ``stable_diffusion``, with AnimateDiff's motion adapter."""
    tokenizer, text, unet, vae, schedule = _stable_diffusion_parts()
    adapter = MotionAdapter(
        block_out_channels=(8, 8), motion_layers_per_block=1, motion_norm_num_groups=2, motion_num_attention_heads=2
    )
    pipe = AnimateDiffPipeline(vae, text, tokenizer, unet, adapter.eval(), schedule)
    return pipe, pipe.unet, {**SMALL, "num_frames": 2}


def wan():
    """As ``stable_diffusion``: Wan, a flow-matching transformer with T5 texts."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    torch.manual_seed(0)
    words = {word: i for i, word in enumerate(["<pad>", "<unk>", *LETTERS])}
    plain = Tokenizer(models.WordLevel(words, "<unk>"))
    plain.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", unk_token="<unk>")
    config = T5Config(vocab_size=len(words), d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=16, out_channels=16, text_dim=16,
        freq_dim=16, ffn_dim=16, num_layers=1, cross_attn_norm=True, qk_norm="rms_norm_across_heads",
        rope_max_seq_len=32,
    )  # fmt: skip
    vae = AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )
    pipe = WanPipeline(
        tokenizer,
        UMT5EncoderModel(config).eval(),
        vae.eval(),
        FlowMatchEulerDiscreteScheduler(shift=3.0),
        transformer.eval(),
    )
    return pipe, transformer, {**SMALL, "num_frames": 5, "max_sequence_length": 16}
