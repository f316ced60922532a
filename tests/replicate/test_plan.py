"""The plan is command lines that the program understands, and the journal remembers them."""

import json
import re
import shlex
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from tbd import recipe as recipes
from tbd.cli import app, main
from tbd.replicate.journal import JOURNAL, ReplicationJournal
from tbd.replicate.plan import SIDE_BY_SIDE, rendered_runs, replication_steps
from tbd.replicate.recipe import ReplicationRecipe
from tbd.replicate.step_keys import step_keys
from tbd.train.recipe import TrainRecipe

SHIPPED = recipes.recipes("replicate")


@pytest.mark.parametrize("name", SHIPPED)
def test_names_are_unique_and_every_file_is_made_before_it_is_read(name):
    steps = replication_steps(recipes.load(ReplicationRecipe, "replicate", name))
    assert len({step.name for step in steps}) == len(steps)
    made = {"mead"}
    for step in steps:
        words = step.line.split()
        outputs = [words[i + 1] for i, word in enumerate(words) if word in ("-o", "--cache")]
        read = re.findall(r"(?:data_manifests|checkpoints|runs)/[\w-]+|common\.txt", step.line)
        assert {one for one in read if one not in outputs} <= made, step.line
        made |= set(outputs)


@pytest.mark.parametrize(
    "wrong",
    ["rows=[]", "rows=[cot,cot]", "seeds=[]", "seeds=[-1]", "seeds=[0,0]", "levels=[0]", "levels=[2]", "levels=[5]"],
)
def test_what_could_not_be_rendered_is_refused_before_anything_is_drawn(wrong, tmp_path, capsys):
    assert main(["replicate", str(tmp_path / "new"), "--set", wrong]) == 2
    assert wrong.partition("=")[0] in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", SHIPPED)
def test_every_line_is_one_that_the_program_parses(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for step in replication_steps(recipes.load(ReplicationRecipe, "replicate", name)):
        found = CliRunner().invoke(app, [*step.line.split(), "--help"])
        assert found.exit_code == 0, (step.line, found.output)
    assert recipes.load(TrainRecipe, "train", recipes.load(ReplicationRecipe, "replicate", name).training)


def test_all_rows_are_rendered_alike_but_for_what_they_compare():
    steps = replication_steps(ReplicationRecipe())
    lines = {step.name: step.line for step in steps if step.part == "videos" and step.name.startswith("render")}
    plain = {name: re.sub(r"(label|describe|cot|full)(-k\d|-timestep)?", "ROW", line) for name, line in lines.items()}
    plain = {re.sub(r" --set guidance\.\S+", "", line) for line in plain.values()}
    assert len(plain) == 1


def test_every_seed_trains_and_renders_every_row():
    recipe = ReplicationRecipe(seeds=(0, 1), rows=("label", "full"), levels=(3,))
    assert [run.name for run in rendered_runs(recipe)] == [
        *("label-seed0", "full-seed0", "label-seed1", "full-seed1", "full-k3-seed0", "full-timestep-seed0")
    ]


def journal_of(folder, recipe=None):
    """The steps of a recipe, and the folder's journal about them."""
    chosen = recipe or ReplicationRecipe()
    steps = replication_steps(chosen)
    return steps, ReplicationJournal(folder, step_keys(chosen, steps, folder))


def test_the_journal_knows_a_step_by_its_very_command(tmp_path):
    steps, journal = journal_of(tmp_path)
    journal.record(steps[0], 1.5, 2.5)
    with (tmp_path / JOURNAL).open("a") as file:
        file.write('{"step": "base", "comm')  # killed while writing
    _, journal = journal_of(tmp_path)
    assert journal.is_done(steps[0]) and not journal.is_done(steps[1])
    journal.record(steps[1], 2.0, 4.0)
    again = journal_of(tmp_path)[1]
    assert again.seconds == {steps[0].name: 1.5, steps[1].name: 2.0}
    assert again.processor_seconds == {steps[0].name: 2.5, steps[1].name: 4.0}


@pytest.mark.parametrize("name", SHIPPED)
def test_what_runs_side_by_side_reads_nothing_of_each_other(name):
    steps = replication_steps(recipes.load(ReplicationRecipe, "replicate", name))
    for part in SIDE_BY_SIDE:
        words = [step.line.replace("=", " ").split() for step in steps if step.part == part]
        made = [line[line.index("-o") + 1] for line in words if "-o" in line]
        assert len(made) == len(set(made)) > 1
        assert not any({*made} & {*line[: line.index("-o") if "-o" in line else None]} for line in words)


CHANGES = {
    "rendering.clips=12": {"videos", "scores"},
    "training=tiny": {"base", "stage1", "stage2", "videos", "scores"},
    "steps.base=3": {"base", "stage1", "stage2", "videos", "scores"},
    "world.seed=1": {"data", "base", "stage1", "stage2", "videos", "scores"},
    "levels=[1]": {"scores"},
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_made_from_something_else_is_not_done(change, tmp_path):
    """A command may read as before and yet be about other clips, another recipe, another model."""
    for step in (before := journal_of(tmp_path))[0]:
        before[1].record(step, 1.0, 1.0)
    steps, journal = journal_of(tmp_path, recipes.load(ReplicationRecipe, "replicate", None, [change]))
    again = {step.part for step in steps if not journal.is_done(step)}
    assert again == CHANGES[change]
    kept = [step.name for step in steps if step.part == "base" and journal.is_done(step)]
    assert kept == (["autoencoder", "cache"] if change == "steps.base=3" else kept)


def test_what_was_made_from_other_things_is_moved_aside_before_its_step_is_typed_again(tmp_path):
    """A training finds its own checkpoints and would go on from them, or call itself done."""
    steps, journal = journal_of(tmp_path)
    base, stage1 = (next(step for step in steps if step.name == name) for name in ("base", "stage 1: full-seed0"))
    for step in (base, stage1):
        (tmp_path / step.output).mkdir(parents=True)
        (tmp_path / step.output / "of").write_text("the first recipe")
    assert journal.begin(base) is None, "nobody knows of anything else"
    journal.record(base, 1.0, 1.0)
    journal.begin(stage1)  # and killed
    _, again = journal_of(tmp_path)
    assert again.begin(stage1) is None, "the same command goes on where it was"
    _, other = journal_of(tmp_path, ReplicationRecipe().model_copy(update={"seeds": (0, 1)}))
    assert other.is_done(base) and other.begin(stage1) is None, "other seeds are other steps"
    _, changed = journal_of(tmp_path, recipes.load(ReplicationRecipe, "replicate", None, ["steps.base=3"]))
    for step in (base, stage1):
        aside = changed.begin(step)
        assert (aside / "of").read_text() == "the first recipe" and not (tmp_path / step.output).exists()
        (tmp_path / step.output).mkdir()
    back = journal_of(tmp_path)[1]
    assert back.begin(base).is_relative_to(tmp_path / "replaced") and not back.is_done(base)


def test_a_damaged_line_is_counted_and_only_its_step_is_done_again(tmp_path):
    steps, journal = journal_of(tmp_path)
    for step in steps[:3]:
        journal.record(step, 1.0, 1.0)
    lines = (tmp_path / JOURNAL).read_bytes().splitlines(keepends=True)
    (tmp_path / JOURNAL).write_bytes(lines[0] + b"\xff[1]\n" + b"[1]\n" + lines[2])
    again = journal_of(tmp_path)[1]
    assert again.damaged == 2
    assert [again.is_done(step) for step in steps[:3]] == [True, False, True]


def test_time_of_steps_that_the_recipe_no_longer_has_is_not_counted(tmp_path):
    steps, journal = journal_of(tmp_path)
    for step in steps:
        journal.record(step, 1.0, 2.0)
    fewer, now = journal_of(tmp_path, ReplicationRecipe(directions=False))
    assert "render: full-timestep-seed0" in journal.seconds
    assert now.seconds.keys() == now.processor_seconds.keys() == {step.name for step in fewer} - {"scores"}


def test_two_do_not_replicate_in_one_folder(tmp_path):
    from tbd.locks import folder_lock

    script = f"from tbd.cli import main; import sys; sys.exit(main(['replicate', {str(tmp_path)!r}]))"
    with folder_lock(tmp_path, purpose="replicating"):
        found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert found.returncode == 4 and "replicating" in found.stderr
    assert not (tmp_path / "mead").exists()


TINY = '[model.network]\nsize = "tiny"\n'


def test_the_recipe_of_the_training_may_be_a_file_of_the_folder(tmp_path):
    (tmp_path / "mine.toml").write_text(f"{TINY}[stage1]\nsteps = 1\n")
    chosen = ReplicationRecipe(training="mine.toml")
    first = journal_of(tmp_path, chosen)[1]
    first.record(step := next(one for one in replication_steps(chosen) if one.name == "base"), 1.0, 1.0)
    assert first.is_done(step)
    (tmp_path / "mine.toml").write_text(f"{TINY}[stage1]\nsteps = 2\n")
    assert not journal_of(tmp_path, chosen)[1].is_done(step)


@pytest.mark.parametrize("name", ["mine.toml", "my own.toml", "a=b.toml"])
def test_the_recipe_of_the_training_may_lie_where_the_command_is_typed(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(TINY)
    assert main(["replicate", "there", "--set", f"training={name}", "--dry-run", "--json"]) == 0
    commands = [shlex.split(one) for one in json.loads(capsys.readouterr().out)["commands"]]
    named = {words[words.index("--recipe") + 1] for words in commands if "--recipe" in words}
    assert named == {str(tmp_path / name)}
    chosen = ReplicationRecipe(training=str(tmp_path / name))
    _, journal = journal_of(tmp_path, chosen)
    journal.record(step := next(one for one in replication_steps(chosen) if one.name == "base"), 1.0, 1.0)
    (tmp_path / name).write_text(f"{TINY}[stage1]\nsteps = 2\n")
    assert not journal_of(tmp_path, chosen)[1].is_done(step)


def test_a_dry_run_prints_the_plan_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(app, ["replicate", "there", "--dry-run", "--json"])
    commands = json.loads(found.stdout)["commands"]
    assert commands == [
        f"tbd {step.line}" for step in replication_steps(recipes.load(ReplicationRecipe, "replicate", "hour"))
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("more", [["--dry-run"], ["--recipe", "minutes"]])
def test_a_training_that_does_not_exist_is_said_with_what_to_type(more, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tbd.replicate.world.draw_world", lambda folder, _: folder.mkdir())
    assert main(["replicate", "there", "--set", "training=replicat", *more]) == 2
    said = capfd.readouterr().err
    assert "did you mean 'replicate'" in said and "next:  --set training=replicate" in said


@pytest.mark.parametrize("more", [["--dry-run"], ["--recipe", "minutes"]])
def test_a_training_of_full_size_is_refused_before_anything_is_drawn(more, tmp_path, monkeypatch, capfd):
    """Its text encoder is Stable Diffusion's; the one that is trained here would not fit."""
    monkeypatch.chdir(tmp_path)
    assert main(["replicate", "there", "--set", "training=paper", *more]) == 2
    assert "the size sd15; drawn people are learned by tiny or small" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []
