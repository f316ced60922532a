"""The server backend: what is sent, and what comes back, from a server that misbehaves in every way we could think of."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from conversations import SCHEMA, ask, face, pictures, question
from hypothesis import given
from hypothesis import strategies as st
from lying_server import (
    LyingServer,
    says,
    sends,
    slow,
)
from PIL import Image

from tbd.annotate.backends.base import Question, Turn
from tbd.annotate.backends.completion import WITHHELD, read_completion
from tbd.annotate.backends.request_errors import message
from tbd.annotate.backends.server import ServerBackend
from tbd.annotate.recipe import ServerSettings
from tbd.errors import UsageError

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
