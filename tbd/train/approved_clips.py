"""What may be trained on: the approved rows of manifests, and which of them are kept back for validation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tbd.errors import InputError, UsageError
from tbd.hashes import seeded_fraction
from tbd.manifest import count_tokens, dataset_roots, levels, locate_manifest, read_manifest
from tbd.manifest.rows import as_rows
from tbd.manifest.run import clip_rule
from tbd.media.canonical import HEARD_RATE, CanonicalClip, ClipRule
from tbd.schema import ManifestRow
from tbd.selection import ROW_KEYS, Selection, select, value_of
from tbd.train.clips import TrainingClip, TrainingClips, footage_names
from tbd.train.face_region import face_region
from tbd.train.recipe import TrainRecipe

COLUMNS = (
    *("clip_id", "dataset", "subject", "emotion", "level", "split", "file_name", "audio_file_name", "has_audio"),
    *("duration", "start", "end", "crop_box", "face_box", "prompts_final", "review_status", "approved"),
)
BY_PEOPLE = ("accepted", "edited")


def read_training_clips(
    manifests: Sequence[Path],
    recipe: TrainRecipe,
    stage: int,
    selection: Selection | None = None,
    given_roots: Mapping[str, Path] | None = None,
) -> TrainingClips:
    """The approved rows of manifests that a stage can use. Media of rows that are not approved are not looked at.

    Args:
        manifests: folders or Parquet files; two may not bear the same name.
        recipe: split, size, prompt levels, validation.
        stage: 1 or 2; stage 2 needs sound and ``frames`` frames.
        selection: narrows the rows further.
        given_roots: where a dataset lies, instead of where it lay when its manifest was made.

    Raises:
        InputError: no manifest, or no row that can be used; says why the rows were left out.
        UsageError: two manifests of one name or of different clip rules, or a selection that nothing fits.
    """
    selection, places = selection or Selection(), _named(manifests)
    chosen, unsplit = _chosen(places, recipe, selection)
    rules = _rules(places, recipe.data.size)
    found: list[TrainingClip] = []
    left_out: dict[str, list[str]] = {}
    excluded: Counter[str] = Counter()
    for name, path in places.items():
        folder = locate_manifest(path).parent
        media, rule = dataset_roots(folder, given_roots or {}), rules[name]
        for row in chosen[name]:
            if reason := _excluded(row, recipe, name in unsplit):
                excluded[reason] += 1
                continue
            clip = _canonical(name, row, media, rule)
            reason = _odd_box(row) or _unusable(row, clip, recipe, stage)
            if clip is None or reason:
                left_out.setdefault(reason, []).append(f"{name}/{row['clip_id']}")
            else:
                found.append(_clip(name, row, clip, recipe))
    if not found:
        raise _nothing(places, sum(map(len, chosen.values())), excluded, left_out)
    notes = [
        f"{name} is not split: every approved row is used (next: tbd manifest split {places[name]})" for name in unsplit
    ]
    notes += _more_notes(found, left_out, recipe, selection)
    kept_back = _kept_back(found, recipe)
    sides = [tuple(clip for clip in found if (clip.name in kept_back) == side) for side in (False, True)]
    notes += _alone(sides[0], recipe)
    folders = {name: locate_manifest(path).parent for name, path in places.items()}
    return TrainingClips(sides[0], sides[1], left_out, folders, tuple(notes))


def _chosen(
    places: Mapping[str, Path], recipe: TrainRecipe, selection: Selection
) -> tuple[dict[str, list[ManifestRow]], list[str]]:
    """The rows that were asked for, by manifest, approved or not; and the manifests without a split."""
    columns = list(dict.fromkeys([*COLUMNS, *ROW_KEYS] if selection else COLUMNS))
    tables = {name: read_manifest(path, columns) for name, path in places.items()}
    unsplit = [name for name, table in tables.items() if table["split"].null_count == len(table)]
    rows = [(name, row) for name, table in tables.items() for row in as_rows(table)]
    asked = select(rows, selection, keys=ROW_KEYS, seed=recipe.seed, value=lambda named, key: value_of(named[1], key))
    return {name: [row for origin, row in asked if origin == name] for name in places}, unsplit


def _excluded(row: ManifestRow, recipe: TrainRecipe, unsplit: bool) -> str:
    """Why a row may not be trained on, or nothing."""
    if not row["approved"]:
        return "not approved"
    if recipe.data.approved_by == "people" and row["review_status"] not in BY_PEOPLE:
        return "not approved by a person"
    return "" if unsplit or row["split"] == recipe.data.split else f"not of the split {recipe.data.split!r}"


def _canonical(name: str, row: ManifestRow, media: Mapping[str, Path], rule: ClipRule) -> CanonicalClip | None:
    if row["dataset"] not in media:
        raise InputError(
            f"{name}: where dataset {row['dataset']} lies is not recorded", next=f"--root {row['dataset']}=PATH"
        )
    return CanonicalClip.of_row(row, media[row["dataset"]].absolute(), rule) if row["crop_box"] else None


def _more_notes(
    found: Sequence[TrainingClip], left_out: Mapping[str, Sequence[str]], recipe: TrainRecipe, selection: Selection
) -> Iterator[str]:
    """Prompts that will be cut, and listed clips that are not there."""
    room = 75 * recipe.model.chunks
    cut = [clip for clip in found if any(count_tokens(text) - 2 > room for text in clip.prompts)]
    if cut:
        yield f"{len(cut)} clips with a prompt that is cut after {room} CLIP tokens (e.g. {cut[0].name})"
    known = {clip.clip_id for clip in found} | {row.partition("/")[2] for rows in left_out.values() for row in rows}
    absent = [clip_id for clip_id in selection.clips or () if clip_id not in known]
    if absent:
        yield f"{len(absent)} of the listed clips are not among the approved rows (e.g. {absent[0]})"


def _alone(clips: Sequence[TrainingClip], recipe: TrainRecipe) -> list[str]:
    """Clips whose reference cannot be from another clip of the person."""
    if recipe.data.reference != "person":
        return []
    count = Counter(clip.person for clip in clips)
    alone = [clip for clip in clips if count[clip.person] == 1]
    words = f"{len(alone)} clips are their person's only one: their reference is from the clip itself"
    return [f"{words} (e.g. {alone[0].name})"] if alone else []


def _odd_box(row: ManifestRow) -> str:
    """Why a row's boxes say nothing, or nothing: other tools write NaN where a box is not known."""
    boxes = ("crop_box", row["crop_box"]), ("face_box", row["face_box"])
    odd = [name for name, box in boxes if box and not all(math.isfinite(edge) for edge in box)]
    return f"whose {odd[0]} has an edge that is not a finite number" if odd else ""


def _unusable(row: ManifestRow, clip: CanonicalClip | None, recipe: TrainRecipe, stage: int) -> str:
    """Why a row cannot be used, or nothing."""
    k, chunks = recipe.model.guidance.k, recipe.model.chunks
    texts = levels(row["prompts_final"], k)
    window = recipe.stage2.frames if stage == 2 else max(2, recipe.stage1.frames)
    if clip is None:
        return "without a crop box"
    if len(texts) < k or not all(text.strip() for text in texts):
        return f"with {len(texts)} prompt levels where the recipe hears {k}"
    if recipe.model.text.overflow == "error" and max(count_tokens(text) for text in texts) - 2 > 75 * chunks:
        return f"with a prompt of more than {75 * chunks} CLIP tokens"
    if _frames(row, clip) < window:
        return f"shorter than the {window} frames of stage {stage}"
    if stage == 2 and not row["has_audio"]:
        return "without sound"
    missing = [file for file in (clip.path, clip.audio_file) if file is not None and not file.is_file()]
    return "whose file is missing" if missing else ""


def _clip(name: str, row: ManifestRow, clip: CanonicalClip, recipe: TrainRecipe) -> TrainingClip:
    prompts = tuple(levels(row["prompts_final"], recipe.model.guidance.k))
    return TrainingClip(
        name,
        row["clip_id"],
        f"{row['dataset']}/{row['subject']}",
        prompts,
        row["emotion"],
        row["level"],
        clip,
        _frames(row, clip),
        bool(row["has_audio"]),
        face_region(row),
    )


def _frames(row: ManifestRow, clip: CanonicalClip) -> int:
    """Canonical frames by the manifest's duration, so that planning opens no file."""
    return max(1, int(float(row["duration"] or 0) * clip.rule.fps + 0.5))


def _kept_back(clips: Sequence[TrainingClip], recipe: TrainRecipe) -> set[str]:
    """The validation clips: those whose names draw the lowest numbers, so that new rows move as few as can be.

    What several manifests cut from the same footage draws one number, and is kept back whole.
    """
    if not recipe.data.validation:
        return set()
    wanted = max(recipe.data.validation_clips, round(recipe.data.validation * len(clips)))
    same: dict[str, list[str]] = {}
    for name, first in footage_names(clips).items():
        same.setdefault(first, []).append(name)
    kept: set[str] = set()
    for first in sorted(same, key=lambda name: (seeded_fraction(recipe.seed, name), name)):
        if len(kept) + len(same[first]) <= min(wanted, len(clips) // 2):
            kept.update(same[first])
    return kept


def _named(manifests: Sequence[Path]) -> dict[str, Path]:
    names = [locate_manifest(path).parent.resolve().name for path in manifests]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UsageError(f"two manifests called {twice[0]}", next="tbd manifest merge A B -o data_manifests/both")
    return dict(zip(names, manifests, strict=True))


def _rules(places: Mapping[str, Path], size: int) -> dict[str, ClipRule]:
    """The rule of each manifest's clips at the recipe's size, with the sound that the network hears.

    Raises:
        UsageError: they differ in what a model learns: it has one rate, and its portraits are cropped in one way.
    """
    rules = {
        name: clip_rule(locate_manifest(path).parent).model_copy(update={"size": size, "sample_rate": HEARD_RATE})
        for name, path in places.items()
    }
    first = next(iter(rules))
    for name, rule in rules.items():
        for key in ("fps", "scale", "lift"):
            one, other = getattr(rules[first], key), getattr(rule, key)
            if one != other:
                raise UsageError(
                    f"{first} was annotated with clip.{key}={one:g}, and {name} with {other:g}; a model learns one of them",
                    next=f"tbd annotate DATASET --set clip.{key}={one:g} -o NEW_FOLDER, for {name}",
                )
    return rules


def _nothing(
    places: Mapping[str, Path], chosen: int, excluded: Counter[str], left_out: Mapping[str, Sequence[str]]
) -> InputError:
    counts = [f"  {count} {reason}" for reason, count in excluded.items()]
    counts += [f"  {len(rows)} {reason} (e.g. {rows[0]})" for reason, rows in left_out.items()]
    lines = "\n".join(counts or ["  the manifests have no rows"])
    first = next(iter(places.values()))
    short = any("prompt levels" in reason for reason in left_out)
    fix = "--set model.guidance.schedule=none" if short else f"tbd manifest report {first}"
    names = ", ".join(map(str, places.values()))
    return InputError(f"{names}: no row to train on, of {chosen} that were asked for\n{lines}", next=fix)
