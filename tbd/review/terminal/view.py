"""The card on the screen: findings, prompts that can be edited in place, the four steps, earlier decisions."""

from __future__ import annotations

from collections.abc import Sequence

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static, TextArea

from tbd.errors import TbdError
from tbd.manifest.tokens import count_tokens
from tbd.review.card import LEVELS, Card, budgets, level_names
from tbd.review.desk import Desk
from tbd.review.terminal import facts
from tbd.review.terminal.marks import COLOURS, SIGNS, concerning, marked, plain
from tbd.review.terminal.replies import outline
from tbd.schema import Flag

GUTTER = 15
"""Columns for a level's name, sign and tokens, as in ``review.tcss``."""
PAUSE = 0.25
"""Seconds without a key before the gates look at an edited text."""


class Level(Horizontal):
    """One prompt level: its name and tokens at the left, its text, marked or in an editor, at the right."""

    def __init__(self, name: str, text: str, original: str) -> None:
        super().__init__(classes="level")
        self.level, self.text, self.original = name, text, original
        self.loaded = plain(text)  # what the editor starts from; an untouched text stays as it was

    def compose(self) -> ComposeResult:
        """The gutter, the text, the editor (hidden until it is asked for), and the model's text after an edit."""
        yield Static(classes="gutter")
        with Vertical():
            yield Static(classes="text")
            yield TextArea(self.loaded, compact=True, highlight_cursor_line=False)
            if self.text != self.original:
                yield Static(Content.assemble(("model: ", "bold"), plain(self.original)), classes="original")

    @property
    def editor(self) -> TextArea:
        """The editor of this level."""
        return self.query_one(TextArea)

    @property
    def edited(self) -> str:
        """The text as it stands in the editor."""
        return self.text if self.editor.text == self.loaded else self.editor.text.strip()

    def describe(self, tokens: int, flags: Sequence[Flag]) -> None:
        """Show tokens and findings: a sign beside the name, and marks where they bite."""
        sign = _sign(flags)
        gap = " " * max(1, GUTTER - len(self.level) - len(sign[0]) - len(str(tokens)))
        gutter = Content.assemble((self.level, "bold"), sign, (f"{gap}{tokens}", "dim"))
        self.query_one(".gutter", Static).update(gutter)
        self.query_one(".text", Static).update(
            marked(self.text, flags) if self.text else Content.styled("empty", "italic")
        )


class CardView(VerticalScroll):
    """Everything about one card that has words. Scrolls with the arrow and page keys."""

    def __init__(self, desk: Desk, card: Card) -> None:
        super().__init__(id="card")
        self.desk, self.card = desk, card
        self.chosen: tuple[str, ...] = card.clips
        self.flags: Sequence[Flag] = card.findings
        self.pause: Timer | None = None

    def compose(self) -> ComposeResult:
        """Heading, findings, prompts under their token budgets, steps, decisions."""
        yield Static(id="heading")
        yield Static(id="flags")
        yield from self._prompts()
        for at, reply in enumerate(self.card.step_outputs):
            title = facts.CHAIN[at] if len(self.card.step_outputs) > 1 and at < 4 else "the model's reply"
            part = [flag for flag in self.flags if flag.where == f"step{at + 1}"]
            with Vertical(classes="step"):
                yield Static(Content.assemble(title, _sign(part)), classes="title")
                yield Static(marked(self._shown(reply, part), part) or Content.styled("empty", "italic"))
        if self.card.opinions:
            yield Static(Content("decided before"), classes="title")
            yield Static(facts.decisions(self.card))

    def _prompts(self) -> ComposeResult:
        texts = self.card.prompts or ("",) * len(LEVELS)
        originals = self.card.original or ("",) * len(texts)
        names = level_names(len(texts))
        yield Static(classes="budget")
        for at, (name, text) in enumerate(zip(names, texts, strict=True)):
            if at == 1:
                yield Static(classes="budget")
            yield Level(name, text, originals[at] if at < len(originals) else "")

    def _shown(self, reply: str, flags: Sequence[Flag]) -> str:
        """The outline of a reply; the raw text where only that holds what a gate quotes."""
        short = outline(reply)
        return short if all(flag.quote in short for flag in flags if flag.quote in reply) else reply

    def on_mount(self) -> None:
        """Fill in what changes while editing."""
        self.describe()

    def describe(self) -> None:
        """Show heading, findings and token counts for the text as it stands."""
        levels = list(self.query(Level))
        names = tuple(level.level for level in levels)
        prompts = self.prompts
        self.query_one("#heading", Static).update(facts.heading(self.card, self.chosen))
        texts = dict(zip(names, map(plain, prompts), strict=True))
        texts |= {f"step{at + 1}": plain(reply) for at, reply in enumerate(self.card.step_outputs)}
        lines = self.query_one("#flags", Static)
        lines.update(facts.findings(self.flags, texts, dict(self.card.only)))
        lines.display = bool(self.flags)
        limits = budgets(prompts)
        heads = ("coarse", "fine") if len(limits) > 1 else ("prompt",)
        for place, head, limit in zip(self.query(".budget").results(Static), heads, limits, strict=False):
            place.update(facts.budget(head, limit))
        for level, text in zip(levels, prompts, strict=True):
            level.describe(count_tokens(text), list(concerning(self.flags, level.level, names)))

    @property
    def prompts(self) -> tuple[str, ...]:
        """The text of every level as it stands, edited or not."""
        return tuple(level.edited for level in self.query(Level))

    @property
    def changed(self) -> bool:
        """The reviewer has typed something."""
        return any(level.edited != level.text for level in self.query(Level))

    def choose(self, clips: tuple[str, ...]) -> None:
        """The next decision applies to these clips of the card."""
        self.chosen = clips
        self.describe()

    def edit(self) -> None:
        """Turn the prompts into editors; the cursor goes to the first level with a finding."""
        self.add_class("editing")
        levels = list(self.query(Level))
        names = tuple(level.level for level in levels)
        bitten = [level for level in levels if any(concerning(self.flags, level.level, names))]
        (bitten or levels)[0].editor.focus()

    def on_text_area_changed(self) -> None:
        """Count tokens at every key, and let the gates look when the keys pause."""
        self.describe()
        if self.pause:
            self.pause.stop()
        self.pause = self.set_timer(PAUSE, lambda: self._recheck(self.prompts))

    @work(thread=True, exclusive=True, group="gates")
    def _recheck(self, prompts: tuple[str, ...]) -> None:
        try:
            flags, _ = self.desk.recheck(self.card, prompts)
        except TbdError as error:
            self.app.call_from_thread(self.notify, error.message, markup=False, severity="error")
        else:
            self.app.call_from_thread(self._show_flags, prompts, flags)

    def _show_flags(self, prompts: tuple[str, ...], flags: Sequence[Flag]) -> None:
        if prompts == self.prompts:  # else the text has gone on, and another check is on its way
            self.flags = flags
            self.describe()


def _sign(flags: Sequence[Flag]) -> tuple[str, str]:
    """The sign of the severest flag and its colour, for the end of a title."""
    worst = max((flag.severity for flag in flags), default=0)
    return (f" {SIGNS[worst]}", COLOURS[worst]) if worst else ("", "")
