"""The page of ``tbd generate --web``, made with Gradio: portrait, speech, emotion and prompts in, a video out.

It listens on loopback, asks for a token, shares nothing and calls nobody; people who come at once wait in a queue.
"""

from __future__ import annotations

import contextlib
import hmac
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tbd.errors import MissingError, TbdError, UsageError
from tbd.generate.grid import GRID_SECONDS, GridCell, grid_places, write_grid
from tbd.generate.recipe import GenerateRecipe
from tbd.generate.render import SAMPLE_RATE, RenderedVideo, fit_prompts, render_video
from tbd.generate.run import hearing_chunks
from tbd.schema import EMOTIONS, INTENSITIES

if TYPE_CHECKING:
    from tbd.generate.pipeline import TalkingHeadPipeline
    from tbd.generate.portrait import PreparedPortrait

Told = Callable[..., Any]
"""Gradio's progress: hears a share from 0 to 1, and ``desc``."""

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

    @property
    def preset(self) -> str:
        """What the page begins with: the recipe's preset where it names one; else ``fast``, for somebody waits."""
        return self.recipe.sampler.preset if "preset" in self.recipe.sampler.model_fields_set else "fast"

    def prompts(self, picture: str | None, emotion: str, intensity: str) -> tuple[str, str, str]:
        """Coarse prompt, fine prompt, and the four steps of the chain."""
        with self._told_on_the_page():
            if not picture:
                raise UsageError("choose a portrait first")
            found, steps = self.annotate(Path(picture), emotion, None if emotion == "neutral" else intensity)
        numbered = (f"**Step {number}**\n\n{step}" for number, step in enumerate(steps, 1))
        return found[0], "\n".join(found[1:]), "\n\n".join(numbered)

    def video(
        self, picture: str | None, sound: str | None, coarse: str, fine: str, preset: str, seed: float, progress: Told
    ) -> tuple[str, str]:
        """The video's path, and what is worth knowing about it."""
        with self._told_on_the_page():
            portrait, samples = self._given(picture, sound)
            texts, cut = fit_prompts([coarse, *filter(None, fine.split("\n"))], self._chunks(preset))
            count = self.pipe.frame_count(len(samples))
            done = self._render(
                self._name("video").with_suffix(".mp4"), portrait, samples, texts, preset, seed,
                lambda number: progress(number / count, desc=f"frame {number} of {count}"),
            )  # fmt: skip
        return str(done.path), "\n\n".join([f"{done.frames} frames", *portrait.notes, *cut])

    def grid(self, picture: str | None, sound: str | None, preset: str, seed: float, progress: Told) -> tuple[str, str]:
        """Every emotion at every intensity, as a picture and as a video; their paths."""
        with self._told_on_the_page():
            portrait, samples = self._given(picture, sound)
            samples, folder, cells = samples[: round(GRID_SECONDS * SAMPLE_RATE)], self._name("grid"), []
            places = grid_places()
            for number, (row, column, intensity) in enumerate(places):
                progress(number / len(places), desc=f"{intensity or ''} {row}")
                found, _ = self.annotate(Path(str(picture)), row, intensity)
                texts, _ = fit_prompts(found, self._chunks(preset))
                file = folder / f"{row}-{column}.mp4"
                self._render(file, portrait, samples, texts, preset, seed)
                cells.append(GridCell(row, column, file))
            still, film = write_grid(cells, folder, fps=self.pipe.clip_rule.fps, sound=samples)
        return str(still), str(film)

    def _given(self, picture: str | None, sound: str | None) -> tuple[PreparedPortrait, npt.NDArray[np.float32]]:
        if not picture or not sound:
            raise UsageError("a portrait and speech are needed")
        from tbd.generate.portrait import prepare_portrait
        from tbd.generate.speech_stream import read_speech

        return prepare_portrait(picture, self.pipe.clip_rule), read_speech(sound)

    def _render(
        self, path: Path, portrait: PreparedPortrait, samples: npt.NDArray[np.float32], texts: list[str], preset: str,
        seed: float, told: Callable[[int], None] | None = None,
    ) -> RenderedVideo:  # fmt: skip
        return render_video(
            self.pipe, path, portrait.picture, samples, texts, sampling=self._recipe(preset).sampling(), seed=int(seed),
            details={"prompts": texts}, told=told,
        )  # fmt: skip

    def _recipe(self, preset: str) -> GenerateRecipe:
        return self.recipe.model_copy(update={"sampler": self.recipe.sampler.model_copy(update={"preset": preset})})

    def _chunks(self, preset: str) -> int:
        return hearing_chunks(self.pipe, self._recipe(preset))

    def _name(self, kind: str) -> Path:
        self.made += 1
        return self.folder / f"{kind}-{self.made}"

    @contextlib.contextmanager
    def _told_on_the_page(self) -> Iterator[None]:
        """Errors in words, where the person looks."""
        try:
            yield
        except TbdError as error:
            raise _gradio().Error(error.message) from None


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
                given = _inputs(gr)
            with gr.Column():
                shown = _prompts_and_video(gr, page)
        with gr.Row():
            still = gr.Image(label="Grid", elem_id="still", type="filepath", interactive=False)
            grid = gr.Video(label="Grid, moving", elem_id="moving", interactive=False)
        with gr.Accordion("The chain: facial information, action units, muscles, prompt design", open=False):
            chain = gr.Markdown(elem_id="chain")
        _connect(gr, page, given | shown | {"still": still, "grid": grid, "chain": chain})
    return blocks.queue(max_size=20, default_concurrency_limit=1)


def _inputs(gr: Any) -> dict[str, Any]:
    """Portrait, speech and emotion."""
    return {
        "picture": gr.Image(label="Portrait", type="filepath", sources=["upload", "clipboard"]),
        "sound": gr.Audio(label="Speech", type="filepath", sources=["upload", "microphone"], buttons=["download"]),
        "emotion": gr.Dropdown(list(EMOTIONS), value="happiness", label="Emotion"),
        "intensity": gr.Radio(list(INTENSITIES.values()), value="moderate", label="Intensity"),
        "think": gr.Button("Write the prompts", elem_id="think"),
    }


def _prompts_and_video(gr: Any, page: TalkingHeadPage) -> dict[str, Any]:
    """Prompts to edit, the sampler, and what comes out."""
    return {
        "coarse": gr.Textbox(label="Coarse prompt", lines=2, elem_id="coarse"),
        "fine": gr.Textbox(label="Fine prompt", lines=5, elem_id="fine"),
        "preset": gr.Radio(["paper", "fast"], value=page.preset, label="Sampler"),
        "seed": gr.Number(label="Seed", value=page.recipe.seed, precision=0, minimum=0),
        "draw": gr.Button("Draw the video", variant="primary", elem_id="draw"),
        "film": gr.Video(label="Video", elem_id="film", interactive=False),
        "notes": gr.Markdown(),
        "whole": gr.Button("Draw every emotion at every intensity", elem_id="grid"),
    }


def _connect(gr: Any, page: TalkingHeadPage, parts: Mapping[str, Any]) -> None:
    """What the three buttons do; the model serves one person at a time."""

    def some(names: str) -> list[Any]:
        return [parts[name] for name in names.split()]

    def drawn(
        picture: Any, sound: Any, coarse: str, fine: str, preset: str, seed: float,
        progress: Any = gr.Progress(),  # noqa: B008 (Gradio's way)
    ) -> tuple[str, str]:  # fmt: skip
        return page.video(picture, sound, coarse, fine, preset, seed, progress)

    def all_drawn(
        picture: Any, sound: Any, preset: str, seed: float,
        progress: Any = gr.Progress(),  # noqa: B008 (Gradio's way)
    ) -> tuple[str, str]:  # fmt: skip
        return page.grid(picture, sound, preset, seed, progress)

    one_at_a_time: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "model", "api_visibility": "private"}
    asked, written = some("picture emotion intensity"), some("coarse fine chain")
    parts["think"].click(page.prompts, asked, written, api_visibility="private")
    parts["draw"].click(drawn, some("picture sound coarse fine preset seed"), some("film notes"), **one_at_a_time)
    parts["whole"].click(all_drawn, some("picture sound preset seed"), some("still grid"), **one_at_a_time)


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
