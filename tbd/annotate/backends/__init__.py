"""The four backends, made from a recipe."""

from __future__ import annotations

from collections.abc import Sequence

from tbd.annotate.backends.base import Backend
from tbd.annotate.backends.factory import create
from tbd.annotate.recipe import AnnotateRecipe


def identify(recipe: AnnotateRecipe, endpoints: Sequence[str] = ()) -> tuple[str, str, str]:
    """Name, model and revision of a recipe's backend: its part of the fingerprint."""
    backend = create(recipe, endpoints)
    try:
        return backend.name, backend.model, backend.revision
    finally:
        backend.close()


def open_all(recipe: AnnotateRecipe, endpoints: Sequence[str] = (), devices: str = "auto") -> list[Backend]:
    """One entry for each session that may be open at a time.

    A server appears as often as it takes conversations at once; with several GPUs there is one
    process for each.

    Raises:
        UsageError: ``devices`` is not ``auto`` or a list of numbers.
    """
    if recipe.backend.name == "qwen2-vl" and not recipe.backend.device_map:
        from tbd.annotate.backends.devices import Remote
        from tbd.devices import device_list

        found = device_list(devices)
        if len(found) > 1:
            return [Remote(recipe, device) for device in found]
        return [create(recipe, device=found[0])]
    backend = create(recipe, endpoints)
    return [backend] * backend.concurrency
