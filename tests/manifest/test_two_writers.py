"""Whoever writes a manifest folder at the same time as somebody else: no row, no rule and no review is lost."""

import itertools
import json
import threading

import pytest
from review_events import decide
from rows import PROMPTS, row

from tbd import workspace
from tbd.annotate.journal import Journal, RowState
from tbd.annotate.run import finish
from tbd.errors import MissingError, TbdError
from tbd.manifest import (
    SplitRule,
    merge_manifests,
    read_manifest,
    reseal_manifest,
    resplit_manifest,
    seal_as_recorded,
    seal_manifest,
)
from tbd.manifest.lock import manifest_lock

CLIPS = [f"clip_{number}" for number in range(6)]


def put(folder, names):
    with Journal(folder) as journal:
        for name in names:
            made = row(name)
            journal.put_row(name, RowState("clip", "f", "success", 0), {key: made[key] for key in made})


def annotate(folder):
    """Three more clips are finished, and the run ends."""
    put(folder, CLIPS)
    with Journal(folder) as journal:
        finish(folder, journal)


def end_review(folder):
    decide(folder, CLIPS[0], "accept", PROMPTS)
    reseal_manifest(folder)


def seal(folder):
    put(folder, CLIPS)
    with Journal(folder, read_only=True) as journal:
        seal_as_recorded(folder, journal.rows())


def split(folder):
    resplit_manifest(folder, SplitRule("random-80-20"))


WRITERS = {"annotate": annotate, "review": end_review, "seal": seal, "split": split}


class Pause:
    """Stops the first writer at its n-th replacement of a file, after everything was read."""

    def __init__(self, monkeypatch, at):
        self.reached, self.go, self.count, self.at = threading.Event(), threading.Event(), 0, at
        self.whole = workspace.write_whole
        monkeypatch.setattr(workspace, "write_whole", self)

    def __call__(self, path, write):
        def paused(temporary):
            write(temporary)
            if threading.current_thread().name == "first":
                self.count += 1
                if self.count == self.at:
                    self.reached.set()
                    assert self.go.wait(30)

        self.whole(path, paused)


def start(name, writer, folder, errors):
    def run():
        try:
            writer(folder)
        except TbdError as error:
            errors.append(error)

    thread = threading.Thread(target=run, name=name)
    thread.start()
    return thread


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize(("first", "second"), list(itertools.product(WRITERS, repeat=2)))
def test_two_writers_never_lose_a_row(tmp_path, monkeypatch, first, second, at):
    put(tmp_path, CLIPS[:3])
    with Journal(tmp_path) as journal:
        seal_manifest(tmp_path, journal.rows())
    pause, errors = Pause(monkeypatch, at), []
    one = start("first", WRITERS[first], tmp_path, errors)
    while one.is_alive() and not pause.reached.wait(0.01):
        pass
    other = start("second", WRITERS[second], tmp_path, errors)
    other.join(0.1)
    pause.go.set()
    one.join(30)
    other.join(30)
    assert errors == []
    grown, table = {"annotate", "seal"} & {first, second}, read_manifest(tmp_path).to_pylist()
    assert [found["clip_id"] for found in table] == (CLIPS if grown else CLIPS[:3])
    if "split" in (first, second):
        assert {found["split"] for found in table} <= {"train", "test"} and None not in {f["split"] for f in table}
        assert json.loads((tmp_path / "run.json").read_text())["split"]["rule"] == "random-80-20"
    if "review" in (first, second):
        assert table[0]["review_status"] == "accepted"


def test_two_merges_into_one_folder_wait_for_each_other(tmp_path, monkeypatch):
    for name, clips in (("a", CLIPS[:3]), ("b", CLIPS[3:])):
        seal_manifest(tmp_path / name, [json.dumps(row(clip)) for clip in clips])
    pause, errors = Pause(monkeypatch, 1), []
    one = start("first", lambda out: merge_manifests([tmp_path / "a"], out), tmp_path / "out", errors)
    assert pause.reached.wait(30)
    other = start(
        "second", lambda out: merge_manifests([tmp_path / "a", tmp_path / "b"], out), tmp_path / "out", errors
    )
    other.join(0.1)
    assert other.is_alive()
    pause.go.set()
    one.join(30)
    other.join(30)
    assert errors == []
    assert read_manifest(tmp_path / "out", ["clip_id"])["clip_id"].to_pylist() == CLIPS
    assert json.loads((tmp_path / "out" / "run.json").read_text())["merged"] == ["a", "b"]


def test_a_file_that_the_last_run_did_not_write_is_sealed_again_and_said(tmp_path):
    put(tmp_path, CLIPS)
    with Journal(tmp_path) as journal:
        assert finish(tmp_path, journal)["changed"]
        assert not finish(tmp_path, journal)["changed"]
        seal_manifest(tmp_path, [json.dumps(row(clip)) for clip in CLIPS[:3]])  # somebody else's three rows
        found = finish(tmp_path, journal)
        assert found["changed"] and found["rows"] == 6 and "sealed again" in found["notes"][0]
        assert finish(tmp_path, journal)["notes"] == []
    assert len(read_manifest(tmp_path)) == 6


def test_a_writer_that_waits_in_vain_says_who_holds_the_folder(tmp_path, monkeypatch):
    seal_manifest(tmp_path, [json.dumps(row(CLIPS[0]))])
    monkeypatch.setattr("tbd.manifest.lock.WAIT", 0.0)
    errors = []
    with manifest_lock(tmp_path, "splitting the manifest"):
        start("other", reseal_manifest, tmp_path, errors).join(30)
    (error,) = errors
    assert isinstance(error, MissingError) and "splitting the manifest" in error.message
