"""Where the videos of a portrait go: names that hold no input, and no earlier file that a default name would replace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain, count
from pathlib import Path
from typing import Any

from tbd.cli.generate.inputs import GenerateOptions
from tbd.errors import UsageError
from tbd.media.recorded import recorded_details

_ENDINGS = (".mp4", ".png")


def refuse_inputs(given: GenerateOptions, outputs: Iterable[Path]) -> None:
    """Look that no output is the portrait or the speech.

    Raises:
        UsageError: one is.
    """
    inputs = [(name, path) for name, path in (("--image", given.image), ("--audio", given.audio)) if path is not None]
    for output in outputs:
        for name, path in inputs:
            if output.exists() and path.exists() and output.samefile(path):
                raise UsageError(
                    f"{output} is the file of {name}, and a video would take its place",
                    next="another name with -o",
                )


def bare_name(path: Path) -> Path:
    """A path without ``.mp4`` or ``.png``; every other dot is part of its name."""
    return path.with_name(path.name[: -len(path.suffix)]) if path.suffix.lower() in _ENDINGS else path


def free_name(path: Path, taken: Callable[[Path], bool]) -> Path:
    """``path``, or where that is taken the first of ``NAME-2``, ``NAME-3`` … that is not; its ending stays."""
    numbered = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))
    return next(name for name in chain([path], numbered) if not taken(name))


def is_another_video(path: Path, details: Mapping[str, Any]) -> bool:
    """Whether a file is there that tbd did not make from this same request.

    Args:
        details: of the request, as they would be recorded; ``precision`` may still be ``auto``, and is not compared.
    """
    if not path.exists():
        return False
    recorded = recorded_details(path)
    return any(_lasting(recorded.get(key)) != _lasting(value) for key, value in details.items())


def _lasting(value: Any) -> Any:
    return {**value, "precision": None} if isinstance(value, dict) else value
