"""``report.json`` and ``report.md``: how a manifest stands, as data and for people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tbd import workspace
from tbd.manifest.markdown import report_markdown
from tbd.manifest.prompt_levels import CLIP_LIMIT
from tbd.manifest.reader import locate_manifest, read_manifest
from tbd.manifest.run import rule_notes
from tbd.manifest.split import SPLIT_COLUMNS, split_overlaps
from tbd.schema import EMOTIONS

_BIN = 10
"""Tokens in one bar of the token histogram."""
_TOP = 10
"""Of reasons of failures, and of prompts that several chains share, the commonest are named."""
_COLUMNS = (
    *("status", "flags", "level", "mode", "chain_id", "action_units", "coarse_tokens", "fine_tokens"),
    *("coarse_prompt", "fine_prompt", "needs_review", "review_status", "reviewers", "approved", "split", "error"),
    *SPLIT_COLUMNS,
)


def manifest_report(
    path: str | Path, costs: Mapping[str, float] | None = None, people: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Count a manifest.

    Args:
        path: a manifest folder or its Parquet file.
        costs: sums over the journal: ``replies prompt_tokens cached_tokens completion_tokens seconds attempts``.
        people: ``tbd.review.summary.summary``: decisions, agreement, and how good the gates are.

    Returns:
        JSON-ready: ``rows notes status errors flags split overlaps review emotions action_units tokens
        duplicates costs people``. ``action_units`` is emotion -> level -> unit -> share of the clips, 0 to 1.
    """
    table = read_manifest(path, list(dict.fromkeys(_COLUMNS)))
    return {
        "rows": len(table),
        "notes": rule_notes(locate_manifest(path).parent),
        "status": _counts(table["status"]),
        "errors": dict(list(_counts(table["error"].drop_null()).items())[:_TOP]),
        "flags": _counts(pc.list_flatten(table["flags"])),
        "split": _counts(table["split"].fill_null("none")),
        "overlaps": _overlaps(table),
        "review": _review(table),
        "emotions": _emotions(table),
        "action_units": _action_units(table),
        "tokens": {name: _tokens(table[f"{name}_tokens"]) for name in ("coarse", "fine")},
        "duplicates": _duplicates(table),
        "costs": _costs(costs, len(table)),
        "people": people,
    }


def write_report(
    folder: Path, costs: Mapping[str, float] | None = None, people: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Write ``report.json`` and ``report.md`` beside the manifest and return the data of ``report``."""
    found = manifest_report(folder, costs, people)
    target = locate_manifest(folder).parent
    workspace.write_json(target / "report.json", found)
    workspace.write_text(target / "report.md", report_markdown(found, target.name))
    return found


def _counts(column: Any) -> dict[str, int]:
    """Value -> how often, the commonest first."""
    pairs = [(pair["values"], pair["counts"]) for pair in column.value_counts().to_pylist()]
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def _overlaps(table: pa.Table) -> dict[str, str]:
    """In words; empty where the rows have no two sides."""
    split = {"train", "test"} <= set(table["split"].unique().to_pylist())
    return {respect: str(overlap) for respect, overlap in split_overlaps(table).items()} if split else {}


def _review(table: pa.Table) -> dict[str, Any]:
    needed = table["needs_review"]
    waiting = pc.and_(needed, pc.equal(table["review_status"], "unreviewed"))
    return {
        "needs_review": pc.sum(needed).as_py() or 0,
        "waiting": pc.sum(waiting).as_py() or 0,
        "approved": pc.sum(table["approved"]).as_py() or 0,
        **dict.fromkeys(("accepted", "edited", "rejected"), 0),
        **_counts(table["review_status"]),
        "reviewers": _counts(pc.list_flatten(table["reviewers"])),
    }


def _emotions(table: pa.Table) -> dict[str, dict[str, int]]:
    """Emotion -> level -> clips; "-" stands for what is not known."""
    found: dict[str, dict[str, int]] = {}
    groups = table.group_by(["emotion", "level"]).aggregate([("clip_id", "count")]).to_pylist()
    for group in sorted(groups, key=lambda group: (_rank(group["emotion"]), group["level"] or 0)):
        found.setdefault(_key(group["emotion"]), {})[_key(group["level"])] = group["clip_id_count"]
    return found


def _action_units(table: pa.Table) -> dict[str, dict[str, dict[str, float]]]:
    cot = table.filter(pc.and_(pc.equal(table["mode"], "cot"), pc.equal(table["status"], "success")))
    clips = cot.group_by(["emotion", "level"]).aggregate([("clip_id", "count")]).to_pylist()
    of = {(group["emotion"], group["level"]): group["clip_id_count"] for group in clips}
    units = cot["action_units"].combine_chunks()
    row = pc.list_parent_indices(units)
    flat = {"row": row, "au": pc.struct_field(pc.list_flatten(units), "au")}
    flat |= {name: cot[name].take(row) for name in ("emotion", "level")}
    groups = pa.table(flat).group_by(["emotion", "level", "au"]).aggregate([("row", "count_distinct")]).to_pylist()
    found: dict[str, dict[str, dict[str, float]]] = {}
    for group in sorted(groups, key=lambda group: (_rank(group["emotion"]), group["level"] or 0, group["au"] or 0)):
        shares = found.setdefault(_key(group["emotion"]), {}).setdefault(_key(group["level"]), {})
        shares[_key(group["au"])] = round(group["row_count_distinct"] / of[group["emotion"], group["level"]], 4)
    return found


def _tokens(column: pa.ChunkedArray) -> dict[str, Any]:
    known = column.drop_null()
    if not len(known):
        return {"rows": 0, "over_limit": 0, "histogram": {}}
    low, median, high, top = (
        int(number) for number in pc.quantile(known, [0, 0.5, 0.95, 1], interpolation="nearest").to_pylist()
    )
    bins = pc.multiply(pc.divide(pc.cast(known, pa.int32()), _BIN), _BIN)
    histogram = sorted((pair["values"], pair["counts"]) for pair in bins.value_counts().to_pylist())
    return {
        "rows": len(known),
        "min": low,
        "median": median,
        "p95": high,
        "max": top,
        "over_limit": pc.sum(pc.greater(known, CLIP_LIMIT)).as_py(),
        "histogram": {f"{start}-{start + _BIN - 1}": count for start, count in histogram},
    }


def _duplicates(table: pa.Table) -> dict[str, Any]:
    """Texts that more than one chain wrote; clips that share a chain share its text on purpose."""
    texts = table.filter(pc.is_valid(table["coarse_prompt"])).group_by(["coarse_prompt", "fine_prompt"])
    groups = texts.aggregate([("chain_id", "count_distinct"), ("clip_id", "count")])
    shared = groups.filter(pc.greater(groups["chain_id_count_distinct"], 1)).to_pylist()
    shared.sort(key=lambda group: (-group["chain_id_count_distinct"], group["coarse_prompt"]))
    top = [{"chains": group["chain_id_count_distinct"], "coarse_prompt": group["coarse_prompt"]} for group in shared]
    return {
        "texts": len(groups),
        "shared_texts": len(shared),
        "clips": sum(group["clip_id_count"] for group in shared),
        "top": top[:_TOP],
    }


def _costs(costs: Mapping[str, float] | None, rows: int) -> dict[str, float | None] | None:
    if costs is None:
        return None
    seconds, asked = costs.get("seconds", 0), costs.get("prompt_tokens", 0)
    return {
        **costs,
        "clips_per_second": round(rows / seconds, 3) if seconds else None,
        "tokens_per_second": round(costs.get("completion_tokens", 0) / seconds, 1) if seconds else None,
        "cache_share": round(costs.get("cached_tokens", 0) / asked, 4) if asked else None,
    }


def _key(value: object) -> str:
    return "-" if value is None else str(value)


def _rank(emotion: str | None) -> tuple[int, str]:
    known = emotion in EMOTIONS
    return (EMOTIONS.index(emotion) if known and emotion else len(EMOTIONS)), emotion or "~"
