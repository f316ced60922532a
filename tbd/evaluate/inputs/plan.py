"""``tbd eval`` before anything is computed: runs, ground truth, metrics, weights, settings, pairs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from tbd import __version__, weights
from tbd.errors import UsageError
from tbd.evaluate.inputs import sources, starts
from tbd.evaluate.inputs.align import Align, Length, Region
from tbd.evaluate.inputs.asked import asked_options, videos_digest
from tbd.evaluate.inputs.geometry import check_geometry
from tbd.evaluate.inputs.jobs import BASELINES, OWN_VAE, STILLS, VAE, ClipJob, Kind, RunVideo, ScoreRow, Settings
from tbd.evaluate.inputs.pairing import Pair, Pairing
from tbd.evaluate.inputs.record import EvaluationRecord
from tbd.evaluate.inputs.sources import EvaluationRequest, TruthSource
from tbd.evaluate.metrics import registry
from tbd.evaluate.metrics.base import ClipScore, Metric
from tbd.selection import shard_of, shard_part

RESULTS = Path("results")
NO_TRUTH = "it compares with a ground truth, and --no-reference says that there is none"


@dataclass(frozen=True)
class EvaluationPlan:
    """What will be done, before anything is computed.

    Attributes:
        folder: of the results.
        record: what the evaluation is.
        pairings: name of the run -> its pairs.
        jobs: one for each clip that has a video in some run.
        rows: what is known already: missing, double and left-over videos.
        metrics: that can be computed here; those that cannot are in ``record.skipped``.
        request: that it came from.
        shard: (i, n) of a part.
    """

    folder: Path
    record: EvaluationRecord
    pairings: Mapping[str, Pairing]
    jobs: tuple[ClipJob, ...]
    rows: tuple[ScoreRow, ...]
    metrics: tuple[Metric, ...]
    workers: int
    request: EvaluationRequest
    shard: tuple[int, int] | None = None


def plan(request: EvaluationRequest) -> EvaluationPlan:
    """Resolve a request: runs, ground truth, metrics, weights, settings, pairs.

    Raises:
        UsageError: something is not said that must be, or does not exist.
        InputError: a folder, table or manifest cannot be used, or ``--align`` is a wrong guess.
    """
    chosen, base = _metrics(request)
    runs = sources.run_folders(request.runs)
    documents = {name: sources.run_json(folder) for name, folder in runs.items()}
    manifest = sources.manifest_of(request, runs, documents)
    truth = sources.truth_source(request, manifest, documents)
    pairings = {name: sources.paired(request, folder, truth.rows) for name, folder in runs.items()}
    truth = sources.with_known_starts(truth, pairings)
    ours = all(documents.values())
    metrics, skipped = _possible(chosen, alone=request.alone)
    settings = _settings(request, base, truth, metrics, known=ours or manifest is None)
    shown = _baselines(metrics, truth, settings.vae) if request.baselines and not request.alone else {}
    laid = list(_jobs(runs, pairings, truth, metrics, settings, shown))
    metrics, skipped = _with_truth_beside(metrics, skipped, laid)
    seen = {metric.protocol: registry.seen(metric.weights) for metric in metrics}
    seen |= {VAE: registry.seen([VAE], settings.vae)} if "vae" in shown else {}
    record = EvaluationRecord(
        runs={name: _facts(runs[name], pairings[name], documents[name]) for name in runs},
        metrics=tuple(metric.protocol for metric in metrics),
        skipped=skipped,
        weights={name: one.as_record() or {} for name, one in seen.items() if one.files},
        settings=settings.as_record(),
        baselines={str(kind): name for kind, name in shown.items()},
        notes=_notes(request, shown, truth, documents),
        truth=truth.words,
        version=__version__,
        truth_root={name: path.as_posix() for name, path in truth.roots.items()},
        videos=videos_digest(runs, pairings),
        asked=asked_options(request),
    )
    shard = shard_part(request.selection.shard) if request.selection.shard else None
    hashes = {name: [sha for _, sha, _ in one.files] for name, one in seen.items()}
    jobs = [replace(job, metrics=metrics, weights=hashes) for job in laid if _mine(job.clip_id, shard)]
    workers, threads = _workers_and_threads(request.workers, settings.device, len(jobs))
    jobs = [replace(job, settings=replace(settings, threads=threads)) for job in jobs]
    known = [row for row in _known(pairings, metrics) if _mine(row.clip_id, shard)]
    check_geometry(jobs, ours=ours)
    return EvaluationPlan(
        _folder(request, list(runs)), record, pairings, tuple(jobs), tuple(known), metrics, workers, request, shard
    )


def _with_truth_beside(
    metrics: tuple[Metric, ...], skipped: dict[str, dict[str, str]], jobs: Sequence[ClipJob]
) -> tuple[tuple[Metric, ...], dict[str, dict[str, str]]]:
    """Skip a metric that reads a file beside the true videos, where no clip has one."""
    lack = {
        metric.protocol: {"reason": f"no {metric.beside_truth} beside any true video", "direction": metric.direction}
        for metric in metrics
        if metric.beside_truth and not any(_has_beside(job, metric.beside_truth) for job in jobs)
    }
    return tuple(metric for metric in metrics if metric.protocol not in lack), skipped | lack


def _has_beside(job: ClipJob, suffix: str) -> bool:
    true = job.truth
    path = true.reference or (true.root / str(true.row["file_name"]) if true.exists and true.row else None)
    return path is not None and path.with_suffix(suffix).is_file()


def _metrics(request: EvaluationRequest) -> tuple[tuple[Metric, ...], registry.Suite]:
    base = registry.suite(request.suite or ("all" if not request.metrics else "quick"))
    if request.metrics and request.suite is None:
        base = registry.Suite("", "", request.metrics)
    return request.chosen or registry.choose(request.metrics or base.metrics), base


def check_settings(wanted: Mapping[str, str]) -> None:
    """Refuse words that ``align``, ``length`` and ``region`` do not know.

    Raises:
        UsageError: the message lists those there are.
    """
    for key, kinds in (("align", Align), ("length", Length), ("region", Region)):
        if key in wanted and wanted[key] not in get_args(kinds):
            raise UsageError(f"--{key} {wanted[key]}: one of {', '.join(get_args(kinds))}")


def _settings(
    request: EvaluationRequest, base: registry.Suite, truth: TruthSource, metrics: Sequence[Metric], *, known: bool
) -> Settings:
    """How pictures are compared; ``known``: how they lie over the ground truth need not be said."""
    given = {"align": request.align, "length": request.length, "region": request.region}
    wanted = dict(base.settings) | {key: value for key, value in given.items() if value is not None}
    check_settings(wanted)
    if "align" not in wanted and not known:
        raise UsageError(
            "these videos were not made by tbd, so say how they lie over the ground truth",
            next="--align canvas (same crop and size), crop (same crop, another size) or face (neither)",
        )
    portrait, device = None if request.alone else truth.portrait, _device(request, metrics)
    return Settings(**wanted, size=request.size, portrait=portrait, vae=_vae(request), device=device)  # type: ignore[arg-type]


def _possible(chosen: Sequence[Metric], *, alone: bool) -> tuple[tuple[Metric, ...], dict[str, dict[str, str]]]:
    needs = {metric for metric in chosen if alone and metric.compares != "nothing"}
    reasons = {metric: NO_TRUTH if metric in needs else registry.lacking(metric) for metric in chosen}
    skipped = {
        metric.protocol: {"reason": reason, "direction": metric.direction}
        for metric, reason in reasons.items()
        if reason
    }
    return tuple(metric for metric, reason in reasons.items() if not reason), skipped


def _vae(request: EvaluationRequest) -> Path | None:
    """The autoencoder that was named.

    Raises:
        UsageError: it is none.
    """
    if request.vae is None:
        return None
    if lack := weights.lacking(weights.lookup(VAE), request.vae):
        raise UsageError(
            f"--vae {request.vae}: no {', '.join(lack)} there",
            next="--vae checkpoints/autoencoder   # what tbd train autoencoder wrote, or a folder of diffusers' AutoencoderKL",
        )
    return request.vae


def _baselines(metrics: Sequence[Metric], truth: TruthSource, vae: Path | None) -> dict[Kind, str]:
    """The baselines that can be made here, with the names that tables show."""
    if not metrics:
        return {}
    named = {**BASELINES, "still": STILLS[truth.portrait]} | ({"vae": OWN_VAE} if vae else {})
    kinds: tuple[Kind, ...] = ("truth", "vae", "still")
    return {kind: named[kind] for kind in kinds if kind != "vae" or vae or weights.find(weights.lookup(VAE))}


def _notes(
    request: EvaluationRequest,
    shown: Mapping[Kind, str],
    truth: TruthSource,
    documents: Mapping[str, Mapping[str, Any]],
) -> tuple[str, ...]:
    notes = () if request.alone else starts.unlike(documents, truth.portrait)
    if request.baselines and shown and "vae" not in shown:
        notes += (f"{BASELINES['vae']} is not shown: weights missing; tbd weights pull {VAE}",)
    return notes


def _jobs(
    runs: Mapping[str, Path],
    pairings: Mapping[str, Pairing],
    truth: TruthSource,
    metrics: tuple[Metric, ...],
    settings: Settings,
    baselines: Mapping[Kind, str],
) -> Iterable[ClipJob]:
    clips: dict[str, list[tuple[str, Pair]]] = {}
    for name, found in pairings.items():
        for pair in found.matched:
            clips.setdefault(pair.clip_id, []).append((name, pair))
    for clip_id in sorted(clips if metrics else ()):
        pairs = clips[clip_id]
        videos = [RunVideo(name, "run", pair.video, sources.below(pair.video, runs[name])) for name, pair in pairs]
        videos += [RunVideo(name, kind) for kind, name in baselines.items()]
        yield ClipJob(clip_id, truth.of(pairs[0][1]), tuple(videos), metrics, settings)


def _known(pairings: Mapping[str, Pairing], metrics: Sequence[Metric]) -> Iterable[ScoreRow]:
    """Rows of what cannot be scored: for each metric one where a clip was expected, a single one for what is left over."""
    for name, found in pairings.items():
        for pair in found.unmatched:
            for protocol in [metric.protocol for metric in metrics] if pair.expected else [""]:
                nothing = ClipScore(None, 0, pair.reason)
                yield ScoreRow(name, "run", pair.clip_id, protocol, nothing, pair.problem or "missing")


def _facts(folder: Path, found: Pairing, document: Mapping[str, Any]) -> dict[str, Any]:
    by: dict[str, int] = {}
    for pair in found.matched:
        by[pair.by] = by.get(pair.by, 0) + 1
    kept = ("split", "checkpoint", "guidance", "seed", "sampler", "versions")
    return {
        "folder": folder.as_posix(),
        "matched": len(found.matched),
        "expected": sum(pair.expected for pair in found.pairs),
        "by": by,
        "unmatched": [f"{pair.clip_id}: {pair.reason}" for pair in found.unmatched][:50],
        "unmatched_total": len(found.unmatched),
        "run": {key: document[key] for key in kept if key in document},
    }


def _folder(request: EvaluationRequest, names: Sequence[str]) -> Path:
    if request.output is not None:
        return request.output
    name = names[0] if len(names) == 1 else "all" if not request.runs else "+".join(names)
    return RESULTS / re.sub(r"[^\w.+-]", "_", name)[:100]


def _device(request: EvaluationRequest, metrics: Sequence[Metric]) -> str:
    if request.device != "auto" or request.engine == "ray":  # the cluster's are not this machine's
        return request.device
    if not any(metric.weights for metric in metrics):
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _workers_and_threads(workers: int | None, device: str, jobs: int) -> tuple[int, int]:
    """Worker processes, and threads in each: one process a core while there are clips enough, else threads."""
    cores = os.cpu_count() or 1
    wanted = (0 if device != "cpu" else cores) if workers is None else workers
    wanted = 0 if min(wanted, jobs) < 2 else min(wanted, jobs)
    return wanted, max(1, cores // max(wanted, 1))


def _mine(clip_id: str, shard: tuple[int, int] | None) -> bool:
    """Whether a clip belongs to a part; the same parts on every machine."""
    return shard is None or shard_of(clip_id, shard[1]) == shard[0]
