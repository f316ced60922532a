"""The reader of drawn faces is trained where it is missing, with a bar: minutes in which nothing else is said."""

from __future__ import annotations

from tbd.console import progress


def train_drawn_reader(quiet: bool = False) -> None:
    """Make sure that this machine has the reader of drawn faces.

    Raises:
        MissingError: the disk is full, or the cache cannot be written.
    """
    from tbd.replicate.readers import TRAINING, ensure_reader

    with progress(TRAINING, 100, quiet=quiet) as bar:
        done = 0

        def told(share: float) -> None:
            nonlocal done
            while done < int(100 * share):
                bar.advance()
                done += 1

        ensure_reader(told=told)
