"""``tbd eval``: one decode of every clip, all metrics, and for each number how it was made."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbd import storage
from tbd.cli import options
from tbd.cli.drawn_networks import train_drawn_reader
from tbd.clip_failures import raise_if_all_bugs
from tbd.console import document, interruptible, out, progress, say

if TYPE_CHECKING:
    from tbd.evaluate.inputs.sources import EvaluationRequest

TRUTH, HOW = "Ground truth", "How"


class AlignName(StrEnum):
    """How the ground truth is laid under a video."""

    canvas = "canvas"
    crop = "crop"
    face = "face"


class LengthName(StrEnum):
    """What is done with unequal lengths."""

    strict = "strict"
    truncate = "truncate"
    resample = "resample"


class RegionName(StrEnum):
    """The part of the picture that counts."""

    full = "full"
    face = "face"
    mouth = "mouth"


def eval_(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="[RUN]…", help="Folders with videos. Default: every folder in runs/.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(metavar="all|a,b", help="psnr,ssim@gray,sync. Default: the suite's.")
    ] = None,
    suite: Annotated[
        str | None, typer.Option(metavar="NAME", help="quick, paper, all; eat, wav2lip, disco; drawn. Default: all.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="The manifest of these clips. Default: the run's.", rich_help_panel=TRUTH)
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder with the true videos.", rich_help_panel=TRUTH)
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="Columns video and reference, or video and clip_id.", rich_help_panel=TRUTH),
    ] = None,
    alone: Annotated[
        bool,
        typer.Option(
            "--no-reference", help="There is no ground truth: what can be scored without.", rich_help_panel=TRUTH
        ),
    ] = False,
    portraits: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR", help="With --no-reference: the picture each video started from.", rich_help_panel=TRUTH
        ),
    ] = None,
    align: Annotated[
        AlignName | None,
        typer.Option(help="Same picture, same crop at another size, or by the face.", rich_help_panel=TRUTH),
    ] = None,
    length: Annotated[LengthName | None, typer.Option(help="Default: truncate.", rich_help_panel=TRUTH)] = None,
    region: Annotated[RegionName | None, typer.Option(help="Default: full.", rich_help_panel=TRUTH)] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=16, metavar="N", help="Bring all pictures to a shorter side of N pixels.", rich_help_panel=TRUTH
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Only rows of this split. Default: the run's.", rich_help_panel=options.CLIPS)
    ] = None,
    where: options.Where = None,
    clips: options.ClipFile = None,
    sample: options.Sample = None,
    seed: options.Seed = None,
    limit: options.Limit = None,
    root: options.Root = None,
    shard: options.Shard = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Default: results/<run>.")
    ] = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="Merge the parts that shards left in -o DIR.", rich_help_panel=HOW)
    ] = False,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines/--no-baselines",
            "--anchors/--no-anchors",
            help="Also score the ground truth and the still picture.",
            rich_help_panel=HOW,
        ),
    ] = True,
    vae: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The autoencoder of the runs, for their ceiling (at --size). Default: SD 1.5's.",
            rich_help_panel=HOW,
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes. Default: one a core.", rich_help_panel=HOW)
    ] = None,
    engine: options.Engine = options.EngineName.local,
    address: options.Address = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="For networks.", rich_help_panel=HOW)] = "auto",
    weights_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Look here for weights first.", rich_help_panel=HOW)
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Exit 1 where a metric is skipped, a clip not covered, or a warning has a code.",
            rich_help_panel=HOW,
        ),
    ] = False,
    max_failed: Annotated[
        str, typer.Option(metavar="N|P%", help="Videos without a score that still count as success.")
    ] = "0",
    list_: Annotated[bool, typer.Option("--list", help="Metrics, directions, protocols, weights.")] = False,
    explain: Annotated[str | None, typer.Option(metavar="METRIC", help="What a number means, exactly.")] = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> int:
    """Score videos: one decode of every clip feeds all metrics; every number says how it was made.

    Killed or interrupted, the same command goes on where it was.

    Example: tbd eval runs/mine --suite quick

    Example: tbd eval clips --no-reference --metrics cpbd,sync

    Example: tbd eval other/videos --manifest data_manifests/mead --align crop --metrics all
    """
    from tbd import weights

    weights.use_folder(weights_dir)
    if list_:
        return _list(json)
    if explain is not None:
        return _explain(explain, json)
    if merge:
        return _merge(output, runs, strict, max_failed, json)
    from tbd.evaluate.inputs.sources import EvaluationRequest
    from tbd.selection import Selection

    options.too_many(0, 0, max_failed)
    selection = Selection(options.pairs(where, "--where"), options.lines(clips), sample, limit, shard)
    request = EvaluationRequest(
        runs=tuple(map(storage.copied, runs or ())), manifest=manifest, pairs=pairs,
        reference=storage.copied(reference) if reference else None,
        alone=alone, portraits=portraits,
        metrics=tuple(filter(None, (metrics or "").split(","))), suite=suite, align=align, length=length,
        region=region, size=size, output=output, roots=options.roots(root), split=split, selection=selection, clips_file=clips,
        seed=seed or 0, workers=workers, device=device, baselines=baselines, vae=vae,
        engine=engine.value, address=options.address_of(engine, address, workers=workers),
    )  # fmt: skip
    if not dry_run:
        _ready_reader(request, quiet)
    with storage.sent(None if dry_run else output) as folder:
        return _scored(replace(request, output=folder), strict, max_failed, dry_run, quiet, json)


def _scored(request: EvaluationRequest, strict: bool, max_failed: str, dry_run: bool, quiet: bool, json: bool) -> int:
    """Pair, score and tell."""
    from tbd.evaluate.inputs.plan import plan
    from tbd.evaluate.run import run

    planned = plan(request)
    for name, pairing in planned.pairings.items():
        say(f"{name}: {pairing.headline()}")
    if dry_run:
        return _dry_run(planned, json)
    label = f"eval, {len(planned.metrics)} metrics"
    with interruptible("clips under way") as stopping, progress(label, len(planned.jobs), quiet=quiet) as bar:
        found = run(planned, bar, stopping)
    return _tell(found, planned.folder, strict, max_failed, json, planned.jobs)


def _ready_reader(request: Any, quiet: bool) -> None:
    """Train the reader of drawn faces where a metric asks for it and it is not there."""
    from tbd.evaluate.metrics.registry import suite

    names = request.metrics or (suite(request.suite).metrics if request.suite else ())
    if any(name.strip().endswith("@drawn") for name in names):
        train_drawn_reader(quiet)


def _list(json: bool) -> int:
    from tbd.evaluate.metrics.registry import known, lacking, suite, suites

    metrics = [(metric, lacking(metric)) for protocols in known().values() for metric in protocols]
    if json:
        entries = [
            {
                "key": metric.key, "protocol": metric.protocol, "title": metric.title, "direction": metric.direction,
                "unit": metric.unit, "source": metric.source, "weights": list(metric.weights), "lacking": lack,
            }
            for metric, lack in metrics
        ]  # fmt: skip
        document({"metrics": entries, "suites": {name: list(suite(name).metrics) for name in suites()}})
        return 0
    width = max(len(metric.protocol) for metric, _ in metrics)
    for metric, lack in metrics:
        needs = ", ".join(metric.weights) or "no weights"
        out(
            f"{'missing' if lack else 'ready':8}{metric.protocol:{width}}  {metric.direction:8}{needs:24}  {metric.source}"
        )
    for name in suites():
        out(f"suite   {name:{width}}  {suite(name).title}")
    return 0


def _explain(name: str, json: bool) -> int:
    from tbd.evaluate.metrics.registry import explain

    words = explain(name)
    document({"metric": name, "page": words}) if json else out(words.rstrip())
    return 0


def _merge(output: Path | None, runs: list[Path] | None, strict: bool, max_failed: str, json: bool) -> int:
    from tbd.errors import UsageError
    from tbd.evaluate.run import merge

    folder = output or (runs[0] if runs else None)
    if folder is None:
        raise UsageError("--merge of what?", next="tbd eval --merge -o results/NAME")
    return _tell(merge(folder), folder, strict, max_failed, json)


def _dry_run(planned: Any, json: bool) -> int:
    summary = {
        "clips": len(planned.jobs),
        "runs": {name: pairing.headline() for name, pairing in planned.pairings.items()},
        "metrics": list(planned.record.metrics),
        "skipped": {protocol: found["reason"] for protocol, found in planned.record.skipped.items()},
        "settings": {key: str(value) for key, value in planned.record.settings.items() if value},
        "truth": planned.record.truth,
        "baselines": list(planned.record.baselines.values()),
        "workers": "those of the cluster" if planned.request.engine == "ray" else planned.workers,
        "output": str(planned.folder),
    }
    if json:
        document(summary)
        return 0
    for name, value in summary.items():
        for line in value.items() if isinstance(value, dict) else [value]:
            out(
                f"{name:10}{': '.join(line) if isinstance(line, tuple) else ', '.join(line) if isinstance(line, list) else line}"
            )
    return 0


def _tell(found: dict[str, Any] | None, folder: Path, strict: bool, max_failed: str, json: bool, jobs: Any = ()) -> int:
    from tbd.evaluate.outputs.report import write_report
    from tbd.evaluate.outputs.scoreboard import text

    if found is None:
        document({"output": str(folder), "waiting": True}) if json else out(f"{folder}: other parts are not there yet")
        return 0
    page = write_report(folder, found, jobs)
    document(found) if json else out("\n".join([*text(found), str(page)]))
    _check_bugs(folder)
    lost = [run["clips"]["failed"] for run in found["runs"]]
    expected = sum(run["clips"]["expected"] for run in found["runs"])
    return int(options.too_many(sum(lost), expected, max_failed) or (strict and not _complete(found)))


def _check_bugs(folder: Path) -> None:
    """Raise if every score of every run failed of a bug: that is one of the program, and of no video."""
    import pyarrow.parquet as pq

    rows = pq.read_table(folder / "clips.parquet", columns=["kind", "reason"]).to_pylist()
    reasons = [row["reason"] or "" for row in rows if row["kind"] == "run"]
    raise_if_all_bugs(dict(enumerate(reasons)), len(reasons))


def _complete(found: dict[str, Any]) -> bool:
    """Whether every metric of every run was computed on every clip, and nothing speaks against a number."""
    entries = [entry for run in found["runs"] for entry in run["scores"].values()]
    return all(entry["status"] == "ok" and entry["n"] == entry["of"] and not entry["codes"] for entry in entries)
