"""Action units by OpenFace 2: its tables, and its program where this machine has it.

Baltrusaitis et al., *OpenFace 2.0: Facial behavior analysis toolkit*, FG 2018. A table has one row a frame
and face, with ``AUxx_c`` (present, 0 or 1) and ``AUxx_r`` (intensity, 0 to 5). The program is free for
academic use only and is no part of ``tbd``.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from tbd.errors import InputError, MissingError

Pixels = npt.NDArray[np.uint8]

PROGRAM, VARIABLE = "FeatureExtraction", "TBD_OPENFACE"

CONFIDENCE = 0.8
"""Least confidence of a frame that counts."""

QUALITY = 95
"""JPEG quality of the frames that the program is given."""

_COLUMN = re.compile(r"AU(\d\d)_([cr])")


@dataclass(frozen=True)
class Measured:
    """Action units over a clip.

    Attributes:
        present: for each unit that was looked for, the share of good frames in which it shows, 0 to 1.
        frames: good ones: a face was found, and its confidence is at least 0.8.
        of: all frames.
        intensity: mean over the good frames, 0 to 5, where the detector tells.
    """

    present: Mapping[int, float]
    frames: int
    of: int
    intensity: Mapping[int, float] = field(default_factory=dict)


def read_table(path: Path) -> Measured:
    """An OpenFace 2 table. Of several faces, the one seen in most frames.

    Raises:
        InputError: it is no such table.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file, skipinitialspace=True))
        rows = _of_one_face([{str(name).strip(): value for name, value in line.items()} for line in lines])
        units = [column for column in (rows[0] if rows else {}) if _COLUMN.fullmatch(column)]
        if not any(column.endswith("_c") for column in units):
            raise InputError(
                f"{path.name}: no OpenFace table: it has no column AU01_c", next=f"{PROGRAM} -f VIDEO -aus"
            )
        good = [row for row in rows if float(row["success"]) == 1 and float(row["confidence"]) >= CONFIDENCE]
        values = {column: np.array([float(row[column]) for row in good]) for column in units}
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise InputError(f"{path.name}: no OpenFace table ({type(error).__name__}: {error})") from error
    means = {column: float(value.mean()) if len(value) else 0.0 for column, value in values.items()}
    if not all(np.isfinite(mean) for mean in means.values()):
        raise InputError(f"{path.name}: a value is not a number")
    present, intensity = (
        {int(column[2:4]): mean for column, mean in means.items() if column.endswith(kind)} for kind in ("_c", "_r")
    )
    return Measured(present, len(good), len(rows), intensity)


def program() -> Path | None:
    """OpenFace's ``FeatureExtraction``: what ``$TBD_OPENFACE`` names, else the one on the search path."""
    named = os.environ.get(VARIABLE)
    found = shutil.which(named or PROGRAM)
    return Path(found) if found else None


class OpenFace:
    """Hands a clip's frames to the program and reads its table.

    Args:
        path: of the program.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = tempfile.TemporaryDirectory(prefix="tbd-openface-")
        self._count = 0

    def update(self, frames: Pixels) -> None:
        """Take the next frames, ``(T, H, W, 3)`` uint8 RGB."""
        for frame in frames:
            self._count += 1
            picture = Image.fromarray(np.ascontiguousarray(frame))
            picture.save(Path(self._folder.name) / f"{self._count:06d}.jpg", quality=QUALITY, subsampling=0)

    def finish(self) -> Measured:
        """Run it.

        Raises:
            MissingError: it failed; its last words are in the message.
            InputError: it wrote no table.
        """
        with self._folder as folder:
            out = Path(folder) / "out"
            command = [str(self._path), "-fdir", folder, "-aus", "-of", "clip", "-out_dir", str(out)]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
            if done.returncode or not (out / "clip.csv").is_file():
                words = (done.stderr or done.stdout).strip()[-200:]
                raise MissingError(f"{self._path.name} failed with {done.returncode}: {words}", next=f"{self._path} -h")
            return read_table(out / "clip.csv")


def _of_one_face(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    faces = Counter(row.get("face_id", "0") for row in rows)
    if len(faces) < 2:
        return rows
    chosen = max(sorted(faces), key=lambda face: faces[face])
    return [row for row in rows if row["face_id"] == chosen]
