"""What tbd writes into the metadata of a video that it makes: how it was made, as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tbd.errors import InputError
from tbd.media.container import opened

COMMENT = "comment"
"""The mp4 tag that holds it."""


def recorded_details(path: Path) -> dict[str, Any]:
    """What the metadata of a video say about its making; empty where they say nothing, or there is no such video."""
    if not path.is_file():
        return {}
    try:
        with opened(path) as container:
            found = json.loads(container.metadata.get(COMMENT, "{}"))
    except (InputError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
