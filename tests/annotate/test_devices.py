"""Several devices: a process for each, and the same replies as in this one."""

import numpy as np
import pytest
import tiny_qwen

from tbd.annotate import backends
from tbd.annotate.backends.base import ConversationStart, Question
from tbd.annotate.backends.devices import Remote
from tbd.annotate.recipe import AnnotateRecipe
from tbd.errors import MissingError
from tbd.schema import Annotation


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    folder = tiny_qwen.save("qwen2_vl", tmp_path_factory.mktemp("tiny"))
    return AnnotateRecipe(backend={"name": "qwen2-vl", "model": str(folder), "batch_size": 2})


def faces():
    tones = (40, 200)
    return [
        ConversationStart(
            f"chain{tone}", np.full((1, 64, 64, 3), tone, np.uint8), "You look.", Annotation("cot", "anger", 2)
        )
        for tone in tones
    ]


def questions(words):
    return [Question("step1", f"{words} {n}", {}, max_tokens=6) for n in range(2)]


def test_a_far_model_says_what_the_near_one_says(recipe):
    far, near = Remote(recipe, "cpu"), backends.create(recipe, device="cpu")
    try:
        assert (far.name, far.model, far.revision) == (near.name, near.model, near.revision)
        for session in range(2):
            with far.open(faces()) as there, near.open(faces()) as here:
                for step in ("What is it?", "And now?"):
                    answers = [(reply.text, reply.finish) for reply in there.ask(questions(f"{step} {session}"))]
                    assert answers == [(reply.text, reply.finish) for reply in here.ask(questions(f"{step} {session}"))]
    finally:
        far.close()
        near.close()


def test_a_process_that_died_is_said(recipe):
    far = Remote(recipe, "cpu")
    far._process.kill()
    far._process.join()
    with pytest.raises(MissingError, match="died"), far.open(faces()):
        pass
    far.close()
