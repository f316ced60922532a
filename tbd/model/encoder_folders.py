"""Frozen networks that a recipe names by folder: recorded as the checkpoint sees them, and found again from anywhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tbd import weights
from tbd.errors import InputError
from tbd.hashes import sha256_file
from tbd.model.encoder_files import ENCODERS, RANDOM, encoder_file
from tbd.model.recipe import PartWeights


def encoder_folders(parts: PartWeights, checkpoint: Path) -> dict[str, str]:
    """Key of ``weights`` -> the way from a checkpoint's folder to the folder that the recipe names.

    Args:
        parts: of the recipe.
        checkpoint: the ``step-N`` folder.
    """
    keys = {entry.key for entry in weights.CATALOGUE} | {RANDOM}
    named = {part: getattr(parts, part) for part in ENCODERS}
    return {
        part: Path(os.path.relpath(place, checkpoint)).as_posix()
        for part, place in named.items()
        if place not in keys and Path(place).expanduser().exists()
    }


def found_again(
    parts: PartWeights, folders: Mapping[str, str], checkpoint: Path, identities: Mapping[str, str]
) -> PartWeights:
    """The recipe's weights with every recorded folder where it lies now.

    A folder is looked for where it lay from the checkpoint, then where the recipe names it; of two the one whose bytes
    are the recorded ones is taken.

    Args:
        parts: of the recipe.
        folders: from ``encoder_folders``.
        checkpoint: the ``step-N`` folder.
        identities: of ``FrozenEncoders``, when the checkpoint was written.

    Raises:
        InputError: one is in neither place.
    """
    found = {}
    for part, place in folders.items():
        beside, named = Path(os.path.normpath(checkpoint / place)), Path(getattr(parts, part)).expanduser()
        there = [folder for folder in (beside, named) if folder.exists()]
        wanted = identities.get(ENCODERS[part], "")
        if not there:
            raise InputError(
                f"{checkpoint}: was trained with the {part} in {named}, which is neither there nor in {beside}",
                next=f"cp -r DIR {beside}, where DIR holds the {part} with sha256 {wanted}",
            )
        found[part] = str(next((folder for folder in there if _identity(part, folder) == wanted), there[0]))
    return parts.model_copy(update=found)


def _identity(part: str, folder: Path) -> str:
    file = encoder_file(part, folder)
    return sha256_file(file) if file.is_file() else ""
