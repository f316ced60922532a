"""Pages from templates. Everything in them is escaped; scripts and styles are files of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tbd.errors import InputError, TbdError, UsageError

KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
COMMON = Path(__file__).parent / "common"
"""Templates and static files that every server here has."""
FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}


class TemplateFolder:
    """A folder with ``templates/*.html`` and ``static/*``, as pages.

    Args:
        folder: that holds both.
        values: names that every template knows, besides ``static_url``.
        filters: of the templates.
    """

    def __init__(
        self,
        folder: Path,
        values: Mapping[str, Any] | None = None,
        filters: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        self._folder, self._values, self._filters = folder, dict(values or {}), dict(filters or {})

    def page(self, template: str, status: int = 200, **context: Any) -> Response:
        """A whole page."""
        return HTMLResponse(self.fragment(template, **context), status)

    def refused(self, request: Request, error: Exception) -> Response:
        """What failed, and what to do, as the page ``problem.html``; handles ``TbdError`` and ``HTTPException``."""
        status, words, next = 503, str(error), None
        if isinstance(error, HTTPException):
            status, words = error.status_code, error.detail
        elif isinstance(error, TbdError):
            status = 404 if isinstance(error, InputError) else 400 if isinstance(error, UsageError) else 503
            words, next = error.message, error.next
        return self.page("problem.html", status, title="That did not work", words=words, next=next)

    def fragment(self, template: str, **context: Any) -> Markup:
        """A piece of a page, safe to put into another."""
        return Markup(self._environment.get_template(template).render(context))

    @cached_property
    def static(self) -> dict[str, bytes]:
        """The files of ``static/`` by name."""
        files = [path for folder in (COMMON, self._folder) for path in (folder / "static").iterdir()]
        return {path.name: path.read_bytes() for path in files if path.suffix in KINDS}

    def static_url(self, name: str) -> str:
        """The address of a static file, another one whenever its content is."""
        return f"/static/{name}?v={hashlib.sha256(self.static[name]).hexdigest()[:12]}"

    def answer_static(self, request: Request) -> Response:
        """For the route ``/static/{name}``."""
        name = request.path_params["name"]
        if name not in self.static:
            raise HTTPException(404)
        return Response(self.static[name], media_type=KINDS[Path(name).suffix], headers=FOREVER)

    @cached_property
    def _environment(self) -> Environment:
        loader = FileSystemLoader([self._folder / "templates", COMMON / "templates"])
        environment = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
            auto_reload=False,
        )  # fmt: skip
        environment.globals |= {"static_url": self.static_url, **self._values}
        environment.filters |= self._filters
        return environment
