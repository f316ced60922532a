"""Several servers, their start and their end."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conversations import QUICK, SHORT, ask, dead_url, face, pictures, question
from lying_server import (
    LyingServer,
    completion,
    lists,
    says,
    sends,
    silent,
    slow,
    status,
)

from tbd.annotate.backends import create
from tbd.annotate.backends.conversation import Conversation
from tbd.annotate.backends.retry import GIVE_UP_AFTER
from tbd.annotate.backends.server import ServerBackend
from tbd.annotate.recipe import AnnotateRecipe, ServerSettings
from tbd.errors import MissingError, UsageError

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
