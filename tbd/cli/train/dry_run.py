"""``--dry-run`` of ``tbd train stage1`` and ``stage2``: what a run would take."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tbd.console import document, out, say

if TYPE_CHECKING:
    from tbd.train.clips import TrainingClips
    from tbd.train.request import TrainingRequest


def tell_plan(request: TrainingRequest, clips: TrainingClips, json: bool) -> int:
    """Clips, steps, weights, and gigabytes and hours as far as they are known.

    Returns:
        The exit code.

    Raises:
        InputError: the run itself would be refused.
    """
    from tbd.train.beginning import find_beginning
    from tbd.train.launch import launched_share
    from tbd.train.recipe import stage_settings
    from tbd.train.run_needs import run_needs

    recipe, hardware, stage = request.recipe, request.recipe.hardware, request.stage
    begun, share = find_beginning(request, clips, dry=True), launched_share(os.environ)
    for line in (*begun.changes, *begun.notes):
        say(line)
    if begun.before and begun.resumed:
        say(f"would go on at step {begun.step} ({begun.before.path})")
    needs = run_needs(recipe, stage, processes=share.here, card=request.device != "cpu")
    hours, why = _hours(request, begun.step)
    summary: dict[str, Any] = {
        "train": len(clips.train),
        "validation": len(clips.validation),
        "left_out": {reason: len(rows) for reason, rows in clips.left_out.items()},
        "steps": stage_settings(recipe, stage).steps,
        "steps_done": begun.step,
        "samples_a_step": hardware.batch * hardware.accumulate * share.world,
        "parameters": needs.weights,
        "learning": needs.learning,
        "checkpoint_gb": round(needs.checkpoint / 1e9, 3),
        "disk_gb": round(needs.disk / 1e9, 3),
        "host_gb": round(needs.host / 1e9, 3),
        "hours": hours,
        "cache": str(request.cache) if request.cache else None,
        "output": str(request.output),
    }
    if json:
        document(summary)
    else:
        out("\n".join(f"{key:16}{value}" for key, value in (summary | {"hours": why}).items()))
    return 0


def _hours(request: TrainingRequest, done: int) -> tuple[float | None, str]:
    """Hours of the steps that are left, and the same in words."""
    from tbd.train.known_pace import known_pace
    from tbd.train.recipe import stage_settings

    pace = known_pace(request.recipe, request.stage, device=request.device)
    if pace is None:
        preset = f" --gpu-memory {request.gpu_memory}" if request.gpu_memory else ""
        return None, f"not known; tbd train bench{preset} measures, with the same recipe"
    left = max(0, stage_settings(request.recipe, request.stage).steps - done)
    hours = left / pace.steps_per_second / 3600
    return round(hours, 3), f"{hours:.3g} for the steps alone, at {pace.steps_per_second:.3g} a second ({pace.device})"
