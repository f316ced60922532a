"""The picture: scikit-learn's t-SNE with recorded perplexity and seed; every label has a colour and a shape of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd import workspace
from tbd.evaluate.style_codes.points import StylePoints

PERPLEXITY, SEED = 30.0, 0
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7A6A00", "#000000")
"""Okabe and Ito's palette for all kinds of colour vision; its yellow, too light on white, is darkened."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
FEWEST = 5


def colour_and_marker(place: int) -> tuple[str, str]:
    """How the ``place``-th label is drawn: the first 64 labels all look different."""
    return COLOURS[place % len(COLOURS)], MARKERS[(place + place // len(COLOURS)) % len(MARKERS)]


@dataclass(frozen=True)
class TsneMap:
    """Points in the plane, and how they came there.

    Attributes:
        xy: ``(n, 2)``.
        perplexity: 30, or less where there are few points: it must stay below their number.
    """

    xy: npt.NDArray[np.float64]
    perplexity: float
    seed: int


def tsne(features: npt.NDArray[np.float64], *, seed: int = SEED) -> TsneMap | None:
    """Lay features out in the plane (van der Maaten and Hinton 2008); None for fewer than ``FEWEST`` points.

    Args:
        features: ``(n, d)``; brought to length 1 first.
    """
    if len(features) < FEWEST:
        return None
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    found = TSNE(perplexity=perplexity, random_state=seed, init="pca", n_jobs=1).fit_transform(unit)
    return TsneMap(np.asarray(found, np.float64), float(perplexity), seed)


def draw_tsne(points: StylePoints, title: str, stem: Path) -> tuple[list[Path], str]:
    """Write ``stem``.png and .svg.

    Returns:
        The files, and the caption; no files and the reason where there are too few points.
    """
    laid = tsne(points.features)
    if laid is None:
        return [], f"{points.words}: fewer than {FEWEST} points make no picture"
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    with mpl.rc_context({"svg.hashsalt": "tbd", "svg.fonttype": "path", "font.size": 9}):
        figure, axis = plt.subplots(figsize=(5.2, 3.8))
        for i, label in enumerate(dict.fromkeys(points.labels)):
            own = laid.xy[[label == one for one in points.labels]]
            colour, marker = colour_and_marker(i)
            axis.scatter(
                own[:, 0], own[:, 1], s=34, linewidths=0.5, edgecolors="white", label=label, marker=marker, color=colour
            )
        axis.set(xticks=[], yticks=[], title=title)
        axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
        paths = [stem.with_suffix(ending) for ending in (".png", ".svg")]
        for path in paths:
            workspace.write_whole(path, lambda temporary, path=path: _save(figure, temporary, path.suffix[1:]))  # type: ignore[misc]
        plt.close(figure)
    return paths, f"{points.words}; t-SNE with perplexity {laid.perplexity:.3g}, seed {laid.seed}"


def _save(figure: Any, path: Path, kind: str) -> None:
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    figure.savefig(path, format=kind, dpi=160, bbox_inches="tight", metadata=metadata)
