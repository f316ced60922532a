"""How to judge a row: the page that a project may have in its own words."""

from __future__ import annotations

from functools import cache

from tbd import workspace
from tbd.errors import TbdError


@cache
def rubric() -> str:
    """``annotate/rubric.md`` of this project, else the shipped one, as Markdown; "" where neither can be read."""
    try:
        return workspace.find("annotate/rubric.md").read_text(encoding="utf-8")
    except (TbdError, OSError, ValueError):
        return ""
