"""One clip, one pass: its ground truth and every video of it are decoded once and feed all metrics.

    frame stream -> feed (one transform) -> window -> subscription -> accumulator -> score
    the ground truth's windows pair with each video's, for metrics that compare frames

Memory is bounded by a few windows of 32 frames, however long the clip is. What the cache knows is not
computed again; when it knows everything, nothing is decoded. Half a minute of a long clip is the most that a kill costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from tbd.errors import TbdError
from tbd.evaluate.engine import cache
from tbd.evaluate.engine.clip import ClipContext
from tbd.evaluate.engine.clip_check import beside, check_group
from tbd.evaluate.engine.progress import ClipProgress
from tbd.evaluate.engine.requests import ScoreRequest
from tbd.evaluate.engine.scheduler import Scheduler
from tbd.evaluate.inputs.jobs import TRUTH, ClipJob, Comparison, MetricGroup, RunVideo, ScoreRow, Status, groups
from tbd.evaluate.metrics.base import ClipScore

LABELS = ("emotion", "level", "subject", "view")


@dataclass(frozen=True)
class _Asked:
    """What must be known of a video, and of the ground truth, for one group; None where it cannot be asked."""

    video: RunVideo
    group: MetricGroup
    own: ScoreRequest | None = None
    other: ScoreRequest | None = None


def score(job: ClipJob, store: cache.ClipCache) -> list[ScoreRow]:
    """Score all videos of a clip with all metrics: one row for each video and metric, in that order.

    What a clip lacks becomes the reason in its rows; only a failure of the machine (a full disk) raises.

    Raises:
        InputError, MissingError: the cache cannot be used.
    """
    context = ClipContext(job)
    asked = [_asked(context, video, group) for video in job.videos for group in groups(job.metrics)]
    checks = {
        video: _check(context, video) for video in job.videos if video.kind == "run" and not context.problem(video)
    }
    requests = [request for one in asked for request in (one.own, one.other) if request] + list(checks.values())
    unique = {request.key: request for request in requests}
    answers = _play(context, [request for key, request in unique.items() if not store.has(key)], store)
    if answers:
        store.note_clip(job.name, unique)
    found = {key: answers.get(key) or store.get(key) or ClipScore(None, 0, "not finished") for key in unique}
    return [row for one in asked for row in _rows(context, one, found, checks.get(one.video))]


def _asked(context: ClipContext, video: RunVideo, group: MetricGroup) -> _Asked:
    if context.problem(video) or (context.compared(group) and context.truth_problem):
        return _Asked(video, group)
    own = ScoreRequest(context.key(video, group), group, video)
    if group.compares != "sets":
        return _Asked(video, group, own)
    return _Asked(video, group, own, ScoreRequest(context.key(TRUTH, group, video), group, TRUTH, like=video))


def _check(context: ClipContext, video: RunVideo) -> ScoreRequest:
    group = check_group(context, video)
    return ScoreRequest(context.key(video, group), group, video)


def _play(context: ClipContext, requests: list[ScoreRequest], store: cache.ClipCache) -> dict[str, ClipScore]:
    """Decode once, answer all requests, and keep what depends on the files alone."""
    scheduler = Scheduler(context, ClipProgress(store))
    for request in requests:
        with request.guarded():
            scheduler.subscribe(request)
    if requests:
        with ThreadPoolExecutor(max(1, context.job.settings.threads)) as pool:
            scheduler.play(pool)
    answers = {request.key: _finished(context, request) for request in requests}
    store.put({request.key: answers[request.key] for request in requests if request.lasting})
    return answers


def _finished(context: ClipContext, request: ScoreRequest) -> ClipScore:
    score = request.finish()
    if request.group.lead.needs_audio and (problems := context.stream(request.video).sound_problems):
        score = replace(score, details=score.details | {"sound": "; ".join(problems)})
    if request.group.name != "clip check":
        return score
    damaged = [len(context.stream(request.video).damaged)]
    damaged += [len(context.truth.damaged)] if request.pair else []
    return replace(score, details=score.details | {"damaged": damaged}) if any(damaged) else score


def _rows(
    context: ClipContext, asked: _Asked, found: Mapping[str, ClipScore], check: ScoreRequest | None
) -> Iterator[ScoreRow]:
    video, group, own, other = asked.video, asked.group, asked.own, asked.other
    base = _base(context, video, found.get(check.key) if check else None)
    if own is None:
        problem = context.problem(video)
        status: Status = "unreadable" if problem and video.kind == "run" else "failed"
        nothing = ClipScore(None, 0, problem or f"no ground truth: {context.truth_problem}")
        yield from (
            ScoreRow(protocol=metric.protocol, score=nothing, status=status, **base) for metric in group.metrics
        )
        return
    behind = f"ground truth: {found[other.key].reason}" if other and found[other.key].reason else ""
    base["comparison"] = _shown(context, asked, base["comparison"], str(found[own.key].details.get("sound", "")))
    for metric in group.metrics:
        read = metric.read(found[own.key])
        reason = read.reason or behind
        score = ClipScore(None if reason else read.value, read.n, reason, read.details)
        keys = ("", "") if reason else (own.key, other.key if other else "")
        yield ScoreRow(
            protocol=metric.protocol, score=score, status="failed" if reason else "ok",
            key=keys[0], reference_key=keys[1], **base,
        )  # fmt: skip


def _base(context: ClipContext, video: RunVideo, check: ClipScore | None) -> dict[str, Any]:
    """What all rows of a video have in common."""
    truth, row = context.job.truth, context.job.truth.row or {}
    comparison, note = context.comparison(video)
    return {
        "name": video.name,
        "kind": video.kind,
        "clip_id": context.job.clip_id,
        "note": note,
        "comparison": beside(comparison, check),
        "video": video.file,
        "reference": truth.file,
        "reference_content": context.truth_content,
        "labels": {name: value for name in LABELS if (value := row.get(name)) is not None},
    }


def _shown(context: ClipContext, asked: _Asked, comparison: Comparison, sound: str) -> Comparison:
    """A comparison with the size of the pictures and the number of frames that a group was shown, and what it heard."""
    comparison = replace(comparison, damage="; ".join(filter(None, [comparison.damage, sound])))
    try:
        width, height = context.transform(asked.video, asked.group).size
        pair = asked.group.compares == "frames"
        count = len(context.frames_compared(asked.video)[0]) if pair else comparison.frames
    except TbdError:
        return comparison
    return replace(comparison, scored_width=width, scored_height=height, compared=count)
