"""Settings of ``tbd generate`` over what a checkpoint was trained with."""

import pytest

from tbd.errors import UsageError
from tbd.generate.recipe import load_generate_recipe, settled_precision
from tbd.model.recipe import Guidance

TRAINED = Guidance(schedule="hard", levels=2, fractions=(0.3, 0.7), direction="timestep", partner="cyclic")


def guided(trained, *settings):
    return load_generate_recipe(settings).guided(trained).guidance


def test_only_the_keys_that_were_given_differ_from_the_training():
    assert guided(TRAINED) is None, "all of it is the checkpoint's"
    assert guided(TRAINED, "guidance.schedule=paper") == TRAINED.model_copy(update={"schedule": "paper"})
    assert guided(TRAINED, "guidance.k=2") == TRAINED
    for k in (1, 3, 4):
        found = guided(TRAINED, f"guidance.k={k}")
        assert found == TRAINED.model_copy(update={"levels": k, "fractions": None}) and found.k == k
    assert guided(TRAINED, "guidance.k=3", "guidance.fractions=[0.2,0.2,0.6]").shares == (0.2, 0.2, 0.6)


def test_of_a_model_with_the_defaults_the_settings_are_what_they_were():
    trained = Guidance(schedule="paper")
    assert guided(trained, "guidance.schedule=none") == Guidance(schedule="none")
    assert guided(trained, "guidance.levels=3") == Guidance(levels=3)
    assert guided(trained, "guidance.direction=timestep") == Guidance(direction="timestep")


def test_levels_of_a_model_that_heard_one_text_need_a_schedule():
    trained = Guidance(schedule="none")
    with pytest.raises(UsageError, match="one joined text"):
        guided(trained, "guidance.levels=3")
    assert guided(trained, "guidance.levels=3", "guidance.schedule=hard").k == 3
    with pytest.raises(UsageError, match=r"fractions: 3 positive .* 3 levels"):
        guided(Guidance(levels=3), "guidance.fractions=[0.5,0.5]")


@pytest.mark.parametrize(
    ("devices", "meant"), [(["cpu"], "float32"), (["cuda:0", "cuda:1"], "bfloat16"), (["cpu", "cuda:0"], "float32")]
)
def test_auto_is_one_precision_for_all_devices(devices, meant):
    assert settled_precision("auto", devices) == meant and settled_precision("float32", devices) == "float32"
    assert load_generate_recipe([]).settled(devices).precision == meant
