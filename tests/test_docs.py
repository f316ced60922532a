"""Documentation under test: every command line parses and runs, every file and link exists, every reference is complete."""

import importlib.util
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
import typer
from public_names import PUBLIC

from tbd import errors
from tbd.cli import app, main

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
MADE = "<!-- Made by docs/build_reference.py"
FOLDERS = ("tbd", "docs", "tests", "examples", "annotate", "evaluate", "train", "data_manifests", ".github")
NEEDS = (
    "needs weights",
    "needs runs",
    "needs a GPU",
    "needs a server",
    "needs a cluster",
    "needs the network",
    "waits for a person",
    "needs MEAD",
    "takes minutes",
    "needs a checkpoint",
    "needs Docker",
    "changes your shell",
    "needs a shell",
)
"""How a page marks a command that a test cannot run: a comment on its line."""


def _pages() -> dict[str, str]:
    folders = (
        ROOT,
        DOCS,
        DOCS / "releases",
        *(ROOT / name for name in ("annotate", "evaluate", "train", "data_manifests", "examples")),
    )
    paths = [path for folder in folders for path in sorted(folder.glob("*.md"))]
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in paths}


PAGES = _pages()
WRITTEN = {name: text for name, text in PAGES.items() if MADE not in text and name != "CHANGELOG.md"}


def _blocks(text: str, languages: tuple[str, ...]) -> list[str]:
    found = re.findall(r"^( *)```(\w*)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return [body for _, language, body in found if language in languages]


def _lines(text: str) -> list[str]:
    """Every ``tbd …`` line of a page's code blocks, also behind a prompt; continued lines are joined."""
    shown = "\n".join(_blocks(text, ("", "sh", "console", "bash"))).replace("\\\n", " ")
    return [line.strip().removeprefix("$ ") for line in shown.splitlines() if re.match(r"\s*(\$ )?tbd [\w-]", line)]


def _other_lines(text: str) -> list[str]:
    """What a page's shell blocks show that is not ``tbd …``."""
    shown = "\n".join(_blocks(text, ("sh", "bash"))).replace("\\\n", " ")
    return [line.strip() for line in shown.splitlines() if line.strip() and not re.match(r"\s*tbd [\w-]", line)]


def _inline(text: str) -> list[str]:
    """Every ``tbd …`` within a sentence; an ellipsis stands for what is left out."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return [line.replace("…", "") for line in re.findall(r"`(tbd [a-z][^`]*)`", prose)]


def _words(line: str) -> list[str]:
    return shlex.split(line, comments=True)[1:]


LINES = [(name, line) for name, text in WRITTEN.items() for line in _lines(text)]


@pytest.mark.parametrize(("page", "line"), LINES)
def test_a_command_on_a_page_parses(page, line):
    words, command = _words(line), typer.main.get_command(app)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"{page}: no command {words[0]!r}"
        command = command.commands[words.pop(0)]
    if "--help" not in words and not {*words} & {"--version", "--install-completion", "--show-completion"}:
        command.make_context("tbd", words)


@pytest.mark.parametrize(("page", "line"), [(name, line) for name, text in WRITTEN.items() for line in _inline(text)])
def test_a_command_within_a_sentence_exists_with_its_options(page, line):
    words, command = _words(line), typer.main.get_command(app)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"{page}: no command {words[0]!r}"
        command = command.commands[words.pop(0)]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("-")} <= known | {"--help"}


@pytest.mark.parametrize("page", [name for name, text in WRITTEN.items() if _other_lines(text)])
def test_a_line_that_no_test_runs_is_marked(page):
    assert [line for line in _other_lines(WRITTEN[page]) if not any(need in line for need in NEEDS)] == []


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """What the pages speak of: ``tbd demo`` and, in the same place, a project with ``mead/`` and a run.

    The demo is smaller than the pages' one and ends after annotation: the same commands on less.
    """
    place = tmp_path_factory.mktemp("workspace")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert main(["demo", "--until", "annotate", "--people", "2", "--clips", "8"]) == 0
        for clip in (
            "M901/video/front/happy/level_1",
            "W901/video/front/happy/level_2",
            "W901/video/front/angry/level_2",
        ):
            shutil.copytree(f"demo/mead/{clip}", f"mead/{clip}")
        assert main(["annotate", "mead", "--backend", "facs", "--workers", "0", "--quiet"]) == 0
        assert main(["prepare", "data_manifests/mead", "-o", "clips", "--quiet"]) == 0
        shutil.copytree(ROOT / "data_manifests/example", "data_manifests/example")
        Path("runs/mine").mkdir(parents=True)
        Path("my_videos").mkdir()
        Path("their_videos").mkdir()
        for clip in sorted(Path("clips").glob("mead_*")):
            for folder in ("runs/mine", "my_videos", "their_videos"):
                shutil.copy(clip / "video.mp4", f"{folder}/{clip.name}.mp4")
            shutil.copy(clip / "reference.png", "face.jpg")
        Path("clips.txt").write_text("".join(f"{clip.name}\n" for clip in Path("clips").glob("mead_*")))
        yield place


@pytest.mark.parametrize("page", [name for name, text in WRITTEN.items() if _lines(text)])
def test_every_command_on_a_page_runs(page, workspace, tmp_path, monkeypatch, capfd):
    shutil.copytree(workspace, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    for command in ("ANNOTATE", "EVAL"):
        monkeypatch.setenv(f"TBD_{command}_WORKERS", "0")
    failed = {}
    for line in _lines(WRITTEN[page]):
        if any(need in line for need in NEEDS):
            continue
        code = main(_words(line))
        if code != 0:
            failed[line] = f"{code}: {capfd.readouterr().err[-500:]}"
    assert failed == {}


@pytest.mark.parametrize("page", [name for name, text in WRITTEN.items() if _blocks(text, ("python",))])
def test_every_piece_of_python_on_a_page_runs(page, workspace, monkeypatch):
    monkeypatch.chdir(workspace)
    names: dict[str, object] = {}
    for block in _blocks(WRITTEN[page], ("python",)):
        exec(compile(block, page, "exec"), names)


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_links_to_exists(page):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", PAGES[page])
    missing = [link for link in links if "://" not in link and not ((ROOT / page).parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", WRITTEN)
def test_every_file_of_the_project_that_a_page_names_exists(page):
    """Paths in code marks that begin with a folder of the project; capital letters and brackets are placeholders."""
    named = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./*-]*)`", WRITTEN[page])
    real = [name for name in named if not re.search(r"[A-Z]{3}|/mead\b|/hdtf\b|/mine\b", name)]
    assert [name for name in real if not (list(ROOT.glob(name)) if "*" in name else (ROOT / name).exists())] == []


def _builder():
    spec = importlib.util.spec_from_file_location("build_reference", DOCS / "build_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", _builder().PAGES)
def test_a_made_page_is_what_the_program_says_today(page):
    """When this fails: make reference."""
    assert (DOCS / page).read_text(encoding="utf-8") == _builder().PAGES[page]()


def test_every_column_of_the_manifest_is_explained():
    from tbd.manifest.schema import SCHEMA

    page = PAGES["docs/manifest.md"]
    assert [name for name in SCHEMA.names if f"`{name}`" not in page] == []


def _unexplained(page: str) -> list[str]:
    """First cells of a page's table rows whose last cell is empty."""
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in page.splitlines() if line.startswith("| `")]
    return [row[0].strip() for row in rows if not row[-1].strip()]


def test_a_row_without_words_is_found():
    assert _unexplained("| `a` | `int` | `1` |  |\n| `b` | `x\\|y` |  | words |") == ["`a`"]


@pytest.mark.parametrize("page", ["cli.md", "reference/recipes.md", "reference/flags.md", "reference/weights.md"])
def test_every_option_recipe_key_flag_and_file_of_weights_is_explained(page):
    assert _unexplained((DOCS / page).read_text(encoding="utf-8")) == []


def test_every_metric_is_explained_by_a_page_of_its_own():
    """The page of its protocol names it; sync's three share one, which names them and what stands behind the @."""
    from tbd.evaluate.metrics.registry import known

    explained = (DOCS / "reference/metrics.md").read_text(encoding="utf-8").partition("\n## ")[2]
    for metric in (metric for found in known().values() for metric in found):
        key, _, variant = metric.protocol.partition("@")
        assert f"`{metric.protocol}`" in explained or (f"`{key}`" in explained and f"`{variant}`" in explained)


def test_every_variable_of_the_environment_is_explained():
    """Those that the program reads itself; the options' variables follow one rule, which the page tells."""
    read = {name for path in ROOT.glob("tbd/**/*.py") for name in re.findall(r'"(TBD_[A-Z_]+)"', path.read_text())}
    assert "TBD_WEIGHTS" in read
    assert [name for name in sorted(read) if f"`{name}`" not in PAGES["docs/install.md"]] == []


def test_every_public_name_has_its_place_on_the_python_page():
    page = PAGES["docs/python.md"]
    assert [f"{module}.{name}" for module, names in PUBLIC.items() for name in names if name not in page] == []


def test_every_exit_code_is_explained():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.TbdError)]
    wanted = {0, 70, *(kind.exit_code for kind in kinds)}
    for page in ("README.md", "docs/troubleshooting.md"):
        assert {int(row) for row in re.findall(r"^\| (\d+) \|", PAGES[page], re.MULTILINE)} == wanted


def test_every_command_is_named_in_the_pages():
    words = "\n".join(line for _, line in LINES)
    paths = [path for path, command in _builder().commands() if not hasattr(command, "commands")]
    assert [path for path in paths if not re.search(rf"{path}\b", words)] == []


def test_every_page_is_in_the_navigation():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")]
    assert [page for page in pages if page not in text] == []


def test_this_version_has_release_notes_a_dated_changelog_and_a_citation():
    import tbd

    notes = PAGES[f"docs/releases/{tbd.__version__}.md"]
    dated = re.search(r"^# (\S+ \(\d{4}-\d\d-\d\d\))$", notes, re.MULTILINE)
    assert dated and f"\n## {dated[1]}\n" in PAGES["CHANGELOG.md"]
    assert f"\nversion: {tbd.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_readme_is_short():
    assert len(PAGES["README.md"].splitlines()) <= 165


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        ("8 rows: 8 success", "demo --until annotate --people 2 --clips 8"),
        ("     label  ", "manifest show demo/data_manifests/mead --clip mead_W901_front_happy_2_001"),
    ],
)
def test_what_the_readme_shows_is_what_the_program_prints(workspace, monkeypatch, capfd, shown, line):
    monkeypatch.chdir(workspace)
    (block,) = (block for block in _blocks(PAGES["README.md"], ("", "console")) if shown in block)
    wanted = [text for text in block.splitlines() if not text.startswith("$") and text.strip() != "…"]
    assert main(_words(f"tbd {line}")) == 0
    printed = "".join(capfd.readouterr()).splitlines()
    assert len(wanted) > 5 and [text for text in wanted if text not in printed] == []


def test_the_site_builds_without_a_warning(tmp_path):
    import subprocess

    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "site/search/search_index.json").is_file()
