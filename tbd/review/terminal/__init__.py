"""The review in the terminal, by Textual. ``run_terminal`` is the whole of it to the command line."""

from __future__ import annotations

import os

from tbd import console
from tbd.errors import UsageError
from tbd.manifest.seal import Sealed
from tbd.review.card import Card
from tbd.review.session import ReviewSession


def run_terminal(session: ReviewSession) -> Sealed | None:
    """Let a person clear a session's queue in this terminal, then close the session.

    An empty queue is said and nothing is opened. Whatever ends the review, decisions are on disk and
    the session is closed, which seals the manifest again.

    Returns:
        What was sealed; None when the manifest already shows every decision.

    Raises:
        UsageError: this is no terminal.
    """
    from tbd.review.terminal import words

    with session:
        card = session.next()
        if card is None:
            console.say(words.nothing(session.progress(), session.queue, session.filters))
        else:
            _refuse_pipes()
            _run(session, card)
        decided = session.progress().mine
        if decided:
            console.say(f"{decided} decisions, all on disk; sealing the manifest again …")
        sealed = session.close()
    if sealed is not None:
        console.say(f"sealed {sealed.path}: {sealed.approved} of {sealed.rows} rows approved")
    return sealed


def _refuse_pipes() -> None:
    if not (os.isatty(0) and os.isatty(2)):
        raise UsageError("a review in the terminal needs a terminal on both ends", next="tbd review --web")


def _run(session: ReviewSession, card: Card) -> None:
    from tbd.review.terminal.app import ReviewApp

    app = ReviewApp(session, card)
    app.run()
    if app.return_code:
        raise RuntimeError("the terminal review ended by a mistake of its own; every decision made in it is on disk")
