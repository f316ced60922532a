"""One backend, made from a recipe: weights or server are found, nothing is loaded yet."""

from __future__ import annotations

from collections.abc import Sequence

from tbd.annotate.backends.base import Backend
from tbd.annotate.recipe import DEFAULT_MODEL, AnnotateRecipe
from tbd.errors import UsageError


def create(recipe: AnnotateRecipe, endpoints: Sequence[str] = (), device: str | None = None) -> Backend:
    """The backend that a recipe names. Finds weights or server; loads nothing yet.

    Args:
        endpoints: URLs of OpenAI-compatible servers, for ``server``.
        device: ``cuda:1`` or ``cpu``, for ``qwen2-vl``; None lets the backend choose.

    Raises:
        MissingError: the weights are not on this machine, or no server answers.
        UsageError: ``server`` without an endpoint, or ``oracle`` with chains that clips share.
    """
    chosen = recipe.backend
    if chosen.name == "facs":
        from tbd.annotate.backends.facs import FacsBackend

        return FacsBackend()
    if chosen.name == "oracle":
        from tbd.annotate.backends.oracle import OracleBackend

        if recipe.chain.per == "identity":
            raise UsageError(
                "each drawn clip shows units of its own: --per identity would share them", next="--per clip"
            )
        return OracleBackend()
    if chosen.name == "server":
        from tbd.annotate.backends.server import ServerBackend

        if not endpoints:
            raise UsageError("--backend server needs an endpoint", next="--endpoint http://localhost:8000/v1")
        return ServerBackend(endpoints, chosen.model, recipe.server)
    from tbd.annotate.backends.qwen import QwenBackend

    return QwenBackend(
        chosen.model or DEFAULT_MODEL,
        dtype=chosen.dtype,
        quantize=chosen.quantize,
        attention=chosen.attention,
        device=device,
        device_map=chosen.device_map,
        batch_size=chosen.batch_size,
    )
