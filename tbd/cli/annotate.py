"""``tbd annotate``: a folder of clips becomes a manifest; a portrait becomes a chain."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbd import storage
from tbd.cli import options
from tbd.console import document, out, say
from tbd.errors import UsageError
from tbd.workspace import url_of

if TYPE_CHECKING:
    from tbd.annotate.run import AnnotationRequest


class BackendName(StrEnum):
    """Names of the backends."""

    qwen = "qwen2-vl"
    server = "server"
    facs = "facs"
    oracle = "oracle"


class ModeName(StrEnum):
    """Names of the modes."""

    cot = "cot"
    describe = "describe"
    label = "label"


class Per(StrEnum):
    """What shares one chain."""

    clip = "clip"
    identity = "identity"


def annotate(
    dataset: Annotated[
        Path | None, typer.Argument(help="Folder with the clips (MEAD, HDTF, RAVDESS, CREMA-D, or a table).")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Default: data_manifests/<dataset folder name>."),
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="One portrait instead of a dataset.", rich_help_panel="One portrait")
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="Free instruction for the portrait.", rich_help_panel="One portrait")
    ] = None,
    emotion: Annotated[str | None, typer.Option(help="Label for the portrait.", rich_help_panel="One portrait")] = None,
    intensity: Annotated[
        str | None, typer.Option(help="mild, moderate or intense (or 1, 2, 3).", rich_help_panel="One portrait")
    ] = None,
    layout: Annotated[
        str,
        typer.Option(
            help="auto, mead, hdtf (hdtf:whole without windows), ravdess, crema-d or folder.",
            rich_help_panel=options.CLIPS,
        ),
    ] = "auto",
    backend: Annotated[
        BackendName | None, typer.Option(help="Default: qwen2-vl.", rich_help_panel=options.MODEL)
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="ID|DIR", help="Default: Qwen/Qwen2-VL-7B-Instruct.", rich_help_panel=options.MODEL),
    ] = None,
    endpoint: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="OpenAI-compatible server; may be repeated. Implies --backend server.",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    serve: Annotated[
        bool,
        typer.Option(
            "--serve",
            help="Start the recipe's server (vllm serve) on the free GPUs, stop it at the end.",
            rich_help_panel=options.MODEL,
        ),
    ] = False,
    mode: Annotated[
        ModeName | None,
        typer.Option(
            help="cot is the paper's chain; the others are rows of its Table 2.", rich_help_panel=options.MODEL
        ),
    ] = None,
    per: Annotated[
        Per | None,
        typer.Option(help="identity: one chain for each identity, emotion and level.", rich_help_panel=options.MODEL),
    ] = None,
    devices: Annotated[
        str, typer.Option(metavar="auto|0,1,…", help="GPUs, one worker each.", rich_help_panel=options.MODEL)
    ] = "auto",
    engine: options.Engine = options.EngineName.local,
    address: options.Address = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="random-80-20, speaker, official-last-n, text-disjoint, hdtf-16-4.",
            rich_help_panel=options.CLIPS,
        ),
    ] = None,
    where: options.Where = None,
    clips: options.ClipFile = None,
    sample: options.Sample = None,
    limit: options.Limit = None,
    shard: options.Shard = None,
    retry: Annotated[
        str | None,
        typer.Option(
            metavar="KINDS",
            help="failed,refused,truncated,rejected: ask these rows again.",
            rich_help_panel=options.RUN,
        ),
    ] = None,
    update: Annotated[
        bool,
        typer.Option(
            "--update", help="The recipe changed: run again what its change concerns.", rich_help_panel=options.RUN
        ),
    ] = False,
    keep_going: Annotated[
        bool,
        typer.Option(
            "--keep-going", help="Go on although the first 20 clips failed alike.", rich_help_panel=options.RUN
        ),
    ] = False,
    recipe: options.RecipeName = None,
    set_: options.Set = None,
    seed: options.Seed = None,
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Processes that read clips. Default: one a core.", rich_help_panel=options.RUN),
    ] = None,
    max_failed: Annotated[
        str, typer.Option(metavar="N|P%", help="Failed rows that still count as success.", rich_help_panel=options.RUN)
    ] = "0",
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> int:
    """Emotion label and reference frame -> action units -> muscles -> a coarse and a fine prompt.

    Killed or interrupted, the same command goes on where it was.

    Example: tbd annotate mead/ --backend facs --limit 20

    Example: tbd annotate --image face.jpg --text "a shy smile that slowly grows"
    """
    overrides = _overrides(backend, model, endpoint, serve, mode, per, seed) + list(set_ or ())
    from tbd.annotate.recipe import AnnotateRecipe
    from tbd.recipe import load

    settings = load(AnnotateRecipe, "annotate", recipe, overrides)
    if image is not None:
        return _portrait(image, text, emotion, intensity, settings, tuple(endpoint or ()), serve, devices, json)
    if dataset is None:
        raise UsageError("neither a dataset nor --image was given", next="tbd annotate mead/")
    from tbd.annotate.plan import RETRIES
    from tbd.annotate.run import AnnotationRequest, prepare_annotation
    from tbd.selection import Selection

    kinds = tuple(filter(None, (retry or "").split(",")))
    if unknown := set(kinds) - set(RETRIES):
        raise UsageError(f"--retry {','.join(sorted(unknown))}: not one of {', '.join(RETRIES)}", next="--retry failed")
    options.too_many(0, 0, max_failed)
    selection = Selection(options.pairs(where, "--where"), options.lines(clips), sample, limit, shard)
    request = AnnotationRequest(
        storage.copied(dataset), settings, output, layout, tuple(endpoint or ()), serve, devices, selection,
        split=split, retry=kinds, update=update, keep_going=keep_going, workers=workers, quiet=quiet,
        engine=engine.value, address=options.address_of(engine, address, devices, workers),
        origin=url_of(dataset),
    )  # fmt: skip
    if dry_run:
        return _dry_run(prepare_annotation(request, dry=True), json)
    with storage.sent(request.folder) as folder:
        summary = _annotated(replace(request, output=folder))
    document(summary) if json else tell(summary)
    return int(options.too_many(summary["failed"], summary["selected"], max_failed))


def _annotated(request: AnnotationRequest) -> dict[str, Any]:
    """The whole run, with what is written beside its manifest."""
    from tbd.annotate.run import prepare_annotation, run_annotation
    from tbd.cli.sheets import costs, write_beside

    prepared = prepare_annotation(request)
    _announce(prepared)
    summary = run_annotation(prepared)
    summary["costs"] = costs(request.folder)
    return summary | write_beside(request.folder, summary["changed"])


def _overrides(
    backend: BackendName | None,
    model: str | None,
    endpoint: Any,
    serve: bool,
    mode: ModeName | None,
    per: Per | None,
    seed: int | None,
) -> list[str]:
    """Flags are recipe keys under another name, so that the recorded recipe is the whole truth."""
    if endpoint and serve:
        raise UsageError("--serve starts a server, --endpoint names one that runs", next="leave one of the two out")
    flag = "--endpoint" if endpoint else "--serve" if serve else ""
    if flag and backend not in (None, BackendName.server):
        raise UsageError(f"{flag} goes with --backend server, not {backend.value}", next="leave --backend out")
    name = "server" if flag else backend.value if backend else None
    chosen = {
        "backend.name": name,
        "backend.model": model,
        "chain.mode": mode.value if mode else None,
        "chain.per": per.value if per else None,
        "chain.seed": seed,
    }
    return [f"{key}={value}" for key, value in chosen.items() if value is not None]


def _announce(prepared: Any) -> None:
    from tbd.annotate.dry_run import headline

    say("\n".join(headline(prepared)))


def _dry_run(prepared: Any, json: bool) -> int:
    from tbd.annotate.dry_run import describe, words

    description = describe(prepared)
    document(description) if json else out("\n".join(words(prepared, description)))
    return 0


def tell(summary: dict[str, Any]) -> None:
    """A run's summary, for people."""
    for note in summary["notes"]:
        say(f"note: {note}")
    status = ", ".join(
        f"{count} {name}" for name, count in sorted(summary["status"].items(), key=lambda item: -item[1])
    )
    out(f"{summary['rows']} rows: {status}; {summary['needs_review']} need review, {summary['approved']} approved")
    if summary["costs"].get("money"):
        out(f"cost     {summary['costs']['money']:.2f} by the recipe's price, all runs of this folder together")
    for name in ("manifest", "report", "sheet"):
        out(f"{name:9}{summary[name]}")


def _portrait(
    image: Path,
    text: str | None,
    emotion: str | None,
    intensity: str | None,
    settings: Any,
    endpoints: tuple[str, ...],
    serve: bool,
    devices: str,
    json: bool,
) -> int:
    from tbd.annotate.portrait import annotate_portrait, words

    result = annotate_portrait(
        image, text=text, emotion=emotion, intensity=intensity, recipe=settings, endpoints=endpoints, serve=serve,
        devices=devices,
    )  # fmt: skip
    document(result) if json else out("\n".join(words(result)))
    return 0 if result["status"] == "success" else 1
