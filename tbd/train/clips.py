"""What may be trained on: the approved rows of manifests, and which of them are kept back for validation."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tbd.errors import InputError, UsageError
from tbd.manifest import count_tokens, dataset_roots, levels, locate_manifest, read_manifest
from tbd.manifest.run import clip_rule
from tbd.media.canonical import CanonicalClip, ClipRule
from tbd.recipe import digest
from tbd.train.recipe import TrainRecipe

COLUMNS = (
    *("clip_id", "dataset", "subject", "emotion", "level", "split", "file_name", "audio_file_name", "has_audio"),
    *("duration", "start", "end", "crop_box", "prompts_final", "review_status", "approved"),
)
BY_PEOPLE = ("accepted", "edited")


@dataclass(frozen=True)
class TrainingClip:
    """A row that may be trained on.

    Attributes:
        manifest: name of its manifest folder.
        clip_id: unique within it.
        person: whom it shows, ``dataset/subject``.
        prompts: as many levels as the recipe hears, coarse to fine.
        emotion, level: of the label.
        canonical: its pictures and sound, at the recipe's size.
        frames: canonical frames.
        has_audio: whether it has sound.
    """

    manifest: str
    clip_id: str
    person: str
    prompts: tuple[str, ...]
    emotion: str
    level: int | None
    canonical: CanonicalClip
    frames: int
    has_audio: bool

    @property
    def name(self) -> str:
        """How people hear of it: ``manifest/clip_id``."""
        return f"{self.manifest}/{self.clip_id}"

    @property
    def media(self) -> tuple[Path, ...]:
        """The files that it is read from."""
        files = (self.canonical.path, self.canonical.audio_file)
        return tuple(file for file in files if file is not None)

    @property
    def window(self) -> list[Any]:
        """What of those files it is: plain values for hashes."""
        clip = self.canonical
        rule = clip.rule
        return [clip.start, clip.end, list(clip.crop_box or ()), rule.version, rule.size, rule.fps, rule.sample_rate]


@dataclass(frozen=True)
class TrainingClips:
    """The clips of a training run.

    Attributes:
        train: learned from.
        validation: kept back; never of the test split.
        left_out: reason -> the rows it concerns, as ``manifest/clip_id``.
        manifests: name -> folder, in the order given.
        notes: what a person should know, a line each.
    """

    train: tuple[TrainingClip, ...]
    validation: tuple[TrainingClip, ...]
    left_out: dict[str, list[str]] = field(default_factory=dict)
    manifests: dict[str, Path] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Changes whenever training on these clips would: other rows, texts, windows or sides."""
        sides = ("train", self.train), ("validation", self.validation)
        return digest([[side, c.manifest, c.clip_id, c.prompts, c.window] for side, part in sides for c in part])

    def words(self) -> list[str]:
        """What was found and what was left out, a line each."""
        lines = [f"{len(self.train)} clips to train on, {len(self.validation)} kept back for validation"]
        for reason, rows in self.left_out.items():
            lines.append(f"left out: {len(rows)} {reason} (e.g. {rows[0]})")
        return [*lines, *self.notes]


@dataclass(frozen=True)
class Selection:
    """Which approved rows.

    Attributes:
        where: column -> value; ``a|b`` is either, ``*`` any.
        clips: these ``clip_id`` alone; None: all.
        roots: where a dataset lies, instead of where it lay when its manifest was made.
    """

    where: Mapping[str, str] = field(default_factory=dict)
    clips: tuple[str, ...] | None = None
    roots: Mapping[str, Path] = field(default_factory=dict)


def read_training_clips(
    manifests: Sequence[Path], recipe: TrainRecipe, stage: int, selection: Selection | None = None
) -> TrainingClips:
    """The approved rows of manifests that a stage can use. Rows that are not approved are not looked at.

    Args:
        manifests: folders or Parquet files; two may not bear the same name.
        recipe: split, size, prompt levels, validation.
        stage: 1 or 2; stage 2 needs sound and ``frames`` frames.
        selection: narrows the rows further.

    Raises:
        InputError: no manifest, or no row that can be used; says why the rows were left out.
        UsageError: two manifests of one name, or an unknown column in ``where``.
    """
    selection = selection or Selection()
    found: list[TrainingClip] = []
    left_out: dict[str, list[str]] = {}
    notes: list[str] = []
    places = _named(manifests)
    for name, path in places.items():
        folder, rows = locate_manifest(path).parent, _approved(name, path, recipe, selection, notes)
        media, rule = (
            dataset_roots(folder, selection.roots),
            clip_rule(folder).model_copy(update={"size": recipe.data.size}),
        )
        for row in rows:
            clip = _canonical(name, row, media, rule)
            reason = _unusable(row, clip, recipe, stage)
            if clip is None or reason:
                left_out.setdefault(reason, []).append(f"{name}/{row['clip_id']}")
            else:
                found.append(_clip(name, row, clip, recipe))
    if not found:
        raise _nothing(places, left_out)
    notes += _more_notes(found, left_out, recipe, selection)
    kept_back = _kept_back(found, recipe)
    sides = [tuple(clip for clip in found if (clip.name in kept_back) == side) for side in (False, True)]
    folders = {name: locate_manifest(path).parent for name, path in places.items()}
    return TrainingClips(sides[0], sides[1], left_out, folders, tuple(notes))


def _approved(
    name: str, path: Path, recipe: TrainRecipe, selection: Selection, notes: list[str]
) -> list[dict[str, Any]]:
    """The chosen approved rows of one manifest, on the side that is trained on."""
    table = read_manifest(path, list(dict.fromkeys([*COLUMNS, *selection.where])))
    chosen, people = _chooser(selection), recipe.data.approved_by == "people"
    unsplit = table["split"].null_count == len(table)
    if unsplit:
        notes.append(f"{name} is not split: every approved row is used (next: tbd manifest split {path})")
    rows: list[dict[str, Any]] = table.filter(table["approved"]).to_pylist()
    return [
        row
        for row in rows
        if chosen(row)
        and (not people or row["review_status"] in BY_PEOPLE)
        and (unsplit or row["split"] == recipe.data.split)
    ]


def _canonical(name: str, row: Mapping[str, Any], media: Mapping[str, Path], rule: ClipRule) -> CanonicalClip | None:
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


def _unusable(row: Mapping[str, Any], clip: CanonicalClip | None, recipe: TrainRecipe, stage: int) -> str:
    """Why a row cannot be used, or nothing."""
    k, chunks = recipe.model.guidance.k, recipe.model.chunks
    texts = levels(row["prompts_final"], k)
    window = recipe.stage2.frames if stage == 2 else 2
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


def _clip(name: str, row: Mapping[str, Any], clip: CanonicalClip, recipe: TrainRecipe) -> TrainingClip:
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
        row["has_audio"],
    )


def _frames(row: Mapping[str, Any], clip: CanonicalClip) -> int:
    """Canonical frames by the manifest's duration, so that planning opens no file."""
    return max(1, int(float(row["duration"] or 0) * clip.rule.fps + 0.5))


def _chooser(selection: Selection) -> Callable[[Mapping[str, Any]], bool]:
    wanted = {key: value.split("|") for key, value in selection.where.items() if value != "*"}
    listed = None if selection.clips is None else set(selection.clips)
    return lambda row: (
        (listed is None or row["clip_id"] in listed) and all(str(row[key]) in values for key, values in wanted.items())
    )


def _kept_back(clips: Sequence[TrainingClip], recipe: TrainRecipe) -> set[str]:
    """The validation clips: those whose names hash lowest, so that new rows move as few as can be."""
    if not recipe.data.validation:
        return set()
    wanted = max(recipe.data.validation_clips, round(recipe.data.validation * len(clips)))
    order = sorted(
        (clip.name for clip in clips), key=lambda name: hashlib.sha256(f"{recipe.seed}/{name}".encode()).digest()
    )
    return set(order[: min(wanted, len(clips) // 2)])


def _named(manifests: Sequence[Path]) -> dict[str, Path]:
    names = [locate_manifest(path).parent.resolve().name for path in manifests]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UsageError(f"two manifests called {twice[0]}", next="tbd manifest merge A B -o data_manifests/both")
    return dict(zip(names, manifests, strict=True))


def _nothing(places: Mapping[str, Path], left_out: Mapping[str, Sequence[str]]) -> InputError:
    counts = [f"  {len(rows)} {reason} (e.g. {rows[0]})" for reason, rows in left_out.items()]
    lines = "\n".join(counts or ["  none of the chosen rows is approved"])
    first = next(iter(places.values()))
    levels_short = any("prompt levels" in reason for reason in left_out)
    fix = "--set model.guidance.schedule=none" if levels_short else f"tbd manifest report {first}"
    return InputError(f"{', '.join(map(str, places.values()))}: no row to train on\n{lines}", next=fix)
