"""Serving the rater's page until Ctrl-C."""

from __future__ import annotations

from pathlib import Path

from tbd.console import say
from tbd.evaluate.study.app import create_app
from tbd.evaluate.study.study_folder import read_study
from tbd.evaluate.study.votes import VoteStore
from tbd.web.listen import announce, listen, run_app

PORT = 8766


def serve_study(folder: Path, host: str = "127.0.0.1", port: int = PORT) -> None:
    """Serve the page of a study; its full address goes to stdout on one line.

    Args:
        host: address to listen on; anything but the loopback can be reached by others.
        port: 0 takes a free one.

    Raises:
        InputError: there is no study, or its votes cannot be written.
        UsageError: the port is taken.
    """
    study = read_study(folder)
    store = VoteStore(folder, study)
    try:
        with listen(host, port, f"tbd study serve {folder}") as listener:
            announce(host, listener.getsockname()[1], study.invitation, "whoever has the address can take a place.")
            say(f"{len(study.raters)} places of {len(study.orders[0])} items each. Ctrl-C ends; every vote is on disk.")
            run_app(create_app(folder, study, store, host), listener)
    finally:
        store.close()
