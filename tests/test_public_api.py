"""Names that other people's programs rely on: removing or renaming one is a decision, not an accident."""

import importlib
import inspect
import re

import pytest
import typer
from public_names import PUBLIC

from tbd.cli import app

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
