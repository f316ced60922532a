"""One video of one portrait; or several of them as a grid, or as a sweep over a key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tbd.cli.generate.inputs import (
    GenerateOptions,
    ModelFacts,
    levels_heard,
    model_facts,
    open_pipeline,
    prompts_for,
)
from tbd.cli.generate.outputs import bare_name, free_name, is_another_video, refuse_inputs
from tbd.cli.generate.refusals import refuse_fixed
from tbd.console import document, human_seconds, out, progress, say
from tbd.errors import UsageError
from tbd.generate.recipe import GenerateRecipe, load_generate_recipe
from tbd.media.recorded import recorded_details

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
        """One video; a prompt that is too long is cut, and said.

        Raises:
            InputError, MissingError: as ``render_video``.
        """
        from tbd.generate.render import fit_prompts, render_video
        from tbd.generate.run import hearing_chunks

        texts, cut = fit_prompts(prompts, hearing_chunks(self.pipe, recipe))
        for note in cut:
            say(note)
        count = self.pipe.frame_count(len(self.samples))
        details = request_details(self.given, self.facts, texts, recipe.settled([str(self.pipe.device)]))
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


def request_details(
    given: GenerateOptions, facts: ModelFacts, prompts: Sequence[str], recipe: GenerateRecipe
) -> dict[str, Any]:
    """What the metadata of a video say about what was asked for."""
    from tbd.recipe import essence

    return {"prompts": list(prompts), "checkpoint": str(facts.folder), "recipe": essence(recipe),
            "image": str(given.image), "audio": str(given.audio)}  # fmt: skip


def generate_one(given: GenerateOptions) -> int:
    """One video.

    Raises:
        UsageError: its name is that of an input, or of no video.
    """
    facts = model_facts(given)
    given = replace(given, recipe=given.recipe.guided(facts.guidance))
    if given.output is not None:
        _check_name(given, given.output)
    prompts, chain = prompts_for(given, levels_heard(facts, given.recipe), given.emotion, given.intensity)
    path = given.output or _default_name(given, request_details(given, facts, prompts, given.recipe))
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


def _check_name(given: GenerateOptions, path: Path) -> None:
    if path.suffix.lower() != ".mp4":
        raise UsageError(f"{path}: a video ends in .mp4", next=f"-o {path.with_suffix('.mp4')}")
    refuse_inputs(given, [path])


def _default_name(given: GenerateOptions, details: Mapping[str, Any]) -> Path:
    """``PORTRAIT.mp4``, with a number where that is there and was not made by this same request."""
    assert given.image is not None
    return free_name(Path(f"{given.image.stem}.mp4"), lambda path: is_another_video(path, details))


def generate_grid(given: GenerateOptions) -> int:
    """Every emotion at every intensity, of one portrait."""
    from tbd.generate.grid import grid_places

    facts = model_facts(given)
    recipe = given.recipe.guided(facts.guidance)
    cells = [(row, column, row, intensity, recipe) for row, column, intensity in grid_places()]
    return _many(given, facts, cells, "grid")


def generate_sweep(given: GenerateOptions, sweep: str) -> int:
    """One video for each value of a key.

    Raises:
        UsageError: not of the form KEY=A,B, or a key that is the same for all.
        RecipeError: no such key or value.
    """
    key, sign, values = sweep.partition("=")
    if not sign or not values:
        raise UsageError(f"--sweep {sweep}: not of the form KEY=A,B", next="--sweep guidance.k=2,3,4")
    refuse_fixed(key.strip())
    recipes = [load_generate_recipe([*given.overrides, f"{key}={value}"]) for value in values.split(",")]
    facts = model_facts(given)
    cells = [
        (key, value, given.emotion, given.intensity, recipe.guided(facts.guidance))
        for value, recipe in zip(values.split(","), recipes, strict=True)
    ]
    return _many(given, facts, cells, "sweep")


def _many(given: GenerateOptions, facts: ModelFacts, cells: Sequence[tuple[Any, ...]], kind: str) -> int:
    from tbd.generate.grid import GRID_SECONDS, GridCell, grid_files, write_grid

    names = [f"{row}-{column}.mp4".replace("/", "_") for row, column, *_ in cells]
    folder = bare_name(given.output) if given.output else free_name(Path(kind), lambda path: _is_drawn(path, names))
    refuse_inputs(given, [*(folder / name for name in names), *grid_files(folder)])
    picture, film = grid_files(folder)
    if given.dry_run:
        told = {"picture": str(picture), "video": str(film), "videos": [str(folder / name) for name in names]}
        document(told) if given.json else out(f"would write {len(cells)} videos to {folder}/, {picture} and {film}")
        return 0
    prompts = [
        prompts_for(given, levels_heard(facts, recipe), emotion, intensity)[0]
        for _, _, emotion, intensity, recipe in cells
    ]
    studio = PortraitStudio(given, facts, GRID_SECONDS)
    studio.estimate([cell[-1] for cell in cells])
    found = []
    for (row, column, _, _, recipe), name, texts in zip(cells, names, prompts, strict=True):
        studio.render(folder / name, texts, recipe)
        found.append(GridCell(row, column, folder / name))
    write_grid(found, folder, fps=studio.pipe.clip_rule.fps, sound=studio.samples)
    done = {"picture": str(picture), "video": str(film), "cells": len(found)}
    document(done) if given.json else out(f"{picture}\n{film}: {len(found)} videos")
    return 0


def _is_drawn(folder: Path, names: Sequence[str]) -> bool:
    """Whether a whole grid, or a video that tbd did not make, lies where a grid would go."""
    from tbd.generate.grid import grid_files

    made_by = (recorded_details(folder / name).get("made_by") for name in names if (folder / name).exists())
    return any(path.exists() for path in grid_files(folder)) or not all(made_by)
