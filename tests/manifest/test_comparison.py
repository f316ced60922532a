import pytest
from rows import PROMPTS, row, sealed

from tbd.errors import InputError
from tbd.manifest import compare_manifests, count_tokens
from tbd.manifest.comparison import repeated_phrases

WORDY = "A happy woman is speaking with a happy emotion, and a happy woman is speaking. AU 12 is strong."


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("", []),
        ("one two three", []),
        ("the brow is raised and the brow is raised", ["the brow is raised"]),
        ("The brow lifts. THE BROW LIFTS!", ["the brow lifts"]),
        ("red red red red red red", ["red red red red"]),
        ("a b c x a b c y b c d x b c d", ["a b c", "b c d"]),
        ("only two words only two", []),
    ],
)
def test_repeated_phrases(text, phrases):
    assert repeated_phrases(text) == phrases


@pytest.fixture
def found(tmp_path):
    one = sealed(tmp_path / "label", [row("a", prompts=[WORDY], mode="label", action_units=[], muscles=[]), row("c")])
    other = sealed(tmp_path / "cot", [row("a"), row("b")])
    return compare_manifests(one, other)


def test_both_sides_of_a_clip(found):
    assert list(found.pairs) == ["a"] and found.only == (1, 1) and found.names == ("label", "cot")
    label, cot = found.pairs["a"]
    assert (label.repeated, label.action_units, label.muscles) == (("a happy woman is speaking",), ("AU12",), ())
    assert (cot.repeated, cot.muscles) == ((), ("zygomaticus major",))
    assert cot.tokens == tuple(count_tokens(text) for text in PROMPTS)


def test_means_are_per_clip_and_side(found):
    assert found.means["repeated phrases"] == (1.0, 0.0)
    assert found.means["muscles named"] == (0.0, 1.0)
    assert found.means["CLIP tokens"] == (count_tokens(WORDY), sum(map(count_tokens, PROMPTS)))


def test_the_page_shows_both_texts(found):
    page = found.markdown()
    assert "| muscles named" in page and WORDY in page and PROMPTS[3] in page
    assert "“a happy woman is speaking”" in page


def test_edited_text_is_what_is_compared(tmp_path):
    from review_events import decide

    one, other = sealed(tmp_path / "x" / "m", [row("a")]), sealed(tmp_path / "y" / "m", [row("a")])
    decide(one, "a", "edit", PROMPTS, after=["short"])
    found = compare_manifests(one, other)
    assert found.pairs["a"][0].prompts == ("short",)
    assert found.names == ("m (1)", "m (2)")


def test_nothing_in_common_is_an_error(tmp_path):
    one, other = sealed(tmp_path / "x", [row("a")]), sealed(tmp_path / "y", [row("b")])
    with pytest.raises(InputError, match="x and y have no clip in common"):
        compare_manifests(one, other)
    with pytest.raises(InputError, match="no clip in common"):
        compare_manifests(one, one, clips=["z"])
