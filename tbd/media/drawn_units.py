"""The truth beside a drawn clip: ``001.units.csv`` says which action units each frame of ``001.mp4`` shows.

Columns are ``frame seconds energy opening`` and ``au{n}_left au{n}_right``; strengths run from 0 to 1, and the FACS letters
A to E are 0.2 to 1.0. Real clips have no such file.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tbd.errors import InputError

Values = npt.NDArray[np.float64]

UNITS_FILE = ".units.csv"
"""Ending of the file beside a clip."""
COLUMNS = ("frame", "seconds", "energy", "opening")
"""Of the table, before those of the units."""
LETTERS = "ABCDE"
BLINK = 45
"""Everybody blinks: a moment, and no part of what is shown."""

_COLUMN = re.compile(r"au(\d+)_(left|right)")


@dataclass(frozen=True, eq=False)
class DrawnUnits:
    """What is drawn in each frame of a clip.

    Attributes:
        seconds: ``(T,)`` from the beginning of the file.
        energy: ``(T,)`` loudness of the voice, 0 to 1.
        opening: ``(T,)`` distance of the lips in distances between the pupils.
        units: action unit -> ``(T, 2)`` strength on the left and on the right, from the person's own view.
        sha256: of the file.
    """

    seconds: Values
    energy: Values
    opening: Values
    units: Mapping[int, Values]
    sha256: str

    def __len__(self) -> int:
        return len(self.seconds)

    def mean(self, units: Sequence[int]) -> Values:
        """``(T, len(units))`` strengths, the mean of both sides; 0 for a unit that the clip never shows."""
        rest = np.zeros((len(self), 2))
        return np.stack([self.units.get(unit, rest).mean(1) for unit in units], 1)


def letter(strength: float) -> str:
    """The nearest FACS letter of a strength from 0 to 1; empty below half a trace (0.1)."""
    step = int(5 * strength + 0.5)
    return LETTERS[min(step, 5) - 1] if step > 0 else ""


def units_path(clip: Path) -> Path:
    """Where the truth about a clip lies, if it was drawn."""
    return clip.with_suffix(UNITS_FILE)


def read_units(clip: Path) -> DrawnUnits:
    """The truth about a drawn clip.

    Args:
        clip: the video.

    Raises:
        InputError: there is no such file beside it, or it is not one.
    """
    return read_table(units_path(clip))


def read_table(path: Path) -> DrawnUnits:
    """The truth about a drawn clip from its file.

    Raises:
        InputError: it is not there, or not such a file.
    """
    try:
        content = path.read_bytes()
        rows = list(csv.reader(content.decode("ascii").splitlines()))
        head, table = rows[0], np.array(rows[1:], float).reshape(len(rows) - 1, len(rows[0]))
        if not len(table) or not np.isfinite(table).all():
            raise ValueError("no rows, or values that are no numbers")
        columns = dict(zip(head, table.T, strict=True))
        numbers = sorted({int(found[1]) for name in head if (found := _COLUMN.fullmatch(name))})
        units = {n: np.stack([columns[f"au{n}_left"], columns[f"au{n}_right"]], 1) for n in numbers}
        seconds, energy, opening = (columns[name] for name in COLUMNS[1:])
        return DrawnUnits(seconds, energy, opening, units, hashlib.sha256(content).hexdigest())
    except FileNotFoundError:
        raise InputError(f"{path.name}: not there; it lies beside drawn clips only") from None
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise InputError(f"{path.name}: not the units of a drawn clip ({' '.join(str(error).split())})") from None
