"""The card on the screen: prompts that can be edited in place, findings, the four steps, earlier decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.timer import Timer
from textual.widgets import Static

from tbd.errors import TbdError
from tbd.manifest.prompt_levels import LEVELS, level_names
from tbd.review.card import Card
from tbd.review.findings import fold
from tbd.review.session import ReviewSession
from tbd.review.terminal import facts
from tbd.review.terminal.level import Level
from tbd.review.text_marks import concerning
from tbd.schema import Flag

PAUSE = 0.25
"""Seconds without a key before the gates look at an edited text."""
_NEXT = {None: "right", "right": "wrong", "wrong": None}


class CardView(VerticalScroll):
    """Everything about one card that has words. Scrolls with the arrow and page keys.

    Attributes:
        chosen, named, verdicts, note: what goes with the next decision: the clips it is about, flags that the gates
            missed, findings that are right or wrong, a sentence. They stay while the card is edited.
    """

    card: Card

    def __init__(self, session: ReviewSession) -> None:
        super().__init__(id="card")
        self.session = session
        self.chosen: tuple[str, ...] = ()
        self.named: tuple[str, ...] = ()
        self.verdicts: dict[str, str] = {}
        self.note = ""
        self.flags: Sequence[Flag] = ()
        self.pause: Timer | None = None

    def compose(self) -> ComposeResult:
        """Heading, prompts, findings, steps and decisions."""
        yield Static(id="heading")
        for _ in LEVELS:
            yield Level()
        yield Static(id="flags")
        yield Static(id="steps")

    async def show(self, card: Card) -> None:
        """Another card, from its top, to be read."""
        await self.leave()
        self.card, self.chosen, self.named, self.verdicts, self.note = card, card.clips, (), {}, ""
        texts = card.prompts or ("",) * len(LEVELS)
        names, originals = level_names(len(texts)), card.original + ("",) * len(texts)
        for _ in texts[len(self.query(Level)) :]:
            await self.mount(Level(), before="#flags")
        for at, level in enumerate(self.query(Level)):
            level.display = at < len(texts)
            if level.display:
                level.show(names[at], texts[at], originals[at])
        self.query_one("#steps", Static).update(facts.steps(card))
        self.read()
        self.scroll_home(animate=False)

    def read(self) -> None:
        """The card as it is to be decided on, with the keys on it."""
        self.flags = self.card.findings
        self.describe()
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

    def judge(self, number: int) -> None:
        """A finding is right; once more it is wrong; once more there is no verdict."""
        for code in [one.code for one in self.card.folded if one.number == number]:
            verdict = _NEXT[self.verdicts.pop(code, None)]
            self.verdicts |= {code: verdict} if verdict else {}
            self.describe()

    def describe(self) -> None:
        """Show heading, findings and token counts for the text as it stands."""
        heading = facts.heading(self.card, self.chosen, self.named, self.note, self.prompts)
        self.query_one("#heading", Static).update(heading)
        edited = self.flags is not self.card.findings
        folded = (
            fold(self.flags, self.card.levels, self.session.meanings, self.card.only) if edited else self.card.folded
        )
        found = self.query_one("#flags", Static)
        found.update(facts.findings(self.card, folded, self.prompts, self.verdicts))
        found.display = bool(folded)
        for level, flags in self._bitten():
            level.describe(flags)

    def _bitten(self) -> Iterator[tuple[Level, list[Flag]]]:
        """Each level with the flags that speak of it."""
        names = tuple(level.level for level in self.levels)
        for level in self.levels:
            yield level, concerning(self.flags, level.level, names)

    async def edit(self) -> None:
        """Turn the prompts into editors; the cursor goes to the first level with a finding."""
        for level in self.levels:
            await level.edit()
        self.describe()
        first = next((level for level, flags in self._bitten() if flags), self.levels[0])
        if first.editor:
            self.screen.set_focus(first.editor)  # at once, so that the next letter goes there

    def reset(self) -> None:
        """Put the model's text back into the editor with the cursor."""
        for level in self.levels:
            if level.editor is self.screen.focused:
                level.reset()

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
            flags = self.session.recheck(card, prompts)
        except TbdError as error:
            self.app.call_from_thread(self.notify, error.message, markup=False, severity="error")
        else:
            self.app.call_from_thread(self._show_flags, card, prompts, flags)

    def _show_flags(self, card: Card, prompts: tuple[str, ...], flags: Sequence[Flag]) -> None:
        """Unless card or text have gone on, and another check is on its way."""
        if (card.clip_id, prompts) == (self.card.clip_id, self.prompts) and any(level.editor for level in self.levels):
            self.flags = [*flags, *(flag for flag in card.findings if flag.where in ("media", "dataset"))]
            self.describe()
