"""The review columns of a manifest: what gates and people say together about each row."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from tbd.manifest.prompt_levels import coarse_and_fine
from tbd.manifest.reviews import Decision, Decisions, decision_about
from tbd.manifest.schema import REVIEW_COLUMNS, SCHEMA
from tbd.schema import WARNING

NEEDED = ("clip_id", "prompts", "coarse_prompt", "fine_prompt", "status", "severity", "width")
"""Columns that the review columns follow from."""


def with_reviews(table: pa.Table, decisions: Decisions) -> pa.Table:
    """The table with its review columns computed anew; the model's text is never touched.

    ``needs_review``: a flag of severity 2 or more, or a status other than success. ``approved``: a
    person accepted or edited it; or it does not need review, its media could be read, and nobody
    rejected it. Without prompts a row is never approved.

    Args:
        table: at least ``NEEDED``.
        decisions: what people decided; those about other texts than the row's have no effect, but for rejections
            of the clip itself.
    """
    found = _decided(table, decisions)
    statuses: list[str] = ["unreviewed"] * len(table)
    reviewers: list[tuple[str, ...]] = [()] * len(table)
    for index, decision in found.items():
        statuses[index], reviewers[index] = decision.status, decision.reviewers
    finals = _finals(table, found)
    needs = pc.or_(pc.greater_equal(table["severity"], WARNING), pc.not_equal(table["status"], "success"))
    review_status = pa.array(statuses, pa.string())
    by_people = pc.is_in(review_status, pa.array(["accepted", "edited"]))
    by_gates = pc.and_(pc.invert(needs), pc.and_(pc.is_valid(table["width"]), pc.not_equal(review_status, "rejected")))
    present = pc.is_valid(finals[1])
    columns = [needs, review_status, pa.array(reviewers, pa.list_(pa.string())), *finals]
    columns.append(pc.and_(present, pc.or_(by_people, by_gates)))
    for name, column in zip(REVIEW_COLUMNS, columns, strict=True):
        field = SCHEMA.field(name)
        at = table.schema.get_field_index(name)
        table = table.append_column(field, column) if at < 0 else table.set_column(at, field, column)
    return table


def _decided(table: pa.Table, decisions: Decisions) -> dict[int, Decision]:
    """Row number -> the decision that holds for the row's present text."""
    if not decisions:
        return {}
    rows = [index for index, clip_id in enumerate(table["clip_id"].to_pylist()) if clip_id in decisions]
    found = {}
    for index in rows:
        about = decisions[table["clip_id"][index].as_py()]
        decision = decision_about(about, table["prompts"][index].as_py())
        if decision is not None:
            found[index] = decision
    return found


def decided_texts_gone(table: pa.Table, decisions: Decisions) -> int:
    """How many rows have decisions, none of which is about their present text or their clip."""
    judged = [at for at, clip_id in enumerate(table["clip_id"].to_pylist()) if decisions.get(clip_id)]
    return sum(
        decision_about(decisions[table["clip_id"][at].as_py()], table["prompts"][at].as_py()) is None for at in judged
    )


def _finals(table: pa.Table, found: dict[int, Decision]) -> list[pa.ChunkedArray]:
    """``prompts_final``, ``coarse_prompt_final`` and ``fine_prompt_final``."""
    originals = [table[name] for name in ("prompts", "coarse_prompt", "fine_prompt")]
    edits = {index: decision.prompts for index, decision in found.items() if decision.prompts is not None}
    if not edits:
        return originals
    columns = [column.to_pylist() for column in originals]
    for index, prompts in edits.items():
        for column, value in zip(columns, (prompts, *coarse_and_fine(prompts)), strict=True):
            column[index] = value
    return [
        pa.chunked_array([pa.array(column, original.type)]) for column, original in zip(columns, originals, strict=True)
    ]
