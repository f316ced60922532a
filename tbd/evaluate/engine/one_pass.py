"""One clip, one pass: its ground truth and every video of it are decoded once and feed all metrics.

    truth reel --shots--> pairs with each take's shots --> metrics that compare frames
         \\--shots--> metrics that look at one video      (the truth is an anchor, and one half of FID)
    take reels --shots--> the same, for each run

Memory is bounded by a few shots of 32 frames, however long the clip is. What the cache knows is not
computed again; when it knows everything, nothing is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from tbd.evaluate.engine import cache
from tbd.evaluate.engine.clip import Scene
from tbd.evaluate.engine.scheduler import Question, Table, Work
from tbd.evaluate.inputs.jobs import Group, Job, Scored, Status, Take, groups
from tbd.evaluate.metrics.base import ClipScore


def score(job: Job, store: cache.Store) -> list[Scored]:
    """Score all takes of a clip with all metrics: one ``Scored`` for each take and metric, in that order.

    What a clip lacks becomes the reason in its rows; only a failure of the machine (a full disk) raises.

    Raises:
        InputError, MissingError: the cache cannot be used.
    """
    scene = Scene(job, store)
    asked = [(take, group, *_questions(scene, take, group)) for take in job.takes for group in groups(job.metrics)]
    wanted = {question.key: question for *_, own, other in asked for question in (own, other) if question}
    works = _play(scene, [question for key, question in wanted.items() if not store.has(key)])
    answers = {work.question.key: work.finish() for work in works}
    store.put({work.question.key: answers[work.question.key] for work in works if work.lasting})
    found = {key: store.get(key) or answers[key] for key in wanted}
    return [row for take, group, own, other in asked for row in _rows(scene, take, group, own, other, found)]


def _questions(scene: Scene, take: Take, group: Group) -> tuple[Question | None, Question | None]:
    """What must be known of the video, and of the ground truth, for one group; None where it cannot be asked."""
    view, pair = scene.view(take, group), group.compares == "frames"
    if scene.problem(take) or (view.compared and scene.truth_problem):
        return None, None
    own = Question(scene.key(take, group, view, pair), group, take, view, pair)
    if group.compares != "sets":
        return own, None
    under = replace(view, like=take)
    return own, Question(scene.key(BEHIND, group, under, False), group, BEHIND, under, False)


BEHIND = Take("ground truth", "truth")
"""The ground truth itself, as one half of metrics that compare sets."""


def _play(scene: Scene, questions: list[Question]) -> list[Work]:
    """Decode once and answer all questions."""
    table, works = Table(scene), [Work(question) for question in questions]
    for work in works:
        with work.guarded():
            table.seat(work)
    if works:
        with ThreadPoolExecutor(max(1, scene.job.settings.threads)) as pool:
            table.play(pool)
    return works


def _rows(
    scene: Scene, take: Take, group: Group, own: Question | None, other: Question | None, found: Mapping[str, ClipScore]
) -> Iterator[Scored]:
    base = {"name": take.name, "kind": take.kind, "clip_id": scene.job.clip_id, **scene.facts(take)}
    if own is None:
        problem = scene.problem(take)
        status: Status = "unreadable" if problem and take.kind == "run" else "failed"
        nothing = ClipScore(None, 0, problem or f"no ground truth: {scene.truth_problem}")
        yield from (Scored(protocol=metric.protocol, score=nothing, status=status, **base) for metric in group.metrics)
        return
    behind = f"ground truth: {found[other.key].reason}" if other and found[other.key].reason else ""
    for metric in group.metrics:
        read = metric.read(found[own.key])
        reason = read.reason or behind
        score = ClipScore(None if reason else read.value, read.n, reason, read.details)
        keys = ("", "") if reason else (own.key, other.key if other else "")
        yield Scored(
            protocol=metric.protocol, score=score, status="failed" if reason else "ok",
            key=keys[0], reference_key=keys[1], **base,
        )  # fmt: skip
