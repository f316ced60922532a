"""One prompt level on the card, to be read with marks or to be edited."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static, TextArea

from tbd.manifest.tokens import count_tokens
from tbd.review.terminal.marks import marked, plain, worst_sign
from tbd.schema import Flag

GUTTER = 15
"""Columns for a level's name, sign and tokens, as in ``review.tcss``."""


class Level(Horizontal):
    """Name, sign and tokens at the left, the text or its editor at the right.

    The widgets stay from card to card, and an editor is there only while editing: putting up new
    ones takes a third of a second, and cards shall come faster.
    """

    def __init__(self) -> None:
        super().__init__(classes="level")
        self.level = self.text = self.original = ""

    def compose(self) -> ComposeResult:
        """The gutter and the text."""
        yield Static(classes="gutter")
        yield Static(classes="text")

    def show(self, level: str, text: str, original: str) -> None:
        """Another prompt; ``original`` is the model's, shown below an edited one."""
        self.level, self.text, self.original = level, text, original

    @property
    def editor(self) -> TextArea | None:
        """The editor; None while reading."""
        return next(iter(self.query(TextArea)), None)

    @property
    def edited(self) -> str:
        """The text as it stands; one that was not touched stays as it was, odd characters included."""
        editor = self.editor
        return self.text if editor is None or editor.text == plain(self.text) else editor.text.strip()

    async def edit(self) -> None:
        """Put an editor in the place of the text."""
        self.query_one(".text").display = False
        await self.mount(TextArea(plain(self.text), compact=True, highlight_cursor_line=False))

    async def leave(self) -> None:
        """Back to reading; what the editor held is gone."""
        await self.query(TextArea).remove()
        self.query_one(".text").display = True

    def describe(self, flags: Sequence[Flag]) -> None:
        """Show tokens and findings: a sign beside the name, and marks where they bite."""
        sign, tokens = worst_sign(flags), str(count_tokens(self.edited))
        gap = " " * max(1, GUTTER - len(self.level) - len(sign[0]) - len(tokens))
        gutter = Content.assemble((self.level, "bold"), sign, (gap + tokens, "dim"))
        self.query_one(".gutter", Static).update(gutter)
        if self.editor is None:
            text = marked(self.text, flags) if self.text else Content.styled("empty", "italic")
            before = Content.styled(f"\nthe model's: {plain(self.original)}", "dim")
            self.query_one(".text", Static).update(text if self.text == self.original else text + before)
