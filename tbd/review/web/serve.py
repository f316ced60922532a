"""Serving the review page until Ctrl-C."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from tbd.console import say
from tbd.manifest.seal import Sealed
from tbd.review.web.app import create_app
from tbd.review.web.tabs import BrowserTabs, OpenSession
from tbd.web.listen import announce, listen, run_app


def serve_review(
    open_session: OpenSession,
    host: str = "127.0.0.1",
    port: int = 8765,
    token: str | None = None,
    reviewers: Sequence[str] = (),
) -> list[Sealed]:
    """Serve the page until Ctrl-C or SIGTERM; then give every card back and seal the manifest again.

    A line on stdout has the full address, one for each of several reviewers; what a person has to know is on stderr.

    Args:
        host: anything but the loopback can be reached by others.
        port: 0 takes a free one.
        token: secret in the address; None draws one. Several reviewers get one each.
        reviewers: whom the addresses are for; their sessions are opened before an address is printed. None asks.

    Returns:
        What was sealed, by the sessions whose decisions were not in the manifest yet.

    Raises:
        UsageError: the port is taken, or a reviewer's name cannot be one.
        InputError: no manifest, or a damaged one; no such address on this machine.
    """
    names = tuple(reviewers) or ("",)
    tokens = {secrets.token_urlsafe(24): name for name in names[1:]}
    tokens = {token or secrets.token_urlsafe(24): names[0]} | tokens
    tabs = BrowserTabs(open_session)
    try:
        with listen(host, port, "tbd review --web") as listener:
            for name in filter(None, names):
                tabs.of(name)
            others = "whoever has an address can review."
            several = tokens if len(tokens) > 1 else None
            announce(host, listener.getsockname()[1], next(iter(tokens)), others, several)
            say("Ctrl-C ends the review and writes the decisions into the manifest.")
            run_app(create_app(tabs, tokens, host=host), listener)
    finally:
        tabs.close()
    return tabs.sealed
