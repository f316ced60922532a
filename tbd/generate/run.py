"""A split of a manifest into a run folder: ``videos/{clip_id}.mp4`` and ``run.json``. The same command goes on."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from tbd import __version__, workspace
from tbd import recipe as recipes
from tbd.clip_failures import why_failed
from tbd.errors import InputError
from tbd.generate.clips import ClipRequest, RenderJob
from tbd.generate.recipe import GenerateRecipe
from tbd.generate.render import RenderedVideo, fit_prompts, render_video
from tbd.generate.windows import padded_length
from tbd.media.recorded import recorded_details

if TYPE_CHECKING:
    from tbd.generate.pipeline import TalkingHeadPipeline
    from tbd.model.recipe import Guidance

RUN, VIDEOS, FAILED = "run.json", "videos", "failed"


@dataclass(frozen=True)
class RunRecord:
    """``run.json``: what made the videos of a folder; ``tbd eval`` reads ``manifest`` and ``split``.

    Attributes:
        manifest, split: what was rendered.
        checkpoint: path, and sha256 of its weights.
        recipe: what a result depends on, resolved.
        guidance: of the prompt levels, resolved.
        versions: of tbd, torch and diffusers.
    """

    # A later tbd may record more of what must not change: its folders are not gone on with.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    manifest: str
    split: str
    checkpoint: dict[str, str]
    recipe: dict[str, Any]
    guidance: dict[str, Any]
    versions: dict[str, str]

    @property
    def manifest_name(self) -> str:
        """Name of the manifest's folder, wherever the project lies; empty where the record does not tell (``.``)."""
        path = Path(self.manifest)
        name = (path.parent if path.suffix == ".parquet" else path).name
        return "" if name == ".." else name

    def essence(self) -> dict[str, Any]:
        """What must not change while a folder fills."""
        return {
            "weights": self.checkpoint["sha256"], "split": self.split, "recipe": self.recipe, "guidance": self.guidance
        }  # fmt: skip


@dataclass
class RunSummary:
    """What became of a run.

    Attributes:
        rendered: videos that were made now.
        kept: videos that were there already.
        failed: clip_id -> why.
        notes: what a person should know.
        drifted: clips whose motion frames the drift guard corrected.
        stopped: somebody asked to stop.
    """

    rendered: int = 0
    kept: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    drifted: list[str] = field(default_factory=list)
    stopped: bool = False


def make_record(
    request: ClipRequest, guidance: Guidance, checkpoint: dict[str, str], recipe: GenerateRecipe
) -> RunRecord:
    """The record of a run, whose prompt levels are guided as ``guidance`` says."""
    import diffusers
    import torch

    versions = {"tbd": __version__, "torch": torch.__version__, "diffusers": diffusers.__version__}
    sampler = json.loads(json.dumps(asdict(recipe.sampling().preset)))  # as a file holds it: no tuples
    return RunRecord(
        str(request.manifest), request.split, checkpoint, recipes.essence(recipe) | {"sampler": sampler},
        guidance.model_dump(mode="json"), versions,
    )  # fmt: skip


def settled_recipe(folder: Path, recipe: GenerateRecipe, devices: Sequence[str]) -> GenerateRecipe:
    """The recipe of a run with ``precision = auto`` as its folder was begun, else as these devices work.

    Args:
        devices: none where they are not known yet; ``auto`` then stays in a fresh folder.

    Raises:
        InputError: the folder's record cannot be read.
    """
    found = recorded_run(folder)
    begun = found.recipe.get("precision", "auto") if found else "auto"
    if recipe.precision == "auto" and begun != "auto":
        return recipe.model_copy(update={"precision": begun})
    return recipe.settled(devices) if devices else recipe


def recorded_run(folder: Path) -> RunRecord | None:
    """The record of a run folder; None where it has none.

    Raises:
        InputError: it cannot be read.
    """
    file = folder / RUN
    if not file.is_file():
        return None
    try:
        found = TypeAdapter(RunRecord).validate_json(file.read_bytes())
        found.essence()
    except (OSError, ValidationError, KeyError) as error:
        why = _mistake(error)
        raise InputError(f"{file}: not the record of a run ({why})", next=f"another folder than {folder}") from None
    return found


def _mistake(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return ": ".join([*map(str, first["loc"]), first["msg"]])
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)


def open_run(folder: Path, record: RunRecord) -> None:
    """Begin a run folder, or go on in one.

    Raises:
        InputError: it holds videos that were made otherwise, or of another manifest.
    """
    found = recorded_run(folder)
    if found is None:
        workspace.write_json(folder / RUN, asdict(record))
        return
    before, now = found.manifest_name, record.manifest_name
    if before and now and before != now:
        raise InputError(
            f"{folder}: its videos are of the manifest {found.manifest}, not of {record.manifest}",
            next="another folder with -o runs/NAME",
        )
    older = found.recipe.get("precision") == "auto"  # as tbd 0.2.0 wrote it: nobody knows what it meant there
    known = replace(found, recipe=found.recipe | {"precision": record.recipe["precision"]}) if older else found
    if changed := recipes.difference(known.essence(), record.essence()):
        raise InputError(
            f"{folder}: its videos were made otherwise\n" + "\n".join(f"  {line}" for line in changed),
            next="another folder with -o runs/NAME",
        )
    if known != found:
        workspace.write_json(folder / RUN, asdict(known))


def pending_jobs(folder: Path, jobs: Sequence[RenderJob], record: RunRecord) -> Iterator[RenderJob]:
    """The jobs whose video is not there yet, or was made of other prompts, media, windows, crops or settings."""
    for job in jobs:
        made = recorded_details(folder / VIDEOS / f"{job.clip_id}.mp4").get("digest")
        if made is None or made != _digest_if_readable(job, record):
            yield job


def _digest_if_readable(job: RenderJob, record: RunRecord) -> str | None:
    try:
        return job_digest(job, record)
    except InputError:  # rendering it will say what is wrong
        return None


def job_digest(job: RenderJob, record: RunRecord) -> str:
    """Changes whenever a job's video would, and not with where the media lie.

    Raises:
        InputError: a file of the job cannot be read.
    """
    return recipes.digest([job.clip_id, job.prompts, job.source(), job.content(), job.seed, record.essence()])


def render_jobs(
    pipes: Sequence[TalkingHeadPipeline],
    folder: Path,
    jobs: Sequence[RenderJob],
    record: RunRecord,
    recipe: GenerateRecipe,
    *,
    told: Told | None = None,
    stopping: threading.Event | None = None,
) -> RunSummary:
    """Render what is missing. A clip that fails is recorded in ``failed/`` and never ends the run; a full disk does.

    Args:
        pipes: the same pipeline on each device; every clip goes to one that is free, which changes nothing of it.
        folder: of the run.
        jobs: all of them.
        record: of ``make_record``.
        recipe: how.
        told: hears of every finished job, and why it failed or an empty text.
        stopping: once set, the videos under way are finished and no other begun.

    Raises:
        MissingError: the disk is full.
    """
    missing, stopping = list(pending_jobs(folder, jobs, record)), stopping or threading.Event()
    rendered = _rendered(pipes, missing, lambda pipe, job: _render(pipe, folder, job, record, recipe), stopping)
    return summarise(folder, len(jobs) - len(missing), rendered, told)


def summarise(
    folder: Path, kept: int, rendered: Iterable[tuple[RenderJob, Rendered | None]], told: Told | None
) -> RunSummary:
    """What became of the jobs that were not kept, as they come; failures are recorded in ``failed/``."""
    summary = RunSummary(kept=kept)
    for job, done in rendered:
        if done is None:
            summary.stopped = True
            continue
        failure = done if isinstance(done, str) else ""
        _keep_failure(folder / FAILED / f"{job.clip_id}.txt", failure)
        if isinstance(done, str):
            summary.failed[job.clip_id] = failure
        else:
            summary.rendered += 1
            summary.notes += [f"{job.clip_id}: {note}" for note in done[1]]
            summary.drifted += [job.clip_id] * bool(done[0].corrected)
        if told is not None:
            told(job, failure)
    return summary


Rendered = tuple[RenderedVideo, list[str]] | str
"""A video and what was cut from its prompts, or why there is none."""
Told = Callable[[RenderJob, str], None]
"""Hears of every finished job, and why it failed or an empty text."""


def _rendered(
    pipes: Sequence[TalkingHeadPipeline],
    jobs: Sequence[RenderJob],
    render: Callable[[TalkingHeadPipeline, RenderJob], Rendered],
    stopping: threading.Event,
) -> Iterator[tuple[RenderJob, Rendered | None]]:
    """The jobs in their order, each with what became of it; None where it was not begun."""
    free: queue.SimpleQueue[TalkingHeadPipeline] = queue.SimpleQueue()
    for pipe in pipes:
        free.put(pipe)

    def one(job: RenderJob) -> Rendered | None:
        pipe = free.get()
        try:
            return None if stopping.is_set() else render(pipe, job)
        finally:
            free.put(pipe)

    with ThreadPoolExecutor(len(pipes)) as pool:
        yield from zip(jobs, pool.map(one, jobs), strict=True)


def _render(
    pipe: TalkingHeadPipeline, folder: Path, job: RenderJob, record: RunRecord, recipe: GenerateRecipe
) -> Rendered:
    try:
        return render_job(pipe, folder / VIDEOS / f"{job.clip_id}.mp4", job, record, recipe)
    except Exception as error:  # noqa: BLE001 (the boundary of one clip)
        return why_failed(error, job.clip_id, "render", folder)


def render_job(
    pipe: TalkingHeadPipeline, path: Path, job: RenderJob, record: RunRecord, recipe: GenerateRecipe
) -> tuple[RenderedVideo, list[str]]:
    """Render one job to a file, with all that it was made of in its metadata.

    Returns:
        The video, and what was cut from its prompts.

    Raises:
        InputError: it cannot be rendered.
        MissingError: the disk is full.
    """
    if job.problem or job.speech is None:
        raise InputError(job.problem or "no clip")
    prompts, cut = fit_prompts(job.prompts, hearing_chunks(pipe, recipe))
    details = {"clip_id": job.clip_id, "prompts": prompts, "digest": job_digest(job, record)}
    done = render_video(
        pipe, path, job.picture(), job.speech.audio(), prompts,
        sampling=recipe.sampling(), seed=job.seed, details=details | job.source() | record.essence(),
    )  # fmt: skip
    return done, cut


def _keep_failure(file: Path, why: str) -> None:
    if why:
        workspace.write_text(file, why + "\n")
    else:
        file.unlink(missing_ok=True)


def hearing_chunks(pipe: TalkingHeadPipeline, recipe: GenerateRecipe) -> int:
    """Chunks of 75 tokens that each prompt gets."""
    guidance = recipe.guidance or pipe.recipe.guidance
    return pipe.recipe.model_copy(update={"guidance": guidance}).chunks


def network_calls(pipe: TalkingHeadPipeline, recipe: GenerateRecipe, frames: Sequence[int]) -> int:
    """How often the network will be asked for a window, over all clips."""
    sampling, length = recipe.sampling(), int(pipe.settings.frames)
    scales, steps = sampling.scales_within(), sampling.preset.steps
    calls = sum(len(scales.branches(step / steps)) for step in range(steps))
    return calls * sum(padded_length(count, length) // length for count in frames)


def seconds_a_call(pipe: TalkingHeadPipeline) -> float:
    """Seconds that the network takes for one window on this device, measured: the least of three."""
    import numpy as np

    from tbd.generate.guidance_scales import GuidanceScales
    from tbd.generate.pipeline import Sampling
    from tbd.generate.sampler_presets import SamplerPreset

    size, length = pipe.settings.size, pipe.settings.frames
    sampling = Sampling(SamplerPreset("probe", "DDIMScheduler", 2), GuidanceScales(1, 1, 1))
    words, taken = ["x"] * pipe.recipe.guidance.k, []
    sound = np.zeros(round(length / pipe.clip_rule.fps * 16_000), np.float32)
    for _ in range(3):
        started = time.perf_counter()
        next(iter(pipe.stream_latents(np.zeros((size, size, 3), np.uint8), sound, words, sampling=sampling)))
        taken.append((time.perf_counter() - started) / 2)
    return min(taken)
