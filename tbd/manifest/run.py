"""``run.json`` as far as a manifest needs it: the split rule, and where the datasets lie."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tbd.errors import InputError

if TYPE_CHECKING:
    from tbd.media.canonical import ClipRule

RUN = "run.json"


def read_run(folder: Path) -> dict[str, Any]:
    """The document; empty when there is none.

    Raises:
        InputError: it is not JSON.
    """
    file = folder / RUN
    try:
        document = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except ValueError as error:
        raise InputError(f"{file}: not JSON ({error})") from None
    return document if isinstance(document, dict) else {}


def roots(folder: Path, given: Mapping[str, Path] | None = None) -> dict[str, Path]:
    """Where each dataset of a manifest lies: as ``--root`` says, else as recorded when it was made."""
    run = read_run(folder)
    recorded = dict(run.get("roots") or {})
    if run.get("root") and run.get("dataset"):
        recorded[run["dataset"]] = run["root"]
    return {name: Path(root) for name, root in recorded.items()} | dict(given or {})


def clip_rule(folder: Path) -> ClipRule:
    """The rule by which this manifest's clips become canonical, as recorded when it was made."""
    from tbd.media.canonical import ClipRule  # brings numpy and pydantic, which readers of a manifest do not need

    recorded = read_run(folder).get("recipe", {}).get("clip")
    return ClipRule(**recorded) if recorded else ClipRule()
