"""The line at the top: which queue, whose, how far, and how long the card has been open."""

from __future__ import annotations

import time
from collections.abc import Mapping

from textual.content import Content
from textual.widget import Widget

from tbd.hidden_characters import one_line
from tbd.review import words
from tbd.review.card import ReviewProgress


class StatusLine(Widget):
    """One line; the part of its length that is done is tinted."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place
        self.filters: Mapping[str, str] = {}
        self.progress = ReviewProgress(0, 0, 0)
        self.since = time.monotonic()

    def on_mount(self) -> None:
        """The time of the card goes on by the second."""
        self.set_interval(1.0, self.refresh)

    def show(self, progress: ReviewProgress, filters: Mapping[str, str]) -> None:
        """Other figures, for a card that was just laid on the session."""
        self.progress, self.filters, self.since = progress, filters, time.monotonic()
        self.refresh()

    def render(self) -> Content:
        """Place and filters at the left, cut where they must be; figures at the right, always whole."""
        progress, width = self.progress, self.size.width
        minutes, seconds = divmod(int(time.monotonic() - self.since), 60)
        pace = "" if progress.per_hour is None else f"{progress.per_hour:.0f}/h · "
        figures = f"{progress.done}/{progress.total} done · {progress.left} left · {pace}{minutes}:{seconds:02}"
        only = f" · {words.filters(self.filters)}" if self.filters else ""
        left = Content.assemble((one_line(self.place), "bold"), (only, "bold $text-primary"))
        left = left.truncate(max(0, width - len(figures) - 2), ellipsis=True)
        gap = " " * max(1, width - left.cell_length - len(figures))
        share = progress.done / progress.total if progress.total else 1.0
        return Content.assemble(left, gap, figures).stylize("on $primary-darken-2", 0, round(width * share))
