"""Writes the pages that are made from the program: ``python docs/build_reference.py`` (``make reference``).

``docs/cli.md`` comes from the help of the commands, ``docs/reference/*.md`` from recipes, gates, metrics, columns and
the catalogue of weights. A test compares the files with what this script would write.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
MADE = "<!-- Made by docs/build_reference.py; do not edit. -->\n"
SEVERITIES = {1: "info", 2: "warning", 3: "error"}


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")


def _table(head: list[str], rows: list[list[object]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(_cell, row))} |" for row in rows)])


def commands(group: Any = None, path: str = "tbd") -> Iterator[tuple[str, Any]]:
    """Every command of the program with the words that call it, groups before what is in them."""
    from tbd.cli import app

    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        yield f"{path} {name}", command
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")


def _option(parameter: Any) -> list[object]:
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    kind = parameter.type_descriptor.annotation
    choices = [member.value for member in kind] if isinstance(kind, type) and issubclass(kind, Enum) else []
    value = parameter.metavar or "|".join(choices) or getattr(kind, "__name__", "value").upper()
    flag = parameter.is_flag or kind is bool
    default = parameter.default
    shown = (
        ""
        if default is None or flag or callable(default) or default == []
        else f"`{getattr(default, 'value', default)}`"
    )
    return [names, "" if flag else f"`{value}`", shown, getattr(parameter, "help", None) or ""]


def cli_page() -> str:
    """``docs/cli.md``: every command with its help, arguments and options."""
    parts = [
        f"# Command line\n\n{MADE}\nEvery command takes `--help`. The same words in the terminal: `tbd COMMAND --help`.\n"
    ]
    for path, command in commands():
        help_ = inspect.cleandoc(command.help or "").replace("Example: ", "\n    ").replace("\n\n\n", "\n\n")
        parts.append(f"{'##' if path.count(' ') == 1 else '###'} {path}\n\n{help_}\n")
        if hasattr(command, "commands"):
            continue
        arguments = [item for item in command.params if item.param_type_name == "argument"]
        if arguments:
            rows = [[f"`{item.metavar or item.name.upper()}`", getattr(item, "help", None) or ""] for item in arguments]
            parts.append(_table(["argument", "meaning"], rows) + "\n")
        options = [_option(item) for item in command.params if item.param_type_name == "option" and item.name != "help"]
        if options:
            parts.append(_table(["option", "value", "default", "meaning"], options) + "\n")
    return "\n".join(parts)


def _notes(model: type[BaseModel]) -> dict[str, str]:
    """The docstring below each field of a recipe section, and of the sections that it extends."""
    body = ast.parse(inspect.getsource(model)).body[0].body
    extended = [_notes(base) for base in model.__bases__ if base.__module__ == model.__module__]
    return {key: note for notes in extended for key, note in notes.items()} | {
        first.target.id: " ".join(second.value.value.split())
        for first, second in itertools.pairwise(body)
        if isinstance(first, ast.AnnAssign) and isinstance(second, ast.Expr) and isinstance(second.value, ast.Constant)
    }


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Key, type, default and note of everything a recipe may set."""
    notes = _notes(model)
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys(kind, f"{prefix}{name}.")
            continue
        extra = field.json_schema_extra
        free = isinstance(extra, dict) and extra.get("operational")
        words = str(kind).removeprefix("<class '").removesuffix("'>").replace("typing.", "")
        note = notes.get(name, "") + (" *Changes no result.*" if free else "")
        yield prefix + name, f"`{words}`", f"`{field.default!r}`", note.strip()


def recipes_page() -> str:
    """Every recipe key of annotation, training, generation and replication."""
    from tbd.annotate.recipe import AnnotateRecipe
    from tbd.generate.recipe import GenerateRecipe
    from tbd.replicate.recipe import ReplicationRecipe
    from tbd.train.recipe import TrainRecipe

    parts = [
        (
            f"# Recipe keys\n\n{MADE}\nA recipe is a TOML file; `--recipe NAME|FILE` takes it and `--set key=value` changes one "
            "key. Unknown keys are errors that name the nearest. Keys that change no result stay out of the fingerprint.\n"
        )
    ]
    for title, model in (
        ("annotate/recipes", AnnotateRecipe),
        ("train/recipes", TrainRecipe),
        ("tbd generate --set", GenerateRecipe),
        ("replicate/recipes", ReplicationRecipe),
    ):
        rows = [[f"`{key}`", *rest] for key, *rest in keys(model)]
        parts.append(f"## {title}\n\n{_table(['key', 'type', 'default', 'meaning'], rows)}\n")
    return "\n".join(parts)


def flags_page() -> str:
    """Every review flag with severity, meaning and advice."""
    from tbd.annotate.gates import GATES

    rows = [[f"`{code}`", SEVERITIES[gate.severity], gate.meaning, gate.advice] for code, gate in sorted(GATES.items())]
    words = "A warning or an error sends a row to review; an info does not. `severity` of a row is that of its gravest flag."
    return f"# Flags\n\n{MADE}\n{words}\n\n{_table(['flag', 'severity', 'meaning', 'what to do'], rows)}\n"


def metrics_page() -> str:
    """Every metric and protocol, then the protocol pages themselves."""
    from tbd.evaluate.metrics.registry import known

    protocols = [metric for found in known().values() for metric in found]
    rows = [
        [f"`{item.protocol}`", item.title, item.direction, ", ".join(item.weights) or "none", item.source]
        for item in protocols
    ]
    parts = [
        (
            f"# Metrics\n\n{MADE}\n`tbd eval --list` prints this table with what is ready on your machine; "
            "`tbd eval --explain psnr` prints one of the pages below.\n"
        ),
        _table(["protocol", "what", "better", "weights", "source"], rows) + "\n",
    ]
    for path in sorted((ROOT / "evaluate/protocols").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        parts.append("\n".join(f"#{line}" if line.startswith("#") else line for line in text.splitlines()) + "\n")
    return "\n".join(parts)


def weights_page() -> str:
    """The catalogue of weights."""
    from tbd.catalogue import CATALOGUE

    rows = [
        [f"`{item.key}`", item.purpose, item.hub or item.origin, item.licence, item.commercial] for item in CATALOGUE
    ]
    words = (
        "Nothing is downloaded unless you ask: `tbd weights pull KEY`. `tbd weights list` shows what is here. Commercial use: "
        "*no* is non-commercial, *unstated* was published without a licence."
    )
    return f"# Weights\n\n{MADE}\n{words}\n\n{_table(['key', 'needed by', 'published at', 'licence', 'commercial use'], rows)}\n"


def _summary(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split()).rstrip(".")


def tree_page() -> str:
    """Every file of the package with the first paragraph of its docstring."""
    lines = [f"# Every file\n\n{MADE}\nThe first sentence of each module, as it stands in the code.\n"]
    folders = [
        folder for folder in sorted([ROOT / "tbd", *(ROOT / "tbd").rglob("*")]) if (folder / "__init__.py").is_file()
    ]
    for folder in folders:
        lines.append(f"## {folder.relative_to(ROOT)}/\n\n{_summary(folder / '__init__.py')}\n")
        files = [path for path in sorted(folder.glob("*.py")) if not path.name.startswith("__")]
        if files:
            lines.append(_table(["file", "what it is"], [[f"`{path.name}`", _summary(path)] for path in files]) + "\n")
    return "\n".join(lines)


def replication_page() -> str:
    """What ``tbd replicate`` answered, from the ``findings.json`` of a run that is kept as ``docs/replication.json``."""
    found = json.loads((DOCS / "replication.json").read_text(encoding="utf-8"))
    recipe, metrics = found["recipe"], list(dict.fromkeys(key for one in found["scores"].values() for key in one))
    size = f"{recipe['world']['clips']} clips of {recipe['world']['people']} drawn people, seeds {recipe['seeds']}"
    size += f", `levels={recipe['levels']}`, `directions={str(recipe['directions']).lower()}`"
    answers = [[one["question"], one["verdict"], one["words"]] for one in found["claims"]]
    scores = [[name, *(one.get(key, "") for key in metrics)] for name, one in found["scores"].items()]
    steering = [
        [name, f"{one['value']:.2f} ({one['low']:.2f} to {one['high']:.2f})"] for name, one in found["steering"].items()
    ]
    used = found.get("processor_seconds", {})
    parts = [
        f"# What `tbd replicate` answered\n\n{MADE}",
        f"{size}. Intervals of the answers are 95 %: people are resampled, each with all of their clips.",
        f"Units, opening and person are read by a network: {found['reader']}.",
        _table(["claim", "answer", "measured"], answers),
        "## Steering\n\nUnits asked for against units measured, each unit's mean taken away; the drawn clips are the ceiling.",
        _table(["run", "correlation"], steering),
        "## Scores\n\nThe suite `drawn`; [what each metric is](metrics.md). These intervals are `tbd eval`'s, over clips.",
        _table(["run", *metrics], scores),
        "## Time",
        "Stages and videos run side by side, one core each." if "processor_seconds" in found else "",
        _table(
            ["step", "seconds", "of the processors"],
            [[name, round(took), round(used[name]) if name in used else ""] for name, took in found["seconds"].items()],
        ),
    ]
    return "\n\n".join(parts) + "\n"


PAGES = {
    "cli.md": cli_page,
    "reference/recipes.md": recipes_page,
    "reference/flags.md": flags_page,
    "reference/metrics.md": metrics_page,
    "reference/weights.md": weights_page,
    "reference/replication.md": replication_page,
    "reference/tree.md": tree_page,
}
"""Page below ``docs/`` -> what makes it."""

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    for name, make in PAGES.items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(make(), encoding="utf-8")
