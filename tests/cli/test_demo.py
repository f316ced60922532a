"""``tbd demo``: what it would type, and recipes that it cannot train."""

import pytest

from tbd.cli import main
from tbd.cli.demo import STAGES, TEXT_ENCODER, _inputs


def test_every_training_of_a_network_hears_the_text_encoder_that_knows_the_words():
    trained = [line for line in STAGES.values() if line.startswith(("train cache", "train stage"))]
    assert len(trained) == 3
    assert all(f"--set weights.text_encoder={TEXT_ENCODER}" in line for line in trained)


@pytest.mark.parametrize(
    ("recipe", "words"),
    [("paper", "the size sd15; drawn people are learned by tiny or small"), ("nonsense", "nonsense")],
)
def test_a_recipe_that_a_demo_cannot_train_is_refused_before_anything_is_drawn(recipe, words, tmp_path, capsys):
    assert main(["demo", str(tmp_path / "demo"), "--recipe", recipe]) == 2
    found = capsys.readouterr().err
    assert words in found and "next:  --recipe demo" in found
    assert not (tmp_path / "demo").exists()


def test_a_misspelt_end_is_refused_and_does_not_mean_all_of_it(tmp_path, capsys):
    assert main(["demo", str(tmp_path / "demo"), "--until", "anotate"]) == 2
    said = capsys.readouterr().err
    assert "Invalid value for '--until': 'anotate' is not one of 'draw'" in said and not (tmp_path / "demo").exists()


def test_each_input_is_made_where_it_is_missing(tmp_path):
    _inputs(tmp_path, 0)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert set(before) == {"portrait.png", "speech.wav"}
    for name in before:
        (tmp_path / name).unlink()
        _inputs(tmp_path, 0)
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("command", ["demo", "replicate"])
def test_a_dry_run_names_what_its_lines_read_and_none_of_them_makes(command, tmp_path, capsys):
    assert main([command, str(tmp_path / "there"), "--dry-run"]) == 0
    assert f"a text encoder in {tmp_path / 'there' / TEXT_ENCODER}" in capsys.readouterr().out
