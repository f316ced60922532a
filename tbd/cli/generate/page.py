"""``tbd generate --web``: the Gradio page, with the annotator behind its first button."""

from __future__ import annotations

import secrets
import tempfile
from dataclasses import replace
from pathlib import Path

from tbd.cli.generate.inputs import GenerateOptions, levels_heard, model_facts, open_pipeline, prompts_for
from tbd.console import out, say
from tbd.web.listen import listen

HOST, COMMAND = "127.0.0.1", "tbd generate --web"


def serve_page(given: GenerateOptions, port: int) -> int:
    """Serve the page until Ctrl-C; its address, token included, is the one line on stdout.

    Raises:
        UsageError, InputError, MissingError: as ``listen``, ``model_facts`` and ``open_pipeline``.
    """
    import uvicorn

    from tbd.generate.page import TalkingHeadPage, chain_steps, page_app

    facts = model_facts(given)
    given = replace(given, recipe=given.recipe.guided(facts.guidance))
    levels = levels_heard(facts, given.recipe)

    def annotate(picture: Path, emotion: str, intensity: str | None) -> tuple[list[str], list[str]]:
        prompts, chain = prompts_for(replace(given, image=picture, prompts=()), levels, emotion, intensity)
        return prompts, chain_steps(chain["step_outputs"])

    with listen(HOST, port, COMMAND) as listening, tempfile.TemporaryDirectory(prefix="tbd-generate-") as folder:
        say(f"loads {facts.folder}")
        pipe, token = open_pipeline(given, facts), secrets.token_urlsafe(16)
        app = page_app(TalkingHeadPage(pipe, annotate, given.recipe, Path(folder)), token)
        out(f"http://{HOST}:{listening.getsockname()[1]}/?token={token}")
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run([listening])
    return 0
