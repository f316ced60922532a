"""Keys in the terminal: what a card of the paper's Fig. 4 costs, and layouts of other scripts."""

import pytest
from review import small
from terminal import done, played

from tbd.annotate.gates import GATES, check
from tbd.manifest.reviews import FILE, read_events
from tbd.review.terminal.key_places import at_its_place

CLIPS = 36
pytestmark = pytest.mark.xdist_group("figure")


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
def test_in_the_terminal_both_prompts_are_in_view_and_a_decision_takes_one_key_or_two(figure_copy, size):
    async def play(terminal, session):
        for _ in range(CLIPS - 2):
            words, card = terminal.words(), terminal.app.card
            assert all(text.split()[0] in words for text in card.prompts)
            levels = terminal.app.view.levels
            top, bottom = terminal.app.view.region.y, terminal.app.view.region.bottom
            assert all(top <= level.region.y and level.region.bottom <= bottom for level in levels)  # no PageDown
            await terminal.type("a")
        await terminal.type("x", "m")
        await terminal.type("e")
        await terminal.write("Now ")
        await terminal.type("ctrl+s")

    played(play, figure_copy, size=size, check=check, gates=GATES)
    made = done(figure_copy)
    assert [action for _, action, _ in made] == ["accept"] * (CLIPS - 2) + ["reject", "edit"]
    assert read_events(figure_copy / FILE)[-1].after is not None


@pytest.mark.parametrize(
    ("typed", "key"), [("ф", "a"), ("Ф", "A"), ("α", "a"), ("ש", "a"), ("é", "é"), ("a", "a"), (None, "tab")]
)
def test_letters_of_other_layouts_mean_the_key_at_their_place(typed, key):
    assert at_its_place(typed or "tab", typed) == key


def test_a_russian_keyboard_accepts_rejects_and_takes_back(tmp_path):
    folder = small(tmp_path / "m", 3)

    async def play(terminal, session):
        await terminal.type("ф", "ч", "ь", "г")  # a, x, m, u

    played(play, folder)
    assert [action for _, action, _ in done(folder)] == ["accept", "reject", "undo"]
