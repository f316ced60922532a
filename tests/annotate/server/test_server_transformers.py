"""The server backend against a server that we did not write: ``transformers serve`` with a tiny model."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import httpx
import numpy as np
import pytest
import tiny_qwen
import torch

from tbd.annotate.backends.base import ConversationStart, Question, Turn
from tbd.annotate.backends.qwen import QwenBackend
from tbd.annotate.backends.server import ServerBackend
from tbd.annotate.recipe import ServerSettings
from tbd.errors import UsageError
from tbd.schema import Annotation

SETTINGS = {"timeout": 60, "retries": 3, "backoff": 0.1}  # it cuts the connection after an error of its own
SCHEMA = {"type": "object", "properties": {"gender": {"type": "string"}}, "required": ["gender"]}
FIRST = Question("step1", "Who is it?", SCHEMA, 8)
SECOND = Question("step2", "Which muscles move?", SCHEMA, 12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_qwen.save("qwen2_vl", tmp_path_factory.mktemp("served") / "model")


@pytest.fixture(scope="module")
def url(folder, tmp_path_factory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("home")
    quiet = {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    serve = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(folder), "--device", "cpu"]
    log = home / "log.txt"
    with log.open("w") as words:
        process = subprocess.Popen(
            [*serve, "--host", "127.0.0.1", "--port", str(port)], env=os.environ | quiet, stdout=words, stderr=words
        )
    try:
        _wait(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _wait(health, process, log):
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            if httpx.get(health, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"the server did not start:\n{log.read_text()[-2000:]}")


def face(history=()):
    """One colour: JPEG keeps it exactly, so that the server sees what a local model sees."""
    image = np.full((1, 112, 112, 3), 90, np.uint8)
    return ConversationStart("mead_M003", image, "You describe faces.", Annotation("cot", "anger", 2), tuple(history))


def test_a_two_turn_chat_about_a_picture_says_what_the_same_model_says_in_process(url, folder):
    torch.set_num_threads(1)
    backend = ServerBackend([url], str(folder), ServerSettings(**SETTINGS))
    with backend.open([face()]) as session:
        (first,), (second,) = session.ask([FIRST]), session.ask([SECOND])
    backend.close()
    assert backend.notes == []

    local = QwenBackend(folder)
    for question, reply, history in [(FIRST, first, []), (SECOND, second, [Turn(FIRST.text, first.text)])]:
        with local.open([face(history)]) as session:
            (expected,) = session.ask([question])
        assert reply.text.strip() == expected.text.strip() != ""  # the server trims its replies
        assert reply.finish == expected.finish == "length"
        assert reply.usage.completion_tokens == question.max_tokens
        assert reply.usage.prompt_tokens == expected.usage.prompt_tokens
    local.close()


def test_a_field_that_it_does_not_know_is_reported(url, folder):
    backend = ServerBackend([url], str(folder), ServerSettings(**SETTINGS, extra={"repetition_detection": 1}))
    with backend.open([face()]) as session, pytest.raises(UsageError, match="repetition_detection"):
        session.ask([FIRST])
    backend.close()


def test_a_model_that_it_does_not_serve_is_a_failure_with_its_words(url):
    backend = ServerBackend([url], "another/model", ServerSettings(**SETTINGS))
    with backend.open([face()]) as session:
        (reply,) = session.ask([FIRST])
    backend.close()
    assert reply.finish == "failed" and "another/model" in reply.text
