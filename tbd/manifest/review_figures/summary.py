"""Everything that a report says about the review of one manifest, as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from tbd.manifest import reviews
from tbd.manifest.curation import curation
from tbd.manifest.decision_log import opened_log
from tbd.manifest.reader import read_manifest
from tbd.manifest.review_figures.agreement import agreement_in
from tbd.manifest.review_figures.audit import audit_in


def summary(folder: str | Path) -> dict[str, Any] | None:
    """How the review stands, for ``report.json``; None when nobody has reviewed yet.

    Returns:
        JSON-ready. ``queues``: flagged and clean -> rows, decided. ``decisions``: reviewer -> action ->
        clips, with the median ``seconds`` a card took. ``seconds``: median over all cards. ``agreement``,
        ``audit`` and ``curation`` as the dataclasses of those modules.

    Raises:
        InputError: no manifest, or a damaged store.
    """
    with opened_log(folder) as log:
        if not log.last:
            return None
        standing = [event for clip_id in log.judged() for event in log.standing(clip_id)]
        names = sorted({event.reviewer for event in standing})
        return {
            "queues": _queues(log.rows.file),
            "decisions": {name: _of([event for event in standing if event.reviewer == name]) for name in names},
            "seconds": _seconds(standing),
            "agreement": asdict(agreement_in(log)),
            "audit": asdict(audit_in(log)),
            "curation": curation(log.rows.file).counts,
        }


def _queues(file: Path) -> dict[str, dict[str, int]]:
    found = {name: {"rows": 0, "decided": 0} for name in ("flagged", "clean")}
    groups = read_manifest(file, ["needs_review", "review_status"]).group_by(["needs_review", "review_status"])
    for group in groups.aggregate([([], "count_all")]).to_pylist():
        queue = found["flagged" if group["needs_review"] else "clean"]
        queue["rows"] += group["count_all"]
        queue["decided"] += group["count_all"] * (group["review_status"] != "unreviewed")
    return found


def _of(events: Sequence[reviews.Event]) -> dict[str, Any]:
    counts = Counter(str(event.action) for event in events)
    return {name: counts[name] for name in ("accept", "edit", "reject")} | {"seconds": _seconds(events)}


def _seconds(events: Sequence[reviews.Event]) -> float | None:
    """The median card; the clips of one card took the time once, and a bulk took none."""
    cards = {event.batch or event.id: event.seconds for event in events if event.seconds}
    return round(median(cards.values()), 1) if cards else None
