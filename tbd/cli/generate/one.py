"""One video of one portrait; or several of them as a grid, or as a sweep over a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tbd.cli.generate.inputs import GenerateOptions, ModelFacts, model_facts, open_pipeline, prompts_for
from tbd.console import document, human_seconds, out, progress, say
from tbd.errors import UsageError
from tbd.generate.recipe import GenerateRecipe, load_generate_recipe

if TYPE_CHECKING:
    from tbd.generate.pipeline import TalkingHeadPipeline
    from tbd.generate.render import RenderedVideo


class PortraitStudio:
    """A portrait and a speech, ready to be rendered with other prompts and recipes."""

    def __init__(self, given: GenerateOptions, facts: ModelFacts, seconds: float | None = None) -> None:
        from tbd.generate.portrait import prepare_portrait, read_pixels
        from tbd.generate.speech_stream import read_speech

        assert given.image is not None and given.audio is not None
        self.given, self.facts = given, facts
        self.samples = read_speech(given.audio)[: None if seconds is None else round(seconds * 16_000)]
        pixels = read_pixels(given.image)  # before the network, which takes long
        self.pipe: TalkingHeadPipeline = open_pipeline(given, facts)
        self.portrait = prepare_portrait(pixels, self.pipe.clip_rule, str(given.image))
        for note in self.portrait.notes:
            say(note)

    def render(self, path: Path, prompts: Sequence[str], recipe: GenerateRecipe) -> RenderedVideo:
        """One video; a prompt that is too long is cut, and said."""
        from tbd.generate.render import fit_prompts, render_video
        from tbd.generate.run import hearing_chunks
        from tbd.recipe import essence

        texts, cut = fit_prompts(prompts, hearing_chunks(self.pipe, recipe))
        for note in cut:
            say(note)
        count = self.pipe.frame_count(len(self.samples))
        details = {"prompts": texts, "checkpoint": str(self.facts.folder), "recipe": essence(recipe),
                   "image": str(self.given.image), "audio": str(self.given.audio)}  # fmt: skip
        with progress("frames", count, quiet=self.given.quiet) as bar:
            return render_video(
                self.pipe, path, self.portrait.picture, self.samples, texts, sampling=recipe.sampling(),
                seed=recipe.seed, details=details, told=lambda _: bar.advance(),
            )  # fmt: skip

    def estimate(self, recipes: Sequence[GenerateRecipe]) -> None:
        """Say how long a video of each recipe will take together."""
        from tbd.generate.run import network_calls, seconds_a_call

        count, many = self.pipe.frame_count(len(self.samples)), len(recipes)
        calls = sum(network_calls(self.pipe, recipe, [count]) for recipe in recipes)
        about = human_seconds(calls * seconds_a_call(self.pipe))
        say(f"{many} video{'s' * (many > 1)} of {count} frames, {calls} calls of the network: about {about}")


def generate_one(given: GenerateOptions) -> int:
    """One video."""
    facts = model_facts(given)
    prompts, chain = prompts_for(given, facts.k, given.emotion, given.intensity)
    path = given.output or Path(f"{given.image.stem if given.image else 'video'}.mp4")
    if path.suffix.lower() != ".mp4":
        raise UsageError(f"{path}: a video ends in .mp4", next=f"-o {path.with_suffix('.mp4')}")
    if given.dry_run:
        summary = {"output": str(path), "checkpoint": str(facts.folder), "prompts": prompts}
        document(summary) if given.json else out("\n".join([f"would write {path}", *prompts]))
        return 0
    studio = PortraitStudio(given, facts)
    studio.estimate([given.recipe])
    done = studio.render(path, prompts, given.recipe)
    result = {"video": str(path), "frames": done.frames, "drift": done.drift, "prompts": prompts, "chain": chain}
    document(result) if given.json else out(f"{path}: {done.frames} frames")
    return 0


def generate_grid(given: GenerateOptions) -> int:
    """Every emotion at every intensity, of one portrait."""
    from tbd.generate.grid import grid_places

    cells = [(row, column, row, intensity, given.recipe) for row, column, intensity in grid_places()]
    return _many(given, cells, given.output or Path("grid"))


def generate_sweep(given: GenerateOptions, sweep: str) -> int:
    """One video for each value of a key."""
    key, sign, values = sweep.partition("=")
    if not sign or not values:
        raise UsageError(f"--sweep {sweep}: not of the form KEY=A,B", next="--sweep guidance.k=2,3,4")
    cells = []
    for value in values.split(","):
        recipe = load_generate_recipe([*given.overrides, f"{key}={value}"])
        cells.append((key, value, given.emotion, given.intensity, recipe))
    return _many(given, cells, given.output or Path("sweep"))


def _many(given: GenerateOptions, cells: Sequence[tuple[Any, ...]], path: Path) -> int:
    from tbd.generate.grid import GRID_SECONDS, GridCell, write_grid

    facts, folder = model_facts(given), path.with_suffix("")
    if given.dry_run:
        out(f"would write {len(cells)} videos to {folder}/, {folder}.png and {folder}.mp4")
        return 0
    prompts = []
    for _, _, emotion, intensity, recipe in cells:
        own = replace(given, recipe=recipe)
        prompts.append(prompts_for(own, recipe.guidance.k if recipe.guidance else facts.k, emotion, intensity)[0])
    studio = PortraitStudio(given, facts, GRID_SECONDS)
    studio.estimate([cell[-1] for cell in cells])
    found = []
    for (row, column, _, _, recipe), texts in zip(cells, prompts, strict=True):
        file = folder / f"{row}-{column}.mp4".replace("/", "_")
        studio.render(file, texts, recipe)
        found.append(GridCell(row, column, file))
    picture, film = write_grid(found, folder, fps=studio.pipe.clip_rule.fps, sound=studio.samples)
    document({"picture": str(picture), "video": str(film), "cells": len(found)}) if given.json else out(
        f"{picture}\n{film}: {len(found)} videos"
    )
    return 0
