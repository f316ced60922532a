"""The server backend tries again: what may pass, what does not, and fields that a server refuses."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from conversations import SHORT, ask, pictures, question
from hypothesis import given
from hypothesis import strategies as st
from lying_server import (
    LyingServer,
    cuts,
    drips,
    floods,
    hangs_up,
    refuses,
    says,
    sends,
    silent,
    slow,
    status,
)

from tbd.annotate.backends.endpoint import MAX_BYTES
from tbd.annotate.backends.request_errors import _retry_after
from tbd.annotate.backends.retry import LONGEST, retry_delay
from tbd.errors import UsageError

# Trying again


@pytest.mark.parametrize(
    "error",
    [status(429), status(500), status(503), status(408), hangs_up, cuts, silent, drips, floods, sends(b"{oops"),
     sends(b"[" * 100_000), sends(b""), sends({"choices": []}), sends({"object": "x"}), sends([1]),
     sends({"error": {"message": "upstream"}}), says(7)],
    ids=["429", "500", "503", "408", "hangs up", "cut", "silent", "drips", "floods", "broken JSON", "deep JSON", "empty",
         "no choices", "no completion", "a list", "error with 200", "content is a number"],
)  # fmt: skip
def test_what_may_pass_is_tried_again(serve, error):
    server = LyingServer(error, error, then=says("at last"))
    (reply,) = ask(serve(server, timeout=SHORT if error in (silent, drips) else 20))
    assert (reply.text, reply.finish, reply.usage.attempts) == ("at last", "stop", 3)
    assert server.bodies[0] == server.bodies[2]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (status(429, "slow down"), "HTTP 429: slow down"),
        (status(500, "CUDA error"), "HTTP 500: CUDA error"),
        (lambda handler, body: handler.send(502, b"<html>Bad Gateway</html>"), "HTTP 502"),
        (hangs_up, "the connection was cut"),
        (cuts, "the connection was cut"),
        (silent, "no reply within 0.4 s"),
        (drips, "no reply within 0.4 s"),
        (floods, f"a response of more than {MAX_BYTES:,} bytes"),
        (sends(b"{oops"), "a response that is not JSON"),
        (sends({"choices": []}), "a completion without choices"),
        (sends({"error": {"message": "overloaded"}}), "a document that is no completion: overloaded"),
    ],
)
def test_a_question_that_runs_out_of_tries_is_a_failed_reply_with_its_reason(serve, error, words):
    server = LyingServer(then=error)
    (reply,) = ask(serve(server, retries=1, timeout=SHORT if error in (silent, drips) else 20))
    assert reply.finish == "failed"
    assert reply.text.startswith(f"{server.url}/v1: {words}")
    assert (len(server.bodies), reply.usage.attempts) == (2, 2)


@pytest.mark.parametrize("code", [400, 413, 422])
def test_a_request_that_the_server_rejects_fails_its_row_at_once(serve, code):
    server = LyingServer(says("fine"), status(code, "prompt is too long"), says("fine again"))
    first, second, third = ask(serve(server), *[question()] * 3)
    assert (second.finish, second.text) == ("failed", f"{server.url}/v1: HTTP {code}: prompt is too long")
    assert (first.text, third.text, len(server.bodies)) == ("fine", "fine again", 3)


def test_a_failed_question_leaves_no_trace_in_the_conversation(serve):
    server = LyingServer(status(400), says("yes"))
    ask(serve(server), question("one"), question("two"))
    assert len(pictures(server.bodies[1])) == 1
    assert [turn["role"] for turn in server.bodies[1]["messages"]] == ["system", "user"]


def test_retry_after_is_honoured(serve):
    server = LyingServer(status(429, Retry_After="0.3"))
    started = time.monotonic()
    (reply,) = ask(serve(server))
    assert reply.text == "ok" and time.monotonic() - started >= 0.3


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7), ("0.5", 0.5), ("-3", 0), ("nan", 0), ("soon", 0), ("", 0), ("inf", float("inf"))]
)
def test_retry_after_is_read_without_trust(value, seconds):
    assert _retry_after(value) == seconds


def test_retry_after_may_be_a_date():
    assert 25 < _retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)) <= 30


@given(st.floats(1e-3, 1e3), st.integers(0, 10_000), st.text(), st.floats(0, allow_nan=False))
def test_a_pause_doubles_within_its_bounds_and_is_the_same_in_a_rerun(base, attempt, name, asked):
    seconds = retry_delay(base, attempt, name, asked)
    assert seconds == retry_delay(base, attempt, name, asked)
    full = base * 2.0 ** min(attempt, 30)
    assert min(full / 2, LONGEST) <= seconds <= min(max(full, asked), LONGEST)
    assert seconds >= min(asked, LONGEST)


def test_conversations_that_fail_together_come_back_apart():
    assert len({round(retry_delay(1.0, 0, f"chain {index}"), 6) for index in range(100)}) == 100


# Fields that a server refuses


def test_a_refused_field_is_left_out_remembered_and_noted(serve):
    server = LyingServer(then=refuses("seed", "response_format"))
    backend = serve(server)
    replies = ask(backend, question(), question(), question())
    assert [reply.text for reply in replies] == ["ok"] * 3
    assert [("seed" in body, "response_format" in body) for body in server.bodies] == [(True, True)] + [
        (False, False)
    ] * 3
    assert backend.notes == [f"{server.url}/v1 refuses response_format, seed; it is left out there"]


def test_one_endpoint_refusing_a_field_says_nothing_about_another(serve):
    picky, easy = LyingServer(then=refuses("seed")), LyingServer()
    backend = serve(picky, easy)
    for index in range(12):
        ask(backend, key=f"chain {index}")
    assert all("seed" in body for body in easy.bodies) and easy.bodies
    assert sum("seed" in body for body in picky.bodies) == 1


@pytest.mark.parametrize(
    "words",
    ["The provided JSON schema contains features not supported", "failed to parse grammar", "guided decoding is off",
     "'response_format' is not supported with this model"],
)  # fmt: skip
def test_structured_output_is_given_up_under_all_its_names(serve, words):
    server = LyingServer(status(400, words))
    (reply,) = ask(serve(server))
    assert reply.text == "ok" and "response_format" not in server.bodies[1]


def test_fastapi_names_the_field_in_a_list(serve):
    server = LyingServer(lambda handler, body: handler.send(
        422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}
    ))  # fmt: skip
    ask(serve(server))
    assert "seed" not in server.bodies[1] and "temperature" in server.bodies[1]


def test_many_threads_meet_a_refusal_and_none_fails(serve):
    server = LyingServer(then=refuses("seed", otherwise=slow(0.01)))
    backend = serve(server)
    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(lambda index: ask(backend, key=f"chain {index}")[0], range(24)))
    assert {reply.text for reply in replies} == {"ok"} and len(backend.notes) == 1


@pytest.mark.parametrize(
    ("settings", "field"), [({"extra": {"top_k": 1}}, "top_k"), ({"structured": "json_schema"}, "response_format")]
)
def test_what_the_recipe_insists_on_is_not_dropped_in_silence(serve, settings, field):
    server = LyingServer(then=refuses(field))
    with pytest.raises(UsageError, match=field):
        ask(serve(server, **settings))
