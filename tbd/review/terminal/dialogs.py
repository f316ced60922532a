"""Questions that lie over the card. Each is answered, or left with Esc, without a mouse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from tbd.review import words
from tbd.review.text_marks import one_line


class Ask(ModalScreen[str | None]):
    """A question with one key for each answer. Esc answers None; the arrow keys scroll a long body.

    Args:
        title: the question.
        choices: key, one of ``t m l k s d y n 1`` … ``9`` -> what it means.
        body: what to look at first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", priority=True),
        *(Binding(key, f"answer('{key}')", priority=True) for key in "tmlksdyn123456789"),
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


class Write(ModalScreen[str | None]):
    """A line to write. None when left with Esc."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", priority=True)]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self.title_line, self.text = title, text

    def compose(self) -> ComposeResult:
        """The line."""
        with Vertical(classes="dialog"):
            yield Static(Content.styled(self.title_line, "bold"), classes="question")
            yield Input(self.text, compact=True)
            yield Static(_answers({"Enter": "keep", "Esc": "back"}), classes="answers")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Answer with what was written."""
        self.dismiss(event.value)


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
        now = f" (now: {words.filters(self.active)})" if self.active else ""
        with Vertical(classes="dialog"):
            yield Static(Content.styled(f"Show only …{now}", "bold"), classes="question")
            yield Input(placeholder="type to search, Enter to choose", compact=True)
            yield OptionList(markup=False, compact=True)
            yield Static(_answers({"↑ ↓": "move", "Enter": "show", "Esc": "back"}), classes="answers")

    def on_mount(self) -> None:
        """Begin with the whole list."""
        self._list("")
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """List what fits the words typed so far."""
        self._list(event.value)

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


class Ticks(ModalScreen[tuple[str, ...] | None]):
    """Tick some of many. None when left with Esc.

    Args:
        title: the question.
        choices: name -> its line.
        ticked: those that are ticked already.
        key: takes what is ticked, as Enter does.
        some: with nothing ticked the question stays.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", priority=True),
        Binding("space", "tick", priority=True),
        Binding("enter", "take", priority=True),
        *(Binding(key, f"press('{key}')", priority=True) for key in "smna"),
    ]

    def __init__(self, title: str, choices: Mapping[str, str], ticked: Iterable[str], key: str, some: bool) -> None:
        super().__init__()
        self.title_line, self.choices, self.key, self.some = title, choices, key, some
        self.ticked = set(ticked)

    def compose(self) -> ComposeResult:
        """A list to tick."""
        keys = {"space": "tick", "n": "none", "a": "all", self.key: "take these", "Esc": "back"}
        with Vertical(classes="dialog ticks"):
            yield Static(Content.styled(self.title_line, "bold"), classes="question")
            yield OptionList(*map(Option, map(self._line, self.choices)), markup=False, compact=True)
            yield Static(_answers(keys), classes="answers")

    def action_tick(self) -> None:
        """Tick the marked line, or no longer."""
        at = self.query_one(OptionList).highlighted
        if at is not None:
            self.ticked ^= {list(self.choices)[at]}
            self._draw()

    def action_press(self, key: str) -> None:
        """``n`` nothing, ``a`` everything, and the key that takes what is ticked."""
        if key == self.key:
            return self.action_take()
        if key in "na":
            self.ticked = set(self.choices) if key == "a" else set()
            self._draw()
        return None

    def action_take(self) -> None:
        """Answer with what is ticked."""
        if self.ticked or not self.some:
            self.dismiss(tuple(name for name in self.choices if name in self.ticked))

    def _line(self, name: str) -> Content:
        return Content(f"[{'x' if name in self.ticked else ' '}] {one_line(self.choices[name])}")

    def _draw(self) -> None:
        options = self.query_one(OptionList)
        for at, name in enumerate(self.choices):
            options.replace_option_prompt_at_index(at, self._line(name))


def _answers(keys: Mapping[str, str]) -> Content:
    lines = [Content.assemble((f" {key} ", "bold reverse"), f" {said} ") for key, said in keys.items()]
    return Content("\n").join(lines) if max(map(len, keys.values())) > 12 else Content(" ").join(lines)
