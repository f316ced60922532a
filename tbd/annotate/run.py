"""One whole ``tbd annotate``: scan, select, plan, run, seal."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import tbd
from tbd import console, workspace
from tbd.annotate import backends, plan
from tbd.annotate.backends import serving
from tbd.annotate.backends.base import Backend
from tbd.annotate.chain import ChainRunner
from tbd.annotate.examine_pool import Examined, ExamineJob, open_pool
from tbd.annotate.journal import Journal
from tbd.annotate.pace import META, RunPace
from tbd.annotate.recipe import BLIND, AnnotateRecipe
from tbd.annotate.runner import Runner
from tbd.annotate.scan import Scan, default_where, scan
from tbd.annotate.steps import load_prompts
from tbd.errors import Interrupted, MissingError, TbdError, UsageError
from tbd.hashes import sha256_file
from tbd.locks import folder_lock, refuse_network
from tbd.manifest import MANIFEST, SCHEMA_VERSION, SplitRule, recorded_split, rejected_clips, reviews, seal_as_recorded
from tbd.manifest.lock import manifest_lock
from tbd.manifest.run import ManifestRun, read_run, write_run
from tbd.manifest.shards import added_shard
from tbd.media.drawn_units import UNITS_FILE
from tbd.pools import WorkerPool
from tbd.recipe import difference, digest
from tbd.schema import Clip
from tbd.selection import Selection, select

_UPDATE = "add --update (only steps whose inputs changed run again; old replies stay)"


@dataclass(frozen=True)
class AnnotationRequest:
    """What a person asked for on the command line. Names are those of the options."""

    dataset: Path
    recipe: AnnotateRecipe
    output: Path | None = None
    layout: str = "auto"
    endpoints: tuple[str, ...] = ()
    serve: bool = False
    devices: str = "auto"
    selection: Selection = field(default_factory=Selection)
    split: str | None = None
    retry: tuple[str, ...] = ()
    update: bool = False
    keep_going: bool = False
    workers: int | None = None
    quiet: bool = False
    engine: Literal["local", "ray"] = "local"
    origin: str | None = None
    """The address of which ``dataset`` is the copy."""
    address: str | None = None
    """Of the Ray cluster; see ``tbd.cluster.connection.joined``."""

    @property
    def folder(self) -> Path:
        """Where the manifest is written: ``data_manifests/<dataset folder name>`` by default."""
        return self.output or workspace.MANIFESTS / self.dataset.resolve().name


@dataclass(frozen=True)
class PreparedRun:
    """A request after the dataset was scanned and the manifest folder was read."""

    request: AnnotationRequest
    scan: Scan
    selection: tuple[Clip, ...]
    where: Mapping[str, str]
    plan: plan.AnnotationPlan
    identity: Mapping[str, Any]
    changes: tuple[str, ...]
    """What differs from the recipe that the folder's rows were made with."""
    part_of: str = ""
    """With ``--shard``: names the run that this is a part of, by its recipe and all its clips."""
    missing: MissingError | None = None
    """What a dry run found to be lacking: weights, or a server."""

    @property
    def fingerprint(self) -> str:
        """Of this run."""
        return digest(self.identity)[:32]


def prepare_annotation(request: AnnotationRequest, *, dry: bool = False) -> PreparedRun:
    """Scan, select and plan. Reads only; nothing is decoded and no model is loaded.

    Args:
        dry: only a plan is wanted, so that lacking weights or servers are noted and no error.

    Raises:
        UsageError: the folder's rows were made with another recipe and ``update`` is off.
        InputError: the dataset cannot be used.
        MissingError: the model's weights, or its server, are not there (unless ``dry``).
    """
    found = scan(request.dataset, request.layout, seed=request.recipe.chain.seed, duration=_duration)
    default = default_where(found.layout) if request.selection.clips is None else {}
    asked = replace(request.selection, where={**default, **request.selection.where})
    selection = _selected(request, found, asked)
    before = read_run(request.folder)
    origin, missing = _origin(request, before, dry)
    identity = plan.run_identity(
        request.recipe, load_prompts(request.recipe.chain.prompts, request.recipe.chain.frames), origin
    )
    changes = tuple(difference(before.identity, identity)) if before and before.identity else ()
    if changes and not request.update:
        raise UsageError(
            f"{request.folder} was made with another recipe; what differs:\n"
            + "\n".join(f"  {line}" for line in changes),
            next=f"{_UPDATE}, or take another folder with -o DIR",
        )
    if before and before.dataset != (name := _dataset_name(found.clips)):
        raise UsageError(
            f"{request.folder} holds {before.dataset or 'a manifest that was not annotated here'}, not {name}",
            next="take another folder with -o DIR",
        )
    todo = _plan(request, found, selection, identity)
    everybody = _selected(request, found, replace(asked, shard=None)) if asked.shard else ()
    part_of = digest([identity, [clip.clip_id for clip in everybody]])[:32] if everybody else ""
    return PreparedRun(request, found, tuple(selection), asked.where, todo, identity, changes, part_of, missing)


def run_annotation(prepared: PreparedRun) -> dict[str, Any]:
    """Carry out a plan, seal the manifest, and return a summary for people and programs.

    Raises:
        Interrupted: Ctrl-C; what was finished is saved and sealed.
        TbdError: the backend or the disk gave up; what was finished is saved and sealed.
    """
    request = prepared.request
    refuse_network(request.folder)
    with folder_lock(request.folder, purpose="annotating"), Journal(request.folder) as journal:
        _write_run(prepared)
        notes: list[str] = []
        try:
            all_bugs = _work(prepared, journal, notes)
        except TbdError:
            for note in notes:
                console.say(f"note: {note}")
            finish(request.folder, journal)
            raise
        summary = finish(request.folder, journal)
        if all_bugs:
            raise RuntimeError(
                f"every clip failed of a bug in tbd; its traceback is in {request.folder}/journal.sqlite, table trace"
            )
        chosen = {clip.clip_id for clip in prepared.selection}
        states = {name: state for name, state in journal.row_states().items() if name in chosen}
    summary["selected"] = len(states)
    summary["failed"] = sum(state.status != "success" for state in states.values())
    return summary | {"notes": [*summary["notes"], *notes], "changes": list(prepared.changes)}


def finish(folder: Path, journal: Journal) -> dict[str, Any]:
    """Seal what the journal holds, unless the manifest is up to date, and count it.

    Returns:
        ``manifest rows needs_review approved status split review``, ``costs``, and ``changed``: whether
        the manifest was written.
    """
    file = folder / MANIFEST
    with manifest_lock(folder):
        split = recorded_split(folder)
        token = [split.as_json() if split else None, reviews.state(folder)]
        sealed, notes = journal.meta("sealed"), []
        changed = not sealed or sealed["token"] != token or not file.is_file()
        if not changed and sealed.get("sha256") != sha256_file(file):
            changed, notes = True, [f"{file.name} was not what the last run wrote; it was sealed again"]
        if changed:
            counts = seal_as_recorded(folder, journal.rows_to_seal()).as_json()
            sealed = {"token": token, "counts": counts, "sha256": sha256_file(file)}
            journal.set_meta("sealed", sealed)
    counts = sealed["counts"] | {"notes": [*notes, *sealed["counts"]["notes"]]}
    return {**counts, "manifest": str(file), "costs": journal.costs(), "changed": changed}


def _selected(request: AnnotationRequest, found: Scan, asked: Selection) -> list[Clip]:
    recipe = request.recipe.chain
    return select(found.clips, asked, seed=recipe.seed, by=lambda clip: plan.chain_id(clip, recipe.per))


def _plan(
    request: AnnotationRequest, found: Scan, selection: Sequence[Clip], identity: Mapping[str, Any]
) -> plan.AnnotationPlan:
    states = {}
    if (request.folder / "journal.sqlite").is_file():
        with Journal(request.folder, read_only=True) as journal:
            states = journal.row_states()
    return plan.make_plan(
        selection,
        found.clips,
        per=request.recipe.chain.per,
        root=request.dataset,
        fingerprint=digest(identity)[:32],
        states=states,
        retry=request.retry,
        rejected=rejected_clips(request.folder) if "rejected" in request.retry else (),
        beside=UNITS_FILE if request.recipe.backend.name == "oracle" else "",
    )


def _work(prepared: PreparedRun, journal: Journal, notes: list[str]) -> bool:
    """Run the plan; ``notes`` takes what the backend has to tell, also when it gives up.

    Returns:
        Whether every row that was written failed of a bug in this program.
    """
    request, todo = prepared.request, prepared.plan
    if not todo.groups:
        return False
    with (
        serving.at_hand(
            request.recipe, request.endpoints, request.devices, request.folder if request.serve else None, notes.append
        ) as (recipe, endpoints),
        _workers(request, recipe, endpoints, notes) as (opened, pool),
    ):
        try:
            return _ask(prepared, journal, opened, pool)
        finally:
            for backend in opened:
                backend.close()
            notes += sorted({note for backend in opened for note in getattr(backend, "notes", ())})


@contextmanager
def _workers(
    request: AnnotationRequest, recipe: AnnotateRecipe, endpoints: Sequence[str], notes: list[str]
) -> Iterator[tuple[Sequence[Backend], WorkerPool[ExamineJob, Examined]]]:
    """Who answers and who looks at media: on this machine, or on a cluster."""
    if request.engine == "local":
        workers = request.recipe.run.workers or os.cpu_count() or 1 if request.workers is None else request.workers
        yield backends.open_all(recipe, endpoints, request.devices), open_pool(workers)
        return
    from tbd.annotate.cluster_workers import open_cluster

    with open_cluster(request.address, request.dataset, recipe, endpoints, request.workers, notes) as opened:
        yield opened


def _ask(
    prepared: PreparedRun, journal: Journal, opened: Sequence[Backend], pool: WorkerPool[ExamineJob, Examined]
) -> bool:
    """Run the plan on open backends; see ``_work``."""
    request, todo = prepared.request, prepared.plan
    planned = prepared.identity["backend"]
    origin = (planned["name"], planned["model"], planned["revision"])
    now = (opened[0].name, opened[0].model, origin[2] if request.serve else opened[0].revision)
    if origin != now:
        raise UsageError(
            f"{request.folder} was made with {' '.join(origin)}; at hand is {' '.join(now)}",
            next=f"{_UPDATE}, or take another folder with -o DIR",
        )
    prompts = load_prompts(request.recipe.chain.prompts, request.recipe.chain.frames)
    with (
        console.interruptible("calls under way") as stopping,
        console.progress("annotate", todo.rows, quiet=request.quiet) as bar,
    ):
        chain_runner = ChainRunner(request.recipe, prompts, journal, origin, stopping)
        runner = Runner(
            todo, chain_runner, request.dataset.absolute(), prepared.fingerprint, opened, pool, bar, stopping,
            keep_going=request.keep_going,
        )  # fmt: skip
        runner.run()
        _keep_pace(journal, runner.clock.read(bar.done, len(opened), _gpus(request.recipe, opened), pool.workers))
        if stopping.is_set():
            raise Interrupted(
                f"stopped after {bar.done} of {todo.rows} rows; they are saved", next="run the same command again"
            )
        return 0 < bar.done == runner.bugs


def _keep_pace(journal: Journal, pace: RunPace) -> None:
    """The run with the most rows tells most about the next one."""
    before = journal.meta(META)
    if pace.rows and pace.rows >= (before or {"rows": 0})["rows"]:
        journal.set_meta(META, pace.as_json())


def _gpus(recipe: AnnotateRecipe, opened: Sequence[Backend]) -> int:
    """GPUs, or endpoints of a server, that answered; 0 without a model."""
    if recipe.backend.name in BLIND:
        return 0
    return sum(len(getattr(backend, "endpoints", "1")) for backend in {id(one): one for one in opened}.values())


def _origin(
    request: AnnotationRequest, before: ManifestRun | None, dry: bool
) -> tuple[tuple[str, str, str], MissingError | None]:
    """Backend, model and revision. A finished folder is planned again without its weights or its server.

    ``--update`` looks what is there now: a model may have another revision under the same name.
    """
    chosen, recorded = request.recipe.backend, None
    if before and before.asked == (chosen.name, chosen.model):
        known = before.identity["backend"]
        recorded = (known["name"], known["model"], known["revision"])
    if recorded and not request.update:
        return recorded, None
    try:
        if request.serve:
            serving.check_command(request.recipe)
            return recorded or (chosen.name, serving.model_of(request.recipe), ""), None  # told when it serves
        return backends.identify(request.recipe, request.endpoints), None
    except MissingError as error:
        if recorded:
            return recorded, None
        if not dry:
            raise
        return (chosen.name, chosen.model or "", ""), error


def _write_run(prepared: PreparedRun) -> None:
    request = prepared.request
    asked = SplitRule(request.split, request.recipe.chain.seed) if request.split else None
    with manifest_lock(request.folder):
        before = read_run(request.folder)
        run = ManifestRun(
            tbd=tbd.__version__,
            schema_version=SCHEMA_VERSION,
            dataset=_dataset_name(prepared.scan.clips),
            layout=prepared.scan.layout,
            root=request.origin or str(request.dataset.resolve()),
            fingerprint=prepared.fingerprint,
            asked=(request.recipe.backend.name, request.recipe.backend.model),
            identity=prepared.identity,
            recipe=request.recipe.model_dump(mode="json"),
            split=asked or (before.split if before else None),
            shards=added_shard(before, request.selection.shard, len(prepared.selection), prepared.part_of),
            part_of=prepared.part_of,
            versions=_versions(),
        )
        write_run(request.folder, run)


def _dataset_name(clips: Sequence[Clip]) -> str:
    return clips[0].dataset


def _versions() -> dict[str, str]:
    names = ("av", "facenet-pytorch", "pyarrow", "torch", "transformers")
    return {"python": platform.python_version()} | {name: version(name) for name in names}


def _duration(path: Path) -> float:
    from tbd.media.video import probe

    return probe(path).duration
