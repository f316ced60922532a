"""The server backend against a server that misbehaves in every way we could think of."""

from __future__ import annotations

import base64
import io
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lying_server import (
    LyingServer,
    completion,
    cuts,
    drips,
    floods,
    hangs_up,
    lists,
    refuses,
    says,
    sends,
    silent,
    slow,
    status,
)
from PIL import Image

from tbd.annotate.backends import create
from tbd.annotate.backends.base import ConversationStart, Question, Turn
from tbd.annotate.backends.completion import WITHHELD, read_completion
from tbd.annotate.backends.conversation import Conversation
from tbd.annotate.backends.endpoint import MAX_BYTES, normalised
from tbd.annotate.backends.request_errors import _retry_after, message
from tbd.annotate.backends.retry import GIVE_UP_AFTER, LONGEST, retry_delay
from tbd.annotate.backends.server import ServerBackend
from tbd.annotate.recipe import AnnotateRecipe, ServerSettings
from tbd.errors import MissingError, UsageError
from tbd.schema import Annotation

TOPIC = Annotation("cot", "anger", 2)
SCHEMA = {"type": "object", "properties": {"gender": {"type": "string"}}, "required": ["gender"]}
QUICK = {"timeout": 20, "retries": 2, "backoff": 0.01}
SHORT = 0.4
"""Seconds; only for servers that would keep us waiting."""


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in ("TBD_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and (
        left := [t for t in threading.enumerate() if t not in before and not t.daemon]
    ):
        time.sleep(0.01)
    assert not left


@pytest.fixture
def serve():
    """Start servers, and a backend on them that is closed before they are."""
    opened = []

    def start(*servers, model=None, **settings):
        opened.extend(servers)
        urls = [server.__enter__().url for server in servers]
        opened.append(ServerBackend(urls, model, ServerSettings(**QUICK | settings)))
        return opened[-1]

    yield start
    for one in reversed(opened):
        one.close() if isinstance(one, ServerBackend) else one.die()


def face(key="mead_M003_front_anger_2_001", history=(), seed=0, frames=1):
    images = np.random.default_rng(seed).integers(0, 256, (frames, 64, 64, 3), dtype=np.uint8)
    return ConversationStart(key, images, "You describe faces.", TOPIC, tuple(history))


def question(text="Who is it?", step="step1", **more):
    return Question(step, text, SCHEMA, 128, **more)


def ask(backend, *questions, **kwargs):
    """The replies of one conversation."""
    with backend.open([face(**kwargs)]) as session:
        return [session.ask([one])[0] for one in questions or [question()]]


def dead_url():
    """An address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def pictures(body):
    return [part for turn in body["messages"] if isinstance(turn["content"], list) for part in turn["content"][:1]]


# What is sent


def test_a_request_has_the_standard_fields_and_nothing_else(serve):
    server = LyingServer()
    ask(serve(server), question(temperature=0.3, seed=7))
    (body,) = server.bodies
    assert body.keys() == {"model", "messages", "temperature", "seed", "max_tokens", "response_format"}
    assert (body["model"], body["temperature"], body["seed"], body["max_tokens"]) == ("tiny", 0.3, 7, 128)
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "tbd_step1", "strict": True, "schema": SCHEMA},
    }


def test_the_picture_travels_in_the_first_turn_only_and_is_the_one_we_have(serve):
    server = LyingServer(says("one"), says("two"))
    shown = face()
    first, second = ask(serve(server), question("first"), question("second", "step2"))
    assert (first.text, second.text) == ("one", "two")
    system, opening, answer, then = server.bodies[1]["messages"]
    assert system == {"role": "system", "content": "You describe faces."}
    assert [part["type"] for part in opening["content"]] == ["image_url", "text"]
    assert opening["content"][1]["text"] == "first"
    assert answer == {"role": "assistant", "content": "one"}
    assert then == {"role": "user", "content": "second"}
    assert opening == server.bodies[0]["messages"][1]
    kind, data = opening["content"][0]["image_url"]["url"].split(",")
    assert kind == "data:image/jpeg;base64"
    seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))), np.int16)
    assert np.abs(seen - shown.images[0]).mean() < 6


def test_several_pictures_travel_in_order_before_the_words(serve):
    server = LyingServer(says("one"), says("two"))
    shown = face(frames=3)
    ask(serve(server), question("first"), question("second", "step2"), frames=3)
    opening = server.bodies[1]["messages"][1]["content"]
    assert [part["type"] for part in opening] == ["image_url"] * 3 + ["text"]
    for part, image in zip(opening, shown.images, strict=False):
        seen = Image.open(io.BytesIO(base64.b64decode(part["image_url"]["url"].split(",")[1])))
        assert np.abs(np.asarray(seen, np.int16) - image).mean() < 6
    assert all(isinstance(turn["content"], str) for turn in server.bodies[1]["messages"][2:])


def test_a_resumed_conversation_sends_its_history(serve):
    server = LyingServer(says("three"))
    ask(serve(server), question("third", "step3"), history=[Turn("first", "one"), Turn("second", "two")])
    roles = [turn["role"] for turn in server.bodies[0]["messages"]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert len(pictures(server.bodies[0])) == 1
    assert server.bodies[0]["messages"][1]["content"][1]["text"] == "first"


def test_extra_fields_of_the_recipe_are_laid_on_top(serve):
    server = LyingServer()
    ask(serve(server, extra={"top_k": 1, "temperature": 0.5}))
    assert server.bodies[0]["top_k"] == 1 and server.bodies[0]["temperature"] == 0.5


def test_extra_cannot_change_what_the_backend_relies_on():
    with pytest.raises(UsageError, match="stream"):
        ServerBackend(["http://localhost:1"], "m", ServerSettings(extra={"stream": True}))


def test_structured_off_and_steps_without_a_schema_send_no_response_format(serve):
    server, other = LyingServer(), LyingServer()
    ask(serve(server, structured="off"))
    ask(serve(other), Question("step1", "?", {}, 8))
    assert "response_format" not in server.bodies[0] and "response_format" not in other.bodies[0]


# What comes back


def test_tokens_are_counted_as_the_server_says(serve):
    (reply,) = ask(serve(LyingServer(slow(0.05))))
    usage = reply.usage
    assert (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens, usage.attempts) == (1000, 700, 20, 1)
    assert usage.seconds >= 0.05


@pytest.mark.parametrize(
    ("behaviour", "text", "finish"),
    [
        (says('{"gender": "wom', "length"), '{"gender": "wom', "length"),
        (says('{"gender":' + " \n" * 400, "length"), '{"gender":' + " \n" * 400, "length"),
        (says("这个人是一名女性。"), "这个人是一名女性。", "stop"),
        (says("not { JSON"), "not { JSON", "stop"),
        (says(None, refusal="I can't identify people."), "I can't identify people.", "stop"),
        (says(None, "content_filter"), WITHHELD, "stop"),
        (says("She", "content_filter"), f"{WITHHELD}\nShe", "stop"),
        (says("yes", reasoning_content="The user wants …"), "yes", "stop"),
        (says(None, "length", reasoning_content="Hmm, " * 50), "", "length"),
        (says([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]), "ab", "stop"),
        (says("no reason given", None), "no reason given", "stop"),
        (sends(rb'{"choices": [{"message": {"content": "half \ud83d pair"}}]}'), "half ? pair", "stop"),
    ],
    ids=["cut", "whitespace loop", "Chinese", "broken JSON", "refusal", "filtered", "filtered late", "reasoning",
         "only reasoning", "parts", "no finish", "half a surrogate pair"],
)  # fmt: skip
def test_an_answer_is_passed_on_as_it_is_for_the_chain_to_judge(serve, behaviour, text, finish):
    server = LyingServer(behaviour)
    (reply,) = ask(serve(server))
    assert (reply.text, reply.finish) == (text, finish)
    assert len(server.bodies) == 1


def test_a_reply_by_another_model_is_noted_and_a_longer_form_of_the_name_is_not(serve):
    server = LyingServer(says("a", model="tiny@main"), says("b", model="huge"), says("c", model="huge"))
    backend = serve(server)
    ask(backend, *[question()] * 3)
    assert backend.notes == [f"{server.url}/v1 answers as 'huge', not as 'tiny'"]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner)
                    | st.dictionaries(st.sampled_from(["choices", "message", "content", "usage", "model", "error",
                                                       "prompt_tokens", "prompt_tokens_details", "cached_tokens",
                                                       "finish_reason", "refusal", "text", "detail", "loc", "msg"]), inner)))  # fmt: skip
def test_any_document_is_a_storable_reply_or_a_reason(document):
    for one in (document, {"choices": [{"message": document}], "usage": document}, {"choices": document}):
        try:
            reply, model = read_completion(one)
        except ValueError as error:
            assert str(error)
        else:
            reply.text.encode()
            assert isinstance(model, str)
            assert 0 <= reply.usage.cached_tokens <= reply.usage.prompt_tokens < 2**31
        assert isinstance(message(one), str)


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


# Several endpoints


def test_a_conversation_stays_on_one_endpoint_and_conversations_spread(serve):
    servers = [LyingServer(), LyingServer(), LyingServer()]
    backend = serve(*servers)
    for index in range(30):
        before = [len(server.bodies) for server in servers]
        ask(backend, *[question()] * 4, key=f"chain {index}")
        assert sorted(len(server.bodies) - count for server, count in zip(servers, before, strict=True)) == [0, 0, 4]
    assert all(len(server.bodies) >= 12 for server in servers)


def test_the_order_of_the_endpoints_on_the_command_line_does_not_matter_for_routing(serve):
    servers = [LyingServer(), LyingServer(), LyingServer()]
    backend = serve(*servers)
    again = ServerBackend([server.url for server in reversed(servers)], None, ServerSettings(**QUICK))
    for index in range(20):
        routes = [Conversation(one._setting, face(f"chain {index}")).order for one in (backend, again)]
        assert [endpoint.url for endpoint in routes[0]] == [endpoint.url for endpoint in routes[1]]
    again.close()


def on_first(backend, servers):
    """A key, the server that its conversation starts on, and the other one."""
    first = Conversation(backend._setting, face("chain")).order[0].url
    return sorted(servers, key=lambda server: not first.startswith(server.url))


def test_when_an_endpoint_fails_for_good_the_conversation_moves_with_its_whole_history(serve):
    servers = [LyingServer(), LyingServer()]
    backend = serve(*servers)
    home, other = on_first(backend, servers)
    home.script = [says("one"), *[status(500)] * 3]
    replies = ask(backend, *[question(f"q{index}") for index in range(4)], key="chain")
    assert [reply.text for reply in replies] == ["one", "ok", "ok", "ok"]
    assert (len(home.bodies), len(other.bodies)) == (4, 3)
    moved = other.bodies[0]["messages"]
    assert [turn["role"] for turn in moved] == ["system", "user", "assistant", "user"]
    assert len(pictures(other.bodies[0])) == 1 and moved[2]["content"] == "one"
    assert backend.notes == [f"{home.url}/v1 failed (HTTP 500); conversations moved to {other.url}/v1"]
    assert replies[1].usage.attempts == 4


def test_new_conversations_avoid_an_endpoint_that_failed_for_good(serve):
    servers = [LyingServer(), LyingServer()]
    backend = serve(*servers)
    home, _ = on_first(backend, servers)
    home.then = status(503)
    ask(backend, key="chain")
    tried = len(home.bodies)
    assert [ask(backend, key="chain")[0].text for _ in range(3)] == ["ok"] * 3
    assert len(home.bodies) == tried == 3


def test_where_nobody_listens_any_more_the_next_endpoint_is_asked_at_once(serve):
    servers = [LyingServer(), LyingServer()]
    backend = serve(*servers, backoff=30)
    home, _ = on_first(backend, servers)
    home.die()
    (reply,) = ask(backend, key="chain")
    assert (reply.text, reply.usage.attempts) == ("ok", 2)
    assert "it cannot be reached" in backend.notes[0]


def test_requests_in_flight_are_bounded_on_each_endpoint(serve):
    servers = [LyingServer(then=slow(0.05)), LyingServer(then=slow(0.05))]
    backend = serve(*servers, concurrency=3)
    assert backend.concurrency == 6
    with ThreadPoolExecutor(16) as threads:
        replies = list(threads.map(lambda index: ask(backend, key=f"chain {index}")[0], range(60)))
    assert {reply.text for reply in replies} == {"ok"}
    assert [server.most_at_once for server in servers] == [3, 3]


def test_no_question_is_answered_with_the_reply_to_another(serve):
    def echo(handler, body):
        time.sleep(0.005)
        handler.send(200, completion(body["messages"][-1]["content"]))

    backend = serve(LyingServer(then=echo), LyingServer(then=echo))

    def talk(index):
        replies = ask(backend, question("first"), question(f"{index} a"), question(f"{index} b"), key=f"chain {index}")
        return [reply.text for reply in replies[1:]] == [f"{index} a", f"{index} b"]

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(talk, range(40)))


def test_several_faces_in_one_session_are_several_conversations(serve):
    server = LyingServer(
        then=lambda handler, body: handler.send(200, completion(str(body["messages"][-1]["content"][-1:])))
    )
    with serve(server).open([face("a"), face("b", seed=1)]) as session:
        session.ask([question("for a"), question("for b")])
        replies = session.ask([question("then a"), question("then b")])
    assert [reply.text for reply in replies] == ["a", "b"]
    assert pictures(server.bodies[2]) != pictures(server.bodies[3])


# The end of the servers


def test_rows_fail_until_the_run_is_stopped(serve):
    server = LyingServer()
    backend = serve(server, retries=0)
    ask(backend)
    server.die()
    replies = [ask(backend, key=f"chain {index}")[0] for index in range(GIVE_UP_AFTER - 1)]
    assert {reply.finish for reply in replies} == {"failed"}
    assert all("it cannot be reached" in reply.text for reply in replies)
    for _ in range(2):
        with pytest.raises(MissingError, match=f"{GIVE_UP_AFTER} questions in a row") as caught:
            ask(backend)
    assert "--retry failed" in caught.value.next


def test_one_answer_between_failures_keeps_the_run_going(serve):
    script = ([status(500)] * (GIVE_UP_AFTER - 1) + [says("ok")]) * 3
    replies = [ask(backend)[0] for backend in [serve(LyingServer(*script), retries=0)] for _ in script]
    assert sum(reply.finish == "failed" for reply in replies) == 3 * (GIVE_UP_AFTER - 1)


def test_rows_that_the_server_rejects_do_not_stop_the_run(serve):
    backend = serve(LyingServer(says("ok"), then=status(400)))
    ask(backend)
    assert {ask(backend)[0].finish for _ in range(3 * GIVE_UP_AFTER)} == {"failed"}


def test_a_server_that_rejects_everything_from_the_start_stops_the_run(serve):
    backend = serve(LyingServer(then=status(400, "Server is pinned to 'a'; requested 'tiny'.")))
    assert {ask(backend)[0].finish for _ in range(GIVE_UP_AFTER - 1)} == {"failed"}
    with pytest.raises(MissingError, match="pinned"):
        ask(backend)


def test_waiting_conversations_wake_when_the_run_is_stopped(serve):
    backend = serve(LyingServer(then=status(500)), retries=1, backoff=40)
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(ask, backend) for _ in range(4)]
        time.sleep(0.2)
        with pytest.raises(MissingError):
            for _ in range(GIVE_UP_AFTER):
                backend._setting.breaker.failed("gone")
        for future in waiting:
            with pytest.raises(MissingError):
                future.result(timeout=15)


# The start


def test_the_only_model_of_the_servers_is_taken(serve):
    backend = serve(LyingServer(models=lists(["tiny"], revision="abc")), LyingServer(models=lists(["tiny"])))
    assert (backend.name, backend.model, backend.revision, backend.batch_size) == ("server", "tiny", "abc", 1)


@pytest.mark.parametrize("both", [[["a", "b"]], [["a"], ["b"]]], ids=["one server", "two servers"])
def test_several_models_are_listed_for_the_user_to_choose(serve, both):
    with pytest.raises(UsageError, match="a, b") as caught:
        serve(*[LyingServer(models=names) for names in both])
    assert caught.value.next == "--model a"


def test_a_named_model_need_not_be_listed(serve):
    for models in ([], ["other"], sends(b"junk"), status(404), status(500)):
        assert serve(LyingServer(models=models), model="mine").model == "mine"


def test_a_server_that_lists_no_model_needs_one_named(serve):
    for models in ([], sends({"data": "junk"}), sends({"data": [1, {"id": 2}]}), sends([])):
        with pytest.raises(UsageError, match="which model"):
            serve(LyingServer(models=models))


@pytest.mark.parametrize("models", [status(503, "Loading model"), status(404), sends(b"junk"), silent])
def test_a_server_that_cannot_say_its_models_is_missing(serve, models):
    with pytest.raises(MissingError):
        serve(LyingServer(models=models), timeout=SHORT if models is silent else 20)


@pytest.mark.parametrize("code", [401, 403])
def test_a_wrong_key_ends_the_run_at_the_start(serve, code):
    with pytest.raises(MissingError, match=f"HTTP {code}: bad key") as caught:
        serve(LyingServer(models=status(code, "bad key")), model="mine")
    assert "TBD_API_KEY" in caught.value.next


@pytest.mark.parametrize("code", [401, 403, 404, 307])
def test_an_endpoint_that_turns_down_the_first_question_ends_the_run(serve, code):
    server = LyingServer(then=status(code, "the model does not exist"))
    with pytest.raises(MissingError, match=f"HTTP {code}: the model does not exist"):
        ask(serve(server))
    assert len(server.bodies) == 1


def test_an_endpoint_that_turns_down_a_later_question_fails_the_row(serve):
    replies = ask(serve(LyingServer(says("ok"), status(403, "moderation"))), *[question()] * 3)
    assert [reply.finish for reply in replies] == ["stop", "failed", "stop"]


def test_nobody_at_home_is_an_error_of_the_environment():
    urls = [dead_url(), dead_url()]
    with pytest.raises(MissingError) as caught:
        ServerBackend(urls, "mine", ServerSettings())
    assert all(url in caught.value.message for url in urls) and caught.value.exit_code == 4
    assert caught.value.next.startswith(f"curl {urls[0]}/v1/models")


def test_one_of_two_endpoints_is_enough_to_start(serve):
    server = LyingServer()
    with server:
        backend = ServerBackend([dead_url(), server.url], None, ServerSettings(**QUICK))
        assert [ask(backend, key=f"chain {index}")[0].text for index in range(6)] == ["ok"] * 6
        assert len(backend.notes) == 1 and "could not be reached at the start" in backend.notes[0]
        backend.close()


def test_the_factory_makes_it_from_a_recipe():
    recipe = AnnotateRecipe(backend={"name": "server", "model": "mine"})
    with pytest.raises(UsageError, match="endpoint"):
        create(recipe)
    with LyingServer() as server:
        backend = create(recipe, [server.url, f"{server.url}/v1/"])
        assert (backend.model, len(backend.endpoints), backend.concurrency) == ("mine", 1, 32)
        backend.close()


# Keys and addresses


def test_the_key_is_sent_and_appears_nowhere_else(serve, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    monkeypatch.setenv("TBD_API_KEY", "sk-secret\n")
    server = LyingServer(
        status(400, "no good, sk-secret"), says("ok", model="sk-secret"), status(401, "Bearer sk-secret")
    )
    backend = serve(server)
    replies = ask(backend, *[question()] * 3)
    assert server.keys == ["Bearer sk-secret"] * 3
    assert "***" in replies[0].text and "***" in replies[2].text
    assert "sk-secret" not in repr((replies[0], replies[2], backend.notes, backend.revision))


def test_openai_api_key_is_the_second_choice_and_none_sends_none(serve, monkeypatch):
    server, other = LyingServer(), LyingServer()
    ask(serve(server))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    ask(serve(other))
    assert (server.keys, other.keys) == ([None], ["Bearer sk-other"])


def test_a_key_that_cannot_be_one_is_refused(monkeypatch):
    monkeypatch.setenv("TBD_API_KEY", "sk-ключ")
    with pytest.raises(UsageError) as caught:
        ServerBackend(["http://localhost:1"], "mine", ServerSettings())
    assert "ключ" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1"),
        ("http://localhost:8000/", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1", "http://localhost:8000/v1"),
        (" http://localhost:8000/v1/ ", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1/chat/completions", "http://localhost:8000/v1"),
        ("https://host/api", "https://host/api/v1"),
        ("https://host/v1beta/openai/", "https://host/v1beta/openai"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
    ],
)
def test_addresses_are_brought_to_one_form(given, base):
    assert normalised(given) == base == normalised(base)


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8000", "host", "ftp://host/v1", "http://", "http://a b", "http://h:abc", "http://h:0", "http://h:99999",
     "http://h\n", "http://user:hunter2@host/v1", "http://host/v1?key=hunter2", "http://host/v1#hunter2"],
)  # fmt: skip
def test_bad_addresses_are_refused_without_repeating_passwords(url):
    if url == "http://h\n":
        assert normalised(url) == "http://h/v1"
        return
    with pytest.raises(UsageError) as caught:
        normalised(url)
    assert "hunter2" not in str(caught.value)


def test_a_proxy_of_the_environment_does_not_stand_before_this_machine(serve, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", dead_url())
    monkeypatch.setenv("ALL_PROXY", dead_url())
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert ask(serve(LyingServer()))[0].text == "ok"


def test_the_notes_stay_short_whatever_a_server_does(serve):
    names = iter(range(10_000))
    backend = serve(LyingServer(then=lambda handler, body: handler.send(200, completion("a", model=f"m{next(names)}"))))
    for _ in range(70):
        ask(backend)
    assert len(backend.notes) == 50


def test_replies_survive_json(serve):
    (reply,) = ask(serve(LyingServer(says("a\u2028b\x00c"))))
    assert json.loads(json.dumps(reply.text)) == "a\u2028b\x00c"
