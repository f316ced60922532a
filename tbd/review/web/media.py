"""Pictures of a clip. Its id is looked up in the manifest; nothing else of a request leads to a file."""

from __future__ import annotations

import mimetypes
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from tbd.media.strip import FRAMES, Strips, draw_strip
from tbd.review.web.tabs import BrowserTabs

if TYPE_CHECKING:
    from tbd.media.canonical import CanonicalClip

_PICTURES = ("image/jpeg", "image/png", "image/webp")
_AGE = {"Cache-Control": "private, max-age=3600"}


class Media:
    """Strips and videos of the clips of the manifest that is reviewed."""

    def __init__(self, tabs: BrowserTabs) -> None:
        self._tabs, self._strips = tabs, Strips()

    def strip(self, request: Request) -> Response:
        """Eight frames as one JPEG, in four rows with ``?rows=4``."""
        rows = 4 if request.query_params.get("rows") == "4" else 1
        clip = self._clip(request)
        drawn = self._strips.get(f"{rows}:{request.path_params['clip_id']}", lambda: draw_strip(clip, FRAMES // rows))
        return Response(drawn, media_type="image/jpeg", headers=_AGE)

    def video(self, request: Request) -> Response:
        """The file as it is, any range of it, and never as something a browser would run."""
        path = self._clip(request).path
        kind = mimetypes.guess_type(path.name)[0] or ""
        safe = kind if kind.startswith("video/") or kind in _PICTURES else "application/octet-stream"
        return FileResponse(path, media_type=safe, headers=_AGE)

    def _clip(self, request: Request) -> CanonicalClip:
        """The clip that a request names; refused when the browser said no name, or the file is not on this machine."""
        reviewer = request.state.session.reviewer
        if not reviewer:
            raise HTTPException(403)
        clip = self._tabs.of(reviewer).session.canonical(request.path_params["clip_id"])
        if clip is None:
            raise HTTPException(404, "The clip is not on this machine.")
        return clip
