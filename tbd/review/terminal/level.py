"""One prompt level on the card, to be read with marks or to be edited."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static, TextArea

from tbd.hidden_characters import visible, without_hidden
from tbd.manifest.tokens import count_tokens
from tbd.review.terminal.facts import changed, marked, worst_sign
from tbd.review.words import too_long
from tbd.schema import Flag


class Level(Vertical):
    """Name, sign and tokens before the text; while editing above its editor, with what changed below.

    The widgets stay from card to card, and an editor is there only while editing: putting up new
    ones takes a third of a second, and cards shall come faster.
    """

    def __init__(self) -> None:
        super().__init__(classes="level")
        self.level = self.text = self.original = ""

    def compose(self) -> ComposeResult:
        """The text, and room for the changes."""
        yield Static(classes="text")
        yield Static(classes="changes")

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
        return self.text if editor is None or editor.text == without_hidden(self.text) else editor.text.strip()

    async def edit(self) -> None:
        """Put an editor below the name; it holds nothing that cannot be seen."""
        await self.mount(TextArea(without_hidden(self.text), compact=True, highlight_cursor_line=False), after=".text")

    async def leave(self) -> None:
        """Back to reading; what the editor held is gone."""
        await self.query(TextArea).remove()

    def reset(self) -> None:
        """Back to the model's text."""
        if self.editor:
            self.editor.text = without_hidden(self.original)

    def describe(self, flags: Sequence[Flag]) -> None:
        """Show tokens and findings: a sign beside the name, and marks where they bite."""
        name = [(self.level, "bold"), worst_sign(flags), (f" {count_tokens(self.edited)}  ", "dim")]
        text, changes = self.query_one(".text", Static), self.query_one(".changes", Static)
        shown = marked(self.text, flags) if self.text else Content.styled("empty", "italic")
        text.update(Content.assemble(*name, "" if self.editor else shown))
        over = too_long(self.edited)
        if over:
            changes.update(Content.styled(over, "bold $text-error"))
        elif self.editor:
            changes.update(changed(self.original, self.edited) if self.original else "")
        else:
            changes.update(Content.styled(f"the model's: {visible(self.original)}", "dim"))
        changes.display = bool(over) or (self.edited != self.original and bool(self.original))
