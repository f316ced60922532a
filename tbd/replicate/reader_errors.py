"""How far the reader of drawn faces is to be believed: its errors on people it never saw."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.evaluate.measures.drawn_truth import SHOWN, correlation
from tbd.evaluate.networks.drawn_reader import UNITS, DrawnReader
from tbd.replicate.reader_data import DrawnPictures

Values = npt.NDArray[Any]


def held_out_errors(reader: DrawnReader, data: DrawnPictures) -> dict[str, Any]:
    """Errors on single pictures.

    Returns:
        ``units_corr``: mean over units of the correlation of read and true strengths; ``units_pooled``: the
        correlation over all units and pictures together; ``units_f1``: of shown units, all
        pictures together; ``units_mae``; ``opening_corr``; ``knn``: share of pictures whose nearest other picture by cosine
        is of the same person; ``people`` and ``pictures``: of how many; ``by_unit``: correlation of each.
    """
    found = reader.read(data.pictures)
    by_unit = {str(unit): correlation(data.units[:, i], found.units[:, i]) for i, unit in enumerate(UNITS)}
    shown, true = found.units >= SHOWN, data.units >= SHOWN
    both = int((shown & true).sum())
    return {
        "units_corr": float(np.mean([value for value in by_unit.values() if value is not None])),
        "units_pooled": correlation(data.units.ravel(), found.units.ravel()),
        "units_f1": 2 * both / max(int(shown.sum()) + int(true.sum()), 1),
        "units_mae": float(np.abs(found.units - data.units).mean()),
        "opening_corr": correlation(data.opening, found.opening),
        "knn": nearest_is_own(found.embedding, data.people),
        "people": len(set(data.people.tolist())), "pictures": len(data.pictures), "by_unit": by_unit,
    }  # fmt: skip


def nearest_is_own(embedding: Values, people: Values) -> float:
    """Share of faces whose nearest other face is the same person's: 1-NN purity, by cosine."""
    likeness = embedding @ embedding.T
    np.fill_diagonal(likeness, -np.inf)
    return float((people[likeness.argmax(1)] == people).mean())
