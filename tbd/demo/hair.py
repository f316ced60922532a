"""Hair styles as outlines in face coordinates: what lies behind the head, and what lies over the forehead."""

from __future__ import annotations

import numpy as np

from tbd.demo.identity import Hair, Identity
from tbd.demo.landmarks import Points

Outlines = list[Points]
"""Closed outlines, each ``(n, 2)``; a smooth curve goes through the points."""

CAP = [(-1.10, -0.30), (-1.19, -0.80), (-1.07, -1.32), (-0.66, -1.72), (0, -1.86)]
"""The left half of a head of hair, from the ear to the crown."""


def behind(identity: Identity) -> Outlines:
    """Hair behind face and neck."""
    shapes: dict[Hair, list[tuple[float, float]]] = {
        "long": [(-1.16, -1.15), (-1.30, -0.3), (-1.36, 0.8), (-1.52, 1.9), (-1.42, 2.6), (0, 2.7)],
        "bob": [(-1.14, -1.2), (-1.30, -0.4), (-1.36, 0.5), (-1.30, 1.25), (-0.95, 1.48), (0, 1.3)],
        "bun": [(-1.09, -1.2), (-1.12, -0.5), (-1.0, 0.3), (0, 0.5)],
    }
    if identity.hair == "curly":
        return [_cloud(0.0, -0.35, 1.42, 1.55, 15)]
    half = shapes.get(identity.hair)
    outlines = [_mirrored([*half[:-1]], half[-1], (0.0, -1.8))] if half else []
    return outlines + ([_cloud(0.0, -2.0, 0.42, 0.36, 9)] if identity.hair == "bun" else [])


def over(identity: Identity) -> Outlines:
    """Hair over the top of the head and the forehead."""
    width = identity.width / 1.06
    styles = {
        "cropped": [(1.02, -0.28), (0.97, -0.72), (0.80, -1.06), (0.42, -1.20), (0, -1.16), (-0.42, -1.20)]
        + [(-0.80, -1.06), (-0.97, -0.72), (-1.02, -0.28)],
        "parted": [(1.02, -0.22), (0.98, -0.68), (0.84, -1.00), (0.60, -1.18), (0.50, -1.34), (0.1, -1.13)]
        + [(-0.42, -0.97), (-0.80, -0.88), (-0.97, -0.62), (-1.02, -0.22)],
        "curly": [(1.06, -0.1), (0.98, -0.66), (0.76, -0.98), (0.40, -1.10), (0, -1.06), (-0.40, -1.12)]
        + [(-0.76, -0.98), (-0.98, -0.66), (-1.06, -0.1)],
        "long": [(1.10, 0.9), (0.99, 0.2), (0.97, -0.55), (0.72, -0.98), (0.24, -1.26), (0.12, -1.40)]
        + [(-0.02, -1.26), (-0.60, -1.02), (-0.95, -0.60), (-0.99, 0.2), (-1.10, 0.9)],
        "bob": [(1.08, 0.8), (0.98, 0.1), (0.96, -0.50), (0.70, -0.66), (0.25, -0.70), (-0.25, -0.70)]
        + [(-0.70, -0.66), (-0.96, -0.50), (-0.98, 0.1), (-1.08, 0.8)],
        "bun": [(1.02, -0.15), (0.96, -0.62), (0.76, -1.02), (0.36, -1.22), (0, -1.26), (-0.36, -1.22)]
        + [(-0.76, -1.02), (-0.96, -0.62), (-1.02, -0.15)],
    }
    cap = list(CAP)
    if identity.hair in ("long", "bob"):
        cap = [(-1.22, 0.85), (-1.24, 0.1), *CAP]
    top = [*cap, *[(-x, y) for x, y in cap[-2::-1]]]
    return [np.array(top + styles[identity.hair]) * (width, 1.0)]


def locks(identity: Identity) -> Outlines:
    """Hair that falls in front of the shoulders."""
    if identity.hair != "long":
        return []
    lock = np.array([(-1.22, 0.4), (-1.40, 1.3), (-1.52, 2.2), (-1.35, 2.75), (-1.0, 2.6), (-1.0, 1.9), (-1.06, 1.1)])
    return [lock, lock * (-1, 1)]


def _mirrored(half: list[tuple[float, float]], bottom: tuple[float, float], top: tuple[float, float]) -> Points:
    return np.array([top, *half, bottom, *[(-x, y) for x, y in half[::-1]]])


def _cloud(x: float, y: float, width: float, height: float, bumps: int) -> Points:
    """A round outline with curls."""
    angle = np.linspace(0, 2 * np.pi, 4 * bumps, endpoint=False)
    ripple = 1 + 0.035 * np.cos(angle * bumps)
    return np.stack([x + width * ripple * np.sin(angle), y - height * ripple * np.cos(angle)], 1)
