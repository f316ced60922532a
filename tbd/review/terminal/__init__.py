"""The review in the terminal, by Textual. ``run_terminal`` is the whole of it to the command line."""

from __future__ import annotations

import os

from tbd import console
from tbd.errors import UsageError
from tbd.manifest.seal import Sealed
from tbd.review import words
from tbd.review.session import ReviewSession


def run_terminal(session: ReviewSession) -> Sealed | None:
    """Let a person clear a queue in this terminal; whatever ends that, the session is closed, which seals again.

    Returns:
        What was sealed; None when the manifest already shows every decision.

    Raises:
        UsageError: this is no terminal.
    """
    with session:
        _refuse_pipes()
        _run(session)
        progress = session.progress()
        if progress.gone:
            console.say(words.gone(progress.gone))
        if progress.mine:
            console.say(f"{words.count(progress.mine, 'decision')}, all on disk; sealing the manifest again …")
        sealed = session.close()
    if sealed is not None:
        console.say(f"sealed {sealed.path}: {sealed.approved} of {sealed.rows} rows approved")
    return sealed


def _refuse_pipes() -> None:
    if not (os.isatty(0) and os.isatty(2)):
        raise UsageError("a review in the terminal needs a terminal on both ends", next="tbd review --web")


def _run(session: ReviewSession) -> None:
    from tbd.review.terminal.app import ReviewApp

    app = ReviewApp(session, session.next())
    app.run()
    if app.return_code:
        raise RuntimeError("the terminal review ended by a mistake of its own; every decision made in it is on disk")
