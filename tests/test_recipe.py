from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from tbd import recipe
from tbd.errors import RecipeError


class Inner(recipe.Recipe):
    mode: str = "cot"
    attempts: int = Field(3, ge=1, le=5)
    batch: int = recipe.operational(8)


class Outer(recipe.Recipe):
    chain: Inner = Inner()
    seed: int = 0
    scale: float = 1.7


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _write(text: str, name: str = "mine") -> Path:
    path = Path("annotate/recipes") / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_name_the_defaults_hold():
    assert recipe.load(Outer, "annotate") == Outer()


def test_a_recipe_is_found_by_name_and_by_path():
    path = _write('seed = 7\n[chain]\nmode = "label"\n')
    expected = Outer(seed=7, chain=Inner(mode="label"))
    assert recipe.load(Outer, "annotate", "mine") == expected
    assert recipe.load(Outer, "annotate", str(path)) == expected


def test_settings_come_on_top_and_are_read_as_toml_or_else_as_text():
    _write("seed = 7")
    loaded = recipe.load(Outer, "annotate", "mine", ["chain.mode=label", "chain.attempts=5", "scale = 2.5"])
    assert loaded == Outer(seed=7, scale=2.5, chain=Inner(mode="label", attempts=5))


def test_sections_laid_on_top_keep_what_they_do_not_name_and_lose_to_settings():
    _write('[chain]\nmode = "label"\nattempts = 2')
    above = {"chain": {"attempts": 4, "batch": 1}}
    loaded = recipe.load(Outer, "annotate", "mine", ["chain.batch=2"], on_top=above)
    assert loaded == Outer(chain=Inner(mode="label", attempts=4, batch=2))


def test_three_mistakes_are_three_lines():
    _write('seed = "many"\ncolour = 1\n[chain]\nattemps = 3\n')
    with pytest.raises(RecipeError) as caught:
        recipe.load(Outer, "annotate", "mine")
    first, *lines = caught.value.message.splitlines()
    assert first == "mine: 3 mistakes"
    assert len(lines) == 3
    text = caught.value.message
    assert "seed" in text and "'many'" in text
    assert "chain.attemps: unknown key; did you mean 'attempts'?" in text
    assert "colour: unknown key" in text
    assert caught.value.next


def test_a_value_out_of_range_says_what_it_is():
    with pytest.raises(RecipeError, match=r"chain\.attempts: .*5.*\(it is 9\)"):
        recipe.load(Outer, "annotate", None, ["chain.attempts=9"])


@pytest.mark.parametrize("override", ["seed", "=3", "seed.deeper=1"])
def test_a_malformed_setting_is_refused_with_the_setting_in_the_message(override):
    _write("seed = 7")
    with pytest.raises(RecipeError, match=override.replace(".", r"\.")):
        recipe.load(Outer, "annotate", "mine", [override])


def test_an_unknown_name_suggests_the_nearest():
    _write("", "paper")
    with pytest.raises(RecipeError, match="did you mean 'paper'"):
        recipe.load(Outer, "annotate", "papier")


def test_a_file_that_is_not_toml_is_named_with_the_line():
    path = _write("seed = 1\nscale 2\n")
    with pytest.raises(RecipeError, match=r"mine\.toml: not TOML.*line 2"):
        recipe.load(Outer, "annotate", str(path))


def test_a_file_that_is_not_there_or_not_text_is_a_recipe_error():
    with pytest.raises(RecipeError, match="cannot be read"):
        recipe.load(Outer, "annotate", "nowhere.toml")
    Path("binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="not TOML"):
        recipe.load(Outer, "annotate", "binary.toml")


def test_the_fingerprint_ignores_keys_that_cannot_change_a_result():
    fingerprint = recipe.digest(recipe.essence(Outer()))
    assert recipe.digest(recipe.essence(Outer(chain=Inner(batch=64)))) == fingerprint
    assert recipe.digest(recipe.essence(Outer(chain=Inner(attempts=4)))) != fingerprint


def test_a_loaded_recipe_cannot_change():
    with pytest.raises(ValueError, match="frozen"):
        Outer().seed = 3


@given(st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.lists(st.text()), st.none()), min_size=2))
def test_the_digest_does_not_depend_on_the_order_of_keys(document):
    assert recipe.digest(dict(reversed(list(document.items())))) == recipe.digest(document)


def test_an_older_essence_is_completed_with_defaults_and_keeps_what_it_says():
    known = recipe.essence(Outer())
    chain = {"mode": "cot", "attempts": 5}
    assert recipe.completed(Outer, {"chain": {"attempts": 5}}) == known | {"chain": chain}
    assert recipe.completed(Outer, {"seed": 3, "gone": 1}) == known | {"seed": 3, "gone": 1}
    whole = recipe.essence(Outer(seed=4, chain=Inner(mode="label")))
    assert recipe.completed(Outer, whole) == whole


def test_a_difference_names_every_key_that_differs_and_no_other():
    old = recipe.essence(Outer())
    new = recipe.essence(Outer(seed=1, chain=Inner(mode="label")))
    assert recipe.difference(old, new) == ["chain.mode: cot -> label", "seed: 0 -> 1"]
    assert recipe.difference(old, old) == []
