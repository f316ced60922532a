"""The paper's figures redrawn from a replication, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from tbd import workspace
from tbd.demo.measures import Estimate
from tbd.evaluate.style_codes.points import StylePoints
from tbd.evaluate.style_codes.tsne_figure import colour_and_marker, draw_tsne
from tbd.media import video
from tbd.replicate.readings import ClipReading

SIDE, LABEL = 96, 150
"""Pixels of a face in a sheet, and of the words before its row."""


def draw_estimates(values: Mapping[str, Estimate], title: str, path: Path) -> None:
    """Points with their intervals, one row a name: Table 2 and Fig. 9."""
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(6.4, 0.6 + 0.36 * len(values)))
    for place, (name, one) in enumerate(values.items()):
        colour, marker = colour_and_marker(place)
        spread = [[one.value - one.low], [one.high - one.value]]
        axis.errorbar(one.value, -place, xerr=spread, color=colour, marker=marker, capsize=3, label=name)
    axis.set_yticks([-place for place in range(len(values))], list(values))
    axis.axvline(0, color="0.7", linewidth=0.8)
    axis.set(title=title, xlabel="95 % interval over people")
    _save(figure, path)


def draw_intensities(grids: Sequence[Mapping[tuple[str, int], float]], path: Path) -> None:
    """Fig. 10: measured strength of an emotion's own units at Mild, Moderate and Intense, mean over portraits."""
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(6.4, 3.2))
    for place, emotion in enumerate(sorted({emotion for grid in grids for emotion, level in grid if level == 3})):
        means = [np.mean([grid[emotion, level] for grid in grids if (emotion, level) in grid]) for level in (1, 2, 3)]
        colour, marker = colour_and_marker(place)
        axis.plot((1, 2, 3), means, color=colour, marker=marker, label=emotion)
    axis.set_xticks((1, 2, 3), ["Mild", "Moderate", "Intense"])
    axis.set(ylabel="strength of its own units")
    axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    _save(figure, path)


def draw_curves(stages: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    """How training went on clips kept back: the loss, and by how much another clip's text raises it.

    Args:
        stages: name -> lines of its ``validation.jsonl``.
        path: of the picture.
    """
    from matplotlib import pyplot as plt

    figure, (loss, text) = plt.subplots(1, 2, figsize=(9, 3.2))
    for place, (name, lines) in enumerate(stages.items()):
        look = {**dict(zip(("color", "marker"), colour_and_marker(place), strict=True)), "label": name}
        steps = [line["step"] for line in lines]
        loss.plot(steps, [line["loss"] for line in lines], **look)
        text.plot(steps, [100 * line["conditions"]["text"]["change"] for line in lines], **look)
    loss.set(title="loss", xlabel="step", yscale="log")
    text.set(title="another clip's text raises it by, in %", xlabel="step")
    text.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    _save(figure, path)


def draw_people(readings: Sequence[ClipReading], stem: Path) -> str:
    """Fig. 11: the people of a run by the reader's embedding; writes ``stem``.png and .svg.

    Returns:
        The caption.
    """
    features = np.stack([one.identity for one in readings])
    points = StylePoints(features, tuple(one.subject for one in readings), f"{len(readings)} rendered clips")
    return draw_tsne(points, "People the model has not seen", stem)[1]


def draw_faces(rows: Mapping[str, Sequence[Path]], path: Path) -> None:
    """A sheet of faces: a row of videos a name, each with its middle frame; a missing video leaves a gap."""
    columns = max(map(len, rows.values()))
    sheet = Image.new("RGB", (LABEL + columns * SIDE, SIDE * len(rows)), "white")
    pen = ImageDraw.Draw(sheet)
    for place, (name, videos) in enumerate(rows.items()):
        pen.text((6, place * SIDE + SIDE // 2 - 6), name, fill="black")
        for column, one in enumerate(videos):
            if one.is_file():
                sheet.paste(_middle(one), (LABEL + column * SIDE, place * SIDE))
    workspace.write_whole(path, lambda temporary: sheet.save(temporary, "PNG"))


def _middle(path: Path) -> Image.Image:
    frames = [frame for _, frame in video.frames(path)]
    return Image.fromarray(frames[len(frames) // 2]).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot as plt

    workspace.write_whole(
        path,
        lambda temporary: figure.savefig(
            temporary, format="png", dpi=130, bbox_inches="tight", metadata={"Software": None}
        ),
    )
    plt.close(figure)
