"""The clips of one run in the page: a line a clip with its numbers, or why there are none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from tbd.evaluate.inputs.jobs import ScoreRow
from tbd.evaluate.outputs.scoreboard import number, title

MOST = 200
"""Lines of the table; all rows are in ``clips.parquet``."""


def table(rows: Sequence[ScoreRow], keys: Sequence[str]) -> str:
    """HTML, clips with a problem first.

    Args:
        rows: of one run.
        keys: of the metrics that have a column; those without a value a clip (FID …) get none.
    """
    clips: dict[str, dict[str, ScoreRow]] = {}
    for row in rows:
        clips.setdefault(row.clip_id, {})[row.protocol.partition("@")[0]] = row
    shown = [key for key in keys if any(one[key].score.value is not None for one in clips.values() if key in one)]
    order = sorted(clips, key=lambda clip: (not _reasons(clips[clip]), clip))
    heads = "".join(f"<th>{escape(title(key))}</th>" for key in shown)
    body = "".join(_line(clip, clips[clip], shown) for clip in order[:MOST])
    left = len(order) - MOST
    more = f"<p class=small>and {left} more, in clips.parquet</p>" if left > 0 else ""
    head = f"<thead><tr><th></th>{heads}</tr></thead>"
    return f"<div class=wide><table>{head}<tbody>{body}</tbody></table></div>{more}"


def _line(clip: str, found: dict[str, ScoreRow], keys: Sequence[str]) -> str:
    cells = "".join(f"<td>{number(found[key].score.value) if key in found else '–'}</td>" for key in keys)
    reasons = "".join(f"<small class=warn>{escape(reason)}</small>" for reason in _reasons(found))
    name = re.sub(r"(?<=[_/#-])", "<wbr>", escape(clip))  # where a long name may be broken
    return f"<tr class=clip><th>{name}{reasons}</th>{cells}</tr>"


def _reasons(found: dict[str, ScoreRow]) -> list[str]:
    """Each reason once, with the metrics that it concerns unless it concerns all."""
    reasons: dict[str, list[str]] = {}
    for key, row in found.items():
        if row.score.reason:
            reasons.setdefault(row.score.reason, []).append(title(key))
    return [
        reason if len(titles) == len(found) else f"{', '.join(titles)}: {reason}" for reason, titles in reasons.items()
    ]
