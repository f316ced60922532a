"""The clips of one run in the page: a line a clip with its numbers, or why there are none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tbd.evaluate.inputs.jobs import ScoreRow
from tbd.evaluate.outputs.scoreboard import number, title

MOST = 200
"""Lines of the table; all rows are in ``clips.parquet``."""


def clip_table(run: Mapping[str, Any], rows: Sequence[ScoreRow], keys: Sequence[str]) -> dict[str, Any]:
    """What ``clips.html`` shows, clips with a problem first.

    Args:
        run: of ``scores.json``.
        rows: of this run.
        keys: of the metrics that have a column; those without a value a clip (FID …) get none.
    """
    clips: dict[str, dict[str, ScoreRow]] = {}
    for row in rows:
        clips.setdefault(row.clip_id, {})[row.protocol.partition("@")[0]] = row
    shown = [key for key in keys if any(one[key].score.value is not None for one in clips.values() if key in one)]
    order = sorted(clips, key=lambda clip: (not _reasons(clips[clip]), clip))
    lines = [
        {
            "name": re.split(r"(?<=[_/#-])", clip),  # where a long name may be broken
            "reasons": _reasons(clips[clip]),
            "cells": [number(clips[clip][key].score.value) if key in clips[clip] else "–" for key in shown],
        }
        for clip in order[:MOST]
    ]
    return {
        "name": run["name"], "matched": run["clips"]["matched"], "expected": run["clips"]["expected"],
        "heads": [title(key) for key in shown], "lines": lines, "left": len(order) - MOST,
        "problems": any(row.status != "ok" for row in rows),
    }  # fmt: skip


def _reasons(found: Mapping[str, ScoreRow]) -> list[str]:
    """Each reason once, with the metrics that it concerns unless it concerns all."""
    reasons: dict[str, list[str]] = {}
    for key, row in found.items():
        if row.score.reason:
            reasons.setdefault(row.score.reason, []).append(title(key))
    return [
        reason if len(titles) == len(found) else f"{', '.join(titles)}: {reason}" for reason, titles in reasons.items()
    ]
