"""Review as a web page: server-rendered, driven by the same keys as the terminal, for people on this machine."""

from tbd.review.web.app import create_app
from tbd.review.web.serve import serve_review

__all__ = ["create_app", "serve_review"]
