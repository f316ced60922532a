"""How well labels can be told apart in a set of features: numbers to stand beside a t-SNE picture, which is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

NEIGHBOURS = 5
SHUFFLES = 20
Features = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Separation:
    """Of labelled points in the original features, by cosine.

    Attributes:
        purity: share of a point's ``k`` nearest neighbours that have its label, mean over points; 0 to 1.
        chance: the purity of neighbours drawn at random.
        shuffled_purity, shuffled_silhouette: means over ``SHUFFLES`` shuffles of the labels: the floor of noise.
        silhouette: -1 to 1 (Rousseeuw 1987).
        calinski_harabasz: between over within the labels (Calinski and Harabasz 1974).
        k: neighbours that were looked at.
        points, labels: how many there are; points that are alone with their label are left out.
        leave_out: whether a point's neighbours are those of other groups only.
    """

    purity: float
    chance: float
    shuffled_purity: float
    silhouette: float
    shuffled_silhouette: float
    calinski_harabasz: float
    k: int
    points: int
    labels: int
    leave_out: bool


def separation(
    features: npt.ArrayLike, labels: Sequence[str], groups: Sequence[str] | None = None, *, seed: int = 0
) -> Separation | None:
    """Measure how well labels are told apart.

    Args:
        features: ``(n, d)``, any length; they are compared by cosine.
        labels: of the points.
        groups: with these, a point's neighbours are sought among the points of *other* groups: expressions of other
            speakers, so that a face that knows itself counts for nothing. One group alone is as none.
        seed: of the shuffles.

    Returns:
        None where fewer than two labels have two points.
    """
    values, names, kept = _in_company(features, labels)
    if _too_few(names):
        return None
    from sklearn.metrics import calinski_harabasz_score, silhouette_score

    unit, apart = _apart(values)
    allowed = _allowed(names, None if groups is None else np.asarray(groups)[kept])
    order, generator = _nearest(apart, allowed), np.random.default_rng(seed)
    k = _neighbours(names, allowed)
    shuffles = [generator.permutation(names) for _ in range(SHUFFLES)]
    return Separation(
        purity=_purity(names, order, k),
        chance=float(np.mean([(names[row] == name).mean() for name, row in zip(names, allowed, strict=True)])),
        shuffled_purity=float(np.mean([_purity(one, order, k) for one in shuffles])),
        silhouette=float(silhouette_score(apart, names, metric="precomputed")),
        shuffled_silhouette=float(np.mean([silhouette_score(apart, one, metric="precomputed") for one in shuffles])),
        calinski_harabasz=float(calinski_harabasz_score(unit, names)),
        k=k,
        points=len(names),
        labels=len(set(names.tolist())),
        leave_out=bool((~allowed).sum() > len(names)),
    )


def neighbour_shares(features: npt.ArrayLike, labels: Sequence[str]) -> list[tuple[str, float]] | None:
    """Label of every point, and the share of its nearest neighbours that have it: their mean is ``Separation.purity``.

    Args:
        features, labels: as of ``separation``.

    Returns:
        None where fewer than two labels have two points.
    """
    values, names, _ = _in_company(features, labels)
    if _too_few(names):
        return None
    allowed = _allowed(names, None)
    order, k = _nearest(_apart(values)[1], allowed), _neighbours(names, allowed)
    return list(zip(names.tolist(), _shares(names, order, k).tolist(), strict=True))


def _in_company(
    features: npt.ArrayLike, labels: Sequence[str]
) -> tuple[Features, npt.NDArray[np.str_], npt.NDArray[np.bool_]]:
    """Points that are not alone with their label, their labels, and which of all points they are."""
    values, names = np.asarray(features, np.float64), np.asarray(labels)
    counts = Counter(names.tolist())
    kept = np.array([counts[name] > 1 for name in names.tolist()], bool)
    return values[kept], names[kept], kept


def _too_few(names: npt.NDArray[np.str_]) -> bool:
    return len(set(names.tolist())) < 2 or len(names) < 4


def _apart(values: Features) -> tuple[Features, Features]:
    """Points of length 1, and ``(n, n)`` their cosine distances."""
    unit = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    apart = np.maximum(1 - unit @ unit.T, 0)
    np.fill_diagonal(apart, 0)
    return unit, apart


def _nearest(apart: Features, allowed: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """``(n, n)``: the points in the order of their distance from each."""
    return np.argsort(np.where(allowed, apart, np.inf), axis=1, kind="stable")


def _allowed(names: npt.NDArray[np.str_], groups: npt.NDArray[np.str_] | None) -> npt.NDArray[np.bool_]:
    """``(n, n)``: which points may be neighbours of which."""
    others = ~np.eye(len(names), dtype=bool)
    if groups is None or len(set(groups.tolist())) < 2:
        return others
    apart = np.asarray(groups[:, None] != groups[None, :], bool)
    return apart if apart.any(axis=1).all() else others


def _neighbours(names: npt.NDArray[np.str_], allowed: npt.NDArray[np.bool_]) -> int:
    """As many as the rarest label can fill, so that a perfect set has purity 1."""
    same = (names[:, None] == names[None, :]) & allowed
    possible = same.sum(axis=1)
    return int(max(1, min(NEIGHBOURS, possible[possible > 0].min(initial=NEIGHBOURS))))


def _purity(names: npt.NDArray[np.str_], order: npt.NDArray[np.intp], k: int) -> float:
    return float(_shares(names, order, k).mean())


def _shares(names: npt.NDArray[np.str_], order: npt.NDArray[np.intp], k: int) -> Features:
    """Share of the ``k`` nearest neighbours of each point that have its label."""
    return np.asarray((names[order[:, :k]] == names[:, None]).mean(axis=1))
