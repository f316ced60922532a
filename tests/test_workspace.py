import errno
import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tbd import workspace
from tbd.errors import InputError, MissingError, UsageError

NOBODY = 65534


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _manifest(root: Path, name: str) -> Path:
    path = root / "data_manifests" / name / "manifest.parquet"
    path.parent.mkdir(parents=True)
    path.touch()
    return path.parent


def test_the_users_file_wins_over_the_shipped_one(project):
    assert workspace.find("train/README.md") == workspace.shipped() / "train/README.md"
    (project / "train").mkdir()
    (project / "train/README.md").write_text("mine")
    assert workspace.find("train/README.md") == project / "train/README.md"


def test_a_file_that_nobody_has_is_an_error_that_lists_what_is_shipped(project):
    with pytest.raises(InputError, match=r"train/nothing\.toml.*README\.md"):
        workspace.find("train/nothing.toml")


def test_manifests_are_found_sorted_and_examples_passed_over(project):
    for name in ("mead", "hdtf", "example", "cards"):
        _manifest(project, name)
    (project / "data_manifests/empty").mkdir()
    assert [path.name for path in workspace.manifests()] == ["hdtf", "mead"]


def test_a_killed_run_that_only_has_a_journal_is_a_manifest_too(project):
    _manifest(project, "mead").joinpath("manifest.parquet").rename(project / "data_manifests/mead/journal.sqlite")
    assert [path.name for path in workspace.manifests()] == ["mead"]


def test_the_only_manifest_is_taken_and_otherwise_the_choice_is_listed(project):
    with pytest.raises(UsageError, match="no manifest") as none:
        workspace.only_manifest()
    assert "annotate" in none.value.next
    assert workspace.only_manifest.__doc__
    mead = _manifest(project, "mead")
    assert workspace.only_manifest() == mead
    _manifest(project, "hdtf")
    with pytest.raises(UsageError, match=r"(?s)2 manifests.*hdtf.*mead"):
        workspace.only_manifest()


def test_writing_makes_folders_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "deep/er/file.txt"
    workspace.write_text(path, "old")
    workspace.write_text(path, "new")
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_a_writer_that_fails_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "file.txt"
    workspace.write_text(path, "old")

    def fail(temporary):
        temporary.write_text("half")
        raise ValueError

    with pytest.raises(ValueError):
        workspace.write_whole(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_sigkill_in_the_middle_of_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    workspace.write_text(path, "old")
    code = f"""
import os, signal
from pathlib import Path
from tbd.workspace import write_whole
def half(temporary):
    with temporary.open("w") as file:
        file.write("half of the new")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
write_whole(Path({str(path)!r}), half)
"""
    result = subprocess.run([sys.executable, "-c", code], check=False)
    assert result.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    (left,) = [other for other in tmp_path.iterdir() if other != path]
    workspace.write_text(path, "new")
    assert path.read_text() == "new"
    assert left.exists(), "it could belong to a run that is still writing"
    os.utime(left, (0, 0))
    workspace.write_text(path, "newer")
    assert list(tmp_path.iterdir()) == [path]


def test_many_threads_may_write_the_same_file(tmp_path):
    path = tmp_path / "file.txt"
    texts = [f"{number}" * 10_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: workspace.write_text(path, text), texts * 4))
    assert path.read_text() in texts
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_is_on_disk_before_the_name_is(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: (order.append("fsync"), fsync(descriptor))[1])
    monkeypatch.setattr(Path, "replace", lambda self, target: (order.append("rename"), replace(self, target))[1])
    workspace.write_text(tmp_path / "file.txt", "x")
    assert order == ["fsync", "rename", "fsync"]


def test_a_full_disk_says_so_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    workspace.write_text(path, "old")

    def overflow(temporary):
        temporary.write_text("half")
        with Path("/dev/full").open("w") as full:  # the kernel's own "no space left on device"
            full.write("x" * 100_000)

    with pytest.raises(MissingError, match=r"disk is full.*nothing that was saved is lost") as caught:
        workspace.write_whole(path, overflow)
    assert caught.value.exit_code == 4
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_unforeseen_failure_of_the_system_is_not_disguised(tmp_path):
    with pytest.raises(OSError, match="hardware"), workspace.writing(tmp_path / "x"):
        raise OSError(errno.EIO, "hardware")


def _as_nobody(action) -> int:
    """Exit code of ``action`` in a child that is not root: 0, an error's code, or 99."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 99
    try:
        if os.geteuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        action()
        code = 0
    except InputError as error:
        code = error.exit_code
    finally:
        os._exit(code)


def test_a_read_only_folder_is_an_error_with_a_way_on():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        assert _as_nobody(lambda: workspace.write_text(folder / "file.txt", "x")) == 0
        folder.chmod(0o555)
        assert _as_nobody(lambda: workspace.write_text(folder / "other.txt", "x")) == 3
        assert [path.name for path in folder.iterdir()] == ["file.txt"]
        folder.chmod(0o777)


def test_a_file_where_a_folder_should_be_is_an_input_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written") as caught:
        workspace.write_text(tmp_path / "file" / "inside.txt", "x")
    assert "-o" in caught.value.next


def test_the_cache_lies_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("TBD_CACHE", str(tmp_path))
    assert workspace.cache() == tmp_path
    monkeypatch.delenv("TBD_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert workspace.cache() == tmp_path / ".cache/tbd"
