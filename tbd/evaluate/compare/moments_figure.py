"""``tbd compare --figure``: runs below each other at the same moments of a clip, as Fig. 7."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd import workspace
from tbd.errors import InputError, UsageError
from tbd.evaluate.compare.compared_runs import ComparedRun

FILE, SIDE = "moments.png", 256
Pixels = npt.NDArray[np.uint8]


def moments(text: str) -> list[float]:
    """``0.2,0.5,0.8`` as shares of a clip.

    Raises:
        UsageError: not numbers from 0 to 1.
    """
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(0 <= moment <= 1 for moment in found):
        raise UsageError(f"--times {text}: shares of a clip from 0 to 1 are needed", next="--times 0.2,0.5,0.8")
    return found


def draw_moments(runs: Sequence[ComparedRun], clips: Sequence[str], times: Sequence[float], folder: Path) -> list[Path]:
    """Write ``moments.png``, ``.svg`` and ``.pdf``: a row a run (for each clip), a column a moment.

    Raises:
        UsageError: a clip that some run lacks; or no clip at all.
        InputError: a video is not where it was.
    """
    if not clips:
        raise UsageError("--figure: the runs have no clip in common to draw", next="the same command without --figure")
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    rows = [
        (f"{run.name}{_label(run, clip) if len(clips) > 1 else ''}", video_of(run, clip))
        for clip in clips
        for run in runs
    ]
    close = {"wspace": 0.03, "hspace": 0.03, "left": 0, "right": 1, "bottom": 0, "top": 1}
    size = (1.7 * len(times), 1.7 * len(rows))
    figure, axes = plt.subplots(len(rows), len(times), figsize=size, squeeze=False, gridspec_kw=close)
    for (name, path), line in zip(rows, axes, strict=True):
        for axis, picture in zip(line, frames_at(path, times), strict=True):
            axis.imshow(picture)
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9, labelpad=6)
    for axis, time in zip(axes[0], times, strict=True):
        axis.set_title(f"{time:.0%} of the clip", fontsize=9)
    paths = [(folder / FILE).with_suffix(ending) for ending in (".png", ".svg", ".pdf")]
    for path in paths:
        workspace.write_whole(path, lambda temporary, path=path: _save(figure, temporary, path.suffix[1:]))  # type: ignore[misc]
    plt.close(figure)
    return paths


def video_of(run: ComparedRun, clip: str) -> Path:
    """The video of a clip.

    Raises:
        UsageError: the run has none.
        InputError: it is not where it was.
    """
    names = {rows[clip].video for rows in run.rows.values() if clip in rows and rows[clip].video}
    if not names:
        known = sorted({name for rows in run.rows.values() for name in rows})
        raise UsageError(f"{run.name} has no clip {clip!r}; it has {', '.join(known[:3])} …", next="--clips FILE")
    folder = Path(str(run.record.runs[run.run]["folder"]))
    path = folder / names.pop()
    if not path.is_file():
        raise InputError(f"{path}: the video is not there any more", next="run this where tbd eval was run")
    return path


def frames_at(path: Path, times: Sequence[float]) -> list[Pixels]:
    """The pictures at shares of a video's length, ``(H, W, 3)`` uint8 RGB, at most ``SIDE`` pixels high.

    Raises:
        InputError: it cannot be decoded.
    """
    from PIL import Image

    from tbd.media import video
    from tbd.media.probe import probe

    source = probe(path)
    places = [min(int(time * source.num_frames), source.num_frames - 1) for time in times]
    found = dict(video.frames(source, sorted(set(places))))
    pictures = []
    for place in places:
        image = Image.fromarray(found[place])
        image.thumbnail((SIDE * 4, SIDE))
        pictures.append(np.asarray(image))
    return pictures


def _label(run: ComparedRun, clip: str) -> str:
    labels: dict[str, Any] = next((dict(rows[clip].labels) for rows in run.rows.values() if clip in rows), {})
    words = [str(labels[name]) for name in ("emotion", "level") if labels.get(name) is not None]
    return f"\n{' '.join(words) or clip}"


def _save(figure: Any, path: Path, kind: str) -> None:
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    figure.savefig(path, format=kind, dpi=200, bbox_inches="tight", metadata=metadata)
