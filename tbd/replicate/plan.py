"""What a replication consists of: ``tbd`` commands in their order, each of which can be typed by hand in the folder."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from tbd.replicate.recipe import AblationRow, ReplicationRecipe

MANIFESTS = {"label": "label", "describe": "describe", "cot": "cot", "full": "cot"}
"""Row of Table 2 -> manifest, which is also the annotator's mode."""
SCHEDULES = {"label": "none", "describe": "none", "cot": "none", "full": "paper"}
"""Row of Table 2 -> schedule of the prompt levels."""
TEXTS = "--set model.guidance.schedule=none"
"""Of the common stage 1: the prompts of all rows, each joined into one text."""
MOUTH = "--set hardware.batch=2 --set loss.lips=20"
"""Of stage 2, whose samples are windows: eq. 1 says little of a mouth that is a hundredth of the picture."""
GRID_SECONDS = 0.32
"""Speech of a grid's pictures: 8 frames, one window of the model. More people tell more than more frames of one."""
TEST_CLIPS = "test.txt"
"""The clips that every run renders, whatever its seed (``world.write_test_clips``)."""
DRAWN_CLIPS = "drawn_clips"
"""The same clips as they were drawn, cut out as the models saw them: what the best model could show."""
AUTOENCODER = "checkpoints/autoencoder"
TEXT_ENCODER = "text-encoder"
"""Made with the world, before the first step (``text_encoder.ensure_text_encoder``)."""
ENCODERS = f"--set weights.vae={AUTOENCODER} --set weights.text_encoder={TEXT_ENCODER} --cache cache --clips common.txt"


SIDE_BY_SIDE = ("stage1", "stage2", "videos")
"""Parts whose steps read nothing of each other."""


@dataclass(frozen=True)
class ReplicationStep:
    """One command.

    Attributes:
        name: unique, for the journal and the report.
        line: arguments of ``tbd``, as typed in the replication's folder; empty for what has no command of its own.
        part: what it belongs to: ``world``, ``data``, ``base``, ``stage1``, ``stage2``, ``videos``, ``scores`` or ``answers``.
    """

    name: str
    line: str
    part: str

    @property
    def output(self) -> str:
        """What it makes, below the replication's folder; empty if it names nothing."""
        words = shlex.split(self.line)
        return words[words.index("-o") + 1] if "-o" in words else ""


WORLD = ReplicationStep("drawn people", "", "world")
ENCODER = ReplicationStep("text encoder", "", "world")
READING = ReplicationStep("videos read, claims answered", "", "answers")
WITHOUT_COMMAND = (WORLD, ENCODER, READING)
"""What ``tbd replicate`` does itself before, and after, the commands that it types."""


@dataclass(frozen=True)
class RenderedRun:
    """A folder of rendered test clips.

    Attributes:
        name: below ``runs/``.
        row: of Table 2.
        seed: of its training and of its noise.
        k: prompt levels that were heard; None: as trained.
        direction: reading of Algorithm 2.
    """

    name: str
    row: AblationRow
    seed: int
    k: int | None = None
    direction: str = "denoising"


def rendered_runs(recipe: ReplicationRecipe) -> list[RenderedRun]:
    """All runs: the rows of every seed; k and the other direction of the full model of the first seed."""
    found = [RenderedRun(f"{row}-seed{seed}", row, seed) for seed in recipe.seeds for row in recipe.rows]
    if "full" in recipe.rows:
        first = recipe.seeds[0]
        found += [RenderedRun(f"full-k{k}-seed{first}", "full", first, k) for k in recipe.levels]
        if recipe.directions:
            found.append(RenderedRun(f"full-timestep-seed{first}", "full", first, None, "timestep"))
    return found


def replication_steps(recipe: ReplicationRecipe) -> list[ReplicationStep]:
    """Every command in its order; the drawing of the data set comes before all of them."""
    return [*_data(recipe), *_base(recipe), *_models(recipe), *_videos(recipe), *_scores(recipe)]


def portrait_names(recipe: ReplicationRecipe) -> list[str]:
    """Names of the grids of Fig. 10."""
    return [f"portrait{number}" for number in range(1, recipe.rendering.portraits + 1)]


def _data(recipe: ReplicationRecipe) -> Iterator[ReplicationStep]:
    modes = list(dict.fromkeys(MANIFESTS[row] for row in recipe.rows))
    for mode in modes:
        line = f"annotate mead --backend oracle --mode {mode} --split speaker --set clip.scale={recipe.world.crop:g} --quiet"
        yield ReplicationStep(f"annotate: {mode}", f"{line} -o data_manifests/{mode}", "data")
    manifests = " ".join(f"data_manifests/{mode}" for mode in modes)
    yield ReplicationStep("clips in common", f"manifest common {manifests} -o common.txt", "data")


def _base(recipe: ReplicationRecipe) -> Iterator[ReplicationStep]:
    named, source = f"--recipe {shlex.quote(recipe.training)}", f"data_manifests/{MANIFESTS[recipe.rows[-1]]}"
    every = " ".join(f"data_manifests/{mode}" for mode in dict.fromkeys(MANIFESTS[row] for row in recipe.rows))
    line = f"train autoencoder {source} {named} -o {AUTOENCODER}"
    yield ReplicationStep("autoencoder", line, "base")
    yield ReplicationStep("cache", f"train cache {every} {named} {TEXTS} {ENCODERS}", "base")
    steps = f"--set stage1.steps={recipe.steps.base}"
    yield ReplicationStep(
        "base", f"train stage1 {every} {named} {TEXTS} {ENCODERS} {steps} -o checkpoints/base", "base"
    )
    first = f"--from checkpoints/base --set stage2.steps={recipe.steps.base_stage2} -o checkpoints/base-stage2"
    # both beside the rows' own stage 1, which reads nothing of them
    yield ReplicationStep("base stage 2", f"train stage2 {every} {named} {TEXTS} {ENCODERS} {MOUTH} {first}", "stage1")
    yield ReplicationStep("reader of drawn faces", "weights pull drawn-reader", "stage1")


def _models(recipe: ReplicationRecipe) -> Iterator[ReplicationStep]:
    for stage in ("stage1", "stage2"):
        for seed in recipe.seeds:
            for row in recipe.rows:
                yield _training(recipe, row, seed, stage)


def _training(recipe: ReplicationRecipe, row: AblationRow, seed: int, stage: str) -> ReplicationStep:
    name = f"{row}-seed{seed}"
    line = f"train {stage} data_manifests/{MANIFESTS[row]} --recipe {shlex.quote(recipe.training)} {ENCODERS} --seed {seed}"
    line += f" --set model.guidance.schedule={SCHEDULES[row]}"
    if stage == "stage1":
        line += f" --from checkpoints/base --set stage1.steps={recipe.steps.stage1} -o checkpoints/{name}-stage1"
        return ReplicationStep(f"stage 1: {name}", line, stage)
    line += f" --from checkpoints/{name}-stage1 {MOUTH} --set weights.warm_start=checkpoints/base-stage2"
    line += f" --set stage2.steps={recipe.steps.stage2} -o checkpoints/{name}"
    return ReplicationStep(f"stage 2: {name}", line, stage)


def _videos(recipe: ReplicationRecipe) -> Iterator[ReplicationStep]:
    shown = recipe.rendering
    line = f"prepare data_manifests/{MANIFESTS[recipe.rows[-1]]} --clips {TEST_CLIPS} --quiet -o {DRAWN_CLIPS}"
    yield ReplicationStep("drawn clips", line, "videos")
    how = f"--preset {shown.preset} --scale {shown.scale:g}"
    for run in rendered_runs(recipe):
        line = (
            f"generate --checkpoint checkpoints/{run.row}-seed{run.seed} --manifest data_manifests/{MANIFESTS[run.row]}"
        )
        line += f" --clips {TEST_CLIPS} --reference person --seed {run.seed} {how}{_guidance(run)} -o runs/{run.name}"
        yield ReplicationStep(f"render: {run.name}", line, "videos")
    if "full" in recipe.rows:
        for name in portrait_names(recipe):
            line = f"generate --checkpoint checkpoints/full-seed{recipe.seeds[0]} --image {name}.png --audio {name}.wav"
            yield ReplicationStep(f"grid: {name}", f"{line} --grid {how} -o grids/{name}", "videos")


def _guidance(run: RenderedRun) -> str:
    if run.k is not None:
        return f" --set guidance.levels={run.k}" if run.k > 1 else " --set guidance.schedule=none"
    return f" --set guidance.direction={run.direction}" if run.direction != "denoising" else ""


def _scores(recipe: ReplicationRecipe) -> Iterator[ReplicationStep]:
    runs = " ".join(f"runs/{run.name}" for run in rendered_runs(recipe))
    source = f"--manifest data_manifests/{MANIFESTS[recipe.rows[-1]]} --clips {TEST_CLIPS} --vae {AUTOENCODER}"
    yield ReplicationStep("scores", f"eval {runs} {source} --suite drawn --size 64 -o results/replication", "scores")
