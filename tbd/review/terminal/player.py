"""Opening a clip in the player of the system, or saying where it lies when that cannot be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping

from tbd.review.card import Card


def play(card: Card) -> str:
    """Open the card's file and return what to tell the reviewer.

    Nothing is opened over SSH or without a screen: the player would appear on another machine, or nowhere.
    """
    if card.path is None:
        return f"{card.row['file_name']} is not on this machine; say where its dataset lies with --root"
    if reason := hindrance(os.environ):
        return f"{reason}; the clip is {card.path}{_window(card)}"
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    quiet = subprocess.DEVNULL
    try:
        subprocess.Popen(
            [opener, str(card.path.absolute())], stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
        )
    except OSError as error:
        return f"{opener} cannot be started ({error.strerror}); the clip is {card.path}{_window(card)}"
    return f"opened {card.path.name}{_window(card)}"


def hindrance(environment: Mapping[str, str]) -> str:
    """Why no player can be opened from here, "" when one can."""
    mac = sys.platform == "darwin"
    if environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"):
        return "this is an SSH session"
    if not (mac or environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        return "there is no screen here"
    return "" if shutil.which("open" if mac else "xdg-open") else f"{'open' if mac else 'xdg-open'} is not installed"


def _window(card: Card) -> str:
    start, end = card.row["start"], card.row["end"]
    until = "its end" if end is None else f"{end:.2f} s"
    return "" if start is None and end is None else f", from {start or 0:.2f} s to {until}"
