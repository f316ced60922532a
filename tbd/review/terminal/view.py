"""The card on the screen: findings, prompts that can be edited in place, the four steps, earlier decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.timer import Timer
from textual.widgets import Static

from tbd.errors import TbdError
from tbd.review.card import LEVELS, Card, budgets, level_names
from tbd.review.session import ReviewSession
from tbd.review.terminal import facts
from tbd.review.terminal.level import Level
from tbd.review.terminal.marks import concerning, plain
from tbd.schema import Flag

PAUSE = 0.25
"""Seconds without a key before the gates look at an edited text."""


class CardView(VerticalScroll):
    """Everything about one card that has words. Scrolls with the arrow and page keys."""

    card: Card

    def __init__(self, session: ReviewSession) -> None:
        super().__init__(id="card")
        self.session = session
        self.chosen: tuple[str, ...] = ()
        self.named: tuple[str, ...] = ()
        self.flags: Sequence[Flag] = ()
        self.pause: Timer | None = None

    def compose(self) -> ComposeResult:
        """Heading, findings, prompts under their token budgets, steps and decisions."""
        yield Static(id="heading")
        yield Static(id="flags")
        for at in range(len(LEVELS)):
            if at < 2:
                yield Static(classes="budget")
            yield Level()
        yield Static(id="steps")

    async def show(self, card: Card) -> None:
        """Another card, from its top, to be read."""
        await self.leave()
        self.card, self.chosen, self.named, self.flags = card, card.clips, (), card.findings
        texts = card.prompts or ("",) * len(LEVELS)
        names, originals = level_names(len(texts)), card.original + ("",) * len(texts)
        for _ in texts[len(self.query(Level)) :]:
            await self.mount(Level(), before="#steps")
        for at, level in enumerate(self.query(Level)):
            level.display = at < len(texts)
            if level.display:
                level.show(names[at], texts[at], originals[at])
        self.query_one("#steps", Static).update(facts.steps(card))
        self.describe()
        self.scroll_home(animate=False)
        self.focus()

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels that this card has."""
        return tuple(level for level in self.query(Level) if level.display)

    @property
    def prompts(self) -> tuple[str, ...]:
        """The text of every level as it stands, edited or not."""
        return tuple(level.edited for level in self.levels)

    @property
    def changed(self) -> bool:
        """The reviewer has typed something."""
        return any(level.edited != level.text for level in self.levels)

    def choose(self, clips: tuple[str, ...]) -> None:
        """The next decision applies to these clips of the card."""
        self.chosen = clips
        self.describe()

    def name_flags(self, codes: tuple[str, ...]) -> None:
        """The next decision says that these flags are missing."""
        self.named = codes
        self.describe()

    def describe(self) -> None:
        """Show heading, findings and token counts for the text as it stands."""
        texts = dict(zip((level.level for level in self.levels), map(plain, self.prompts), strict=True))
        texts |= {f"step{at + 1}": plain(reply) for at, reply in enumerate(self.card.step_outputs)}
        self.query_one("#heading", Static).update(facts.heading(self.card, self.chosen, self.named))
        found = self.query_one("#flags", Static)
        found.update(facts.findings(self.flags, texts, self.card.only))
        found.display = bool(self.flags)
        limits = budgets(self.prompts)
        heads = ("coarse", "fine") if len(limits) > 1 else ("prompt",)
        for place, head, limit in zip_longest(self.query(".budget").results(Static), heads, limits):
            place.display = limit is not None
            place.update(facts.budget(head, limit) if limit else "")
        for level, flags in self._bitten():
            level.describe(flags)

    def _bitten(self) -> Iterator[tuple[Level, list[Flag]]]:
        """Each level with the flags that speak of it."""
        names = tuple(level.level for level in self.levels)
        for level in self.levels:
            yield level, list(concerning(self.flags, level.level, names))

    async def edit(self) -> None:
        """Turn the prompts into editors; the cursor goes to the first level with a finding."""
        for level in self.levels:
            await level.edit()
        first = next((level for level, flags in self._bitten() if flags), self.levels[0])
        if first.editor:
            self.screen.set_focus(first.editor)  # at once, so that the next letter goes there

    async def leave(self) -> None:
        """Back to reading; what the editors held is gone."""
        if self.pause:
            self.pause.stop()
        for level in self.query(Level):
            await level.leave()

    def on_text_area_changed(self) -> None:
        """Count tokens at every key, and let the gates look when the keys pause; an audit hides what they say."""
        self.describe()
        if self.pause:
            self.pause.stop()
        if not self.card.blind:
            self.pause = self.set_timer(PAUSE, lambda: self._recheck(self.card, self.prompts))

    @work(thread=True, exclusive=True, group="gates")
    def _recheck(self, card: Card, prompts: tuple[str, ...]) -> None:
        try:
            flags, _ = self.session.recheck(card, prompts)
        except TbdError as error:
            self.app.call_from_thread(self.notify, plain(error.message), markup=False, severity="error")
        else:
            self.app.call_from_thread(self._show_flags, card, prompts, flags)

    def _show_flags(self, card: Card, prompts: tuple[str, ...], flags: Sequence[Flag]) -> None:
        """Unless card or text have gone on, and another check is on its way."""
        if (card.clip_id, prompts) == (self.card.clip_id, self.prompts) and self.levels[0].editor:
            self.flags = [*flags, *(flag for flag in card.findings if flag.where in ("media", "dataset"))]
            self.describe()
