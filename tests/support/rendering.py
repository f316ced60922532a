"""A split of a small manifest rendered by the tiny pipeline; also in a process of its own, made to be killed."""

import time

import torch
from talking_head import SIZE, pipeline

from tbd.generate.clips import ClipRequest, plan_jobs
from tbd.generate.recipe import load_generate_recipe
from tbd.generate.run import make_record, open_run, render_jobs
from tbd.media import video
from tbd.selection import Selection

RECIPE = load_generate_recipe(["steps=1", "scale=1"])
CHECKPOINT = {"path": "x", "sha256": "0" * 64}
FRAMES = 8


def jobs(manifest, recipe=RECIPE, **selection):
    """The test split's jobs."""
    return plan_jobs(ClipRequest(manifest, selection=Selection(**selection)), recipe, 2, SIZE)


def rendered(pipes, folder, manifest, recipe=RECIPE, **selection):
    """Render what is missing of it on one pipeline, or on several."""
    pipes = pipes if isinstance(pipes, list) else [pipes]
    record = make_record(ClipRequest(manifest), pipes[0].recipe.guidance, CHECKPOINT, recipe)
    open_run(folder, record)
    return render_jobs(pipes, folder, jobs(manifest, recipe, **selection), record, recipe)


def rendered_until(name, folder, manifest, reached):
    """Render until the first frame of the video ``name`` is with the encoder; then say so and wait to be killed."""
    torch.set_num_threads(1)
    plain = video.write

    def write(path, frames, *arguments, **keywords):
        def first_only():
            yield next(iter(frames))
            reached.touch()
            time.sleep(600)

        return plain(path, first_only() if path.name == name else frames, *arguments, **keywords)

    video.write = write
    rendered(pipeline(frames=FRAMES), folder, manifest)
