"""Emotion words, codes and strengths: what is taken, what is asked back, what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbd.errors import InputError, TbdError, UsageError
from tbd.labels import (
    NAMES,
    NEAR,
    SCHEMES,
    SYNONYMS,
    candidates,
    canonical,
    emotion_in,
    level_in,
    level_of,
)
from tbd.schema import EMOTIONS

HARMONY = {  # canonical: MEAD folder, EAT code, CREMA-D code, prose
    "happiness": ("happy", "hap", "HAP", "happiness", "Happy"),
    "sadness": ("sad", "sad", "SAD", "sadness"),
    "anger": ("angry", "ang", "ANG", "anger"),
    "fear": ("fear", "fea", "FEA", "fearful"),
    "disgust": ("disgusted", "dis", "DIS", "disgust"),
    "surprise": ("surprised", "sur", "surprise"),
    "contempt": ("contempt", "con"),
    "neutral": ("neutral", "neu", "NEU", "none", "no expression"),
    "calm": ("calm",),
}


@pytest.mark.parametrize(("name", "label"), [(name, label) for name, labels in HARMONY.items() for label in labels])
def test_every_spelling_in_use_has_one_name(name, label):
    assert canonical(label) == name


def test_names_are_the_schema_s_and_calm():
    assert (*EMOTIONS, "calm") == NAMES
    assert set(SYNONYMS) == set(NAMES)


def test_no_word_means_two_emotions():
    words = [word for words in SYNONYMS.values() for word in words]
    assert len(words) == len(set(words))
    assert not set(words) & set(NEAR)


@pytest.mark.parametrize(
    ("scheme", "number", "name"),
    [
        ("mead", "0", "anger"),
        ("mead", "1", "disgust"),
        ("mead", "2", "contempt"),
        ("mead", "7", "neutral"),
        ("probtalk3d", "0", "neutral"),
        ("probtalk3d", "6", "anger"),
        ("affectnet", "7", "contempt"),
        ("affectnet", "3", "surprise"),
        ("ravdess", "02", "calm"),
        ("ravdess", "08", "surprise"),
    ],
)
def test_an_integer_is_read_by_its_scheme(scheme, number, name):
    assert canonical(number, scheme) == name


def test_an_integer_without_a_scheme_is_refused():
    with pytest.raises(UsageError, match="scheme"):
        canonical("3")


@pytest.mark.parametrize(("scheme", "number"), [("mead", "8"), ("ravdess", "0"), ("ravdess", "9"), ("unheard", "1")])
def test_an_integer_outside_its_scheme_is_refused(scheme, number):
    with pytest.raises(UsageError):
        canonical(number, scheme)


def test_every_scheme_names_emotions_once():
    for names in SCHEMES.values():
        filled = [name for name in names if name]
        assert len(filled) == len(set(filled))
        assert set(filled) <= set(NAMES)


def test_a_misspelled_label_gets_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'happy'"):
        canonical("hapy")


@pytest.mark.parametrize("word", NEAR)
def test_a_near_word_is_never_taken_silently(word):
    with pytest.raises(UsageError, match=NEAR[word][0]):
        canonical(word)
    with pytest.raises(InputError, match=NEAR[word][0]):
        emotion_in(f"a {word} face")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a shy smile that slowly grows", "happiness"),
        ("She speaks ANGRILY.", "anger"),
        ("not angry but sad", "sadness"),
        ("an unhappy man", "sadness"),
        ("no expression at all", "neutral"),
        ("he is grossed out", "disgust"),
        ("calm", "calm"),
        ("worried and afraid", "fear"),
        ("a glad, happy and cheerful voice", "happiness"),
    ],
)
def test_an_instruction_with_one_emotion(text, name):
    assert emotion_in(text) == name


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("happy and angry", ("anger", "happiness")),
        ("happily surprised", ("happiness", "surprise")),
        ("a sad smile", ("sadness", "happiness")),
        ("smug and sad", ("contempt", "sadness")),
        ("worried", ("fear", "sadness")),
    ],
)
def test_two_emotions_are_named_and_not_chosen(text, named):
    with pytest.raises(InputError) as caught:
        emotion_in(text)
    assert all(name in caught.value.message for name in named)
    assert "--emotion" in caught.value.next


@pytest.mark.parametrize("text", ["", "look to the left", "not happy", "madam at discount", "consider the disc"])
def test_no_emotion_is_an_error_that_lists_them(text):
    with pytest.raises(InputError, match="names no emotion"):
        emotion_in(text)


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("a mild smile", 1),
        ("very slight anger", 1),
        ("a hint of sadness", 1),
        ("moderately afraid", 2),
        ("very clearly sad", 2),
        ("extremely happy", 3),
        ("very angry", 3),
        ("very strong, intense disgust", 3),
        ("a smile", None),
        ("the widening lowlands", None),
    ],
)
def test_words_of_strength(text, level):
    assert level_in(text) == level


def test_strengths_that_disagree_are_not_averaged():
    with pytest.raises(InputError, match=r"mild.*intense"):
        level_in("a faint smile and extreme joy")


def test_levels_as_words_and_numbers():
    assert [level_of(word) for word in ("1", " Moderate ", "intense", "2.0")] == [1, 2, 3, 2]
    for wrong in ("0", "4", "2.5", "high", "-1", "²"):
        with pytest.raises(UsageError):
            level_of(wrong)


@given(st.text())
def test_no_text_breaks_the_reading(text):
    for read in (canonical, emotion_in, level_in, level_of):
        try:
            read(text)
        except TbdError as error:
            assert error.message
    assert all(set(meant) <= set(NAMES) for meant in candidates(text).values())
