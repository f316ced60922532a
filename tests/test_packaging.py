"""What a user gets: the wheel, the versions, the make targets and the words of the README."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tbd.cli import doctor

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FOLDERS = ("annotate", "evaluate", "train", "replicate")
PINS = {
    name: version
    for name, _, version in (
        line.partition("==")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    )
}


def _run(*command: object, **options: object) -> str:
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def _wheel(source: Path, folder: Path) -> Path:
    """A wheel of ``source``, built by the setuptools that is installed, without a network."""
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", folder)
    _run(sys.executable, "-m", "pip", "wheel", *options, source)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the sources, with a user's own manifest in it."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in (*FOLDERS, "data_manifests", "tbd"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "constraints.txt", "Makefile"):
        shutil.copy(ROOT / name, copy)
    (copy / "data_manifests/mine").mkdir()
    (copy / "data_manifests/mine/manifest.parquet").touch()
    return copy


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory):
    return _wheel(checkout, tmp_path_factory.mktemp("wheel"))


def _names(wheel: Path) -> set[str]:
    return {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}


def test_the_wheel_carries_what_the_checkout_has_and_nothing_else(checkout, wheel):
    code = {f"tbd/{path.relative_to(checkout / 'tbd')}" for path in (checkout / "tbd").rglob("*") if path.is_file()}
    edited = {
        f"tbd/shipped/{path.relative_to(checkout)}"
        for folder in (*FOLDERS, "data_manifests/cards", "data_manifests/example")
        for path in (checkout / folder).rglob("*")
        if path.is_file()
    }
    assert len(edited) > 50 and "tbd/py.typed" in code
    assert {name for name in _names(wheel) if ".dist-info/" not in name} == code | edited


def test_a_users_manifests_and_the_tests_do_not_ship_and_no_name_is_taken(wheel):
    names = _names(wheel)
    assert not [name for name in names if {"mine", "tests"} & set(name.split("/"))]
    assert {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")} == {"tbd"}


def test_the_wheel_of_the_source_distribution_is_the_same(checkout, wheel, tmp_path):
    code = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
    _run(sys.executable, "-c", code, tmp_path, cwd=checkout)
    again = _wheel(next(tmp_path.glob("*.tar.gz")), tmp_path / "wheel")
    assert _names(again) == _names(wheel)


def test_the_image_copies_all_that_the_wheel_needs(checkout, wheel, tmp_path):
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    (tmp_path / "image").mkdir()
    for name in copied:
        copy = shutil.copytree if (checkout / name).is_dir() else shutil.copy
        copy(checkout / name, tmp_path / "image" / name)
    assert _names(_wheel(tmp_path / "image", tmp_path / "wheel")) == _names(wheel)


def test_an_installed_wheel_reads_the_folders_inside_it(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = "from tbd import workspace as w; print(w.shipped()); print(w.find('annotate/prompts/v1'))"
    lines = _run(sys.executable, "-c", code, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "site")}).splitlines()
    shipped = tmp_path / "site/tbd/shipped"
    assert lines == [str(shipped), str(shipped / "annotate/prompts/v1")]


def test_every_dependency_is_pinned_to_a_version_that_fits():
    extras = PROJECT["optional-dependencies"]["dev"]
    for text in (*PROJECT["dependencies"], *extras, *PROJECT["optional-dependencies"]["docs"]):
        requirement = Requirement(text)
        if requirement.name == PROJECT["name"]:
            continue
        pin = PINS.get(canonicalize_name(requirement.name))
        assert pin, f"{requirement.name} has no line in constraints.txt"
        assert requirement.specifier.contains(pin), f"{text} against {pin}"


def test_the_pins_are_names_and_versions_and_nothing_else():
    assert all(re.fullmatch(r"[a-z0-9-]+", name) and re.fullmatch(r"[\w.]+", version) for name, version in PINS.items())


def test_doctor_compares_with_the_pinned_versions():
    assert {name: PINS[name] for name in doctor.TESTED} == doctor.TESTED


@pytest.mark.parametrize(
    "target", ["demo", "test", "lint", "bench", "soak", "docs", "reference", "pictures", "package"]
)
def test_every_make_target_sets_itself_up(target, tmp_path):
    plan = _run("make", "--dry-run", target, f"VENV={tmp_path}/env", f"PYTHON={sys.executable}", cwd=ROOT)
    assert "-m venv" in plan
    assert re.search(r"pip install .*'\.\[dev\]' --constraint constraints\.txt", plan)


def test_what_is_set_up_is_not_set_up_again(tmp_path):
    (tmp_path / ".tbd-ready").touch()
    assert "pip install" not in _run("make", "--dry-run", "test", f"VENV={tmp_path}", cwd=ROOT)


def test_an_old_python_is_refused_with_the_way_on(tmp_path):
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    command = ["make", "lint", f"VENV={tmp_path}/env", f"PYTHON={old}"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "older than Python 3.11; say PYTHON=" in result.stderr
    assert not (tmp_path / "env").exists()


def test_ci_runs_the_readmes_test_command():
    assert "make test" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert {"make lint", "make test"} <= set(re.findall(r"make \w+", (ROOT / ".ci/run").read_text(encoding="utf-8")))
