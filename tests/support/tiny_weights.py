"""Tiny random weights in the files, folders, names and layouts of the published ones."""

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, MotionAdapter, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, Wav2Vec2Config, Wav2Vec2ForCTC

from tbd.model.audio_projection import AudioProjection
from tbd.model.recipe import Network
from tbd.model.shapes import TINY

TINY_NETWORK = Network(size="tiny")
UNET = {key: value for key, value in TINY.unet.items() if key != "heads"} | {"attention_head_dim": TINY.unet["heads"]}
DIFFUSERS = "diffusion_pytorch_model.safetensors"
ORIGINAL = (
    (".norm1.", ".norms.0."),
    (".norm2.", ".norms.1."),
    (".norm3.", ".ff_norm."),
    (".attn1.", ".attention_blocks.0."),
    (".attn2.", ".attention_blocks.1."),
)
"""From diffusers' names of a motion module back to AnimateDiff's."""


def seeded(make, seed):
    """``make()`` at weights that are all random, those that start at zero or one too."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = make()
        with torch.no_grad():
            for weight in made.parameters():
                weight.add_(torch.randn_like(weight) * 0.02)
    return made


def sd15(root, seed=1):
    """``stable-diffusion-v1-5/``: UNet and text encoder, the latter as old releases of transformers named it."""
    folder = Path(root) / "stable-diffusion-v1-5"
    unet = seeded(lambda: UNet2DConditionModel(**UNET), seed)
    unet.save_pretrained(folder / "unet")
    text = seeded(lambda: CLIPTextModel(CLIPTextConfig(**TINY.text)), seed)
    text.save_pretrained(folder / "text_encoder")
    bare = {key.removeprefix("text_model."): value for key, value in text.state_dict().items()}
    old = {f"text_model.{key}": value.contiguous() for key, value in bare.items()}
    old["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    save_file(old, folder / "text_encoder" / "model.safetensors", {"format": "pt"})
    (folder / "tokenizer").mkdir()
    for name in ("vocab.json", "merges.txt"):
        (folder / "tokenizer" / name).write_text("{}")
    DDIMScheduler().save_pretrained(folder / "scheduler")
    return unet, text


def vae(root, seed=2):
    """``sd-vae-ft-mse/``, its attention under the names it was published with."""
    folder = Path(root) / "sd-vae-ft-mse"
    model = seeded(lambda: AutoencoderKL(**TINY.vae), seed)
    model.save_pretrained(folder)
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    old = {}
    for key, value in model.state_dict().items():
        for new, name in names.items():
            key = key.replace(f".attentions.0.{new}.", f".attentions.0.{name}.")
        old[key] = value.contiguous()
    save_file(old, folder / DIFFUSERS, {"format": "pt"})
    return model.eval()


def wav2vec2(root, seed=3):
    """``wav2vec/wav2vec2-base-960h/`` as published: a recogniser, with weight norm under its old names."""
    folder = Path(root) / "wav2vec" / "wav2vec2-base-960h"
    model = seeded(lambda: Wav2Vec2ForCTC(Wav2Vec2Config(**TINY.speech)), seed)
    model.save_pretrained(folder)
    names = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    old = {}
    for key, value in model.state_dict().items():
        for new, name in names.items():
            key = key.replace(new, name)
        old[key] = value.contiguous()
    del old["wav2vec2.masked_spec_embed"]
    save_file(old, folder / "model.safetensors", {"format": "pt"})
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": True, "sampling_rate": 16_000}))
    return model.wav2vec2.eval()


def adapter(kind="v2", seed=4):
    """A motion module, as diffusers builds it: v1 knows 24 frames, v2 alone has layers in the middle."""
    sizes = {
        "block_out_channels": TINY.unet["block_out_channels"],
        "motion_layers_per_block": TINY.unet["layers_per_block"],
        "motion_num_attention_heads": TINY.motion["heads"],
        "motion_norm_num_groups": TINY.unet["norm_num_groups"],
        "motion_max_seq_length": 24 if kind == "v1" else 32,
        "use_motion_mid_block": kind == "v2",
    }
    return seeded(lambda: MotionAdapter(**sizes), seed)


def original(state):
    """A motion module under AnimateDiff's own names, with a table of places in every attention."""
    found = {}
    for key, value in state.items():
        place, _, rest = key.partition(".motion_modules.")
        number, _, rest = rest.partition(".")
        head = f"{place}.motion_modules.{number}.temporal_transformer"
        if "pos_embed" in rest:
            block = rest.partition(".pos_embed")[0]
            for i in (0, 1):
                found[f"{head}.{block}.attention_blocks.{i}.pos_encoder.pe"] = value
            continue
        name = f".{rest}"
        for new, old in ORIGINAL:
            name = name.replace(new, old)
        found[head + name] = value
    return found


def animatediff(root, kind="v2"):
    """``animatediff-motion-adapter-v1-5-2/``, and the same weights as ``motion_module/mm_sd_v15_v2.ckpt``."""
    model = adapter(kind)
    model.save_pretrained(Path(root) / "animatediff-motion-adapter-v1-5-2")
    (Path(root) / "motion_module").mkdir()
    torch.save(original(model.state_dict()), Path(root) / "motion_module" / "mm_sd_v15_v2.ckpt")
    return model


def hallo(root, seed=5):
    """``hallo/net.pth``: five parts in one pickle; the names are the published ones. Gives its parts."""
    unet = seeded(lambda: UNet2DConditionModel(**UNET), seed).state_dict()
    motion = adapter(seed=seed + 1)
    reference = seeded(lambda: UNet2DConditionModel(**UNET), seed + 2).state_dict()
    audio = seeded(lambda: AudioProjection(**TINY.audio), seed + 3)
    odd = "up_blocks.1.audio_modules.0"  # as wide as what enters the block
    audios = {f"{odd}.proj_in.weight": torch.zeros(32, 16, 1, 1), f"{odd}.norm.weight": torch.zeros(16)}
    audios |= {f"{odd}.transformer_blocks.0.{name}.weight": torch.zeros(4) for name in ("attn2_0.to_q", "norm1")}
    parts = {
        "denoising_unet": {**unet, **original(motion.state_dict()), **audios},
        "reference_unet": {key: value for key, value in reference.items() if not key.startswith("conv_norm_out")},
        "audioproj": audio.state_dict(),
        "face_locator": {"conv_in.weight": torch.zeros(2), "conv_in.bias": torch.zeros(2)},
        "imageproj": {"proj.weight": torch.zeros(2)},
    }
    (Path(root) / "hallo").mkdir()
    state = {f"{part}.{key}": value for part, inner in parts.items() for key, value in inner.items()}
    torch.save(state, Path(root) / "hallo" / "net.pth")
    return {"unet": unet, "motion": motion.state_dict(), "reference": reference, "audio": audio.state_dict()}
