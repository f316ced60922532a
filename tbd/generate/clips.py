"""What of a manifest is rendered: its chosen rows as jobs, each with portrait, speech, prompts and a seed of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd.errors import InputError, UsageError
from tbd.generate.recipe import GenerateRecipe
from tbd.hashes import seeded_fraction, sha256_file
from tbd.manifest import dataset_roots, levels, locate_manifest, read_manifest
from tbd.manifest.rows import as_rows
from tbd.manifest.run import clip_rule
from tbd.manifest.start_frames import start_rows
from tbd.media.canonical import HEARD_RATE, CanonicalClip
from tbd.schema import ManifestRow
from tbd.selection import ROW_KEYS, Selection, select

COLUMNS = (
    *(
        "clip_id",
        "dataset",
        "subject",
        "emotion",
        "level",
        "view",
        "split",
        "file_name",
        "audio_file_name",
        "has_audio",
    ),
    *("duration", "start", "end", "crop_box", "reference_frame", "prompts_final", "approved", "status"),
)


UNAPPROVED = "its prompts are not approved"
"""The problem of rows that are left out, as the trainer leaves them out."""


@dataclass(frozen=True)
class RenderJob:
    """One clip to render.

    Attributes:
        clip_id: also the name of its video.
        prompts: coarse to fine.
        speech: the clip whose sound it is.
        portrait: the clip whose frame is the portrait.
        frame: which frame of that file, from 0.
        frames: of the video, by the manifest's duration.
        seed: of its noise: depends on the run's seed and ``clip_id`` alone, so order and shards change nothing.
        problem: why it cannot be rendered; empty where it can.
    """

    clip_id: str
    prompts: tuple[str, ...]
    speech: CanonicalClip | None
    portrait: CanonicalClip | None
    frame: int
    frames: int
    seed: int
    problem: str = ""

    def picture(self) -> npt.NDArray[np.uint8]:
        """The portrait: ``(size, size, 3)`` uint8 RGB.

        Raises:
            InputError: it cannot be read.
        """
        assert self.portrait is not None
        return self.portrait.picture(self.frame)

    def source(self) -> dict[str, Any]:
        """Which frame and sound it is made of, for records."""
        named = {"portrait": self.portrait, "speech": self.speech}
        return {"frame": self.frame, **{key: clip.path.name if clip else None for key, clip in named.items()}}

    def content(self) -> list[Any]:
        """What picture and sound are made of, wherever the files lie: their sha256, windows, crops and rates.

        Raises:
            InputError: a file cannot be read.
        """
        clips = [clip for clip in (self.portrait, self.speech) if clip is not None]
        return [[[sha256_file(file) for file in clip.media], clip.window] for clip in clips]


@dataclass(frozen=True)
class ClipRequest:
    """Which rows of which manifest.

    Attributes:
        manifest: folder or Parquet file.
        split: side to render; ``all`` takes every row.
        selection: narrows the rows further.
        roots: where a dataset lies, instead of where it lay when its manifest was made.
    """

    manifest: Path
    split: str = "test"
    selection: Selection = field(default_factory=Selection)
    roots: Mapping[str, Path] = field(default_factory=dict)


def plan_jobs(request: ClipRequest, recipe: GenerateRecipe, k: int, size: int) -> list[RenderJob]:
    """The jobs of a split, sorted by ``clip_id``.

    Args:
        request: which rows.
        recipe: seed and reference.
        k: prompt levels that the model hears.
        size: side of its pictures.

    Raises:
        UsageError: no row is left.
        InputError: the manifest, or a dataset of it, is not there.
    """
    file = locate_manifest(request.manifest)
    rows = as_rows(read_manifest(file, list(COLUMNS)))
    split = rows if request.split == "all" else [row for row in rows if row["split"] == request.split]
    if not split:
        sides = sorted({str(row["split"]) for row in rows})
        raise UsageError(
            f"{request.manifest}: no row has the split {request.split!r}; there are: {', '.join(sides)}",
            next=f"tbd manifest split {request.manifest}, or --split all",
        )
    chosen = select(split, request.selection, keys=ROW_KEYS, seed=recipe.seed)
    places = dataset_roots(file.parent, request.roots)
    rule = clip_rule(file.parent).model_copy(update={"size": size, "sample_rate": HEARD_RATE})
    clips = {row["clip_id"]: _canonical(row, places, rule) for row in rows}
    portraits = start_rows(rows, chosen, recipe.reference)
    return [_job(row, clips, portraits[row["clip_id"]], recipe, k) for row in chosen]


def _job(
    row: ManifestRow,
    clips: Mapping[str, CanonicalClip | None],
    shown: ManifestRow | None,
    recipe: GenerateRecipe,
    k: int,
) -> RenderJob:
    clip, portrait = clips[row["clip_id"]], clips[shown["clip_id"]] if shown else None
    texts = tuple(levels(row["prompts_final"] or [], k))
    return RenderJob(
        row["clip_id"],
        texts,
        clip,
        portrait,
        int(shown["reference_frame"] or 0) if shown else 0,
        max(1, round(float(row["duration"] or 0) * 25)),
        int(seeded_fraction(recipe.seed, row["clip_id"]) * 2**53),
        _problem(row, clip, portrait, texts, k, recipe.reference),
    )


def _problem(
    row: ManifestRow,
    clip: CanonicalClip | None,
    portrait: CanonicalClip | None,
    texts: Sequence[str],
    k: int,
    reference: str,
) -> str:
    """Why a row cannot be rendered, or nothing."""
    if clip is None:
        return "no crop box: no face was found, or the file could not be read"
    if not row["approved"]:
        return UNAPPROVED
    if len(texts) < k or not all(text.strip() for text in texts):
        return f"{len(texts)} prompt levels, the model hears {k}"
    if not row["has_audio"]:
        return "no sound"
    return "" if portrait is not None else f"no {'neutral' if reference == 'neutral' else 'other'} clip of this person"


def _canonical(row: ManifestRow, places: Mapping[str, Path], rule: Any) -> CanonicalClip | None:
    if row["crop_box"] is None:
        return None
    place = places.get(row["dataset"])
    if place is None or not place.is_dir():
        raise InputError(f"dataset {row['dataset']} is not in {place}", next=f"--root {row['dataset']}=PATH")
    return CanonicalClip.of_row(row, place, rule)
