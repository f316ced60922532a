import pytest

from tbd import recipe
from tbd.annotate.recipe import AnnotateRecipe


@pytest.mark.parametrize("name", recipe.recipes("annotate"))
def test_every_shipped_recipe_loads(name):
    recipe.load(AnnotateRecipe, "annotate", name)


def test_the_default_recipe_lists_every_key_with_its_default():
    document = recipe.read("annotate", "default")
    defaults = AnnotateRecipe()
    assert recipe.load(AnnotateRecipe, "annotate", "default") == defaults
    listed = {f"{section}.{key}" for section, keys in document.items() for key in keys}
    known = {f"{section}.{key}" for section, value in defaults for key, _ in value}
    assert known - listed == {"backend.model", "backend.device_map"}, (
        "these have no default to write; they stand as comments"
    )
    text = (recipe.workspace.shipped() / "annotate/recipes/default.toml").read_text()
    assert "# model =" in text and "# device_map =" in text


def test_a_fingerprint_ignores_how_a_run_goes():
    slow = AnnotateRecipe(server={"timeout": 5}, backend={"batch_size": 64}, run={"workers": 7})
    assert recipe.essence(slow) == recipe.essence(AnnotateRecipe())
    assert recipe.essence(AnnotateRecipe(backend={"dtype": "float16"})) != recipe.essence(AnnotateRecipe())
