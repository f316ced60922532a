"""What is evaluated against what: run folders, and the manifest, folder or table that holds the ground truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from tbd import workspace
from tbd.errors import InputError, UsageError
from tbd.evaluate.inputs import pairing, starts
from tbd.evaluate.inputs.jobs import GroundTruth, Portrait
from tbd.evaluate.inputs.pairing import Pair, Pairing
from tbd.evaluate.metrics.base import Metric
from tbd.filenames import PICTURES, read_name
from tbd.schema import ManifestRow
from tbd.selection import ROW_KEYS, Selection, select

RUNS, RUN = Path("runs"), "run.json"

COLUMNS = (
    "clip_id dataset subject gender view emotion emotion_raw level intensity split file_name audio_file_name start end crop_box "
    "reference_frame face_box action_units transcript has_audio "
    "mode status review_status backend model"
).split()
"""Of the manifest: what names a clip, what its ground truth is, and what metrics ask for."""


@dataclass(frozen=True)
class EvaluationRequest:
    """What a person asked for; None takes the suite's setting, or the default.

    Attributes:
        runs: folders with videos; empty takes every folder in ``runs/``.
        manifest, reference, pairs: where the ground truth comes from, and how it is matched.
        alone: there is none; metrics that need one are skipped.
        portraits: a picture, or a folder of pictures with the videos' names: what the videos started from.
        metrics: as in ``--metrics``; empty takes the suite's.
        roots: where datasets lie on this machine.
        split: only rows of this side; None takes what ``run.json`` says, else all rows.
        selection: which clips.
        seed: of ``selection.sample``.
        workers: processes; 0 works in this one; None takes one a core, or one on a GPU.
        size: shorter side to which all pictures are brought.
        baselines: also score the ground truth, through the VAE, and the still picture.
        vae: folder of the autoencoder of the runs, in the layout of diffusers; None takes SD 1.5's, where it is here.
        chosen: metrics themselves, for programs; wins over ``metrics`` and ``suite``.
        clips_file: the file that ``selection.clips`` was read from.
        engine: where clips are scored: ``ray`` spreads them over a cluster; ``workers`` and ``device`` are then its.
        address: of the Ray cluster; see ``tbd.cluster.connection.joined``.
    """

    runs: tuple[Path, ...] = ()
    manifest: Path | None = None
    reference: Path | None = None
    pairs: Path | None = None
    alone: bool = False
    portraits: Path | None = None
    metrics: tuple[str, ...] = ()
    suite: str | None = None
    align: str | None = None
    length: str | None = None
    region: str | None = None
    output: Path | None = None
    roots: Mapping[str, Path] = field(default_factory=dict)
    split: str | None = None
    selection: Selection = field(default_factory=Selection)
    seed: int = 0
    workers: int | None = None
    device: str = "auto"
    size: int | None = None
    baselines: bool = True
    vae: Path | None = None
    chosen: tuple[Metric, ...] = ()
    clips_file: Path | None = None
    engine: Literal["local", "ray"] = "local"
    address: str | None = None


@dataclass(frozen=True)
class ExpectedRows:
    """Rows of a manifest; none between two folders.

    Attributes:
        chosen: that should have videos, sorted by ``clip_id``.
        every: also those that ``--clips`` and ``--limit`` pass over: a video of theirs is not left over.
    """

    chosen: Sequence[ManifestRow] = ()
    every: Sequence[ManifestRow] = ()

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
        if name in found:
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
    request: EvaluationRequest, folders: Mapping[str, Path], documents: Mapping[str, Mapping[str, Any]]
) -> Path | None:
    """The one manifest of all runs: as given, as their ``run.json`` say, or the only one of the workspace; None
    between folders.

    Raises:
        UsageError: nothing says where the ground truth is, or the runs belong to different manifests.
    """
    if request.alone or request.manifest is not None or request.reference is not None:
        return None if request.alone else request.manifest
    named = {name: document.get("manifest") for name, document in documents.items()}
    without = [name for name, manifest in named.items() if not manifest]
    if without and request.pairs is not None and len(without) == len(named):
        return None
    said = sorted({str(manifest) for manifest in named.values() if manifest})
    if len(said) > 1:
        raise UsageError(
            f"the runs belong to different manifests: {', '.join(said)}",
            next="tbd eval one run at a time, or say --manifest",
        )
    if without:
        return _only_manifest(without)
    found = Path(said[0])
    beside = [path for folder in folders.values() if (path := folder / found).exists()]
    return beside[0] if beside and not found.exists() else found


def _only_manifest(without: Sequence[str]) -> Path:
    """The single manifest of this workspace, for runs that do not say theirs."""
    names = [str(path.relative_to(Path.cwd())) for path in workspace.manifests()]
    if len(names) == 1:
        return Path(names[0])
    many = f", and there are {len(names)} manifests: {', '.join(names)}" if names else ""
    raise UsageError(
        f"{', '.join(without)}: without run.json nobody knows the ground truth{many}",
        next=f"tbd eval RUN --manifest {(names or ['data_manifests/NAME'])[0]} --align crop, or --reference DIR",
    )


@dataclass(frozen=True)
class TruthSource:
    """The ground truth of an evaluation.

    Attributes:
        rows: that should have videos.
        of: from a pair to its ground truth.
        words: where it came from.
        roots: the folders below which its files lie, by dataset.
        portrait: the picture that the videos are taken to start from, as ``tbd generate --reference`` names it.
    """

    rows: ExpectedRows
    of: Callable[[Pair], GroundTruth]
    words: str
    roots: Mapping[str, Path]
    portrait: Portrait = "clip"


def truth_source(
    request: EvaluationRequest, manifest: Path | None, documents: Mapping[str, Mapping[str, Any]]
) -> TruthSource:
    """The rows that should have videos, and how a pair finds its ground truth.

    Raises:
        UsageError: no row is left.
        InputError: the manifest cannot be read, or its dataset is not where it was.
    """
    if request.alone:
        return TruthSource(ExpectedRows(), lambda pair: _no_truth(pair, request.portraits), "none", {})
    if manifest is None:
        folder = request.reference or Path()
        words = f"files of {request.reference.name}" if request.reference else f"files of {request.pairs}"
        return TruthSource(ExpectedRows(), lambda pair: _file_truth(pair, folder), words, {"": folder})
    from tbd.manifest import dataset_roots, locate_manifest, read_manifest
    from tbd.manifest.rows import as_rows
    from tbd.manifest.run import clip_rule

    file, portrait = locate_manifest(manifest), starts.said(documents)
    every = as_rows(read_manifest(file, COLUMNS))
    rows = _selected(request, every, documents)
    others = starts.other_clips(every, rows.chosen, portrait)
    places, rule = dataset_roots(file.parent, request.roots), clip_rule(file.parent)
    lost = sorted({row["dataset"] for row in rows.chosen if not places.get(row["dataset"], Path("/nowhere")).is_dir()})
    if lost:
        raise InputError(
            f"dataset {lost[0]} is not in {places.get(lost[0], 'a recorded place')} any more",
            next=f"--root {lost[0]}=PATH",
        )

    def truth(pair: Pair) -> GroundTruth:
        if pair.reference is not None or pair.row is None:
            return _file_truth(pair, request.reference or Path())
        start, file = others.get(pair.row["clip_id"]), str(pair.row["file_name"] or "")
        return GroundTruth(pair.row, places[pair.row["dataset"]], rule, start=start, file=file)

    return TruthSource(rows, truth, f"canonical clips of {file.parent.name}", places, portrait)


def with_known_starts(truth: TruthSource, pairings: Mapping[str, Pairing]) -> TruthSource:
    """The ground truth with another clip's frames as portraits only where every video of every run records just these."""
    if truth.portrait == "clip" or starts.recorded_alike(pairings, truth.of):
        return truth
    return replace(truth, of=lambda pair: replace(truth.of(pair), start=None), portrait="clip")


def _no_truth(pair: Pair, portraits: Path | None) -> GroundTruth:
    """What is known of a video without ground truth: what its name says, and its portrait."""
    said = read_name(PurePosixPath(pair.clip_id).name)
    told: ManifestRow = {"emotion": said.emotion, "level": said.level, "view": said.view}
    if said.speaker is not None:
        told["subject"] = said.speaker
    if portraits is None:
        return GroundTruth(told)
    if not portraits.exists():
        raise InputError(f"--portraits {portraits}: no such picture or folder", next="--portraits FILE or DIR")
    places = [portraits / f"{pair.clip_id}{ending}" for ending in PICTURES]
    places += [portraits / f"{PurePosixPath(pair.clip_id).name}{ending}" for ending in PICTURES]
    one = portraits if portraits.is_file() else next((path for path in places if path.is_file()), None)
    return GroundTruth(told, portrait=one)


def _file_truth(pair: Pair, folder: Path) -> GroundTruth:
    return GroundTruth(reference=pair.reference, file=below(pair.reference, folder))


def below(path: Path | None, folder: Path) -> str:
    """A file's path relative to a folder; its name alone where it lies elsewhere; empty for none."""
    if path is None:
        return ""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def _selected(
    request: EvaluationRequest, rows: list[ManifestRow], documents: Mapping[str, Mapping[str, Any]]
) -> ExpectedRows:
    recorded = {document.get("split") for document in documents.values()}
    split = request.split or (recorded.pop() if len(recorded) == 1 else None)
    if split and split != "all":
        kept = [row for row in rows if row["split"] == split]
        if not kept:
            raise UsageError(f"no row of the manifest has the split {split!r}", next="tbd manifest report MANIFEST")
        rows = kept
    asked = replace(request.selection, shard=None)  # a part is taken of the jobs
    chosen = select(rows, asked, keys=ROW_KEYS, seed=request.seed)
    return ExpectedRows(chosen, rows)


def paired(request: EvaluationRequest, folder: Path, rows: ExpectedRows) -> Pairing:
    """The pairs of one run: by table, between two folders, or with the rows of a manifest.

    Raises:
        InputError: the table or a folder cannot be used.
    """
    if request.alone:
        return _chosen(pairing.by_itself(folder), request.selection)
    if request.pairs is not None:
        return rows.of(pairing.with_table(request.pairs, folder, rows.every, request.reference))
    if request.reference is not None and not rows.every:
        return _chosen(pairing.with_folder(folder, request.reference), request.selection)
    return rows.of(pairing.with_manifest(folder, rows.every))


def _chosen(found: Pairing, selection: Selection) -> Pairing:
    """Of two folders only names are known: ``--clips`` and ``--limit`` choose among these.

    Raises:
        UsageError: something is asked for that only a manifest tells.
    """
    if selection.where or selection.sample:
        raise UsageError("--where and --sample need a manifest: files between two folders have no labels")
    if selection.clips is None and selection.limit is None:
        return found
    names = [{"clip_id": pair.clip_id} for pair in found.pairs if pair.expected]
    kept = {one["clip_id"] for one in select(names, Selection(clips=selection.clips, limit=selection.limit))}
    return Pairing(tuple(pair for pair in found.pairs if pair.clip_id in kept))
