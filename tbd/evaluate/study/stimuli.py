"""From runs to the clips of a study: those that every run has, spread evenly over strata and emotions."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tbd.errors import InputError, UsageError
from tbd.evaluate.inputs import baselines, pairing, sources, streams
from tbd.hashes import seeded_fraction
from tbd.manifest import dataset_roots, locate_manifest, read_manifest
from tbd.manifest.rows import as_rows
from tbd.manifest.run import clip_rule
from tbd.media.picture import read_picture
from tbd.schema import ManifestRow

COLUMNS = [*sources.COLUMNS, "intensity"]
OPEN_SET = "open set"
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class StudyRequest:
    """What a person asked for.

    Attributes:
        runs: folders with videos, one a system.
        manifests: that know emotion and portrait of the clips; empty takes the one that all runs name.
        table: a CSV with ``clip_id, emotion, portrait`` and if need be ``intensity, stratum``, for clips of no manifest. It
            adds to those of the manifest; where the runs name none, it stands alone.
        clips, raters: how many.
        checks: attention checks for each rater.
        output: folder of the study.
        roots: where datasets lie on this machine.
    """

    runs: tuple[Path, ...]
    manifests: tuple[Path, ...] = ()
    table: Path | None = None
    clips: int = 10
    raters: int = 10
    checks: int = 2
    seed: int = 0
    output: Path = Path("studies/study")
    roots: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidate:
    """A clip that could be shown.

    Attributes:
        portrait: gives the reference picture, ``(H, W, 3)`` uint8 RGB.
        videos: of each run, in their order.
    """

    clip_id: str
    stratum: str
    emotion: str
    intensity: str
    portrait: Callable[[], Pixels]
    videos: tuple[Path, ...] = ()


def candidates(request: StudyRequest) -> tuple[dict[str, Path], list[Candidate]]:
    """The runs by name, and every clip that all of them have.

    Raises:
        UsageError: fewer than one run, or nothing says emotion and portrait.
        InputError: a run, manifest or table cannot be read; the runs have no clip in common.
    """
    runs = sources.run_folders(request.runs)
    listed = list(_of_table(request.table))
    # the runs' own manifest adds to the table
    named = set() if request.manifests else {clip.clip_id for clip, _ in listed}
    others = chain.from_iterable(_of_manifest(one, request) for one in _manifests(request, runs))
    known = listed + [(clip, row) for clip, row in others if clip.clip_id not in named]
    twice = [clip for clip, count in Counter(clip.clip_id for clip, _ in known).items() if count > 1]
    if twice:
        raise InputError(f"{min(twice)}: named by two manifests or tables")
    rows = [row for _, row in known]
    found = {name: _videos(folder, rows) for name, folder in runs.items()}
    common = [
        Candidate(**vars(clip) | {"videos": tuple(found[name][clip.clip_id] for name in runs)})
        for clip, _ in known
        if all(clip.clip_id in found[name] for name in runs)
    ]
    if not common:
        told = ", ".join(f"{name} {len(videos)}" for name, videos in found.items())
        raise InputError(
            f"the runs have none of the {len(rows)} known clips in common (matched: {told})",
            next="tbd eval RUN --manifest M --dry-run shows how videos are paired",
        )
    return runs, common


def chosen(clips: Sequence[Candidate], count: int, seed: int) -> list[Candidate]:
    """So many clips, evenly over strata, and within them over emotions.

    Raises:
        UsageError: there are not so many.
    """
    if len(clips) < count:
        raise UsageError(
            f"--clips {count}: the runs have only {len(clips)} clips in common", next=f"--clips {len(clips)}"
        )

    def dealt(items: Iterable[Candidate], *keys: str) -> list[Candidate]:
        if not keys:
            return sorted(items, key=lambda clip: seeded_fraction(seed, clip.clip_id))
        groups: dict[str, list[Candidate]] = defaultdict(list)
        for clip in items:
            groups[getattr(clip, keys[0])].append(clip)
        hands = [dealt(groups[name], *keys[1:]) for name in sorted(groups)]
        return [clip for hand in zip_longest(*hands) for clip in hand if clip is not None]

    return dealt(clips, "stratum", "emotion")[:count]


def _manifests(request: StudyRequest, runs: Mapping[str, Path]) -> tuple[Path, ...]:
    if request.manifests:
        return request.manifests
    documents = {name: sources.run_json(folder) for name, folder in runs.items()}
    if request.table and not all(document.get("manifest") for document in documents.values()):
        return ()
    try:
        found = sources.manifest_of(sources.EvaluationRequest(), runs, documents)
    except UsageError as error:
        error.next = "tbd study new RUN RUN -o DIR --manifest data_manifests/NAME, or --table CSV"
        raise
    return (found,) if found else ()


def _of_manifest(manifest: Path, request: StudyRequest) -> Iterable[tuple[Candidate, ManifestRow]]:
    file = locate_manifest(manifest)
    places, rule = dataset_roots(file.parent, request.roots), clip_rule(file.parent)
    for row in as_rows(read_manifest(file, COLUMNS)):
        if not row["emotion"]:
            continue

        def portrait(row: ManifestRow = row) -> Pixels:
            place = places.get(row["dataset"])
            if place is None or not place.is_dir():
                raise InputError(f"dataset {row['dataset']} is not in {place}", next=f"--root {row['dataset']}=PATH")
            return baselines.portrait(streams.of_row(row, place, rule), row["reference_frame"])

        yield Candidate(row["clip_id"], row["dataset"], row["emotion"], row["intensity"] or "", portrait), row


def _of_table(table: Path | None) -> Iterable[tuple[Candidate, ManifestRow]]:
    if table is None:
        return
    for number, line in enumerate(_lines(table), start=2):
        if not all(line.get(name) for name in ("clip_id", "emotion", "portrait")):
            raise InputError(f"{table}: line {number}: clip_id, emotion and portrait are needed")
        picture = table.parent / line["portrait"]
        if not picture.is_file():
            raise InputError(f"{table}: line {number}: no file {picture}")
        words = line.get("stratum") or OPEN_SET, line["emotion"], line.get("intensity") or ""
        clip = Candidate(line["clip_id"], *words, lambda picture=picture: read_picture(picture))  # type: ignore[misc]
        yield clip, {"clip_id": line["clip_id"]}


def _lines(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            return [
                {str(key).strip().lower(): str(value or "").strip() for key, value in line.items()} for line in reader
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table}: cannot be read ({error})") from None


def _videos(folder: Path, rows: Sequence[ManifestRow]) -> dict[str, Path]:
    found = pairing.with_manifest(folder, rows)
    return {pair.clip_id: pair.video for pair in found.matched if pair.video is not None}
