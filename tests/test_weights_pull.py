"""Downloads of weights against servers that cut, redirect, lie about lengths and serve wrong bytes."""

import dataclasses
import hashlib
import io
import json
import sys
import zipfile

import huggingface_hub
import numpy as np
import pytest
from file_server import HABITS, file_server

from tbd import catalogue, downloads, weights, weights_add
from tbd.catalogue import File, Weights
from tbd.cli import main
from tbd.downloads import Download, fetch
from tbd.errors import MissingError

CONTENT = np.random.default_rng(0).bytes(100_000)
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TBD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("TBD_WEIGHTS", raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(downloads, "PAUSE", 0.0)
    weights.use_folder(None)
    return tmp_path


@pytest.fixture
def server():
    with file_server(CONTENT) as found:
        yield found


HOPELESS = {"wrong bytes", "web page", "not found", "hangs up", "sends more", "announces less"}
"""Habits from which no file can be had."""


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("habit", HABITS)
def test_a_file_is_whole_and_right_or_not_there_at_all(tmp_path, server, habit, known):
    url, _ = server
    wanted = Download((url(habit),), tmp_path / "w/a.bin", *((len(CONTENT), SHA) if known else (None, SHA)))
    if habit in HOPELESS:
        with pytest.raises(MissingError, match="could not be downloaded"):
            fetch(wanted)
        assert not wanted.path.exists()
    elif habit == "announces more":  # what came has the published hash, if we know when to stop
        try:
            fetch(wanted)
        except MissingError:
            assert not wanted.path.exists()
        else:
            assert wanted.path.read_bytes() == CONTENT
    else:
        fetch(wanted)
        assert wanted.path.read_bytes() == CONTENT and not list(wanted.path.parent.glob("*.part"))


@pytest.mark.parametrize("habit", [habit for habit in HABITS if habit != "honest"])
def test_the_next_mirror_has_it(tmp_path, server, habit):
    url, _ = server
    wanted = Download((url(habit), url("honest")), tmp_path / "a.bin", len(CONTENT), SHA)
    fetch(wanted)
    assert wanted.path.read_bytes() == CONTENT


def test_what_was_received_is_not_asked_for_again(tmp_path, server, monkeypatch):
    url, seen = server
    monkeypatch.setattr(downloads, "ATTEMPTS", 1)
    wanted = Download((url("cuts"),), tmp_path / "a.bin", len(CONTENT), SHA)
    with pytest.raises(MissingError, match=f"received {len(CONTENT) // 3} bytes, expected {len(CONTENT)}"):
        fetch(wanted)
    fetch(Download((url("honest"),), wanted.path, len(CONTENT), SHA))  # the same command again
    assert seen == [("cuts", ""), ("honest", f"bytes={len(CONTENT) // 3}-")]
    assert wanted.path.read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"of another file", CONTENT[:500], CONTENT + b"more", b""])
def test_a_part_that_lies_there_costs_nothing_but_time(tmp_path, server, left):
    url, _ = server
    (tmp_path / "a.bin.part").write_bytes(left)
    wanted = Download((url("honest"), url("honest")), tmp_path / "a.bin", None, SHA)
    fetch(wanted)
    assert wanted.path.read_bytes() == CONTENT


def archive(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, data in files.items():
            made.writestr(f"inside/{name}.onnx", data)
    return buffer.getvalue()


def test_files_of_an_archive_are_fetched_with_one_download(tmp_path):
    one, other = b"one" * 999, b"other" * 999
    with file_server(archive(one=one, other=other)) as (url, seen):
        for name, data in (("one", one), ("other", other)):
            place = tmp_path / f"{name}.onnx"
            fetch(
                Download((f"{url('honest', 'both.zip')}#{name}.onnx",), place, None, hashlib.sha256(data).hexdigest())
            )
            assert place.read_bytes() == data
        assert len(seen) == 1
        with pytest.raises(MissingError, match=r"no third\.onnx in the archive"):
            fetch(Download((f"{url('honest', 'both.zip')}#third.onnx",), tmp_path / "third.onnx"))


def entry(url, sha=SHA, **more):
    return Weights("toy", "eval: a test", (File("toy.bin", None, sha, (url,)),), "MIT", "yes", **more)


@pytest.fixture
def listed(monkeypatch):
    def put(*entries):
        for module in (catalogue, weights, weights_add):
            monkeypatch.setattr(module, "CATALOGUE", entries)
        monkeypatch.setattr(sys.modules["tbd.cli.weights"], "CATALOGUE", entries)

    return put


def test_what_was_pulled_is_found_in_every_later_command(tmp_path, server, listed, monkeypatch):
    url, seen = server
    listed(entry(url("honest")))
    path = weights.pull("toy")
    assert weights.resolve("toy") == path == tmp_path / "cache/weights/toy/toy.bin"
    assert weights.pull("toy") == path and len(seen) == 1
    monkeypatch.setenv("TBD_WEIGHTS", str(tmp_path / "lab"))
    assert weights.resolve("toy") == path
    assert weights.pull("toy") == tmp_path / "lab/toy/toy.bin"


def test_unknown_hashes_are_recorded_on_the_first_pull_and_never_guessed(server, listed):
    url, _ = server
    listed(entry(url("honest"), sha=None))
    path = weights.pull("toy")
    assert weights.recorded()["toy/toy.bin"] == {"bytes": len(CONTENT), "sha256": SHA}
    assert not weights.published(path)
    assert weights.verify(weights.lookup("toy"))[0].state == "as pulled"
    path.write_bytes(b"changed")
    assert weights.verify(weights.lookup("toy"))[0].state == "different"


def test_what_the_hub_does_not_give_the_web_may_have(server, listed, monkeypatch):
    url, _ = server
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: (_ for _ in ()).throw(OSError("down")))
    listed(entry(url("honest"), hub="somebody/toy"))
    assert weights.pull("toy").read_bytes() == CONTENT


def test_other_bytes_from_the_hub_are_refused(tmp_path, listed, monkeypatch):
    def deliver(hub, *, allow_patterns, local_dir):
        (tmp_path / "got").mkdir()
        (tmp_path / "got/toy.bin").write_bytes(b"other")
        return str(tmp_path / "got")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", deliver)
    listed(dataclasses.replace(entry("http://127.0.0.1:9/x"), files=(File("toy.bin", None, SHA),), hub="somebody/toy"))
    with pytest.raises(MissingError, match="other bytes than the published ones"):
        weights.pull("toy")


def test_pull_for_a_stage_gets_what_it_can_and_says_what_it_could_not(server, listed, capsys):
    url, _ = server
    person = Weights("person", "eval, train: x", (File("p.bin"),), "MIT", "yes", origin="a form to fill in")
    other = Weights("other", "train: y", (File("o.bin"),), "MIT", "yes", origin="nowhere")
    research = dataclasses.replace(entry(url("honest")), key="research", licence="research only", commercial="no")
    listed(entry(url("honest")), person, other, research)
    assert main(["weights", "pull", "--for", "eval"]) == 4
    words = capsys.readouterr()
    assert words.out.strip().endswith("toy/toy.bin")
    assert "person can only be fetched by a person; it comes from a form to fill in" in words.err
    assert "research: its licence (research only) has not been agreed to" in words.err
    assert "nowhere" not in words.err
    assert main(["weights", "pull", "research", "--accept-licences", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["weights"][0]["found"]
    assert main(["weights", "pull", "research"]) == 0  # asked once
    assert main(["weights", "pull"]) == 2


def test_files_that_a_person_fetched_are_recognised_by_their_bytes(tmp_path, listed, capsys):
    both = Weights(
        "both",
        "eval: x",
        (
            File("one.onnx", None, hashlib.sha256(b"one").hexdigest()),
            File("two.onnx", None, hashlib.sha256(b"two").hexdigest()),
        ),
        "MIT",
        "yes",
    )
    unknown = Weights("unknown", "eval: y", (File("u.pt"),), "MIT", "yes")
    listed(entry("http://127.0.0.1:9/x"), both, unknown)
    (tmp_path / "download (1)").write_bytes(CONTENT)
    (tmp_path / "pack.zip").write_bytes(archive(one=b"one", zwei=b"two", three=b"three"))
    (tmp_path / "u.pt").write_bytes(b"whatever")
    (tmp_path / "notes.txt").write_bytes(b"hello")
    names = ["download (1)", "pack.zip", "u.pt", "notes.txt"]
    assert main(["weights", "add", *names]) == 0
    words = capsys.readouterr().out
    assert "download (1): toy, published" in words and "u.pt: unknown, by its name alone" in words
    assert "notes.txt: no weights that tbd knows" in words
    assert weights.resolve("toy").read_bytes() == CONTENT
    assert (weights.resolve("both") / "two.onnx").read_bytes() == b"two"
    assert (tmp_path / "download (1)").exists()
    assert main(["weights", "add", "notes.txt"]) == 1
    assert main(["weights", "add", "nothing"]) == 3


def test_every_file_of_the_evaluation_can_be_had_with_one_command():
    """Nothing of ``--for eval`` ends in "get it from …": a place, the hub, or a package has each file."""
    for found in catalogue.CATALOGUE:
        if "eval" in found.stages:
            assert found.hub or found.package or all(file.urls for file in found.files), found.key
