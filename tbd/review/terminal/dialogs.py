"""Questions that lie over the card. Each is answered, or left with Esc, without a mouse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, SelectionList, Static
from textual.widgets.option_list import Option
from textual.widgets.selection_list import Selection

from tbd.review.card import Card
from tbd.review.terminal.marks import one_line


class Ask(ModalScreen[str | None]):
    """A question with one key for each answer. Esc answers None; the arrow keys scroll a long body.

    Args:
        title: the question.
        choices: key, one of ``t m l k s d 1`` … ``9`` -> what it means.
        body: what to look at first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", priority=True),
        *(Binding(key, f"answer('{key}')", priority=True) for key in "tmlksd123456789"),
    ]

    def __init__(self, title: str, choices: Mapping[str, str], body: Content | str = "") -> None:
        super().__init__()
        self.title_line, self.choices = title, choices
        self.body = body if isinstance(body, Content) else Content(body)

    def compose(self) -> ComposeResult:
        """Title, body, one line an answer."""
        with Vertical(classes="dialog"):
            yield Static(Content.styled(self.title_line, "bold"), classes="question")
            if self.body:
                with VerticalScroll():
                    yield Static(self.body)
            yield Static(_answers({**self.choices, "Esc": "back"}), classes="answers")

    def on_mount(self) -> None:
        """Let the arrow keys reach the body."""
        if self.body:
            self.query_one(VerticalScroll).focus()

    def action_answer(self, key: str) -> None:
        """Answer with a key of ``choices``."""
        if key in self.choices:
            self.dismiss(key)


class Narrow(ModalScreen[Mapping[str, str] | None]):
    """Choose a filter: type to narrow the list, Enter takes the marked line. None when left with Esc.

    Args:
        active: the filters that hold now; the answer is these with one more, or one replaced, or none.
        choices: (filter, value, remark), as they are listed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape", "dismiss(None)", "back"),
        ("down", "move(1)", ""),
        ("up", "move(-1)", ""),
    ]

    def __init__(self, active: Mapping[str, str], choices: Sequence[tuple[str, str, str]]) -> None:
        super().__init__()
        self.active, self.choices = active, choices
        self.listed: list[dict[str, str]] = []

    def compose(self) -> ComposeResult:
        """A line to type in, and the list."""
        now = ", ".join(f"{key} {one_line(value)}" for key, value in self.active.items())
        with Vertical(classes="dialog"):
            yield Static(Content.styled(f"Show only … {f'(now: {now})' if now else ''}", "bold"), classes="question")
            yield Input(placeholder="type to search, Enter to choose", compact=True)
            yield OptionList(markup=False, compact=True)
            yield Static(_answers({"↑ ↓": "move", "Enter": "show", "Esc": "back"}), classes="answers")

    def on_mount(self) -> None:
        """Begin with the whole list."""
        self._list("")
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """List what fits the words typed so far."""
        self._list(event.value.casefold())

    def on_input_submitted(self) -> None:
        """Take the marked line."""
        self._choose(self.query_one(OptionList).highlighted)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take the line that was clicked, or entered in the list itself."""
        self._choose(event.option_index)

    def action_move(self, step: int) -> None:
        """Move the mark while the cursor stays in the line."""
        options = self.query_one(OptionList)
        (options.action_cursor_down if step > 0 else options.action_cursor_up)()

    def _choose(self, at: int | None) -> None:
        if at is not None:
            self.dismiss(self.listed[at])

    def _list(self, typed: str) -> None:
        options = self.query_one(OptionList)
        found = [one for one in self.choices if all(word in f"{one[0]} {one[1]}".casefold() for word in typed.split())]
        lines = [(f"{key} {one_line(value)}  {remark}", {**self.active, key: value}) for key, value, remark in found]
        if self.active and not typed:
            lines.insert(0, ("everything", {}))
        self.listed = [filters for _, filters in lines]
        options.clear_options()
        options.add_options([Option(Content(line)) for line, _ in lines])
        options.highlighted = 0 if lines else None


class Split(ModalScreen[tuple[str, ...] | None]):
    """Choose the clips of a card that the next decision applies to. None when left with Esc."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape", "dismiss(None)", "back"),
        ("n", "none", ""),
        ("a", "every", ""),
        ("s", "take", ""),
    ]

    def __init__(self, card: Card, chosen: Iterable[str]) -> None:
        super().__init__()
        self.card, self.chosen = card, set(chosen)

    def compose(self) -> ComposeResult:
        """A list to tick."""
        own = {clip: [code for code, clips in self.card.only.items() if clip in clips] for clip in self.card.clips}
        lines = [
            Selection(Content(f"{one_line(clip)}  {' '.join(own[clip])}"), clip, clip in self.chosen)
            for clip in self.card.clips
        ]
        with Vertical(classes="dialog"):
            yield Static(Content.styled("Which clips does the decision apply to?", "bold"), classes="question")
            yield SelectionList[str](*lines, compact=True)
            keys = {"space": "tick", "n": "none", "a": "all", "s": "take these", "Esc": "back"}
            yield Static(_answers(keys), classes="answers")

    def action_none(self) -> None:
        """Tick nothing."""
        self.query_one(SelectionList).deselect_all()

    def action_every(self) -> None:
        """Tick every clip."""
        self.query_one(SelectionList).select_all()

    def action_take(self) -> None:
        """Answer with what is ticked; with nothing ticked the question stays."""
        ticked = set(self.query_one(SelectionList).selected)
        if ticked:
            self.dismiss(tuple(clip for clip in self.card.clips if clip in ticked))


class Missing(ModalScreen[tuple[str, ...] | None]):
    """Name flags that the gates missed. None when left with Esc.

    Args:
        codes: flag code -> its meaning, as they are listed.
        named: those that are named already.
    """

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss(None)", "back"), ("m", "take", "")]

    def __init__(self, codes: Mapping[str, str], named: Iterable[str]) -> None:
        super().__init__()
        self.codes, self.named = codes, set(named)

    def compose(self) -> ComposeResult:
        """A list to tick."""
        lines = [
            Selection(Content(f"{one_line(code)}  {one_line(meaning)}"), code, code in self.named)
            for code, meaning in self.codes.items()
        ]
        with Vertical(id="missing", classes="dialog"):
            yield Static(Content.styled("What is wrong here and no finding says?", "bold"), classes="question")
            yield SelectionList[str](*lines, compact=True)
            yield Static(_answers({"space": "tick", "m": "take these", "Esc": "back"}), classes="answers")

    def action_take(self) -> None:
        """Answer with what is ticked; nothing ticked takes back what was named."""
        ticked = set(self.query_one(SelectionList).selected)
        self.dismiss(tuple(code for code in self.codes if code in ticked))


def _answers(keys: Mapping[str, str]) -> Content:
    lines = [Content.assemble((f" {key} ", "bold reverse"), f" {words} ") for key, words in keys.items()]
    return Content("\n").join(lines) if max(map(len, keys.values())) > 12 else Content(" ").join(lines)
