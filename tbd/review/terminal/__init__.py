"""The review in the terminal, by Textual. ``run_terminal`` is the whole of it to the command line."""

from __future__ import annotations

import os

from tbd import console
from tbd.errors import UsageError
from tbd.manifest.seal import Sealed
from tbd.review.card import Card
from tbd.review.desk import Desk


def run_terminal(desk: Desk) -> Sealed | None:
    """Let a person clear a desk's queue in this terminal, then close the desk.

    An empty queue is said and nothing is opened. Whatever ends the review, decisions are on disk and
    the desk is closed, which seals the manifest again.

    Returns:
        What was sealed; None when the manifest already shows every decision.

    Raises:
        UsageError: this is no terminal.
    """
    from tbd.review.terminal import words

    with desk:
        card = desk.next()
        if card is None:
            console.say(words.nothing(desk.progress(), desk.queue, desk.filters))
        else:
            _refuse_pipes()
            _run(desk, card)
        decided = desk.progress().mine
        if decided:
            console.say(f"{decided} decisions, all on disk; sealing the manifest again …")
        sealed = desk.close()
    if sealed is not None:
        console.say(f"sealed {sealed.path}: {sealed.approved} of {sealed.rows} rows approved")
    return sealed


def _refuse_pipes() -> None:
    if not (os.isatty(0) and os.isatty(2)):
        raise UsageError("a review in the terminal needs a terminal on both ends", next="tbd review --web")


def _run(desk: Desk, card: Card) -> None:
    from tbd.review.terminal.app import ReviewApp

    app = ReviewApp(desk, card)
    app.run()
    if app.return_code:
        raise RuntimeError("the terminal review ended by a mistake of its own; every decision made in it is on disk")
