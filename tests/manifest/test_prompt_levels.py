import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbd.errors import UsageError
from tbd.manifest import CLIP_LIMIT, REST_LIMIT, SCENE_LIMIT, coarse_and_fine, levels

FOUR = ["scene", "expression", "muscles", "dynamics"]


@pytest.mark.parametrize(
    ("k", "texts"),
    [
        (4, FOUR),
        (3, ["scene", "expression", "muscles dynamics"]),
        (2, ["scene", "expression muscles dynamics"]),
        (1, ["scene expression muscles dynamics"]),
    ],
)
def test_four_prompts_in_k_levels(k, texts):
    assert levels(FOUR, k) == texts


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_a_single_prompt_is_never_repeated(k):
    assert levels(["label"], k) == ["label"]


@given(st.lists(st.text(), max_size=6), st.integers(1, 4))
def test_no_word_is_lost_whatever_k(prompts, k):
    texts = levels(prompts, k)
    assert len(texts) == min(k, len(prompts))
    assert " ".join(texts) == " ".join(prompts)


@pytest.mark.parametrize("k", [0, 5, -1])
def test_other_numbers_of_levels_are_refused(k):
    with pytest.raises(UsageError, match=f"{k} prompt levels"):
        levels(FOUR, k)


def test_the_limits_let_every_k_fit_clip():
    specials = 2
    assert max(SCENE_LIMIT, REST_LIMIT) <= CLIP_LIMIT
    assert (SCENE_LIMIT - specials) + (REST_LIMIT - specials) <= 2 * 75  # k = 1 takes two chunks


@pytest.mark.parametrize(
    ("prompts", "texts"),
    [
        (FOUR, ("scene", "expression muscles dynamics")),
        (["coarse", "fine"], ("coarse", "fine")),
        (["label"], ("label", None)),
        ([], (None, None)),
        (["scene", "expression", " ", "dynamics"], (None, None)),
    ],
)
def test_coarse_and_fine(prompts, texts):
    assert coarse_and_fine(prompts) == texts
