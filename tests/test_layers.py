"""The house's rules about imports, read from the source, so that breaking one fails by name."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "tbd"
GROUND = {
    "errors",
    "schema",
    "recipe",
    "workspace",
    "console",
    "catalogue",
    "clip_failures",
    "devices",
    "downloads",
    "state_dicts",
    "weights_add",
    "filenames",
    "hashes",
    "hidden_characters",
    "labels",
    "leases",
    "locks",
    "pools",
    "selection",
    "sqlite",
    "storage",
    "weights",
}
SHARED = GROUND | {"cluster", "web", "media", "manifest"}
ALLOWED = {
    **dict.fromkeys(GROUND, GROUND),
    "cluster": GROUND,
    "web": GROUND,
    "media": GROUND,
    "manifest": GROUND | {"media"},
    "annotate": SHARED,
    "review": SHARED,
    "evaluate": SHARED,  # scores videos of any system, so it knows no model
    "model": SHARED,
    "train": SHARED | {"model"},
    "generate": SHARED | {"model"},
    "demo": SHARED | {"annotate", "review", "evaluate", "model", "train", "generate"},
    "replicate": SHARED | {"annotate", "review", "evaluate", "model", "train", "generate", "demo"},
    "cli": SHARED | {"annotate", "review", "evaluate", "model", "train", "generate", "demo", "replicate"},
    "__init__": set(),
    "__main__": {"cli"},
}
HEAVY = {"torch", "torchvision", "transformers", "diffusers", "datasets", "pandas", "matplotlib", "scipy", "sklearn"}
SOURCES = sorted(PACKAGE.rglob("*.py"))


def _part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything a file imports, relative imports made absolute."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ["tbd", *path.relative_to(PACKAGE).parts[: -node.level]] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def _is_part(name: str) -> bool:
    return bool(name) and ((PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file())


def _violations(path: Path) -> list[str]:
    allowed = ALLOWED[_part(path)] | {_part(path)}
    found = []
    for line, name in _imports(path):
        top, _, rest = name.partition(".")
        target = rest.partition(".")[0]
        if top == "tests" or (top == "tbd" and _is_part(target) and target not in allowed):
            found.append(f"{path.relative_to(PACKAGE.parent)}:{line} imports {name}")
    return found


def test_every_part_has_a_floor():
    assert {_part(path) for path in SOURCES} <= ALLOWED.keys()


def test_imports_only_go_down():
    assert [violation for path in SOURCES for violation in _violations(path)] == []


def test_the_rule_would_catch_a_stage_that_imports_a_stage(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    for name in ("train", "annotate"):
        (tmp_path / name).mkdir()
    planted = tmp_path / "train" / "loop.py"
    planted.write_text("def f():\n    from tbd.annotate import chain\n    from ..annotate import gates\n")
    assert len(_violations(planted)) == 2


def test_only_the_command_line_and_the_console_print():
    printing = [
        f"{path.relative_to(PACKAGE.parent)}:{node.lineno}"
        for path in SOURCES
        if _part(path) not in ("cli", "console")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print")
        or (isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.stdout", "sys.stderr"))
    ]
    assert printing == []


@pytest.mark.parametrize("module", ["tbd.cli", "tbd.schema", "tbd.manifest", "tbd.weights"])
def test_importing_it_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & {HEAVY!r}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == ""


def test_help_loads_neither_torch_nor_transformers():
    code = "import sys; from tbd.cli import main; main(['--help']); print('LOADED', *({'torch', 'transformers'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout.strip().splitlines()[-1] == "LOADED", result.stderr
