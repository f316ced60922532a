"""Loading other people's weights: every key is accounted for, and a surprise is an error.

SD 1.5's and ``MotionAdapter``'s keys are our own, so their files load as they are; AnimateDiff's original file and
Hallo's are renamed first. Nothing is loaded with ``strict=False``: what may be missing or left over is named.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from tbd.errors import InputError
from tbd.model.network import WEIGHTS, TBDNetwork
from tbd.model.reference import ReferenceNet
from tbd.model.unet import TBDUNet

State = dict[str, torch.Tensor]
Part = TypeVar("Part", bound=Any)

_MOTION = r"\.motion_modules\."
_TEXT = r"\.attentions\.\d+\.transformer_blocks\.0\.(attn2|norm2)\."
_ANIMATEDIFF = (
    (".temporal_transformer", ""),
    (".attention_blocks.0.", ".attn1."),
    (".attention_blocks.1.", ".attn2."),
    (".norms.0.", ".norm1."),
    (".norms.1.", ".norm2."),
    (".ff_norm.", ".norm3."),
)


@dataclass(frozen=True)
class Report:
    """What became of the weights of one file.

    Attributes:
        source: the file.
        loaded: keys that were taken.
        kept: keys of the network that the file is known not to have; they keep their start.
        unused: keys of the file that the network is known not to need.
        missing, unexpected: the same, but surprises.
        shapes: ``key: (shape in the file) instead of (shape in the network)``.
    """

    source: str
    loaded: tuple[str, ...]
    kept: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there was no surprise."""
        return not (self.missing or self.unexpected or self.shapes)

    def line(self) -> str:
        """``unet.safetensors: 686 loaded, 12 kept as they were, 3 not needed``."""
        counts = ((len(self.kept), "kept as they were"), (len(self.unused), "not needed"))
        return ", ".join(
            [f"{self.source}: {len(self.loaded)} weights loaded", *(f"{n} {words}" for n, words in counts if n)]
        )

    def check(self) -> Report:
        """The report itself.

        Raises:
            InputError: with surprises; the first few of each kind are named.
        """
        if self.empty:
            return self
        kinds = (("missing", self.missing), ("unexpected", self.unexpected), ("of another shape", self.shapes))
        words = [f"  {len(keys)} {kind}: {', '.join(keys[:3])}{' …' * (len(keys) > 3)}" for kind, keys in kinds if keys]
        raise InputError(
            f"{self.source}: not the weights that belong here ({len(self.loaded)} would fit)\n" + "\n".join(words),
            next="tbd weights verify",
        )


def read_weights(path: Path) -> State:
    """Tensors of a safetensors file, or of a pickle that holds nothing else.

    Raises:
        InputError: it cannot be read, is cut off, or is a pickle that wants to run code.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file", next="tbd weights list") from None
    except pickle.UnpicklingError as error:
        if "weights_only" in str(error) or "Unsupported" in str(error):
            raise InputError(
                f"{path}: a pickle with more than tensors in it; loading it would run its code, so it is refused",
                next="get the published file: tbd weights list",
            ) from None
        raise _damaged(path, error) from None
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise _damaged(path, error) from None
    found = found.get("state_dict", found) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise InputError(f"{path}: holds no weights (a dictionary of tensors was expected)", next="tbd weights list")
    return {key.removeprefix("module."): value for key, value in found.items()}


def fill(module: nn.Module, state: State, source: str, *, kept: str = "(?!)", unused: str = "(?!)") -> Report:
    """Copy weights into a module and say what became of each.

    Args:
        module: what receives them; untouched where the report is not empty.
        state: the file's weights under the module's names.
        source: for the report.
        kept: pattern (``re.search``) of the module's keys that the file need not have.
        unused: pattern of the file's keys that the module need not have.
    """
    own = module.state_dict()
    shared = sorted(own.keys() & state.keys())
    shapes = [
        f"{key}: {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
        for key in shared
        if state[key].shape != own[key].shape
    ]
    lacking, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    report = Report(
        source,
        tuple(shared),
        _those(lacking, kept),
        _those(extra, unused),
        _those(lacking, kept, False),
        _those(extra, unused, False),
        tuple(shapes),
    )
    if report.empty:
        with torch.no_grad():
            for key in shared:
                own[key].copy_(state[key])
    return report


def load_sd15(network: TBDNetwork, folder: Path) -> list[Report]:
    """Stable Diffusion 1.5's UNet into both networks (Appendix A: the ReferenceNet inherits SD's weights).

    Args:
        network: of stage 1; layers that SD does not have are named in the reports and keep their start.
        folder: holds ``unet/``, as stable-diffusion-v1-5 does, or is that folder.

    Raises:
        InputError: the file is damaged or another model's.
    """
    file = folder / "unet" / WEIGHTS if (folder / "unet").is_dir() else folder / WEIGHTS
    state = read_weights(file)
    separate = _separated(state) if network.unet.config.separate_text else state
    unused = _TEXT if network.unet.config.separate_text else "(?!)"
    return [
        fill(network.unet, separate, f"{file.name} -> unet", kept=r"(motion|audio)_modules", unused=unused).check(),
        fill(network.reference_net, state, f"{file.name} -> reference_net", unused=tail(network.reference_net)).check(),
    ]


def load_motion(unet: TBDUNet, path: Path) -> Report:
    """AnimateDiff's motion module, in diffusers' layout or its own; places in time are computed, not loaded.

    Args:
        unet: with motion layers.
        path: a ``MotionAdapter`` folder, its safetensors file, or an original ``mm_sd_v15*.ckpt``.

    Raises:
        InputError: damaged, or not a motion module.
    """
    file = path / WEIGHTS if path.is_dir() else path
    state = {key: value for key, value in renamed(read_weights(file)).items() if "pos_embed" not in key}
    if not any("motion_modules" in key for key in state):
        raise InputError(f"{file}: not a motion module of AnimateDiff", next="tbd weights pull animatediff-v2")
    kept = r"^(?!.*motion_modules)|pos_embed"
    if not any(key.startswith("mid_block") for key in state):
        kept += r"|^mid_block"  # versions 1 and 3 have none in the middle
    unused = "(?!)" if unet.config.lowest_motion else _blocks_without_attention(unet)
    return fill(unet, state, f"{file.name} -> motion", kept=kept, unused=unused).check()


def load_hallo(network: TBDNetwork, path: Path) -> list[Report]:
    """Hallo's ``net.pth`` as a warm start, laid over SD 1.5 and AnimateDiff.

    Not taken: its cross-attention (it looks at face tokens, ours at text), its audio layers (their widths follow the
    blocks' inputs), its face locator and image projection, and motion layers where it never used them.

    Raises:
        InputError: damaged, or not Hallo's checkpoint.
    """
    file = path / "net.pth" if path.is_dir() else path
    state = read_weights(file)
    parts = {name: _below(state, f"{name}.") for name in ("reference_unet", "denoising_unet", "audioproj")}
    if not all(parts.values()):
        raise InputError(f"{file}: not Hallo's net.pth (no {', '.join(n for n, part in parts.items() if not part)})")
    spatial = renamed(parts["denoising_unet"])
    left = rf"audio_modules|{_TEXT}|pos_embed|{_blocks_without_attention(network.unet)}"
    if network.stage == 1:
        left += rf"|{_MOTION}"
    kept = rf"audio_modules|text_modules|{_TEXT}|pos_embed|{_MOTION}"
    reference = _without(parts["reference_unet"], _TEXT)
    reports = [
        fill(network.unet, _without(spatial, left), f"{file.name} -> unet", kept=kept).check(),
        fill(
            network.reference_net,
            reference,
            f"{file.name} -> reference_net",
            kept=_TEXT,
            unused=rf"{tail(network.reference_net)}|^conv_|{_TEXT}",
        ).check(),
    ]
    if network.audio_projection is not None:
        reports.append(fill(network.audio_projection, parts["audioproj"], f"{file.name} -> audio_projection").check())
    return reports


def load_part(kind: type[Part], folder: Path) -> Part:
    """A part of a saved network: its ``config.json`` builds it, its safetensors file fills it.

    Raises:
        InputError: a file is missing, damaged or another part's.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        part = kind.from_config(config)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{folder}: no part of a checkpoint ({error})") from None
    fill(part, read_weights(folder / WEIGHTS), str(folder / WEIGHTS)).check()
    return part


def renamed(state: State) -> State:
    """AnimateDiff's own names as ``MotionAdapter``'s; other names stay."""
    found = {}
    for key, value in state.items():
        name = key
        if ".motion_modules." in key:
            for old, new in _ANIMATEDIFF:
                name = name.replace(old, new)
        if "pos_encoder" not in name:
            found[name] = value
    return found


def tail(reference_net: ReferenceNet) -> str:
    """Pattern of SD 1.5's keys that lie behind the ReferenceNet's last features."""
    last = len(reference_net.up_blocks) - 1
    j = len(reference_net.up_blocks[-1].attentions) - 1
    behind = rf"^up_blocks\.{last}\.attentions\.{j}\.(proj_out|transformer_blocks\.0\.(attn1|attn2|norm2|norm3|ff)\.)"
    return rf"{behind}|^conv_(norm_)?out\."


def _separated(state: State) -> State:
    """SD's transformers twice: as the reference layers, and as the start of the text's own layers."""
    twins = {
        key.replace(".attentions.", ".text_modules."): value for key, value in state.items() if ".attentions." in key
    }
    return _without(state, _TEXT) | twins


def _blocks_without_attention(unet: TBDUNet) -> str:
    bare = [
        rf"^{side}_blocks\.{i}\.motion_modules\."
        for side in ("down", "up")
        for i, block in enumerate(getattr(unet, f"{side}_blocks"))
        if not hasattr(block, "attentions")
    ]
    return "|".join(bare) or "(?!)"


def _below(state: State, prefix: str) -> State:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def _without(state: State, pattern: str) -> State:
    return {key: value for key, value in state.items() if not re.search(pattern, key)}


def _those(keys: Iterable[str], pattern: str, matching: bool = True) -> tuple[str, ...]:
    return tuple(key for key in keys if bool(re.search(pattern, key)) == matching)


def _damaged(path: Path, error: Exception) -> InputError:
    words = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InputError(f"{path}: damaged or not a file of weights ({words})", next="tbd weights verify")
