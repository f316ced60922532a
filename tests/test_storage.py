"""Data sets and results that lie elsewhere: fsspec's own memory stands for a store."""

import json
import os

import fsspec
import pytest
import talking_head
import training
import typer
from fsspec.implementations.memory import MemoryFileSystem
from scripted import fake_examine, mead_tree

from tbd import storage, workspace
from tbd.annotate import examine_pool
from tbd.cli import app, main
from tbd.demo.dataset import draw_clip
from tbd.errors import InputError, MissingError, TbdError

FILES = {"a.mp4": b"one", "people/b.mp4": b"two", "people/list.csv": b"three"}

URL = "memory://bucket/out"


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


@pytest.fixture
def fetched(monkeypatch):
    """Names of what is brought here."""
    names, fetch = [], MemoryFileSystem.get_file

    def get_file(self, there, here, **more):
        names.append(there.rpartition("/")[2])
        fetch(self, there, here, **more)

    monkeypatch.setattr(MemoryFileSystem, "get_file", get_file)
    return names


def _fill(store, files=FILES, at="/bucket/data"):
    for name, content in files.items():
        store.pipe_file(f"{at}/{name}", content)


def _content(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_an_address_is_known_by_its_scheme_also_where_a_path_folded_it(tmp_path):
    for path in ("s3://b/mead", "gs://b/mead", "hf://datasets/me/mead"):
        assert workspace.url_of(path) == workspace.url_of(tmp_path.__class__(path)) == path
    for path in ("mead", "/data/mead", "C:/mead", "./s3:/b", "a:b"):
        assert workspace.url_of(path) is None
    (tmp_path / "s3:/b").mkdir(parents=True)
    assert workspace.url_of("s3:/b") is None, "a folder of this name is a folder"


def test_a_copy_has_the_names_and_bytes_and_only_what_changed_is_fetched_again(store, fetched, tmp_path):
    _fill(store)
    folder = storage.copied("memory://bucket/data")
    assert folder == tmp_path / "cache/remote/memory/bucket/data"
    assert {name: content for name, content in _content(folder).items() if name != storage.SEEN} == FILES
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*.mp4")}
    assert storage.copied("memory://bucket/data/") == folder and len(fetched) == 3
    store.pipe_file("/bucket/data/a.mp4", b"new")
    store.rm_file("/bucket/data/people/list.csv")
    storage.copied("memory://bucket/data")
    assert fetched[3:] == ["a.mp4"] and (folder / "a.mp4").read_bytes() == b"new"
    assert not (folder / "people/list.csv").exists()
    assert (folder / "people/b.mp4").stat().st_mtime_ns == before[folder / "people/b.mp4"]


def test_a_lost_copy_comes_back_with_the_same_times(store, tmp_path):
    _fill(store)
    file = storage.copied("memory://bucket/data") / "a.mp4"
    time = file.stat().st_mtime_ns
    file.unlink()
    os.utime(storage.copied("memory://bucket/data") / "people/b.mp4")
    assert file.stat().st_mtime_ns == time


def test_the_size_of_the_cache_is_kept_and_nothing_is_begun_that_does_not_fit(store, fetched, tmp_path, monkeypatch):
    _fill(store)
    monkeypatch.setenv(storage.LIMIT, "1e-8")
    with pytest.raises(MissingError, match=r"11 B; with 0 B of other places .* more than the cache's 10 B") as full:
        storage.copied("memory://bucket/data")
    assert full.value.next.startswith(f"export {storage.LIMIT}=") and not fetched
    monkeypatch.setenv(storage.LIMIT, "much")
    with pytest.raises(InputError, match="not a number of GB"):
        storage.copied("memory://bucket/data")


def test_access_that_is_lost_in_the_middle_is_said_and_the_same_call_goes_on(store, fetched, monkeypatch):
    _fill(store)
    fetch = MemoryFileSystem.get_file

    def refuse(self, there, here, **more):
        if there.endswith("b.mp4"):
            raise PermissionError("ExpiredToken: the token has expired")
        fetch(self, there, here, **more)

    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, "get_file", refuse)
        patch.setattr(storage, "AT_ONCE", 1)
        with pytest.raises(MissingError, match="PermissionError: ExpiredToken") as lost:
            storage.copied("memory://bucket/data")
    assert "the same command" in lost.value.next
    folder = storage.copied("memory://bucket/data")
    assert sorted(fetched) == ["a.mp4", "b.mp4", "list.csv"] and not list(folder.rglob("*.tmp"))


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (PermissionError("ExpiredToken: the token has expired"), "see to the access"),
        (ConnectionError("Could not connect to the endpoint"), "see to the network"),
    ],
)
def test_what_to_type_fits_what_the_store_said(store, monkeypatch, error, advice):
    _fill(store)

    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(MemoryFileSystem, "get_file", refuse)
    with pytest.raises(MissingError) as lost:
        storage.copied("memory://bucket/data")
    assert lost.value.next.startswith(advice)


@pytest.mark.parametrize(
    ("url", "kind", "words"),
    [
        ("memory://bucket/none", InputError, "nothing is there"),
        ("memory://bucket/../other", InputError, r"with \.\. in it"),
        ("nosuch://bucket/data", InputError, "Protocol not known"),
    ],
)
def test_an_address_that_cannot_be_read_is_said(url, kind, words):
    with pytest.raises(kind, match=words):
        storage.copied(url)


def _made(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("manifest.parquet", "run.json", "report.md", "journal.sqlite", "journal.sqlite-wal", ".lock"):
        (folder / name).write_text(name)


def test_what_is_whole_is_sent_the_manifest_last_and_journals_stay(store, capsys):
    with storage.sent(URL) as folder:
        _made(folder)
    assert sorted(store.store) == [f"/bucket/out/{name}" for name in ("manifest.parquet", "report.md", "run.json")]
    assert list(store.store)[-1] == "/bucket/out/manifest.parquet"
    assert "the journal stays here" in capsys.readouterr().err and (folder / "journal.sqlite").is_file()
    put = store.store["/bucket/out/run.json"].created
    with storage.sent(URL) as again:
        (again / "report.md").write_text("longer than before")
    assert store.cat("/bucket/out/report.md") == b"longer than before"
    assert store.store["/bucket/out/run.json"].created == put, "what did not change is not sent again"


def test_a_run_that_gives_up_sends_what_was_sealed(store):
    with pytest.raises(TbdError, match="gave up"), storage.sent(URL) as folder:
        _made(folder)
        raise TbdError("gave up")
    assert "/bucket/out/manifest.parquet" in store.store


def test_a_store_that_refuses_loses_nothing_and_the_same_command_sends(store, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError("AccessDenied")

    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, "put_file", refuse)
        refused = pytest.raises(MissingError, match="AccessDenied; the same command sends what lies in")
        with refused, storage.sent(URL) as folder:
            _made(folder)
    assert not store.store and (folder / "manifest.parquet").is_file()
    with storage.sent(URL):
        pass
    assert len(store.store) == 3


def test_what_another_machine_made_is_not_written_over(store, tmp_path, monkeypatch):
    with storage.sent(URL) as folder:
        _made(folder)
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "other"))
    with pytest.raises(InputError, match="what another machine made"), storage.sent(URL):
        pytest.fail("nothing is begun")


@pytest.fixture
def dataset(tmp_path, store, monkeypatch):
    monkeypatch.setattr(examine_pool, "examine_clip", fake_examine)
    local = mead_tree(tmp_path / "mead", [("M003", "angry", 2, index) for index in range(1, 6)])
    _fill(store, _content(local), "/bucket/mead")
    return local


def _tbd(*words):
    return main([str(word) for word in words])


def test_annotation_from_a_store_into_a_store_is_that_of_a_disk(store, dataset, tmp_path, capsys):
    common = ("--backend", "facs", "--workers", 0, "--quiet")
    assert _tbd("annotate", dataset, *common, "-o", "local") == 0
    assert _tbd("annotate", "memory://bucket/mead", *common, "-o", "memory://bucket/manifests/mead") == 0
    there = store.cat("/bucket/manifests/mead/manifest.parquet")
    assert there == (tmp_path / "local/manifest.parquet").read_bytes()
    record = json.loads(store.cat("/bucket/manifests/mead/run.json"))
    assert (record["dataset"], record["root"]) == ("mead", "memory://bucket/mead")
    assert not any(".sqlite" in name for name in store.store)
    before = dict(store.store)
    assert _tbd("annotate", "memory://bucket/mead", *common, "-o", "memory://bucket/manifests/mead") == 0
    assert store.store["/bucket/manifests/mead/manifest.parquet"] is before["/bucket/manifests/mead/manifest.parquet"]
    capsys.readouterr()
    assert _tbd("manifest", "show", "memory://bucket/manifests/mead", "--json") == 0
    assert "mead_M003_front_angry_2_001" in capsys.readouterr().out
    assert _tbd("manifest", "verify", "memory://bucket/manifests/mead") == 0


def test_what_would_be_lost_is_refused_in_words(store, dataset, capsys):
    common = ("--backend", "facs", "--workers", 0, "--quiet")
    assert _tbd("annotate", "memory://bucket/mead", *common, "-o", "memory://bucket/manifests/mead") == 0
    capsys.readouterr()
    assert _tbd("manifest", "split", "memory://bucket/manifests/mead", "--rule", "random-80-20") == 2
    assert "a copy of what lies elsewhere" in capsys.readouterr().err
    assert _tbd("review", "memory://bucket/manifests/mead") == 2
    assert "what is written there would be lost" in capsys.readouterr().err
    assert _tbd("train", "stage1", dataset, "-o", "s3://bucket/checkpoints") == 2
    assert "s3://bucket/checkpoints: this is written to a disk of this machine only" in capsys.readouterr().err


def test_videos_of_a_store_are_scored_into_a_store(store, tmp_path):
    draw_clip(tmp_path / "one.mp4", seconds=0.4, size=64)
    video = (tmp_path / "one.mp4").read_bytes()
    _fill(store, {"one/a.mp4": video, "two/a.mp4": video}, "/bucket")
    words = ("eval", "memory://bucket/one", "--reference", "memory://bucket/two", "--metrics", "psnr", "--workers", 0)
    assert _tbd(*words, "-o", "memory://bucket/results", "--quiet") == 0
    scores = json.loads(store.cat("/bucket/results/scores.json"))
    assert scores["runs"][0]["scores"]["psnr"]["n"] == 1
    assert "/bucket/results/clips.parquet" in store.store


def test_a_split_of_a_store_is_rendered_into_a_store_and_scored_from_there(store, tmp_path, capsys):
    """As on a disk: the same bytes, kept when the command runs again, the failure told; the record comes last."""
    talking_head.pipeline(frames=8).save_pretrained(tmp_path / "model")
    rows = [training.a_row("c0", 0, split="test"), training.a_row("c1", 1, split="test", file_name="gone.mp4")]
    _fill(store, _content(training.manifest(tmp_path / "toy", rows, size=talking_head.SIZE)), "/bucket/toy")
    words = ("generate", "--checkpoint", "model", "--manifest", "memory://bucket/toy", "--steps", 1, "--scale", 1)
    words += ("-q", "--json", "-o")
    assert (_tbd(*words, "local"), _tbd(*words, "memory://bucket/runs/ours")) == (1, 1)
    there = {name: file.getvalue() for name, file in store.store.items() if name.startswith("/bucket/runs/ours/")}
    assert there == {f"/bucket/runs/ours/{name}": content for name, content in _content(tmp_path / "local").items()}
    assert "/bucket/runs/ours/videos/c0.mp4" in there and list(there)[-1] == "/bucket/runs/ours/run.json"
    capsys.readouterr()
    assert _tbd(*words, "memory://bucket/runs/ours") == 1
    again = json.loads(capsys.readouterr().out)
    assert (again["rendered"], again["kept"], list(again["failed"])) == (0, 1, ["c1"])
    scored = ("eval", "memory://bucket/runs/ours", "--metrics", "psnr", "--workers", 0, "--quiet", "--no-baselines")
    _tbd(*scored, "-o", "memory://bucket/results/ours")
    (found,) = json.loads(store.cat("/bucket/results/ours/scores.json"))["runs"]
    assert (found["scores"]["psnr"]["n"], found["scores"]["psnr"]["of"]) == (1, 2)


SENDS = {"annotate", "eval", "generate"}
"""These send what they make to an address: shown above."""


def _with_output(group, path=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _with_output(command, (*path, name))
        elif any("-o" in parameter.opts for parameter in command.params):
            needed = [one for one in command.params if one.required and one.param_type_name == "argument"]
            yield " ".join([*path, name, *("nothing" for _ in needed)])


OTHERS = [words for words in _with_output(typer.main.get_command(app)) if words.split()[0] not in SENDS]


@pytest.mark.parametrize("words", [*OTHERS, "generate --image a.png --audio a.wav", "generate --grid --image a.png"])
def test_an_output_that_is_not_sent_is_refused_before_anything_is_done(words, tmp_path, capsys):
    assert _tbd(*words.split(), "-o", "s3://bucket/out") == 2
    said = capsys.readouterr().err
    assert "s3://bucket/out: this is written to a disk of this machine only" in said and "next:  take a folder" in said
    assert not (tmp_path / "s3:").exists()
