import pytest

from tbd import recipe
from tbd.errors import UsageError
from tbd.train import memory_presets
from tbd.train.recipe import TrainRecipe

OPEN = {"model.guidance.fractions", "model.text.chunks", "weights.warm_start", "loss.min_snr"}
"""Keys whose default is nothing at all, so that a file can only show them as a comment."""


def _keys(section, prefix=""):
    for key, value in section:
        name = f"{prefix}{key}"
        yield from _keys(value, f"{name}.") if isinstance(value, recipe.Recipe) else [name]


def _listed(document, prefix=""):
    for key, value in document.items():
        name = f"{prefix}{key}"
        yield from _listed(value, f"{name}.") if isinstance(value, dict) and name != "data.mix" else [name]


@pytest.mark.parametrize("name", recipe.recipes("train"))
def test_every_shipped_recipe_loads(name):
    memory_presets.load_recipe(name)


@pytest.mark.parametrize("name", recipe.recipes("train"))
@pytest.mark.parametrize("gigabytes", memory_presets.memory_presets())
def test_a_card_changes_how_many_at_a_time_but_not_how_many_a_step(name, gigabytes):
    wanted, fitted = (
        memory_presets.load_recipe(name).hardware,
        memory_presets.load_recipe(name, gigabytes=gigabytes).hardware,
    )
    assert fitted.batch * fitted.accumulate == wanted.batch * wanted.accumulate


@pytest.mark.parametrize("name", recipe.recipes("train"))
def test_every_shipped_recipe_draws_samples(name):
    watch = memory_presets.load_recipe(name).watch
    assert watch.sample_every > 0 and watch.sample_clips * watch.sample_steps <= 40


def test_the_default_recipe_lists_every_key_with_its_default():
    assert memory_presets.load_recipe("default") == TrainRecipe()
    listed = set(_listed(recipe.read("train", "default")))
    assert set(_keys(TrainRecipe())) - listed == OPEN
    text = (recipe.workspace.shipped() / "train/recipes/default.toml").read_text()
    assert all(f"# {key.rpartition('.')[2]} =" in text for key in OPEN)


def test_the_paper_is_the_default_and_says_its_own_numbers():
    paper = memory_presets.load_recipe("paper")
    assert (paper.stage1.steps, paper.stage2.steps, paper.stage2.frames, paper.optimizer.lr) == (
        30_000,
        30_000,
        14,
        1e-5,
    )
    assert (paper.data.size, paper.hardware.batch, paper.model.guidance.shares) == (512, 2, (0.4, 0.6))
    default = TrainRecipe()
    assert recipe.difference(recipe.essence(default), recipe.essence(paper)) == [
        "model.guidance.fractions: None -> [0.4, 0.6]"
    ]


def test_settings_come_on_top_of_the_card():
    fitted = memory_presets.load_recipe("paper", ["hardware.checkpointing=none"], 24)
    assert fitted.hardware.checkpointing == "none" and fitted.optimizer.name == "adamw-8bit"


def test_a_card_without_a_preset_gets_the_next_smaller_named():
    with pytest.raises(UsageError, match="16, 24, 48, 80") as caught:
        memory_presets.load_recipe("paper", gigabytes=40)
    assert caught.value.next == "--gpu-memory 24"
    assert (
        memory_presets.smaller_preset(48) == 24
        and memory_presets.smaller_preset(16) is None
        and memory_presets.smaller_preset(None) == 80
    )


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("model.noise.zero_snr=true", "v_prediction"),
        ("model.guidance.fractions=[0.5,0.6]", "add up to 1.1"),
        ("model.guidance.fractions=[1.0]", "2 positive numbers"),
        ("stage1.stepz=3", "did you mean 'steps'"),
        ("model.guidence.levels=3", "did you mean 'guidance'"),
        ("stage2.frames=31", r"stage2: frames: 31 and the 2 before them \(model\.network\.motion_frames\).* 32 places"),
        ("watch.bins=1001", r"watch: bins: 1001 ranges of timesteps, and there are 1000"),
        (
            "model.noise.steps=9",
            r"watch: bins: 10 ranges of timesteps, and there are 9 timesteps \(model\.noise\.steps\)$",
        ),
        ("optimizer.betas=[0.9,1.0]", r"optimizer\.betas: .*less than 1 \(it is \[0\.9, 1\.0\]\)"),
        ("optimizer.betas=[-0.1,0.9]", r"optimizer\.betas: .*at least 0"),
        ("optimizer.betas=[0.9,nan]", r"optimizer\.betas: "),
    ],
)
def test_impossible_settings_are_named(setting, words):
    with pytest.raises(UsageError, match=words):
        memory_presets.load_recipe("paper", [setting])


def test_what_sections_say_of_each_other_is_told_all_at_once():
    with pytest.raises(UsageError, match="3 mistakes") as error:
        memory_presets.load_recipe("paper", ["stage2.frames=30", "model.network.motion_frames=3", "watch.bins=2000",
                                             "optimizer.betas=[2,0.9]"])  # fmt: skip
    assert "{" not in error.value.message  # not the whole section beside its mistake
    fits = memory_presets.load_recipe("paper", ["stage2.frames=30", "watch.bins=1000", "optimizer.betas=[0,0.9]"])
    assert (fits.stage2.frames, fits.watch.bins, fits.optimizer.betas) == (30, 1000, (0.0, 0.9))
