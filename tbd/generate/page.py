"""The page of ``tbd generate --web``, made with Gradio: portrait, speech, emotion and prompts in, a video out.

It listens on loopback, asks for a token, shares nothing and calls nobody; people who come at once wait in a queue.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tbd.errors import MissingError, TbdError
from tbd.generate.recipe import GenerateRecipe
from tbd.generate.render import fit_prompts, render_video
from tbd.generate.run import hearing_chunks
from tbd.schema import EMOTIONS, INTENSITIES

if TYPE_CHECKING:
    from tbd.generate.pipeline import TalkingHeadPipeline

Annotate = Callable[[Path, str, str | None], tuple[list[str], list[str]]]
"""(picture, emotion, intensity) -> prompts coarse to fine, and the chain's steps as Markdown; raises ``TbdError``."""

COOKIE, TOKEN = "tbd-generate", "token"


class TalkingHeadPage:
    """What the buttons of the page do.

    Args:
        pipe: on its device; one video at a time.
        annotate: writes prompts for an emotion.
        recipe: defaults of every video.
        folder: where the videos go; nothing else of the disk is served.
    """

    def __init__(self, pipe: TalkingHeadPipeline, annotate: Annotate, recipe: GenerateRecipe, folder: Path) -> None:
        self.pipe, self.annotate, self.recipe, self.folder = pipe, annotate, recipe, folder
        self.made = 0

    def prompts(self, picture: str | None, emotion: str, intensity: str) -> tuple[str, str, str]:
        """Coarse prompt, fine prompt, and the four steps of the chain."""
        gr = _gradio()
        if not picture:
            raise gr.Error("choose a portrait first")
        try:
            found, steps = self.annotate(Path(picture), emotion, None if emotion == "neutral" else intensity)
        except TbdError as error:
            raise gr.Error(error.message) from None
        numbered = (f"**Step {number}**\n\n{step}" for number, step in enumerate(steps, 1))
        return found[0], "\n".join(found[1:]), "\n\n".join(numbered)

    def video(
        self,
        picture: str | None,
        sound: str | None,
        coarse: str,
        fine: str,
        preset: str,
        seed: float,
        progress: Callable[..., Any],
    ) -> tuple[str, str]:
        """The video's path, and what is worth knowing about it."""
        gr = _gradio()
        if not picture or not sound:
            raise gr.Error("a portrait and speech are needed")
        from tbd.generate.portrait import prepare_portrait
        from tbd.generate.speech_stream import read_speech

        try:
            portrait, samples = prepare_portrait(picture, self.pipe.clip_rule), read_speech(sound)
            recipe = self.recipe.model_copy(
                update={"sampler": self.recipe.sampler.model_copy(update={"preset": preset})}
            )
            texts, cut = fit_prompts([coarse, *filter(None, fine.split("\n"))], hearing_chunks(self.pipe, recipe))
            self.made += 1
            count = self.pipe.frame_count(len(samples))
            done = render_video(
                self.pipe, self.folder / f"video-{self.made}.mp4", portrait.picture, samples, texts,
                sampling=recipe.sampling(), seed=int(seed), details={"prompts": texts},
                told=lambda number: progress(number / count, desc=f"frame {number} of {count}"),
            )  # fmt: skip
        except TbdError as error:
            raise gr.Error(error.message) from None
        return str(done.path), "\n\n".join([f"{done.frames} frames", *portrait.notes, *cut])


def build_page(page: TalkingHeadPage) -> Any:
    """The Gradio blocks.

    Raises:
        MissingError: Gradio is not installed.
    """
    gr = _gradio()
    with gr.Blocks(title="tbd generate", analytics_enabled=False, delete_cache=(3600, 3600)) as blocks:
        gr.Markdown("# Think before you draw\nA portrait, speech and an emotion become a talking video.")
        with gr.Row():
            with gr.Column():
                picture = gr.Image(label="Portrait", type="filepath", sources=["upload", "clipboard"])
                sound = gr.Audio(
                    label="Speech", type="filepath", sources=["upload", "microphone"], buttons=["download"]
                )
                emotion = gr.Dropdown(list(EMOTIONS), value="happiness", label="Emotion")
                intensity = gr.Radio(list(INTENSITIES.values()), value="moderate", label="Intensity")
                think = gr.Button("Write the prompts", elem_id="think")
            with gr.Column():
                coarse = gr.Textbox(label="Coarse prompt", lines=2, elem_id="coarse")
                fine = gr.Textbox(label="Fine prompt", lines=5, elem_id="fine")
                preset = gr.Radio(["paper", "fast"], value="fast", label="Sampler")
                seed = gr.Number(label="Seed", value=0, precision=0, minimum=0)
                draw = gr.Button("Draw the video", variant="primary", elem_id="draw")
                film = gr.Video(label="Video", elem_id="film", interactive=False)
                notes = gr.Markdown()
        with gr.Accordion("The chain: facial information, action units, muscles, prompt design", open=False):
            chain = gr.Markdown(elem_id="chain")

        def drawn(*given: Any, progress: Any = gr.Progress()) -> tuple[str, str]:  # noqa: B008 (Gradio's way)
            picture, sound, coarse, fine, preset, seed = given
            return page.video(picture, sound, coarse, fine, preset, seed, progress)

        think.click(page.prompts, [picture, emotion, intensity], [coarse, fine, chain], api_visibility="private")
        draw.click(
            drawn, [picture, sound, coarse, fine, preset, seed], [film, notes], concurrency_limit=1,
            api_visibility="private",
        )  # fmt: skip
    return blocks.queue(max_size=20, default_concurrency_limit=1)


def page_app(page: TalkingHeadPage, token: str) -> Any:
    """The page as an ASGI application that answers those who have the token, by address once and by cookie from then on."""
    from fastapi import FastAPI

    gr = _gradio()
    plain = gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    app = gr.mount_gradio_app(
        FastAPI(docs_url=None, redoc_url=None, openapi_url=None), build_page(page), "/", theme=plain, ssr_mode=False,
        allowed_paths=[str(page.folder)], show_error=True, max_file_size="500mb", enable_monitoring=False,
        footer_links=[],
    )  # fmt: skip
    return _TokenGate(app, token)


class _TokenGate:
    """ASGI: 403 for requests without the token."""

    def __init__(self, app: Any, token: str) -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        from starlette.requests import HTTPConnection
        from starlette.responses import PlainTextResponse, RedirectResponse

        asked = HTTPConnection(scope)
        if _same(asked.query_params.get(TOKEN), self.token) and scope["type"] == "http":
            answer: Any = RedirectResponse("/", 303)
            answer.set_cookie(COOKIE, self.token, httponly=True, samesite="strict")
            return await answer(scope, receive, send)
        if not _same(asked.cookies.get(COOKIE), self.token):
            answer = PlainTextResponse("open the address that tbd printed, with its token", 403)
            return await answer(scope, receive, send)
        return await self.app(scope, receive, send)


def _same(given: str | None, token: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), token.encode())


def _gradio() -> Any:
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        import gradio
    except ImportError:
        raise MissingError(
            "the page needs Gradio, which is not installed", next="pip install 'think-before-draw[web]'"
        ) from None
    return gradio


def chain_steps(outputs: Iterable[str]) -> list[str]:
    """The chain's raw replies as Markdown that cannot become anything else."""
    return [f"```\n{text.replace('```', '’’’').strip()}\n```" for text in outputs]
