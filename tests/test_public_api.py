"""Names that other people's programs rely on: removing or renaming one is a decision, not an accident."""

import importlib
import inspect
import re
from pathlib import Path

import pytest
import typer

from tbd.cli import app

PUBLIC = {
    "tbd": ["__version__"],
    "tbd.errors": ["TbdError", "UsageError", "RecipeError", "InputError", "MissingError", "Interrupted", "Terminated"],
    "tbd.annotate.facs": ["parse_action_units", "ACTION_UNITS", "EMOTIONS"],
    "tbd.annotate.gates": ["check"],
    "tbd.evaluate": [
        *("evaluate", "psnr", "ssim", "cpbd", "mfcc", "sync_scores", "frechet_distance", "kernel_distance", "lpips"),
    ],
    "tbd.manifest": ["read", "SCHEMA", "levels"],
    "tbd.model.guidance": ["stage_weights", "blend"],
    "tbd.weights": ["resolve", "published", "sha256", "verify", "pull", "CATALOGUE"],
}
NAMES = [(module, name) for module, names in PUBLIC.items() for name in names]


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_a_public_name_is_there(module, name):
    assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_a_public_function_is_documented_and_typed(module, name):
    thing = getattr(importlib.import_module(module), name)
    if not inspect.isfunction(thing):
        return
    assert len(thing.__doc__ or "") > 20
    signature = inspect.signature(thing)
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(parameter.annotation is not inspect.Parameter.empty for parameter in signature.parameters.values())


def _commands(group, path):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


COMMANDS = dict(_commands(typer.main.get_command(app), "tbd"))


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_has_help_with_an_example_of_itself(path):
    assert re.search(rf"{path}\b", COMMANDS[path].help or ""), f"{path} --help shows no example"


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_speaks_json(path):
    assert "--json" in {option for parameter in COMMANDS[path].params for option in parameter.opts}


def _shown() -> list[str]:
    """Every `tbd ...` line of the README's code blocks, without its comment."""
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    lines = [line for block in readme.split("```")[1::2] for line in block.splitlines()]
    return [line.partition("#")[0].strip() for line in lines if line.startswith("tbd ")]


@pytest.mark.parametrize("line", _shown())
def test_the_readme_shows_only_commands_and_options_that_exist(line):
    words = line.split()
    path = next((path for path in (" ".join(words[:3]), " ".join(words[:2])) if path in COMMANDS), None)
    assert path, f"no such command: {line}"
    known = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    assert {word.partition("=")[0] for word in words if word.startswith("-")} <= known
