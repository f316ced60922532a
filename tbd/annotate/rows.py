"""A finished chain, its clip and its medium, as one manifest row: gated, counted, JSON-ready."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from tbd.annotate.gates import check
from tbd.annotate.gates.table import flag
from tbd.manifest.prompt_levels import coarse_and_fine
from tbd.manifest.tokens import count_tokens
from tbd.schema import Annotation, Clip, Flag, Medium, as_record

CLIP_COLUMNS = (
    *("clip_id", "dataset", "subject", "view", "emotion", "emotion_raw", "level", "intensity", "split"),
    *("file_name", "audio_file_name", "start", "end", "instruction", "transcript"),
)
"""What a row takes from its ``Clip`` as it is."""


def build_row(
    clip: Clip,
    medium: Medium | None,
    annotation: Annotation,
    *,
    chain_id: str,
    status: str,
    error: str | None,
    origin: dict[str, Any],
) -> dict[str, Any]:
    """The row of one clip, with the column names of ``tbd.manifest.SCHEMA``.

    Review columns are not part of it; sealing adds them. ``findings`` holds the flags in full, for
    the people who review; sealing leaves it out.

    Args:
        medium: None when the clip could not be read; its columns are then null.
        origin: the columns ``backend model model_revision prompt_version fingerprint seed``.
    """
    spoken = status in ("success", "truncated") or annotation.step_outputs
    flags = [*clip.flags, *(medium.flags if medium else ()), *(_checked(annotation) if spoken else ())]
    if clip.gender and annotation.gender in ("woman", "man") and annotation.gender != clip.gender:
        message = f"step I saw a {annotation.gender}; the dataset knows {clip.subject} as a {clip.gender}"
        flags.append(flag("gender_against_dataset", message, "step1", annotation.gender))
    return {
        **_clip_columns(clip, medium or Medium()),
        **_chain_columns(annotation, chain_id),
        "status": status,
        "error": error,
        "flags": codes(flags),
        "severity": max((flag.severity for flag in flags), default=0),
        **origin,
        "findings": [as_record(flag) for flag in flags],
        "source": clip.source,
    }


@lru_cache(1024)
def _checked(annotation: Annotation) -> tuple[Flag, ...]:
    """Rows that share a chain share its findings."""
    return tuple(check(annotation))


def codes(flags: Sequence[Flag]) -> list[str]:
    """Flag codes without repetition, the severest first."""
    ordered = sorted(flags, key=lambda flag: -flag.severity)
    return list(dict.fromkeys(flag.code for flag in ordered))


def _clip_columns(clip: Clip, medium: Medium) -> dict[str, Any]:
    seen = as_record(medium)
    del seen["flags"], seen["image_sha256"]
    return {name: getattr(clip, name) for name in CLIP_COLUMNS} | seen | {"has_audio": bool(medium.has_audio)}


def _chain_columns(annotation: Annotation, chain_id: str) -> dict[str, Any]:
    coarse, fine = coarse_and_fine([prompt for prompt in annotation.prompts if prompt])
    return {
        "chain_id": chain_id,
        "mode": annotation.mode,
        "gender": annotation.gender,
        "age_range": annotation.age_range,
        "ethnicity": annotation.ethnicity,
        "appearance": annotation.appearance,
        "action_units": [as_record(unit) for unit in annotation.action_units],
        "muscles": [as_record(muscle) for muscle in annotation.muscles],
        "prompts": list(annotation.prompts),
        "coarse_prompt": coarse,
        "fine_prompt": fine,
        "coarse_tokens": count_tokens(coarse) if coarse else None,
        "fine_tokens": count_tokens(fine) if fine else None,
        "step_outputs": list(annotation.step_outputs),
    }
