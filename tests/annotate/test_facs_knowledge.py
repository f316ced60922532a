import shutil

import pytest

from tbd import workspace
from tbd.annotate.facs import ACTION_UNITS, EMOTIONS, LETTERS, MUSCLES, find_action_unit, find_muscle, knowledge
from tbd.annotate.facs.names import distance, muscle_key, unit_key
from tbd.errors import RecipeError
from tbd.schema import EMOTIONS as CANONICAL

UNIT_NAMES = [(au, name) for au, facts in ACTION_UNITS.items() for name in (facts.name, *facts.synonyms)]
MUSCLE_NAMES = [(key, name) for key, facts in MUSCLES.items() for name in (facts.name, *facts.synonyms, *facts.groups)]
MISSPELLED = [(key, name) for key, facts in MUSCLES.items() for name in facts.misspellings]


def test_every_synonym_of_a_unit_resolves_to_it():
    assert [(au, name) for au, name in UNIT_NAMES if au not in find_action_unit(name.upper()).units] == []


def test_no_synonym_belongs_to_two_units():
    owners = {}
    for au, name in UNIT_NAMES:
        assert owners.setdefault(unit_key(name), au) == au, name


def test_every_name_of_a_muscle_resolves_to_it_and_is_spelled_right():
    for key, name in MUSCLE_NAMES:
        found = find_muscle(f"the {name.title()} muscle")
        assert key in found.muscles and not found.correction, name


def test_every_misspelling_is_recognised_and_corrected_not_rewritten():
    for key, name in MISSPELLED:
        found = find_muscle(name)
        assert key in found.muscles and found.correction and muscle_key(found.correction) != muscle_key(name), name


@pytest.mark.parametrize(
    ("seen", "key"),
    [
        ("Dpressor Labii Inferioris", "depressor_labii_inferioris"),
        ("Zygomanic Minor", "zygomaticus_minor"),
        ("M. zygomaticus major", "zygomaticus_major"),
        ("pars orbitalis of the orbicularis oculi", "orbicularis_oculi_orbital"),
        ("Orbicularis Oculi (pars palpebralis)", "orbicularis_oculi_palpebral"),
        ("Corrugator supercilii muscle", "corrugator"),
        ("corugator supercilii", "corrugator"),
        ("left medial frontalis", "frontalis_medial"),
    ],
)
def test_muscles_are_found_as_people_write_them(seen, key):
    assert find_muscle(seen).muscles == (key,)


def test_a_name_without_its_part_is_open_and_a_stranger_is_unknown():
    assert set(find_muscle("orbicularis oculi").muscles) == {"orbicularis_oculi_orbital", "orbicularis_oculi_palpebral"}
    assert find_muscle("biceps brachii") is None
    assert find_muscle("") is None
    assert find_action_unit("happy feeling") is None
    assert find_action_unit("tears").units == ()


def test_short_words_are_never_taken_for_misspellings():
    assert find_action_unit("lap tightener") is None, "lip or lid?"
    assert find_action_unit("Lip Tightner").units == (23,)


@pytest.mark.parametrize(
    ("a", "b", "edits"), [("masetter", "masseter", 2), ("abc", "abc", 0), ("abcd", "abc", 1), ("kitten", "sitting", 3)]
)
def test_distance_counts_edits_up_to_three(a, b, edits):
    assert distance(a, b) == distance(b, a) == edits


def test_wrong_names_belong_to_another_unit():
    for au, facts in ACTION_UNITS.items():
        for name in facts.wrong_names:
            assert au not in find_action_unit(name).units, name


def test_the_table_knows_the_facts_that_are_easily_mixed_up():
    assert (ACTION_UNITS[5].name, ACTION_UNITS[10].name) == ("Upper Lid Raiser", "Upper Lip Raiser")
    assert (ACTION_UNITS[7].name, ACTION_UNITS[23].name) == ("Lid Tightener", "Lip Tightener")
    assert ACTION_UNITS[12].muscles == ("zygomaticus_major",)
    assert ACTION_UNITS[26].relaxed and not ACTION_UNITS[26].muscles, "a jaw drops because muscles let go"
    assert len(ACTION_UNITS) == 77 and {47, 48, 49} & ACTION_UNITS.keys() == set()


def test_every_emotion_is_there_and_its_levels_are_coded():
    assert set(EMOTIONS) == {*CANONICAL, "calm"}
    for name, facts in EMOTIONS.items():
        assert set(facts.levels) == ({1} if name in ("neutral", "calm") else {1, 2, 3})
        for level in facts.levels.values():
            assert level.mentions and all(mention.au in ACTION_UNITS for mention in level.mentions)
            assert all(mention.intensity in (*LETTERS, None) for mention in level.mentions)


def test_no_emotion_needs_a_unit_that_contradicts_it_and_no_word_means_two():
    words = [word for facts in EMOTIONS.values() for word in facts.synonyms]
    assert len(words) == len(set(words))
    for facts in EMOTIONS.values():
        needed = {au for group in (*facts.core, *(variant.units for variant in facts.variants)) for au in group}
        assert not needed & {*facts.contradicting, *facts.weak}


def test_every_level_holds_a_form_of_its_emotion_and_grows_in_strength():
    for facts in EMOTIONS.values():
        forms = [set(group) for group in (*facts.core, *(variant.units for variant in facts.variants))]
        peaks = []
        for _, level in sorted(facts.levels.items()):
            assert any(form <= {mention.au for mention in level.mentions} for form in forms)
            peaks.append(max(mention.intensity or "" for mention in level.mentions))
        assert peaks == sorted(set(peaks))


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A user's project with its own copy of the knowledge base."""
    folder = tmp_path / "annotate" / "facs"
    shutil.copytree(workspace.shipped() / "annotate" / "facs", folder)
    monkeypatch.chdir(tmp_path)
    knowledge.cache_clear()
    yield folder
    knowledge.cache_clear()


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_users_file_wins_and_changes_the_hash(own):
    before = knowledge().sha256
    change(own / "emotions.toml", 'units = "6B+12B"', 'units = "6A+12A"')
    knowledge.cache_clear()
    assert EMOTIONS["happiness"].levels[1].units == "6A+12A"
    assert knowledge().sha256 != before


def test_a_comment_does_not_change_the_hash(own):
    before = knowledge().sha256
    with (own / "rules.toml").open("a") as file:
        file.write("# a note\n")
    knowledge.cache_clear()
    assert knowledge().sha256 == before


def test_all_mistakes_of_a_users_files_are_reported_at_once(own):
    change(own / "action_units.toml", 'kind = "AU"', 'kind = "muscle"')
    change(own / "emotions.toml", 'adjective = "happy"', "adjective = 3")
    change(own / "rules.toml", "rare = [13]", "rare = [13]\nrarer = []")
    with pytest.raises(RecipeError) as caught:
        knowledge()
    for words in ("3 mistakes", "action_units.toml: 0.kind", "happiness.adjective", "rarer"):
        assert words in caught.value.message


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("action_units.toml", '"zygomaticus_major"', '"zygomaticus_mayor"', "zygomaticus_mayor"),
        ("emotions.toml", "core = [[6, 12]]", "core = [[6, 99]]", "no code 99"),
        ("rules.toml", "accepted = [", "accepted = ", "not TOML"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(own, file, old, new, words):
    change(own / file, old, new)
    with pytest.raises(RecipeError, match=words):
        knowledge()
