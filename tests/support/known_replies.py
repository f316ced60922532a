"""What a good model answers, by the step that a request asks for: the knowledge base's texts for anger at level 2."""

from __future__ import annotations

from typing import Any

from lying_server import completion

from tbd.annotate.backends.base import ConversationStart, Question
from tbd.annotate.backends.facs import FacsBackend
from tbd.schema import Annotation

STEPS = ("step1", "step2", "step3", "step4")


def step_of(body: dict[str, Any]) -> str:
    """The step that a request's schema is named after."""
    return str(body["response_format"]["json_schema"]["name"]).removeprefix("tbd_")


def known_reply(step: str, emotion: str = "anger") -> str:
    """The knowledge base's JSON for one step."""
    with FacsBackend().open([ConversationStart("", None, "", Annotation("cot", emotion, 2))]) as known:
        replies = {name: known.ask([Question(name, "", {}, 999)])[0].text for name in STEPS}
    return replies[step]


def honest(handler: Any, body: dict[str, Any]) -> None:
    """The good reply to the step that is asked for."""
    handler.send(200, completion(known_reply(step_of(body))))
