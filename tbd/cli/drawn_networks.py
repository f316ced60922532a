"""The small networks that drawn faces need are trained where they are missing, with a bar: minutes in which nothing else is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tbd.console import progress

if TYPE_CHECKING:
    from tbd.replicate.text_encoder import TextEncoderRecipe


def train_drawn_reader(quiet: bool = False) -> None:
    """Make sure that this machine has the reader of drawn faces.

    Raises:
        MissingError: the disk is full, or the cache cannot be written.
    """
    from tbd.replicate.readers import TRAINING, ensure_reader

    with _share_told(TRAINING, quiet) as told:
        ensure_reader(told=told)


def train_text_encoder(folder: Path, recipe: TextEncoderRecipe, quiet: bool = False) -> None:
    """Make sure that a folder has the text encoder of a recipe.

    Args:
        folder: of the text encoder.
        recipe: its size is that of the network that will listen to it.

    Raises:
        MissingError: the disk is full.
    """
    from tbd.replicate.text_encoder import TRAINING, ensure_text_encoder

    with _share_told(TRAINING, quiet) as told:
        ensure_text_encoder(folder, recipe, told)


@contextmanager
def _share_told(words: str, quiet: bool) -> Iterator[Callable[[float], None]]:
    """A bar in hundredths, moved by the share that is done."""
    with progress(words, 100, quiet=quiet) as bar:
        done = 0

        def told(share: float) -> None:
            nonlocal done
            while done < int(100 * share):
                bar.advance()
                done += 1

        yield told
