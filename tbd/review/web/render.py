"""Pages from templates. Everything in them is escaped; scripts and styles are files of their own."""

from __future__ import annotations

import hashlib
import time
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from tbd.console import human_seconds
from tbd.review.web.marks import SIGNS, WORDS

_HERE = Path(__file__).parent
STATIC = {"review.css": "text/css", "review.js": "text/javascript", "icon.svg": "image/svg+xml"}


def page(template: str, status: int = 200, **context: Any) -> Response:
    """A page of the folder ``templates``."""
    return HTMLResponse(fragment(template, **context), status)


def fragment(template: str, **context: Any) -> Markup:
    """A piece of a page, safe to put into another."""
    return Markup(_environment().get_template(template).render(context))


@cache
def static(name: str) -> bytes:
    """One of the ``STATIC`` files."""
    return (_HERE / "static" / name).read_bytes()


def static_url(name: str) -> str:
    """The address of a ``STATIC`` file, another one whenever its content is."""
    return f"/static/{name}?v={hashlib.sha256(static(name)).hexdigest()[:12]}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals |= {"static_url": static_url, "SIGNS": SIGNS, "WORDS": WORDS}
    environment.filters |= {"ago": lambda moment: human_seconds(max(0.0, time.time() - moment))}
    return environment
