"""Reading files of weights into networks: every key is accounted for, and a surprise is an error.

Nothing is loaded with ``strict=False``: what may be missing or left over is named by its caller, and reported.
"""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from re import search
from typing import Any, TypeVar

import torch
from torch import nn

from tbd.errors import InputError
from tbd.model.empty_weights import assign, without_memory

WEIGHTS = "diffusion_pytorch_model.safetensors"
"""diffusers' name of a part's weights."""

StateDict = dict[str, torch.Tensor]
Part = TypeVar("Part", bound=Any)

NOTHING = "(?!)"
"""A pattern that no key has."""


@dataclass(frozen=True)
class LoadReport:
    """What became of the weights of one file.

    Attributes:
        source: the file, and what it went into.
        loaded: keys that were taken.
        kept: keys of the network that the file is known not to have; they keep their start.
        unused: keys of the file that were left out on purpose.
        missing, unexpected: keys of the network that the file lacks, and the other way round: surprises.
        shapes: ``key: (shape in the file) instead of (shape in the network)``.
    """

    source: str
    loaded: tuple[str, ...] = ()
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
        """``unet.safetensors -> unet: 686 weights loaded, 12 kept as they were, 3 not taken``."""
        counts = (
            (self.loaded, "weights loaded"),
            (self.kept, "kept as they were"),
            (self.unused, "not taken"),
            (self.missing, "missing"),
            (self.unexpected, "unexpected"),
            (self.shapes, "of another shape"),
        )
        return f"{self.source}: " + ", ".join(f"{len(keys)} {words}" for keys, words in counts if keys)

    def lines(self) -> list[str]:
        """``line``, and below it the first three of every kind of surprise by name."""
        kinds = (("missing", self.missing), ("unexpected", self.unexpected), ("of another shape", self.shapes))
        named = [f"  {len(keys)} {kind}: {', '.join(keys[:3])}{' …' * (len(keys) > 3)}" for kind, keys in kinds if keys]
        return [self.line(), *named]

    def check(self) -> LoadReport:
        """The report itself.

        Raises:
            InputError: with surprises; the first few of each kind are named.
        """
        if self.empty:
            return self
        told = f"{self.source}: not the weights that belong here ({len(self.loaded)} would fit)"
        raise InputError(
            "\n".join([told, *self.lines()[1:]]),
            next="tbd weights verify",
        )


def read_weights(path: Path) -> StateDict:
    """Tensors of a safetensors file, or of a pickle that holds nothing else; mapped from it, each reading anew.

    A ``state_dict`` around them and a ``module.`` before every name, as trainers leave them, are taken off.

    Raises:
        InputError: it is not there, cannot be read, is cut off, or is a pickle that wants to run code.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file", next="tbd weights list")
    found = _safetensors(path) if path.suffix == ".safetensors" else read_pickle(path)
    found = found.get("state_dict", found) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise InputError(f"{path}: holds no weights (a dictionary of tensors was expected)", next="tbd weights list")
    return {str(key).removeprefix("module."): value for key, value in found.items()}


def fill(module: nn.Module, state: StateDict, source: str, *, kept: str = NOTHING, unused: str = NOTHING) -> LoadReport:
    """Let a module have a file's weights and say what became of each.

    Args:
        module: what receives them, built ``without_memory`` or not; untouched where the report is not empty.
        state: the file's weights under the module's names. They become the module's own, so two modules need two readings.
        source: for the report.
        kept: pattern (``re.search``) of the module's keys that the file need not have.
        unused: pattern of the file's keys that are not taken, whether or not the module has them.
    """
    own = module.state_dict()
    left = {key for key in state if search(unused, key)}
    shared = sorted(own.keys() & state.keys() - left)
    lacking, extra = sorted(own.keys() - set(shared)), sorted(state.keys() - own.keys() - left)
    odd = [key for key in shared if state[key].shape != own[key].shape]
    report = LoadReport(
        source,
        tuple(key for key in shared if key not in set(odd)),
        _those(lacking, kept),
        tuple(sorted(left)),
        _those(lacking, kept, False),
        tuple(extra),
        tuple(f"{key}: {tuple(state[key].shape)} instead of {tuple(own[key].shape)}" for key in odd),
    )
    if report.empty:
        assign(module, {key: state[key] for key in shared})
    return report


def load_part(kind: type[Part], folder: Path) -> Part:
    """A part of a saved network: its ``config.json`` builds it, its safetensors file is mapped as its weights.

    Raises:
        InputError: a file is missing, damaged or another part's.
    """
    try:
        config = dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))
        with without_memory():
            part: Part = kind.from_config(config)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{folder}: no part of a checkpoint ({error})") from None
    fill(part, read_weights(folder / WEIGHTS), str(folder / WEIGHTS)).check()
    return part


def _safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise _damaged(path, error) from None


def read_pickle(path: Path) -> Any:
    """What ``torch.save`` wrote: tensors (mapped, but for torch's old format), numbers and texts.

    Raises:
        InputError: damaged, or a pickle that wants to run code.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's doubts about a file; what matters is said by the error
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (OSError, MemoryError) as error:
        raise _damaged(path, error) from None
    except Exception as error:  # noqa: BLE001 (over damaged bytes the reader stumbles in any way there is)
        if "GLOBAL" in str(error) or _is_plain_pickle(path):
            raise InputError(
                f"{path}: a pickle with more than tensors in it; loading it would run its code, so it is refused",
                next="tbd weights list, which names the published files",
            ) from None
        raise _damaged(path, error) from None


def _is_plain_pickle(path: Path) -> bool:
    """Whether a file is one Python pickle that could be loaded, code and all; torch's own are of protocol 2."""
    with path.open("rb") as file:
        head = file.read(2)
        if len(head) < 2 or head[0] != 0x80 or head[1] not in (3, 4, 5):
            return False
        file.seek(-1, 2)
        return file.read() == b"."


def _those(keys: Iterable[str], pattern: str, matching: bool = True) -> tuple[str, ...]:
    return tuple(key for key in keys if bool(search(pattern, key)) == matching)


def _damaged(path: Path, error: Exception) -> InputError:
    said = [line.strip() for line in str(error).splitlines() if line.strip()]
    words = next((line for line in said if "Unsupported operand" in line), said[0] if said else type(error).__name__)
    words = words.partition(". ")[0]  # torch goes on with advice, to load it as code for one
    return InputError(f"{path}: cannot be read, damaged, or not a file of weights ({words})", next="tbd weights verify")
