"""``tbd annotate --dry-run``: what was found, what would be done, what it would cost."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tbd.annotate import plan
from tbd.annotate.journal import Journal
from tbd.annotate.recipe import BLIND, money
from tbd.annotate.run import PreparedRun
from tbd.annotate.steps import STEPS, load_prompts
from tbd.console import human_seconds
from tbd.selection import listed

IMAGE_TOKENS = 324
"""Tokens of the canonical crop for Qwen2-VL and Qwen2.5-VL: (504 / 28)²."""

CHARACTERS_A_TOKEN = 4.2
"""Measured on English prose with Qwen's vocabulary; only for estimates."""


def headline(prepared: PreparedRun) -> list[str]:
    """What was found and selected, in a few lines."""
    found, todo = prepared.scan, prepared.plan
    where = ",".join(f"{key}={value}" for key, value in prepared.where.items())
    lines = [
        f"{found.layout}: {len(found.clips)} clips in {prepared.request.dataset}",
        f"selected {todo.selected}{f' ({where})' if where else ''}; done {todo.done}",
        f"to do: {todo.rows} rows from {len(todo.groups)} chains -> {prepared.request.folder}",
    ]
    if gone := _left_out(prepared):
        lines.append(gone)
    if todo.reasons:
        lines.append("why: " + ", ".join(f"{count} {reason}" for reason, count in todo.reasons.items()))
    lines += [f"note: {note}" for note in found.notes]
    if todo.gone:
        folder = prepared.request.folder
        lines.append(
            f"note: {todo.gone} rows are of clips that left the data set: tbd manifest prune {folder} drops them"
        )
    lines += [f"recipe changed: {change}" for change in prepared.changes]
    if missing := prepared.missing:
        lines.append(
            f"note: still missing for the run: {missing.message}"
            + (f"\n  next: {missing.next}" if missing.next else "")
        )
    return lines + [f"problem: {problem}" for problem in found.problems[:5]] + _more(len(found.problems) - 5)


def _left_out(prepared: PreparedRun) -> str:
    """People whom the selection leaves without any clip: with MEAD's front camera, those filmed from elsewhere only."""
    kept = {clip.subject for clip in prepared.selection}
    lost = sorted({clip.subject for clip in prepared.scan.clips} - kept)
    if not lost or not prepared.where or any((prepared.request.selection.clips, prepared.request.selection.limit)):
        return ""
    views = Counter(clip.view for clip in prepared.scan.clips if clip.subject in lost and clip.view)
    seen = f" (they have {', '.join(sorted(views))})" if views else ""
    return f"left out whole: {listed(lost, 8)}{seen}; --where view=* takes every view"


def describe(prepared: PreparedRun) -> dict[str, Any]:
    """The dry run as one document."""
    todo = prepared.plan
    return {
        "layout": prepared.scan.layout,
        "found": len(prepared.scan.clips),
        "selected": todo.selected,
        "done": todo.done,
        "rows": todo.rows,
        "chains": len(todo.groups),
        "reasons": dict(todo.reasons),
        "output": str(prepared.request.folder),
        "where": dict(prepared.where),
        "fingerprint": prepared.fingerprint,
        "changes": list(prepared.changes),
        "problems": [str(problem) for problem in prepared.scan.problems],
        "notes": list(prepared.scan.notes),
        "missing": prepared.missing.as_json()["error"] if prepared.missing else None,
        "emotions": dict(Counter(clip.emotion or "unknown" for clip in prepared.selection)),
        "estimate": _estimate(prepared),
        "conversation": _conversation(prepared),
    }


def words(prepared: PreparedRun, description: dict[str, Any]) -> list[str]:
    """The dry run for people."""
    estimate = description["estimate"]
    lines = headline(prepared)
    if estimate["new_tokens"]:
        lines.append(
            f"estimate: {estimate['prompt_tokens']:,} prompt tokens ({estimate['computed_tokens']:,} computed, the rest "
            f"from the cache), at most {estimate['new_tokens']:,} new ones; time: {estimate['time']}"
            + (f"; at most {estimate['money']:.2f} in money" if estimate["money"] else "")
        )
    else:
        lines.append("estimate: no model is asked")
    for turn in description["conversation"]:
        lines += ["", f"--- {turn['role']}", turn["text"]]
    return [*lines, "", "dry run: nothing was written"]


def _estimate(prepared: PreparedRun) -> dict[str, Any]:
    """Token sums from the prompts' lengths, and time from what this folder's journal has measured."""
    recipe, chains = prepared.request.recipe, len(prepared.plan.groups)
    steps = STEPS[recipe.chain.mode] if recipe.backend.name not in BLIND else ()
    asked = [round(len(turn["text"]) / CHARACTERS_A_TOKEN) for turn in _conversation(prepared)]
    budgets = recipe.chain.max_tokens if len(steps) == 4 else recipe.chain.max_tokens[-1:] if steps else ()
    whole = computed = before = 0
    for question, budget in zip(asked[1:], budgets, strict=False):
        fresh = question + (0 if before else asked[0] + IMAGE_TOKENS * recipe.chain.frames)
        whole, computed, before = whole + before + fresh, computed + fresh, before + fresh + budget
    return {
        "prompt_tokens": whole * chains,
        "computed_tokens": computed * chains,
        "new_tokens": sum(budgets) * chains,
        "money": money(recipe.server.price, whole * chains, sum(budgets) * chains),
        "time": _time(prepared, chains),
    }


def _time(prepared: PreparedRun, chains: int) -> str:
    if not chains:
        return "nothing to do"
    folder = prepared.request.folder
    if (folder / "journal.sqlite").is_file():
        with Journal(folder, read_only=True) as journal:
            costs, rows = journal.costs(), journal.count("row")
        if rows and costs["seconds"]:
            return f"about {human_seconds(costs['seconds'] / rows * chains)} of model time, as measured in this folder"
    return "unknown until a pilot has run here (--limit 20)"


def _conversation(prepared: PreparedRun) -> list[dict[str, str]]:
    clips = [group.todo[0] for group in prepared.plan.groups[:1]] or list(prepared.selection[:1])
    if not clips:
        return []
    recipe = prepared.request.recipe
    frames = 1 if recipe.backend.name in BLIND else recipe.chain.frames
    prompts = load_prompts(recipe.chain.prompts, frames)
    topic = plan.chain_topic(clips[0], recipe)
    turns = [{"role": "system", "text": prompts.system()}]
    for index, step in enumerate(STEPS[topic.mode]):
        picture = _picture(frames) if index == 0 else ""
        turns.append({"role": f"user, {step}", "text": picture + prompts.question(step, topic, frames)})
    return turns


def _picture(frames: int) -> str:
    if frames > 1:
        return f"[{frames} canonical crops, spread over the clip]\n"
    return "[the canonical crop of the reference frame]\n"


def _more(count: int) -> list[str]:
    return [f"problem: … and {count} more"] if count > 0 else []
