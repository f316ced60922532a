"""The folder that a Qwen vision-language model lies in: where it is, and which weights they are."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from tbd import weights
from tbd.errors import InputError, MissingError, RecipeError

ARCHITECTURES = {"qwen2_vl": "Qwen2-VL", "qwen2_5_vl": "Qwen2.5-VL", "qwen3_vl": "Qwen3-VL"}
"""``model_type`` in ``config.json`` -> the family's name. All have full attention, so prefixes can be kept."""

_NO_MODEL_NEEDED = "`--backend facs` and `--endpoint URL` need no weights on this machine"


def find(model: str | Path) -> Path:
    """The folder of a model that this backend can run.

    Args:
        model: catalogue key, hub repository or folder.

    Raises:
        MissingError: it is not on this machine; says how to get it and what works without.
        InputError: ``config.json`` cannot be read.
        RecipeError: a model of another architecture.
    """
    folder = weights.resolve(model)  # its error says how to pull, and which backends need no weights
    lacking = [name for name in ("config.json", "*.safetensors") if not any(folder.glob(name))]
    if lacking:
        raise MissingError(
            f"{folder}: no model there ({' and '.join(lacking)} missing)\n{_NO_MODEL_NEEDED}",
            next="tbd weights pull qwen2-vl-7b",
        )
    _check_architecture(folder)
    return folder


def revision(folder: Path) -> str:
    """Which weights these are: the commit of a hub snapshot, else a sha256 of the folder.

    The hash covers configuration, vocabulary and template files whole, and of every weight file its
    name, its size and 16 blocks of 1 MiB spread over it: reading 15 GB at each start would cost more
    than it could find, since training touches every tensor.
    """
    if folder.parent.name == "snapshots" and re.fullmatch(r"[0-9a-f]{40}", folder.name):
        return folder.name
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in (".json", ".jinja", ".txt", ".safetensors"):
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            for block in _blocks(path):
                digest.update(block)
    return digest.hexdigest()


def _blocks(path: Path, size: int = 1 << 20, count: int = 16) -> Iterator[bytes]:
    """The whole file when it is small, else ``count`` blocks from its first to its last byte."""
    with path.open("rb") as file:
        length = path.stat().st_size
        if length <= size * count:
            yield file.read()
            return
        for index in range(count):
            file.seek((length - size) * index // (count - 1))
            yield file.read(size)


def _check_architecture(folder: Path) -> None:
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{folder / 'config.json'}: cannot be read ({error})", next="tbd weights verify") from None
    if kind not in ARCHITECTURES:
        raise RecipeError(
            f"{folder}: a model of type {kind!r}; this backend runs {', '.join(ARCHITECTURES.values())}",
            next="serve it with vLLM or another OpenAI-compatible server, and use --endpoint URL",
        )
