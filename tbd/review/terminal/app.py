"""The review in the terminal: keys become decisions, and a decision is on disk before the next card shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.events import Event, Key, Resize
from textual.notifications import SeverityLevel
from textual.widgets import Footer, Static

from tbd.errors import TbdError
from tbd.review.card import Card, Stale, Verb
from tbd.review.session import ReviewSession
from tbd.review.terminal import words
from tbd.review.terminal.dialogs import Ask, Missing, Narrow, Split
from tbd.review.terminal.marks import one_line, plain
from tbd.review.terminal.player import play
from tbd.review.terminal.side import Side
from tbd.review.terminal.status import StatusLine
from tbd.review.terminal.view import CardView

RENEWAL = 60.0
"""Seconds after which a card at which somebody typed is held for longer."""
EDITING = {"save", "leave", "keys"}
DECIDING = {"accept", "edit", "reject", "again", "skip", "play", "split", "missing", "all"}
MOVING = {"undo", "next", "previous", "filter", "help", "finish"}
T = TypeVar("T")


@dataclass(frozen=True)
class Wish:
    """A decision that a reviewer wants to make: about which clips of which card, missing which flags, and what."""

    card: Card
    clips: tuple[str, ...]
    flags: tuple[str, ...]
    action: Verb
    prompts: tuple[str, ...] | None = None
    reason: str | None = None


def _key(key: str, action: str, words: str = "", key_display: str | None = None) -> Binding:
    """A key that acts at once, before the next one is looked at, so that fast typing never meets the wrong card."""
    return Binding(key, action, words, show=bool(words), key_display=key_display, priority=True)


class ReviewApp(App[None]):
    """One reviewer at one session. The session is the caller's to close."""

    CSS_PATH = "review.tcss"
    TITLE = "tbd review"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-slim"), (70, "-normal"), (110, "-wide"), (170, "-vast")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-low"), (24, "-high")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        _key("a", "accept", "accept"),
        _key("e", "edit", "edit"),
        _key("x", "reject", "reject"),
        _key("r", "again", "retry"),
        _key("space", "skip", "skip"),
        _key("u", "undo", "undo"),
        _key("j", "next"),
        _key("k", "previous"),
        _key("f", "filter", "filter"),
        _key("p", "play", "play"),
        _key("s", "split"),
        _key("m", "missing"),
        _key("A", "all('accept')"),
        _key("X", "all('reject')"),
        Binding("ctrl+s,ctrl+enter", "save", "save", key_display="^s"),  # after the letters before it
        Binding("escape", "leave", "leave", key_display="Esc"),
        _key("f1", "keys", "help", key_display="F1"),
        _key("question_mark", "help", "help", key_display="?"),
        _key("q", "finish", "quit"),
        _key("ctrl+q", "quit"),
        Binding("ctrl+c", "quit", show=False),  # an editor and a selection copy with it
    ]

    def __init__(self, session: ReviewSession, card: Card | None) -> None:
        super().__init__()
        self.session, self.card = session, card
        self.editing = False
        self.awake = False

    def compose(self) -> ComposeResult:
        """Figures, the card with its picture, keys."""
        yield StatusLine(f"{self.session.folder.name} · {self.session.queue} · {self.session.reviewer}")
        with Horizontal(id="session"):
            yield CardView(self.session)
            yield Static(id="ending")
            yield Side(self.session)
        yield Footer(compact=True)

    async def on_mount(self) -> None:
        """Lay the first card on the session."""
        self.set_interval(RENEWAL, self._renew)
        await self.lay(self.card)

    # ---- cards

    async def lay(self, card: Card | None) -> None:
        """Show a card, or, when none is left, what there is to do now."""
        keys = (self.editing, self.card is None)
        self.card, self.editing = card, False
        progress = self.session.progress()
        self.query_one(StatusLine).show(progress, self.session.filters)
        self.query_one(Side).show(card)
        self.view.display = card is not None
        ending = self.query_one("#ending", Static)
        ending.display = card is None
        if card is None:
            ending.update(words.ending(progress, self.session.filters))
        else:
            await self.view.show(card)
        if keys != (False, card is None):
            self.refresh_bindings()

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

    def tell(self, message: str, *, severity: SeverityLevel = "information", seconds: float = 3.0) -> None:
        """Words at the corner that go away."""
        self.clear_notifications()
        self.notify(plain(message), markup=False, severity=severity, timeout=seconds)

    def attempt(self, do: Callable[[], T]) -> T | None:
        """What ``do`` gives, or None after telling why it cannot be done."""
        try:
            return do()
        except TbdError as error:
            self.tell(error.message, severity="error", seconds=10.0)
            return None

    # ---- decisions

    async def settle(self, action: Verb, *, prompts: tuple[str, ...] | None = None, reason: str | None = None) -> None:
        """Write a decision about the card on the screen, then show the next one."""
        await self.decide(Wish(self.held, self.view.chosen, self.view.named, action, prompts, reason))

    async def decide(self, wish: Wish) -> None:
        """Write a decision; when somebody decided meanwhile, show the difference and ask."""
        try:
            receipt = self.session.decide(
                wish.card, wish.action, prompts=wish.prompts, reason=wish.reason, flags=wish.flags, clips=wish.clips
            )
        except Stale as stale:
            self._too_late(wish, stale)
        except TbdError as error:
            self.tell(error.message, severity="error", seconds=10.0)
        else:
            self.tell(words.done(receipt, wish.reason))
            await self.lay_next()

    def _too_late(self, wish: Wish, stale: Stale) -> None:
        current = stale.current

        async def answer(key: str | None) -> None:
            if key == "k":
                await self.lay_next()
            elif key == "m":
                clips = tuple(clip for clip in wish.clips if clip in current.clips)
                await self.decide(replace(wish, card=current, clips=clips or current.clips))

        choices = {"k": "keep theirs and go on", "m": f"mine after all: {wish.action}, as a new decision"}
        self.push_screen(Ask("Somebody decided about this card meanwhile", choices, words.difference(stale)), answer)

    async def action_accept(self) -> None:
        """Take the text as it stands."""
        await self.settle("accept")

    async def action_skip(self) -> None:
        """Pass over the card for this session."""
        await self.settle("skip")

    async def action_again(self) -> None:
        """Ask for another text: a rejection for the text's sake."""
        await self.settle("reject", reason="text")

    def action_reject(self) -> None:
        """Ask why, then reject."""
        wish = Wish(self.held, self.view.chosen, self.view.named, "reject")

        async def answer(key: str | None) -> None:
            if key:
                await self.decide(replace(wish, reason=words.REASON[key]))

        self.push_screen(Ask("Reject: what is wrong?", words.REASONS), answer)

    async def action_undo(self) -> None:
        """Take the last decision back and show its card again."""
        receipt = self.attempt(self.session.undo)
        if receipt is None:
            self.tell("there is nothing to take back")
        else:
            await self.lay(self.session.card(receipt.clip_id))
            self.tell(words.done(receipt, None))

    def action_all(self, action: str) -> None:
        """Decide all shown cards that share one flag with this one; asks once."""
        shared = self.session.progress().by_flag
        codes = [code for code in dict.fromkeys(flag.code for flag in self.held.findings) if code in shared][:9]
        if not codes:
            self.tell("this card has no flag that other cards could share")
            return
        choices = {
            str(at + 1): f"{one_line(code)}: {words.count(shared[code], 'card')}" for at, code in enumerate(codes)
        }

        async def answer(key: str | None) -> None:
            if key and action == "accept":
                await self.decide_all(codes[int(key) - 1], "accept")
            elif key:
                self._reject_all(codes[int(key) - 1], shared)

        if action == "reject" and len(codes) == 1:
            self._reject_all(codes[0], shared)
        else:
            self.push_screen(Ask(f"{action.title()} all cards shown here that have the flag …", choices), answer)

    def _reject_all(self, code: str, shared: Mapping[str, int]) -> None:
        async def answer(key: str | None) -> None:
            if key:
                await self.decide_all(code, "reject", words.REASON[key])

        title = f"Reject {words.count(shared[code], 'card')} here with {one_line(code)}: what is wrong?"
        self.push_screen(Ask(title, words.REASONS), answer)

    async def decide_all(self, code: str, action: Verb, reason: str | None = None) -> None:
        """Write one decision about every shown card with a flag."""
        receipt = self.attempt(lambda: self.session.decide_all(code, action, reason))
        if receipt is not None:
            await self.lay_next()
            self.tell(f"{words.done(receipt, reason)} with {one_line(code)}; u takes it back", seconds=6.0)

    # ---- editing

    async def action_edit(self) -> None:
        """Turn the prompts into editors."""
        self.editing = True
        await self.view.edit()
        self.refresh_bindings()

    async def action_save(self) -> None:
        """Decide for the text in the editors; the one that was there is then accepted."""
        await self.settle("edit", prompts=self.view.prompts)

    async def action_leave(self) -> None:
        """Leave the editors; what was typed is thrown away only after a question."""
        card, chosen, named = self.held, self.view.chosen, self.view.named

        async def answer(key: str | None) -> None:
            if key == "s":
                await self.action_save()
            elif key == "d":
                await self.lay(card)
                self.view.choose(chosen)
                self.view.name_flags(named)

        if self.view.changed:
            self.push_screen(Ask("Leave the edit?", {"s": "save it", "d": "throw it away"}), answer)
        else:
            await answer("d")

    # ---- moving about

    async def action_next(self) -> None:
        """Look at the next card without deciding this one."""
        await self.lay_next()

    async def action_previous(self) -> None:
        """Back to what was shown before."""
        card = self.attempt(self.session.previous)
        if card is None:
            self.tell("this is the first card that was shown")
        else:
            await self.lay(card)

    def action_filter(self) -> None:
        """Choose which cards to show."""
        blind = self.session.queue == "audit"  # its flags are not to be known
        choices = [
            (key, value, f"{rows} rows")
            for key, values in self.session.choices().items()
            if not (blind and key == "flag")
            for value, rows in values.items()
        ]

        async def answer(filters: Mapping[str, str] | None) -> None:
            if filters is not None:
                self.attempt(lambda: self.session.filter(filters))
                await self.lay(self.attempt(self.session.next))

        self.push_screen(Narrow(self.session.filters, choices), answer)

    def action_split(self) -> None:
        """Choose which clips of the card the next decision applies to."""
        if len(self.held.clips) == 1:
            self.tell("this card is one clip")
            return

        def answer(clips: tuple[str, ...] | None) -> None:
            if clips:
                self.view.choose(clips)

        self.push_screen(Split(self.held, self.view.chosen), answer)

    def action_missing(self) -> None:
        """Name the flags that this card should have and has not."""
        codes = self.session.missing(self.held)
        if not codes:
            self.tell("there is no other flag to name")
            return

        def answer(named: tuple[str, ...] | None) -> None:
            if named is not None:
                self.view.name_flags(named)

        self.push_screen(Missing(codes, self.view.named), answer)

    def action_play(self) -> None:
        """Open the clip in the system's player, or say where it lies."""
        self.tell(play(self.held), seconds=15.0)

    def action_help(self) -> None:
        """Say what the keys do."""
        self.push_screen(Ask("Keys", {}, words.HELP))

    action_keys = action_help

    async def action_finish(self) -> None:
        """End the review."""
        await self.action_quit()

    async def action_quit(self) -> None:
        """End; an edit that is not saved is asked about first."""
        if self.editing and self.view.changed:
            await self.action_leave()
        else:
            self.exit()

    # ---- the frame

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that mean nothing now are off, and the line of keys does not show them."""
        if len(self.screen_stack) > 1 and action in EDITING | DECIDING | MOVING | {"quit"}:
            return False  # a question is open
        if action in EDITING:
            return self.editing
        if action in DECIDING | MOVING and self.editing:
            return False
        return self.card is not None or action not in DECIDING

    def on_resize(self, event: Resize) -> None:
        """Room between the keys where there is room."""
        self.query_one(Footer).compact = event.size.width < 110

    async def on_event(self, event: Event) -> None:
        """Take note of every key, also of those that an editor takes."""
        self.awake = self.awake or isinstance(event, Key)
        await super().on_event(event)

    def _renew(self) -> None:
        """While somebody types, the card stays theirs."""
        card, awake, self.awake = self.card, self.awake, False
        if card is not None and awake and self.attempt(lambda: self.session.renew(card)) is False:
            self.tell("another reviewer has this card now; a decision may meet theirs", severity="warning")
