"""``tbd eval`` before anything is computed: runs, ground truth, metrics, weights, settings, pairs."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from tbd import __version__, weights
from tbd.errors import InputError, TbdError, UsageError
from tbd.evaluate.engine import baselines
from tbd.evaluate.inputs import sources, streams
from tbd.evaluate.inputs.align import Align, Length, Region, overlap
from tbd.evaluate.inputs.jobs import ANCHORS, Job, Kind, Scored, Settings, Take, Truth
from tbd.evaluate.inputs.pairing import Pair, Pairing
from tbd.evaluate.inputs.sources import Request
from tbd.evaluate.metrics import registry
from tbd.evaluate.metrics.base import ClipScore, Metric
from tbd.evaluate.outputs import results
from tbd.shards import part

RESULTS = Path("results")

LIE = 0.3
"""Least overlap of the faces' regions below which two videos are not laid over each other rightly."""

CHECKED = 3
"""Pairs that are looked at to find a wrong ``--align`` before anything is computed."""


@dataclass(frozen=True)
class Plan:
    """What will be done, before anything is computed.

    Attributes:
        folder: of the results.
        pairings: name of the run -> its pairs.
        jobs: one for each clip that has a video in some run.
        rows: what is known already: missing, double and left-over videos.
        metrics: that can be computed here; those that cannot are in ``meta.skipped``.
        shard: (i, n) of a part.
    """

    folder: Path
    meta: results.Meta
    pairings: Mapping[str, Pairing]
    jobs: tuple[Job, ...]
    rows: tuple[Scored, ...]
    metrics: tuple[Metric, ...]
    workers: int
    shard: tuple[int, int] | None = None


def plan(request: Request) -> Plan:
    """Resolve a request: runs, ground truth, metrics, weights, settings, pairs.

    Raises:
        UsageError: something is not said that must be, or does not exist.
        InputError: a folder, table or manifest cannot be used, or ``--align`` is a wrong guess.
    """
    chosen, base = _metrics(request)
    runs = sources.run_folders(request.runs)
    documents = {name: sources.run_json(folder) for name, folder in runs.items()}
    manifest = sources.manifest_of(request, runs, documents)
    rows, truths, words = sources.expected(request, manifest, documents)
    pairings = {name: sources.paired(request, folder, rows) for name, folder in runs.items()}
    settings = _settings(request, base, all(documents.values()), manifest is not None)
    metrics, skipped = _possible(chosen)
    shown = _anchors(metrics) if request.anchors else ()
    device = _device(request.device, metrics)
    settings = replace(settings, device=device)
    record = {metric.protocol: registry.seen(metric.weights) for metric in metrics}
    record |= {baselines.VAE: registry.seen([baselines.VAE])} if "vae" in shown else {}
    meta = results.Meta(
        runs={name: _facts(name, pairings[name], documents[name]) for name in runs},
        metrics=tuple(metric.protocol for metric in metrics),
        skipped=skipped,
        weights={name: seen.as_record() or {} for name, seen in record.items() if seen.files},
        settings={"align": settings.align, "length": settings.length, "region": settings.region},
        anchors=tuple(ANCHORS[kind] for kind in shown),
        notes=_notes(request, shown),
        truth=words,
        version=__version__,
    )
    hashes = {name: [sha for _, sha, _ in seen.files] for name, seen in record.items()}
    shard = part(request.shard) if request.shard else None
    jobs = [job for job in _jobs(pairings, truths, metrics, settings, shown, hashes) if _mine(job.clip_id, shard)]
    workers, threads = _hands(request.workers, device, len(jobs))
    jobs = [replace(job, settings=replace(settings, threads=threads)) for job in jobs]
    known = [row for row in _known(pairings, metrics) if _mine(row.clip_id, shard)]
    _check_align(jobs, settings.align, ours=all(documents.values()), manifest=manifest is not None)
    return Plan(_folder(request, list(runs)), meta, pairings, tuple(jobs), tuple(known), metrics, workers, shard)


def _metrics(request: Request) -> tuple[tuple[Metric, ...], registry.Suite]:
    base = registry.suite(request.suite or ("all" if not request.metrics else "quick"))
    if request.metrics and request.suite is None:
        base = registry.Suite("", "", request.metrics)
    return request.chosen or registry.choose(request.metrics or base.metrics), base


def _settings(request: Request, base: registry.Suite, ours: bool, manifest: bool) -> Settings:
    given = {"align": request.align, "length": request.length, "region": request.region}
    wanted = dict(base.settings) | {key: value for key, value in given.items() if value is not None}
    for key, kinds in (("align", Align), ("length", Length), ("region", Region)):
        if key in wanted and wanted[key] not in get_args(kinds):
            raise UsageError(f"--{key} {wanted[key]}: one of {', '.join(get_args(kinds))}")
    if "align" not in wanted and manifest and not ours:
        raise UsageError(
            "these videos were not made by tbd, so say how they lie over the ground truth",
            next="--align canvas (same crop and size), crop (same crop, another size) or face (neither)",
        )
    return Settings(**wanted)  # type: ignore[arg-type]


def _possible(chosen: Sequence[Metric]) -> tuple[tuple[Metric, ...], dict[str, dict[str, str]]]:
    reasons = {metric: registry.lacking(metric) for metric in chosen}
    skipped = {
        metric.protocol: {"reason": reason, "direction": metric.direction}
        for metric, reason in reasons.items()
        if reason
    }
    return tuple(metric for metric, reason in reasons.items() if not reason), skipped


def _anchors(metrics: Sequence[Metric]) -> tuple[Kind, ...]:
    if not metrics:
        return ()
    return ("truth", "vae", "still") if weights.find(weights.lookup(baselines.VAE)) else ("truth", "still")


def _notes(request: Request, shown: Sequence[Kind]) -> tuple[str, ...]:
    if request.anchors and shown and "vae" not in shown:
        return (f"{ANCHORS['vae']} is not shown: weights missing; tbd weights pull {baselines.VAE}",)
    return ()


def _jobs(
    pairings: Mapping[str, Pairing],
    truths: Callable[[Pair], Truth],
    metrics: tuple[Metric, ...],
    settings: Settings,
    shown: Sequence[Kind],
    hashes: Mapping[str, Sequence[str]],
) -> Iterable[Job]:
    clips: dict[str, list[tuple[str, Pair]]] = {}
    for name, found in pairings.items():
        for pair in found.matched:
            clips.setdefault(pair.clip_id, []).append((name, pair))
    for clip_id in sorted(clips):
        takes = [Take(name, "run", pair.video) for name, pair in clips[clip_id]]
        truth = truths(clips[clip_id][0][1])
        takes += [Take(ANCHORS[kind], kind) for kind in shown]
        if metrics:
            yield Job(clip_id, truth, tuple(takes), metrics, settings, hashes)


def _known(pairings: Mapping[str, Pairing], metrics: Sequence[Metric]) -> Iterable[Scored]:
    """Rows of what cannot be scored: for each metric one where a clip was expected, a single one for what is left over."""
    for name, found in pairings.items():
        for pair in found.unmatched:
            for protocol in [metric.protocol for metric in metrics] if pair.expected else [""]:
                nothing = ClipScore(None, 0, pair.reason)
                yield Scored(name, "run", pair.clip_id, protocol, nothing, pair.problem or "missing")


def _facts(name: str, found: Pairing, document: Mapping[str, Any]) -> dict[str, Any]:
    by: dict[str, int] = {}
    for pair in found.matched:
        by[pair.by] = by.get(pair.by, 0) + 1
    left = [pair.reason if pair.expected else f"{pair.clip_id}: {pair.reason}" for pair in found.unmatched]
    return {
        "matched": len(found.matched),
        "expected": sum(pair.expected for pair in found.pairs),
        "by": by,
        "unmatched": [f"{pair.clip_id}: {pair.reason}" for pair in found.unmatched][:50],
        "unmatched_total": len(left),
        "run": {
            key: document[key]
            for key in ("split", "checkpoint", "guidance", "seed", "sampler", "versions")
            if key in document
        },
    }


def _check_align(jobs: Sequence[Job], align: Align, *, ours: bool, manifest: bool) -> None:
    """Refuse a wrong ``--align`` before hours are spent on it, by a look at a few pairs.

    Raises:
        InputError: no pair has the same size (canvas), or the faces lie elsewhere (canvas, crop).
    """
    pairs = [opened for job in jobs[: 3 * CHECKED] if (opened := _opened(job)) is not None][:CHECKED]
    if align == "face" or not pairs:
        return
    if align == "canvas" and all(pred.size != truth.size for pred, truth in pairs):
        pred, truth = pairs[0]
        raise InputError(
            f"--align canvas: the videos have {pred.size[0]}x{pred.size[1]} pixels, the ground truth "
            f"{truth.size[0]}x{truth.size[1]}",
            next="--align crop (same crop, another size) or --align face",
        )
    if ours or not manifest:
        return
    shares = [share for pred, truth in pairs if (share := overlap(pred, truth)) is not None]
    if shares and max(shares) < LIE:
        raise InputError(
            f"--align {align}: the faces do not lie in the same place (overlap {max(shares):.0%} at best of "
            f"{len(shares)} clips looked at), so this is not the ground truth's crop",
            next="--align face",
        )


def _opened(job: Job) -> tuple[streams.Stream, streams.Stream] | None:
    video = next((take.video for take in job.takes if take.video), None)
    try:
        if video is None or (job.truth.row is None and job.truth.reference is None):
            return None
        reference = job.truth.reference
        truth = (
            streams.of_file(reference)
            if reference
            else streams.of_row(job.truth.row or {}, job.truth.root, job.truth.rule)
        )
        return streams.of_file(video), truth
    except TbdError:
        return None  # it gets its own row


def _folder(request: Request, names: Sequence[str]) -> Path:
    if request.output is not None:
        return request.output
    name = names[0] if len(names) == 1 else "all" if not request.runs else "+".join(names)
    return RESULTS / re.sub(r"[^\w.+-]", "_", name)[:100]


def _device(device: str, metrics: Sequence[Metric]) -> str:
    if device != "auto":
        return device
    if not any(metric.weights for metric in metrics):
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _hands(workers: int | None, device: str, jobs: int) -> tuple[int, int]:
    """Worker processes, and threads in each: one process a core while there are clips enough, else threads."""
    cores = os.cpu_count() or 1
    wanted = (0 if device != "cpu" else cores) if workers is None else workers
    wanted = 0 if min(wanted, jobs) < 2 else min(wanted, jobs)
    return wanted, max(1, cores // max(wanted, 1))


def _mine(clip_id: str, shard: tuple[int, int] | None) -> bool:
    if shard is None:
        return True
    mine, parts = shard
    return int(hashlib.sha256(clip_id.encode()).hexdigest(), 16) % parts == mine - 1
