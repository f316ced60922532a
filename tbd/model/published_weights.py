"""Starting from other people's weights: Stable Diffusion 1.5, AnimateDiff, Hallo.

SD 1.5's and ``MotionAdapter``'s keys are our own, so their files load as they are; AnimateDiff's original file and
Hallo's are renamed first.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tbd.errors import InputError
from tbd.model.network import TBDNetwork
from tbd.model.reference import ReferenceNet
from tbd.model.unet import TBDUNet
from tbd.model.weight_files import NOTHING, WEIGHTS, LoadReport, StateDict, fill, read_weights

_TEXT = r"\.attentions\.\d+\.transformer_blocks\.0\.(attn2|norm2)\."
_MOTION = r"\.motion_modules\."
_PLACES = r"pos_embed|pos_encoder"
"""Places in time: sines, computed and not learned."""
_ANIMATEDIFF = (
    (".temporal_transformer", ""),
    (".attention_blocks.0.", ".attn1."),
    (".attention_blocks.1.", ".attn2."),
    (".norms.0.", ".norm1."),
    (".norms.1.", ".norm2."),
    (".ff_norm.", ".norm3."),
)
_SIZES = (
    *("block_out_channels", "layers_per_block", "down_block_types", "up_block_types"),
    *("cross_attention_dim", "norm_num_groups"),
)
"""What a UNet's ``config.json`` calls as we do."""


def load_sd15(network: TBDNetwork, folder: Path) -> list[LoadReport]:
    """Stable Diffusion 1.5's UNet into both networks (Appendix A: the ReferenceNet inherits SD's weights).

    Args:
        network: of stage 1; layers that SD does not have are named in the reports and keep their start.
        folder: holds ``unet/``, as stable-diffusion-v1-5 does, or is that folder.

    Raises:
        InputError: the file is damaged or another model's, or the ``config.json`` beside it tells of another kind.
    """
    file = folder / "unet" / WEIGHTS if (folder / "unet").is_dir() else folder / WEIGHTS
    state = read_weights(file)
    _same_kind(network.unet, file.with_name("config.json"))
    config: Any = network.unet.config
    twice = config.separate_text
    return [
        fill(
            network.unet,
            state | _twins(read_weights(file)) if twice else state,
            f"{file.name} -> unet",
            kept=r"(motion|audio)_modules",
            unused=_TEXT if twice else NOTHING,
        ).check(),
        fill(
            network.reference_net,
            read_weights(file),
            f"{file.name} -> reference_net",
            unused=tail(network.reference_net),
        ).check(),
    ]


def load_motion(unet: TBDUNet, path: Path) -> LoadReport:
    """AnimateDiff's motion module, in diffusers' layout or its own; places in time are computed, not loaded.

    Args:
        unet: with motion layers.
        path: a ``MotionAdapter`` folder, its safetensors file, or an original ``mm_sd_v15*.ckpt``.

    Raises:
        InputError: damaged, or not a motion module.
    """
    file = path / WEIGHTS if path.is_dir() else path
    state = renamed(read_weights(file))
    if not any(re.search(_MOTION, key) for key in state):
        raise InputError(f"{file}: not a motion module of AnimateDiff", next="tbd weights pull animatediff-v2")
    kept = rf"^(?!.*{_MOTION})|{_PLACES}"
    if not any(key.startswith("mid_block") for key in state):
        kept += "|^mid_block"
    config: Any = unet.config
    unused = _PLACES if config.lowest_motion else rf"{_PLACES}|{_bare(unet)}"
    return fill(unet, state, f"{file.name} ({version(state)}) -> motion", kept=kept, unused=unused).check()


def load_hallo(network: TBDNetwork, path: Path) -> list[LoadReport]:
    """Hallo's ``net.pth`` as a warm start, laid over what the network has.

    Stage 1 takes the two UNets, stage 2 the motion layers and the audio projection, so that stage 2 keeps what stage 1
    has learned. What is not taken has a report of its own that says why.

    Raises:
        InputError: damaged, or not Hallo's checkpoint.
    """
    file = path / "net.pth" if path.is_dir() else path
    state = renamed(read_weights(file))
    parts = {name: _below(state, f"{name}.") for name in ("reference_unet", "denoising_unet", "audioproj")}
    if not all(parts.values()):
        lacking = ", ".join(name for name, part in parts.items() if not part)
        raise InputError(f"{file}: not Hallo's net.pth (it has no {lacking})", next="tbd weights list")
    load = _hallo_spatial if network.stage == 1 else _hallo_motion
    reports = [report.check() for report in load(network, parts, file.name)]
    return reports + _left(state, network, file.name)


def renamed(state: StateDict) -> StateDict:
    """AnimateDiff's own names as ``MotionAdapter``'s; other names stay."""
    found = {}
    for key, value in state.items():
        name = key
        if re.search(_MOTION, key):
            for old, new in _ANIMATEDIFF:
                name = name.replace(old, new)
        found[name] = value
    return found


def version(state: StateDict) -> str:
    """Which of AnimateDiff's motion modules weights are: 2 alone has layers in the middle, 1 knows only 24 frames."""
    if any(key.startswith("mid_block") for key in state):
        return "AnimateDiff v2"
    places = [value.shape[1] for key, value in state.items() if re.search(_PLACES, key) and value.ndim == 3]
    if not places:
        return "AnimateDiff v1 or v3, none for the middle block"
    return f"AnimateDiff {'v1' if places[0] == 24 else 'v3'}, none for the middle block"


def tail(reference_net: ReferenceNet) -> str:
    """Pattern of SD 1.5's keys that lie behind the ReferenceNet's last features."""
    blocks: Any = reference_net.up_blocks
    last, j = len(blocks) - 1, len(blocks[-1].attentions) - 1
    behind = rf"^up_blocks\.{last}\.attentions\.{j}\.(proj_out|transformer_blocks\.0\.(attn1|attn2|norm2|norm3|ff)\.)"
    return rf"{behind}|^conv_(norm_)?out\."


def _same_kind(unet: TBDUNet, file: Path) -> None:
    """Compare a UNet's ``config.json``, where there is one: no weight's shape tells the heads or the groups of a norm.

    Raises:
        InputError: it cannot be read, or another kind of UNet is written there.
    """
    if not file.is_file():
        return
    try:
        given = dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{file}: cannot be read ({error})", next="tbd weights verify") from None
    config: Any = unet.config
    wanted = {name: config[name] for name in _SIZES} | {"attention_head_dim": config.heads}  # diffusers' old misnomer
    wanted = {name: list(value) if isinstance(value, tuple) else value for name, value in wanted.items()}
    odd = [
        f"  {name}: {given[name]} instead of {wanted[name]}"
        for name in wanted
        if given.get(name, wanted[name]) != wanted[name]
    ]
    if odd:
        raise InputError(
            "\n".join([f"{file}: not a UNet of Stable Diffusion 1.5's kind", *odd]), next="tbd weights verify"
        )


def _hallo_spatial(network: TBDNetwork, parts: dict[str, StateDict], name: str) -> list[LoadReport]:
    """Both UNets without their cross-attention."""
    unet, reference = parts["denoising_unet"], parts["reference_unet"]
    added = rf"(audio|motion)_modules|{_TEXT}"
    behind = rf"{tail(network.reference_net)}|{_TEXT}"
    return [
        fill(network.unet, unet, f"{name} -> unet", kept=rf"text_modules|{added}", unused=added),
        fill(network.reference_net, reference, f"{name} -> reference_net", kept=_TEXT, unused=behind),
    ]


def _hallo_motion(network: TBDNetwork, parts: dict[str, StateDict], name: str) -> list[LoadReport]:
    """Motion layers where Hallo used them, and the audio projection."""
    idle = rf"{_PLACES}|{_bare(network.unet)}"
    rest = rf"^(?!.*{_MOTION})|{idle}"
    projection: Any = network.audio_projection
    return [
        fill(network.unet, parts["denoising_unet"], f"{name} -> motion", kept=rest, unused=rest),
        fill(projection, parts["audioproj"], f"{name} -> audio_projection"),
    ]


def _left(state: StateDict, network: TBDNetwork, name: str) -> list[LoadReport]:
    """A report on every kind of weight that a warm start never takes."""
    reasons = {
        "audio layers (as wide as their blocks' inputs, ours as their outputs)": r"\.audio_modules\.",
        "attention to face tokens (ours looks at text)": rf"^(denoising|reference)_unet.*{_TEXT}",
        "motion layers of the blocks without attention (Hallo never trained them)": _hallo_idle(network.unet),
        "face locator and face projection": r"^(face_locator|imageproj)\.",
    }
    found = {why: tuple(sorted(key for key in state if re.search(what, key))) for why, what in reasons.items()}
    return [LoadReport(f"{name}, {why}", unused=keys) for why, keys in found.items() if keys]


def _hallo_idle(unet: TBDUNet) -> str:
    return _bare(unet).replace("^", r"^denoising_unet\.")


def _twins(state: StateDict) -> StateDict:
    """SD's transformers once more, as the start of the text's own layers."""
    return {
        key.replace(".attentions.", ".text_modules."): value for key, value in state.items() if ".attentions." in key
    }


def _bare(unet: TBDUNet) -> str:
    """Pattern of the motion layers in blocks without attention."""
    sides = {"down_blocks": unet.down_blocks, "up_blocks": unet.up_blocks}
    found = (
        rf"^{side}\.{i}\.motion_modules\."
        for side, blocks in sides.items()
        for i, block in enumerate(blocks)
        if not hasattr(block, "attentions")
    )
    return "|".join(found) or NOTHING


def _below(state: StateDict, prefix: str) -> StateDict:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
