"""The window of the terminal review: which card is on it, which keys are on, and what it says."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar, TypeVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.events import Event, Key, Resize
from textual.widgets import Footer, Input, Static, TextArea

from tbd.errors import TbdError
from tbd.hidden_characters import one_line
from tbd.review import words
from tbd.review.card import Card
from tbd.review.session import ReviewSession
from tbd.review.terminal import facts
from tbd.review.terminal.key_places import at_its_place
from tbd.review.terminal.side import Side
from tbd.review.terminal.status import StatusLine
from tbd.review.terminal.view import CardView
from tbd.review.words import KEYS

RENEWAL = 60.0
"""Seconds after which a card at which somebody typed is held for longer."""
HELD = 0.5
"""Seconds within which the same deciding key again is a key that is held down, and decides nothing."""
EDITING = {"save", "leave", "keys", "reset"}
MOVING = {"undo", "redo", "next", "previous", "filter", "help", "finish"}
"""What also works when no card is left."""
DECIDING = KEYS.keys() - MOVING
IN_FOOTER = {"accept", "edit", "reject", "again", "skip", "undo", "filter", "note"}
T = TypeVar("T")


def _key(key: str, action: str, label: str = "", display: str | None = None) -> Binding:
    """A key that acts at once, before the next one is looked at, so that fast typing never meets the wrong card."""
    return Binding(key, action, label, show=bool(label), key_display=display, priority=True)


class ReviewFrame(App[None]):
    """The window without what its keys do."""

    CSS_PATH = "review.tcss"
    TITLE = "tbd review"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-slim"), (70, "-normal"), (110, "-wide"), (170, "-vast")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-low"), (24, "-high")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            _key(one.key, name, one.label.lower() if name in IN_FOOTER else "")
            for name, one in KEYS.items()
            if name not in ("verdict", "help")
        ),
        *(_key(str(number), f"verdict({number})") for number in range(1, 10)),
        Binding("ctrl+s,ctrl+enter", "save", "save", key_display="^s"),  # after the letters before it
        Binding("ctrl+r", "reset", "model's text", key_display="^r"),
        Binding("escape", "leave", "leave", key_display="Esc"),
        _key("f1", "keys", "help", "F1"),
        _key("question_mark", "help", "help", "?"),
        _key("q", "finish", "quit"),
        _key("ctrl+q", "quit"),
        Binding("ctrl+c", "quit", show=False),  # an editor and a selection copy with it
    ]

    def __init__(self, session: ReviewSession, card: Card | None) -> None:
        super().__init__()
        self.session, self.card = session, card
        self.editing = self.awake = False
        self.last = ("", 0.0)  # the last key, and when

    def compose(self) -> ComposeResult:
        """Figures, the card with its picture, what was just done, keys."""
        yield StatusLine(f"{self.session.folder.name} · {self.session.queue} · {self.session.reviewer}")
        with Horizontal(id="session"):
            yield CardView(self.session)
            yield Static(id="ending")
            yield Side(self.session)
        yield Static(id="message")
        yield Footer(compact=True)

    async def on_mount(self) -> None:
        """Show the first card."""
        self.set_interval(RENEWAL, self._renew)
        await self.lay(self.card)

    async def lay(self, card: Card | None) -> None:
        """Show a card, or, when none is left, what there is to do now."""
        self.card, self.editing = card, False
        self.query_one(StatusLine).show(self.session.progress(), self.session.filters)
        self.query_one(Side).show(card)
        self.view.display = card is not None
        ending = self.query_one("#ending", Static)
        ending.display = card is None
        if card is None:
            ending.update(self._ending())
        else:
            await self.view.show(card)
        if self.session.news:
            self.tell(self.session.news, "$text-warning")
            self.session.news = ""
        self.refresh_bindings()

    def _ending(self) -> Content:
        session = self.session
        title, lines, command = words.last_page(session.report(), session.queue, session.filters, session.folder)
        keys = "u undo · k the card before · f other cards · q quit and seal"
        return Content("\n\n").join(
            [Content.styled(title, facts.TITLE), *map(Content, [*lines, keys, f"Next: {command}"])]
        )

    async def lay_next(self) -> None:
        """Show the card that comes behind the present one."""
        await self.lay(self.attempt(lambda: self.session.next(after=self.card.clip_id if self.card else None)))

    @property
    def view(self) -> CardView:
        """The card on the screen."""
        return self.query_one(CardView)

    @property
    def held(self) -> Card:
        """The card that the keys speak of; they are off while there is none."""
        assert self.card is not None
        return self.card

    def tell(self, message: str, style: str = "") -> None:
        """Words above the keys, until there are others."""
        self.query_one("#message", Static).update(Content.styled(one_line(message), style))

    def attempt(self, do: Callable[[], T]) -> T | None:
        """What ``do`` gives, or None after telling why it cannot be done."""
        try:
            return do()
        except TbdError as error:
            self.tell(error.message, "$text-error")
            return None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that mean nothing now are off, and the line of keys does not show them."""
        question = len(self.screen_stack) > 1
        if action in EDITING:
            return self.editing and not question
        if action in DECIDING | MOVING:
            return not (question or self.editing) and (self.card is not None or action in MOVING)
        return not (question and action == "quit")

    def on_resize(self, event: Resize) -> None:
        """Room between the keys where there is room."""
        self.query_one(Footer).compact = event.size.width < 110

    async def on_event(self, event: Event) -> None:
        """Take note of every key, also of those that an editor takes; one that is held down decides once."""
        if isinstance(event, Key):
            reading = not self.editing and len(self.screen_stack) == 1
            if not isinstance(self.focused, (Input, TextArea)):
                event.key = at_its_place(event.key, event.character)
            self.awake = True
            key, when = self.last
            self.last = (event.key, time.monotonic())
            deciding = reading and event.key in (KEYS["accept"].key, KEYS["again"].key, KEYS["skip"].key)
            if deciding and event.key == key and self.last[1] - when < HELD:
                return self.tell(f"{event.key} again at once: a key that is held down decides one card")
        await super().on_event(event)
        return None

    def _renew(self) -> None:
        """While somebody types, the card stays theirs."""
        card, awake, self.awake = self.card, self.awake, False
        if card is not None and awake and self.attempt(lambda: self.session.renew(card)) is False:
            self.tell("another reviewer has this card now; a decision may meet theirs", "$text-warning")
