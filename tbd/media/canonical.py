"""The canonical clip: the one view of a clip that every stage shares.

Source file -> [start, end] -> ``crop_box`` -> size x size -> constant rate -> mono 16 kHz.
"""

from __future__ import annotations

from pydantic import Field

from tbd.recipe import Recipe


class ClipRule(Recipe):
    """How a clip becomes canonical. Part of the recipe, recorded with every manifest."""

    version: int = 1
    """Raised when the rule itself changes."""
    size: int = Field(512, ge=16)
    """Side of the square picture in pixels."""
    fps: float = Field(25.0, gt=0)
    """Frames a second; canonical frame i is the source frame nearest to i / fps seconds."""
    sample_rate: int = Field(16_000, gt=0)
    """Sound, mono, in Hz."""
    scale: float = Field(1.7, ge=1)
    """Side of the crop in longer sides of the union of the face boxes."""
    candidates: int = Field(8, ge=1)
    """Frames that are looked at for the reference picture, and for the union."""
