"""What is evaluated against what: run folders, and the manifest, folder or table that holds the ground truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tbd.errors import InputError, UsageError
from tbd.evaluate.inputs import pairing
from tbd.evaluate.inputs.jobs import ANCHORS, Truth
from tbd.evaluate.inputs.pairing import Pair, Pairing
from tbd.evaluate.metrics.base import Metric

RUNS, RUN = Path("runs"), "run.json"

COLUMNS = (
    "clip_id dataset subject view emotion emotion_raw level split file_name audio_file_name start end crop_box "
    "reference_frame face_box action_units transcript has_audio"
).split()
"""Of the manifest: what names a clip, what its ground truth is, and what metrics ask for."""


@dataclass(frozen=True)
class Request:
    """What a person asked for; None takes the suite's setting, or the default.

    Attributes:
        runs: folders with videos; empty takes every folder in ``runs/``.
        manifest, reference, pairs: where the ground truth comes from, and how it is matched.
        metrics: as in ``--metrics``; empty takes the suite's.
        roots: where datasets lie on this machine.
        split: only rows of this side; None takes what ``run.json`` says, else all rows.
        clips: clip_ids to keep.
        shard: ``i/n``, counted from 1.
        workers: processes; 0 works in this one; None takes one a core, or one on a GPU.
        anchors: also score the ground truth, through the VAE, and the still picture.
        chosen: metrics themselves, for programs; wins over ``metrics`` and ``suite``.
    """

    runs: tuple[Path, ...] = ()
    manifest: Path | None = None
    reference: Path | None = None
    pairs: Path | None = None
    metrics: tuple[str, ...] = ()
    suite: str | None = None
    align: str | None = None
    length: str | None = None
    region: str | None = None
    output: Path | None = None
    roots: Mapping[str, Path] = field(default_factory=dict)
    split: str | None = None
    clips: tuple[str, ...] | None = None
    limit: int | None = None
    shard: str | None = None
    workers: int | None = None
    device: str = "auto"
    anchors: bool = True
    chosen: tuple[Metric, ...] = ()


@dataclass(frozen=True)
class Rows:
    """Rows of a manifest; none between two folders.

    Attributes:
        chosen: that should have videos, sorted by ``clip_id``.
        every: also those that ``--clips`` and ``--limit`` pass over: a video of theirs is not left over.
    """

    chosen: Sequence[Mapping[str, Any]] = ()
    every: Sequence[Mapping[str, Any]] = ()

    def of(self, found: Pairing) -> Pairing:
        """The pairs of the chosen rows, and those that belong to no row at all."""
        if len(self.chosen) == len(self.every):
            return found
        names = {row["clip_id"] for row in self.chosen}
        return Pairing(tuple(pair for pair in found.pairs if pair.row is None or pair.row["clip_id"] in names))


def run_folders(folders: Sequence[Path]) -> dict[str, Path]:
    """Run folders by the name that the tables show; without any, every folder in ``runs/``.

    Raises:
        UsageError: there is none, or one is named twice.
        InputError: there is no such folder.
    """
    folders = folders or sorted(path for path in (RUNS.iterdir() if RUNS.is_dir() else ()) if path.is_dir())
    if not folders:
        raise UsageError(f"no RUN was given, and there is no folder in {RUNS}/", next="tbd eval FOLDER --reference DIR")
    found: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder", next="tbd eval RUN, where RUN is a folder with videos")
        name = folder.resolve().name
        if name in found or name in ANCHORS.values():
            name = f"{folder.resolve().parent.name}/{name}"
        if name in found:
            raise UsageError(f"{folder} is named twice")
        found[name] = folder
    return found


def run_json(folder: Path) -> dict[str, Any]:
    """What made a run; empty for videos of other systems.

    Raises:
        InputError: it is not a JSON object.
    """
    path = folder / RUN
    try:
        document = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from None
    if not isinstance(document, dict):
        raise InputError(f"{path}: not a JSON object")
    return document


def manifest_of(
    request: Request, folders: Mapping[str, Path], documents: Mapping[str, Mapping[str, Any]]
) -> Path | None:
    """The one manifest of all runs: as given, else as their ``run.json`` say; None between folders.

    Raises:
        UsageError: nothing says where the ground truth is, or the runs belong to different manifests.
    """
    if request.manifest is not None or request.reference is not None:
        return request.manifest
    named = {name: document.get("manifest") for name, document in documents.items()}
    without = [name for name, manifest in named.items() if not manifest]
    if without:
        if request.pairs is not None and len(without) == len(named):
            return None
        raise UsageError(
            f"{', '.join(without)}: without run.json nobody knows the ground truth",
            next="tbd eval RUN --manifest data_manifests/NAME --align crop, or --reference DIR",
        )
    if len(set(named.values())) > 1:
        raise UsageError(
            f"the runs belong to different manifests: {', '.join(sorted(set(map(str, named.values()))))}",
            next="tbd eval one run at a time, or say --manifest",
        )
    found = Path(str(next(iter(named.values()))))
    beside = [path for folder in folders.values() if (path := folder / found).exists()]
    return beside[0] if beside and not found.exists() else found


def expected(
    request: Request, manifest: Path | None, documents: Mapping[str, Mapping[str, Any]]
) -> tuple[Rows, Callable[[Pair], Truth], str]:
    """The rows that should have videos, how a pair finds its ground truth, and where that came from, in words.

    Raises:
        UsageError: no row is left.
        InputError: the manifest cannot be read, or its dataset is not where it was.
    """
    if manifest is None:
        words = f"files of {request.reference.name}" if request.reference else f"files of {request.pairs}"
        return Rows(), lambda pair: Truth(reference=pair.reference), words
    from tbd.manifest import locate, read, roots
    from tbd.manifest.run import clip_rule

    file = locate(manifest)
    rows = _selected(request, read(file, COLUMNS).to_pylist(), documents)
    places, rule = roots(file.parent, request.roots), clip_rule(file.parent)
    lost = sorted({row["dataset"] for row in rows.chosen if not places.get(row["dataset"], Path("/nowhere")).is_dir()})
    if lost:
        raise InputError(
            f"dataset {lost[0]} is not in {places.get(lost[0], 'a recorded place')} any more",
            next=f"--root {lost[0]}=PATH",
        )

    def truth(pair: Pair) -> Truth:
        if pair.reference is not None or pair.row is None:
            return Truth(reference=pair.reference)
        return Truth(pair.row, places[pair.row["dataset"]], rule)

    return rows, truth, f"canonical clips of {file.parent.name}"


def _selected(request: Request, rows: list[dict[str, Any]], documents: Mapping[str, Mapping[str, Any]]) -> Rows:
    recorded = {document.get("split") for document in documents.values()}
    split = request.split or (recorded.pop() if len(recorded) == 1 else None)
    if split and split != "all":
        kept = [row for row in rows if row["split"] == split]
        if not kept:
            raise UsageError(f"no row of the manifest has the split {split!r}", next="tbd manifest report MANIFEST")
        rows = kept
    chosen = rows
    if request.clips is not None:
        unknown = set(request.clips) - {row["clip_id"] for row in rows}
        if unknown:
            raise UsageError(f"--clips: no clip {min(unknown)!r} among the {len(rows)} rows")
        chosen = [row for row in rows if row["clip_id"] in set(request.clips)]
    return Rows(sorted(chosen, key=lambda row: str(row["clip_id"]))[: request.limit], rows)


def paired(request: Request, folder: Path, rows: Rows) -> Pairing:
    """The pairs of one run: by table, between two folders, or with the rows of a manifest.

    Raises:
        InputError: the table or a folder cannot be used.
    """
    if request.pairs is not None:
        return rows.of(pairing.with_table(request.pairs, folder, rows.every, request.reference))
    if request.reference is not None and not rows.every:
        return _limited(pairing.with_folder(folder, request.reference), request.limit)
    return rows.of(pairing.with_manifest(folder, rows.every))


def _limited(found: Pairing, limit: int | None) -> Pairing:
    return found if limit is None else Pairing(tuple(pair for pair in found.pairs if pair.expected)[:limit])
