"""The drawn world of a replication: clips, and the portraits and speeches of its grids."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tbd import workspace
from tbd.demo.dataset import draw
from tbd.demo.face import Portrait
from tbd.demo.identity import person
from tbd.demo.landmarks import Expression
from tbd.demo.voice import speak
from tbd.media.audio import write_wav
from tbd.replicate.plan import portrait_names
from tbd.replicate.recipe import ReplicationRecipe

GRID_SECONDS = 0.64
"""Speech of a grid's pictures: 16 frames."""


def draw_world(folder: Path, recipe: ReplicationRecipe) -> None:
    """Draw what a replication needs; what is there is kept.

    Raises:
        InputError: the folder was drawn with other settings, or cannot be written.
        MissingError: the disk is full.
    """
    world = recipe.world
    draw(
        folder / "mead", seed=world.seed, people=world.people, clips=world.clips, size=world.size, seconds=world.seconds
    )
    for number, name in enumerate(portrait_names(recipe)):
        who = person(world.people + number, world.seed)  # nobody of the data set
        picture = Image.fromarray(Portrait(who, 2 * world.size).draw(Expression({})))
        if not (folder / f"{name}.png").is_file():
            workspace.write_whole(folder / f"{name}.png", lambda path, shown=picture: shown.save(path, "PNG"))  # type: ignore[misc]
            write_wav(folder / f"{name}.wav", speak(GRID_SECONDS, pitch=who.pitch, seed=number))
