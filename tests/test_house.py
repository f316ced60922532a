"""The house's rules about names, sizes, circles and dependencies, read from the source: a breach fails by name."""

import ast
import sys
import tomllib
from collections import defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tbd"
SOURCES = sorted(PACKAGE.rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FILE_WALL = 400
FUNCTION_WALL = 40
"""Lines of code in a function's body; signature and docstring are not counted."""

NOT_IMPORTED = {
    "tensorboard": "accelerate writes its files (log_with)",
    "wandb": "accelerate writes to it (log_with)",
    "open-clip-torch": "its vocabulary is read as a file, so that torch is not imported",
    "pandas": "what most people read a manifest and clips.parquet with; the notebook does",
    "lpips": "its linear weights are read as files",
    "s3fs": "fsspec opens s3:// with it",
    "gcsfs": "fsspec opens gs:// with it",
}
"""Dependencies that no line of ours imports, and what for they are there."""

DISTRIBUTIONS = {"PIL": "pillow", "cv2": "opencv-python", "skimage": "scikit-image", "sklearn": "scikit-learn"}
"""Imports whose distribution has another name."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _where(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno}"


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {_module(path): path for path in SOURCES}


def _imported(path: Path) -> set[str]:
    """Dotted names that a file imports, wherever in the file: modules where a module is meant, else their module."""
    names = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            full = {alias: f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in MODULES else node.module for name in full.values()}
    return names


def test_a_class_name_means_one_thing():
    where = defaultdict(list)
    for path in SOURCES:
        for node in _tree(path).body:
            if isinstance(node, ast.ClassDef):
                where[node.name].append(_where(path, node))
    assert {name: places for name, places in where.items() if len(places) > 1} == {}


def test_no_module_is_hidden_by_a_name_of_its_package():
    hidden = []
    for path in (path for path in SOURCES if path.name == "__init__.py"):
        modules = {child.stem for child in path.parent.iterdir() if child.suffix == ".py" or child.is_dir()}
        for node in _tree(path).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in modules:
                hidden.append(f"{_where(path, node)} {node.name}")
            if isinstance(node, ast.ImportFrom):
                names = [alias for alias in node.names if f"{node.module}.{alias.name}" not in MODULES]
                hidden += [f"{_where(path, node)} {one.name}" for one in names if (one.asname or one.name) in modules]
    assert hidden == []


def test_no_file_imports_itself_by_way_of_others():
    graph = {name: {other for other in _imported(path) if other in MODULES} for name, path in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of files: {' -> '.join(error.args[1])}")


def test_no_file_passes_the_wall():
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {name: count for name, count in lines.items() if count > FILE_WALL} == {}


def _code_lines(function: Function) -> int:
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_no_function_passes_the_wall():
    functions = [(path, node) for path in SOURCES for node in ast.walk(_tree(path)) if isinstance(node, Function)]
    long = {f"{_where(path, node)} {node.name}": _code_lines(node) for path, node in functions}
    assert {name: count for name, count in long.items() if count > FUNCTION_WALL} == {}


def _public(body: list[ast.stmt]) -> list[Function]:
    """The public functions of a module or a class, and of its public classes."""
    found = [node for node in body if isinstance(node, Function) and not node.name.startswith("_")]
    classes = [node for node in body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    return found + [function for node in classes for function in _public(node.body)]


def _is_overload(function: Function) -> bool:
    return any(ast.unparse(decorator).endswith(("overload", ".setter")) for decorator in function.decorator_list)


def test_every_public_function_is_typed_and_documented():
    bare = []
    for path in SOURCES:
        for function in _public(_tree(path).body):
            given = function.args
            arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs]
            untyped = [item.arg for item in arguments if item.annotation is None and item.arg not in ("self", "cls")]
            documented = ast.get_docstring(function) or _is_overload(function)
            if untyped or function.returns is None or not documented:
                bare.append(f"{_where(path, function)} {function.name}")
    assert bare == []


def test_every_public_module_and_class_says_what_it_is():
    silent = [str(path.relative_to(ROOT)) for path in SOURCES if not ast.get_docstring(_tree(path))]
    for path in SOURCES:
        classes = [node for node in _tree(path).body if isinstance(node, ast.ClassDef)]
        silent += [_where(path, node) for node in classes if node.name[0] != "_" and not ast.get_docstring(node)]
    assert silent == []


def _declared() -> set[str]:
    """The declared distributions, those of extras too (without ``dev`` and ``docs``, which are for those who build)."""
    extras = PROJECT["optional-dependencies"]
    optional = [text for name, group in extras.items() if name not in ("dev", "docs") for text in group]
    names = {canonicalize_name(Requirement(text).name) for text in [*PROJECT["dependencies"], *optional]}
    return names - {PROJECT["name"]}


def _used() -> dict[str, set[str]]:
    """Third-party import -> files that use it."""
    used = defaultdict(set)
    for path in SOURCES:
        for name in _imported(path):
            top = name.partition(".")[0]
            if top != "tbd" and top not in sys.stdlib_module_names:
                used[top].add(str(path.relative_to(ROOT)))
    return used


def _distribution(name: str) -> str:
    return DISTRIBUTIONS.get(name) or canonicalize_name(name)


def test_what_is_imported_is_declared():
    declared = _declared()
    assert {name: files for name, files in _used().items() if _distribution(name) not in declared} == {}


def test_what_is_declared_is_used():
    imported = {_distribution(name) for name in _used()}
    assert _declared() - imported - NOT_IMPORTED.keys() == set()
    assert imported & NOT_IMPORTED.keys() == set()


def test_the_rules_would_catch_a_breach(tmp_path, monkeypatch):
    """A planted circle, clash, hidden module, long and bare function: each rule says so."""
    package = tmp_path / "tbd"
    package.mkdir()
    (package / "__init__.py").write_text('"""P."""\nfrom tbd.one import two\nclass A:\n    """A."""\n')
    (package / "one.py").write_text('"""O."""\nimport tbd.two\nimport nowhere_declared\nclass A:\n    """A."""\n')
    body = "\n".join(["    x = 1"] * (FUNCTION_WALL + 1))
    (package / "two.py").write_text(f'"""T."""\ndef f(x):\n{body}\n\ndef g() -> None:\n    from tbd import one\n')
    here = sys.modules[__name__]
    monkeypatch.setattr(here, "ROOT", tmp_path)
    monkeypatch.setattr(here, "PACKAGE", package)
    monkeypatch.setattr(here, "SOURCES", sorted(package.rglob("*.py")))
    monkeypatch.setattr(here, "MODULES", {_module(path): path for path in here.SOURCES})
    for rule in (
        test_a_class_name_means_one_thing,
        test_no_function_passes_the_wall,
        test_every_public_function_is_typed_and_documented,
        test_what_is_imported_is_declared,
        test_what_is_declared_is_used,
    ):
        with pytest.raises(AssertionError):
            rule()
    with pytest.raises(pytest.fail.Exception, match="a circle of files"):
        test_no_file_imports_itself_by_way_of_others()
