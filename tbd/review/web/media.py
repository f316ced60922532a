"""Pictures of a clip. Its id is looked up in the manifest; nothing else of a request leads to a file.

A browser keeps a picture under its address, and another review may answer there an hour later. So the address names
what is shown, and what is asked for without that name, or with an older one, is not kept.
"""

from __future__ import annotations

import mimetypes
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from tbd.errors import InputError
from tbd.hashes import file_stamp
from tbd.media.strip import FRAMES, Strips, draw_strip
from tbd.recipe import digest, essence
from tbd.review.card import Card
from tbd.review.session import ReviewSession
from tbd.review.web.tabs import BrowserTabs

if TYPE_CHECKING:
    from tbd.media.canonical import CanonicalClip

_PICTURES = ("image/jpeg", "image/png", "image/webp")
_AGE = {"Cache-Control": "private, max-age=3600"}
_NOT_KEPT = {"Cache-Control": "no-store"}


def picture_version(session: ReviewSession, card: Card) -> str:
    """What the pictures of a card's first clip show, as 16 hex digits; "" when its file is not on this machine."""
    with suppress(InputError):
        if clip := session.canonical(card):
            return _version(clip)
    return ""


def _version(clip: CanonicalClip) -> str:
    """Another file, other content, another window or another crop: another name. ``InputError``: the file is gone."""
    stamp = file_stamp(clip.path, strict=True)
    shown = [str(clip.path.absolute()), stamp, clip.start, clip.end, clip.crop_box, essence(clip.rule)]
    return digest(shown)[:16]


def _kept(request: Request, version: str) -> dict[str, str]:
    return _AGE if request.query_params.get("v") == version else _NOT_KEPT


class Media:
    """Strips and videos of the clips of the manifest that is reviewed."""

    def __init__(self, tabs: BrowserTabs) -> None:
        self._tabs, self._strips = tabs, Strips()

    def strip(self, request: Request) -> Response:
        """Eight frames as one JPEG, in four rows with ``?rows=4``."""
        rows = 4 if request.query_params.get("rows") == "4" else 1
        clip = self._clip(request)
        version = _version(clip)
        drawn = self._strips.get(f"{rows}:{version}", lambda: draw_strip(clip, FRAMES // rows))
        return Response(drawn, media_type="image/jpeg", headers=_kept(request, version))

    def video(self, request: Request) -> Response:
        """The file as it is, any range of it, and never as something a browser would run."""
        clip = self._clip(request)
        path = clip.path
        kind = mimetypes.guess_type(path.name)[0] or ""
        safe = kind if kind.startswith("video/") or kind in _PICTURES else "application/octet-stream"
        return FileResponse(path, media_type=safe, headers=_kept(request, _version(clip)))

    def _clip(self, request: Request) -> CanonicalClip:
        """The clip that a request names; refused when the browser said no name, or the file is not on this machine."""
        reviewer = request.state.session.reviewer
        if not reviewer:
            raise HTTPException(403)
        clip = self._tabs.of(reviewer).session.canonical(request.path_params["clip_id"])
        if clip is None:
            raise HTTPException(404, "The clip is not on this machine.")
        return clip
