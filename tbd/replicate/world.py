"""What a replication starts from: drawn clips, the portraits and speeches of its grids, and the choice of clips to render."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tbd import workspace
from tbd.demo.dataset import draw
from tbd.demo.face import Portrait
from tbd.demo.identity import person
from tbd.demo.landmarks import Expression
from tbd.demo.voice import speak
from tbd.manifest import read_manifest
from tbd.manifest.rows import as_rows
from tbd.media.audio import write_wav
from tbd.replicate.plan import GRID_SECONDS, MANIFESTS, TEST_CLIPS, portrait_names
from tbd.replicate.recipe import ReplicationRecipe
from tbd.selection import ROW_KEYS, Selection, select


def draw_world(folder: Path, recipe: ReplicationRecipe) -> None:
    """Draw what a replication needs; clips that are there are kept, portraits are drawn anew: another seed has other people.

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
        workspace.write_whole(folder / f"{name}.png", lambda path, shown=picture: shown.save(path, "PNG"))  # type: ignore[misc]
        write_wav(folder / f"{name}.wav", speak(GRID_SECONDS, pitch=who.pitch, seed=number))


def write_test_clips(folder: Path, recipe: ReplicationRecipe) -> None:
    """Choose the clips of the test people to render, evenly over emotions and levels, from those that all rows have.

    Args:
        folder: of the replication, its manifests made and ``common.txt`` written.
        recipe: how many; which rows.
    """
    columns = list(dict.fromkeys(["clip_id", "split", "has_audio", *ROW_KEYS]))
    manifest = folder / "data_manifests" / MANIFESTS[recipe.rows[-1]]
    common = set((folder / "common.txt").read_text(encoding="utf-8").split())
    rows = [row for row in as_rows(read_manifest(manifest, columns)) if row["clip_id"] in common]
    test = [row for row in rows if row["split"] == "test" and row["has_audio"]]
    chosen = select(test, Selection(sample=f"stratified:{recipe.rendering.clips}"), keys=ROW_KEYS, seed=0)
    workspace.write_text(folder / TEST_CLIPS, "\n".join([*sorted(row["clip_id"] for row in chosen), ""]))
