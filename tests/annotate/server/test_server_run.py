"""Whole runs over a server that misbehaves: no row is lost, and a retry asks for the failed ones only."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from figure_4 import FIGURE_4
from known_replies import honest, known_reply
from known_replies import step_of as step
from lying_server import LyingServer, completion, cuts, says, sends, silent, status
from scripted import mead_tree

from tbd.annotate import run
from tbd.annotate.recipe import AnnotateRecipe
from tbd.errors import MissingError

CLIPS = [(speaker, "angry", 2, index) for speaker in ("M003", "W009") for index in range(1, 9)]
SETTINGS = {"timeout": 1.5, "retries": 1, "backoff": 0.01, "concurrency": 4}
FAILED = ("failed", "refused", "truncated")
pytestmark = pytest.mark.usefixtures("no_pixels")


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("TBD_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def dataset(tmp_path):
    return mead_tree(tmp_path / "mead", CLIPS)


def picture(body):
    return next(turn for turn in body["messages"] if turn["role"] == "user")["content"][0]["image_url"]["url"]


class Moody:
    """Every picture has its own fate: it is honest, or does the same bad thing whenever ``at`` is asked."""

    def __init__(self, *fates, at="step3"):
        self.fates, self.at, self.met = fates, at, {}

    def __call__(self, handler, body):
        fate = self.met.setdefault(picture(body), self.fates[len(self.met) % len(self.fates)])
        (fate if step(body) == self.at else honest)(handler, body)


def annotate(dataset, output, server, **changes):
    recipe = AnnotateRecipe(backend={"name": "server"}, server=SETTINGS)
    request = run.AnnotationRequest(dataset, recipe, output, endpoints=(server.url,), workers=0, quiet=True, **changes)
    return run.run_annotation(run.prepare_annotation(request))


def table(output):
    return pq.read_table(output / "manifest.parquet").to_pylist()


def test_every_clip_is_a_row_whatever_the_server_does_and_a_retry_mends_it(dataset, tmp_path):
    loop = '{"muscles": [' + " \n" * 300
    fates = {
        "reject": status(400, "image too large"),
        "down": status(500, "CUDA error"),
        "cut": cuts,
        "envelope": sends(b'{"choices": '),
        "silent": silent,
        "json": says("{{{"),
        "refusal": says("I'm sorry, I cannot help with identifying people."),
        "Chinese": says("这个人看起来很生气，眉毛紧锁，嘴唇紧闭。"),
        "loop": says(loop, "length"),
        "good": honest,
    }
    output = tmp_path / "out"
    with LyingServer(then=Moody(*fates.values())) as server:
        summary = annotate(dataset, output, server)
    rows = table(output)
    assert [row["clip_id"] for row in rows] == sorted(
        f"mead_{who}_front_angry_2_{index:03d}" for who, _, _, index in CLIPS
    )
    assert sum(summary["status"].values()) == len(CLIPS) and summary["status"]["refused"] >= 1
    bad = [row for row in rows if row["status"] != "success"]
    assert len(bad) < len(rows) and all(row["error"].startswith("step3: ") and row["needs_review"] for row in bad)
    reasons = " ".join(row["error"] for row in bad)
    for words in (
        "HTTP 400: image too large",
        "HTTP 500: CUDA error",
        "connection was cut",
        "not JSON",
        "no reply within",
    ):
        assert words in reasons
    assert all(len(row["step_outputs"]) >= 2 for row in bad)

    with LyingServer(then=honest) as server:
        summary = annotate(dataset, output, server, retry=FAILED)
        asked = server.bodies
    assert summary["status"] == {"success": len(CLIPS)}
    assert {step(body) for body in asked} == {"step3", "step4"}
    assert len(asked) == 2 * len({row["clip_id"] for row in bad})


def _finished_without_asking_twice(dataset, tmp_path, output, retry):
    """The same command, after 20 good replies: asks for the rest alone, and ends as a calm run does."""
    with LyingServer(then=honest) as server:
        annotate(dataset, output, server, retry=retry)
        assert len(server.bodies) == 4 * len(CLIPS) - 20
    with LyingServer(then=honest) as server:
        annotate(dataset, tmp_path / "calm", server)
    assert (output / "manifest.parquet").read_bytes() == (tmp_path / "calm/manifest.parquet").read_bytes()


def test_a_server_that_dies_stops_the_run_and_the_same_command_finishes_it(dataset, tmp_path):
    output = tmp_path / "out"
    with LyingServer(*[honest] * 20, then=status(503)) as server, pytest.raises(MissingError, match="in a row"):
        annotate(dataset, output, server)
    before = table(output)
    assert len(before) < len(CLIPS)
    _finished_without_asking_twice(dataset, tmp_path, output, FAILED)


@pytest.mark.parametrize(("code", "again"), [(401, ()), (402, ()), (403, FAILED)])
def test_a_key_that_is_lost_in_the_middle_is_said_and_nothing_that_was_paid_for_is_asked_twice(
    dataset, tmp_path, code, again
):
    output = tmp_path / "out"
    with LyingServer(*[honest] * 20, then=status(code, "key expired")) as server:
        with pytest.raises(MissingError, match=f"HTTP {code}: key expired") as lost:
            annotate(dataset, output, server)
        denied = len(server.bodies) - 20
    assert lost.value.next.startswith("export TBD_API_KEY=KEY   # then run the same command")
    assert ("--retry failed" in lost.value.next) == (code == 403)
    before = table(output)
    assert 0 < len(before) < len(CLIPS) and denied < 2 * len(CLIPS)
    if code != 403:  # a key is no fault of a row: none of them failed
        assert {row["status"] for row in before} == {"success"}
    _finished_without_asking_twice(dataset, tmp_path, output, again)


def test_the_replies_of_the_papers_figure_are_read_from_a_server_that_ignores_schemas(tmp_path):
    def speaks_as_in_the_paper(handler, body):
        handler.send(200, completion(FIGURE_4[step(body)]))

    dataset = mead_tree(tmp_path / "mead", [("W009", "happy", 2, 1)])
    with LyingServer(then=speaks_as_in_the_paper) as server:
        annotate(dataset, tmp_path / "out", server)
        assert len(server.bodies) == 4, "nothing is asked twice"
    (row,) = table(tmp_path / "out")
    assert row["status"] == "success" and len(row["prompts"]) == 2
    assert (row["gender"], row["age_range"], row["ethnicity"]) == ("woman", "30-40 years old", "Black/African American")
    assert {unit["au"] for unit in row["action_units"]} == {12, 25, 26, 6, 5}
    assert {"step_contradiction", "misspelled_muscle", "ambiguous_code", "levels_missing"} <= set(row["flags"])
    assert row["needs_review"] and row["coarse_prompt"].startswith("A Black woman")
    assert row["fine_prompt"].startswith("The facial expression shows")


def test_an_answer_in_the_reasoning_field_is_read_and_said(tmp_path):
    def thinks(handler, body):
        text = f"I think of a face. {known_reply(step(body))}"
        handler.send(200, completion(None, reasoning_content=text))

    dataset = mead_tree(tmp_path / "mead", CLIPS[:1])
    with LyingServer(then=thinks) as server:
        summary = annotate(dataset, tmp_path / "out", server)
    assert summary["status"] == {"success": 1}
    assert any("reasoning field" in note for note in summary["notes"])


def test_a_gender_that_the_dataset_knows_better_is_flagged(tmp_path):
    def sees_a_man(handler, body):
        if step(body) == "step1":
            handler.send(
                200,
                completion(
                    '{"gender": "man", "age_range": "unknown", "ethnicity": "unknown", "appearance": "unknown"}'
                ),
            )
        else:
            honest(handler, body)

    dataset = mead_tree(tmp_path / "mead", [("W009", "angry", 2, 1)])
    with LyingServer(then=sees_a_man) as server:
        annotate(dataset, tmp_path / "out", server)
    (row,) = table(tmp_path / "out")
    assert "gender_against_dataset" in row["flags"] and not row["approved"]
