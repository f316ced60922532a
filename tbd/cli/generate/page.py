"""``tbd generate --web``: the Gradio page, with the annotator behind its first button."""

from __future__ import annotations

import secrets
import socket
import tempfile
from dataclasses import replace
from pathlib import Path

from tbd.cli.generate.inputs import GenerateOptions, model_facts, open_pipeline, prompts_for
from tbd.console import out, say

HOST = "127.0.0.1"


def serve_page(given: GenerateOptions, port: int) -> int:
    """Serve the page until Ctrl-C; its address, token included, is the one line on stdout."""
    import uvicorn

    from tbd.generate.page import TalkingHeadPage, chain_steps, page_app

    facts = model_facts(given)

    def annotate(picture: Path, emotion: str, intensity: str | None) -> tuple[list[str], list[str]]:
        prompts, chain = prompts_for(replace(given, image=picture, prompts=()), facts.k, emotion, intensity)
        return prompts, chain_steps(chain["step_outputs"])

    say(f"loads {facts.folder}")
    pipe, token = open_pipeline(given, facts), secrets.token_urlsafe(16)
    with tempfile.TemporaryDirectory(prefix="tbd-generate-") as folder, socket.socket() as listening:
        app = page_app(TalkingHeadPage(pipe, annotate, given.recipe, Path(folder)), token)
        listening.bind((HOST, port))
        out(f"http://{HOST}:{listening.getsockname()[1]}/?token={token}")
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run([listening])
    return 0
