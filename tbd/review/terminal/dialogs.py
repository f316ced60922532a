"""Questions that lie over the card. Each is answered, or left with Esc, without a mouse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from tbd.hidden_characters import one_line
from tbd.review import words

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer | None], Generic[Answer]):
    """A question, what to look at or to choose from, and the keys that answer it. Esc answers None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", priority=True)]
    kind = ""

    def __init__(self, question: str, keys: Mapping[str, str]) -> None:
        super().__init__()
        self.question, self.keys = question, {**keys, "Esc": "back"}

    def compose(self) -> ComposeResult:
        """Question, body, keys."""
        lines = [Content.assemble((f" {key} ", "bold reverse"), f" {said} ") for key, said in self.keys.items()]
        between = "\n" if max(map(len, self.keys.values())) > 12 else " "
        with Vertical(classes=f"dialog {self.kind}"):
            yield Static(Content.styled(self.question, "bold"), classes="question")
            yield from self.body()
            yield Static(Content(between).join(lines), classes="answers")

    def body(self) -> ComposeResult:
        """What stands between question and keys."""
        yield from ()


class Ask(Dialog[str]):
    """A question with one key for each answer; the arrow keys scroll a long text.

    Args:
        question: what is asked.
        choices: key, one of ``t m l k s d y n 1`` … ``9`` -> what it means.
        text: what to look at first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key, f"answer('{key}')", priority=True) for key in "tmlksdyn123456789"
    ]

    def __init__(self, question: str, choices: Mapping[str, str], text: Content | str = "") -> None:
        super().__init__(question, choices)
        self.choices, self.text = choices, text

    def body(self) -> ComposeResult:
        """The text."""
        if self.text:
            with VerticalScroll():
                yield Static(self.text, markup=False)

    def on_mount(self) -> None:
        """Let the arrow keys reach the text."""
        if self.text:
            self.query_one(VerticalScroll).focus()

    def action_answer(self, key: str) -> None:
        """Answer with a key of ``choices``."""
        if key in self.choices:
            self.dismiss(key)


class Write(Dialog[str]):
    """A line to write."""

    def __init__(self, question: str, line: str) -> None:
        super().__init__(question, {"Enter": "keep"})
        self.line = line

    def body(self) -> ComposeResult:
        """The line."""
        yield Input(self.line, compact=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Answer with what was written."""
        self.dismiss(event.value)


class Narrow(Dialog[Mapping[str, str]]):
    """Choose a filter: type to narrow the list, Enter takes the marked line.

    Args:
        active: the filters that hold now; the answer is these with one more, or one replaced, or none.
        choices: (filter, value, remark), as they are listed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [("down", "move('down')", ""), ("up", "move('up')", "")]

    def __init__(self, active: Mapping[str, str], choices: Sequence[tuple[str, str, str]]) -> None:
        now = f" (now: {words.filters(active)})" if active else ""
        super().__init__(f"Show only …{now}", {"↑ ↓": "move", "Enter": "show"})
        self.active, self.choices = active, choices
        self.listed: list[dict[str, str]] = []

    def body(self) -> ComposeResult:
        """A line to type in, and the list."""
        yield Input(placeholder="type to search, Enter to choose", compact=True)
        yield OptionList(markup=False, compact=True)

    def on_mount(self) -> None:
        """Begin with the whole list."""
        self._list("")
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """List what fits the words typed so far."""
        self._list(event.value)

    def on_input_submitted(self) -> None:
        """Take the marked line."""
        at = self.query_one(OptionList).highlighted
        if at is not None:
            self.dismiss(self.listed[at])

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take the line that was clicked, or entered in the list itself."""
        self.dismiss(self.listed[event.option_index])

    async def action_move(self, way: str) -> None:
        """Move the mark while the cursor stays in the line."""
        await self.query_one(OptionList).run_action(f"cursor_{way}")

    def _list(self, typed: str) -> None:
        options, asked = self.query_one(OptionList), typed.casefold().split()
        found = [one for one in self.choices if all(word in f"{one[0]} {one[1]}".casefold() for word in asked)]
        lines = [(f"{key} {one_line(value)}  {remark}", {**self.active, key: value}) for key, value, remark in found]
        if self.active and not typed:
            lines.insert(0, ("everything", {}))
        if typed.strip():
            lines.append((f"text or clip has “{one_line(typed)}”", {**self.active, "text": typed.strip()}))
        self.listed = [filters for _, filters in lines]
        options.clear_options()
        options.add_options([Option(Content(line)) for line, _ in lines])
        options.highlighted = 0 if lines else None


class Ticks(Dialog[tuple[str, ...]]):
    """Tick some of many.

    Args:
        question: what is asked.
        choices: name -> its line.
        ticked: those that are ticked already.
        key: takes what is ticked, as Enter does.
        some: with nothing ticked the question stays.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "tick", priority=True),
        Binding("enter", "take", priority=True),
        *(Binding(key, f"press('{key}')", priority=True) for key in "smna"),
    ]
    kind = "ticks"

    def __init__(self, question: str, choices: Mapping[str, str], ticked: Iterable[str], key: str, some: bool) -> None:
        super().__init__(question, {"space": "tick", "n": "none", "a": "all", key: "take these"})
        self.choices, self.ticked, self.key, self.some = choices, set(ticked), key, some

    def body(self) -> ComposeResult:
        """A list to tick."""
        yield OptionList(*map(Option, map(self._line, self.choices)), markup=False, compact=True)

    def action_tick(self) -> None:
        """Tick the marked line, or no longer."""
        at = self.query_one(OptionList).highlighted
        if at is not None:
            self._tick(self.ticked ^ {list(self.choices)[at]})

    def action_press(self, key: str) -> None:
        """``n`` nothing, ``a`` everything, and the key that takes what is ticked."""
        if key == self.key:
            self.action_take()
        elif key in "na":
            self._tick(set(self.choices) if key == "a" else set())

    def action_take(self) -> None:
        """Answer with what is ticked."""
        if self.ticked or not self.some:
            self.dismiss(tuple(name for name in self.choices if name in self.ticked))

    def _tick(self, ticked: set[str]) -> None:
        self.ticked = ticked
        for at, name in enumerate(self.choices):
            self.query_one(OptionList).replace_option_prompt_at_index(at, self._line(name))

    def _line(self, name: str) -> Content:
        return Content(f"[{'x' if name in self.ticked else ' '}] {one_line(self.choices[name])}")
