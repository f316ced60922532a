"""A finished chain, its clip and its medium, as one manifest row: gated, counted, JSON-ready."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from tbd.annotate.gates import check
from tbd.annotate.gates.table import flag
from tbd.manifest.prompt_levels import coarse_and_fine
from tbd.manifest.tokens import count_tokens
from tbd.schema import ActionUnit, ActionUnitRow, Annotation, Clip, Flag, ManifestRow, Medium, Status, as_record


class JournalRow(ManifestRow, total=False):
    """A finished row as the journal holds it, with what sealing leaves out.

    Attributes:
        findings: the flags in full, for the people who review.
        source: of its ``Clip``.
    """

    findings: list[dict[str, Any]]
    source: str | None


def build_row(
    clip: Clip,
    medium: Medium | None,
    annotation: Annotation,
    *,
    chain_id: str,
    status: Status,
    error: str | None,
    origin: ManifestRow,
) -> JournalRow:
    """The row of one clip, with the column names of ``tbd.manifest.SCHEMA``.

    Review columns are not part of it; sealing adds them.

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


def _clip_columns(clip: Clip, medium: Medium) -> ManifestRow:
    return {
        "clip_id": clip.clip_id,
        "dataset": clip.dataset,
        "subject": clip.subject,
        "view": clip.view,
        "emotion": clip.emotion,
        "emotion_raw": clip.emotion_raw,
        "level": clip.level,
        "intensity": clip.intensity,
        "split": clip.split,
        "file_name": clip.file_name,
        "audio_file_name": clip.audio_file_name,
        "start": clip.start,
        "end": clip.end,
        "instruction": clip.instruction,
        "transcript": clip.transcript,
        "has_audio": bool(medium.has_audio),
        "fps": medium.fps,
        "num_frames": medium.num_frames,
        "duration": medium.duration,
        "width": medium.width,
        "height": medium.height,
        "reference_frame": medium.reference_frame,
        "face_box": list(medium.face_box) if medium.face_box else None,
        "crop_box": list(medium.crop_box) if medium.crop_box else None,
    }


def _unit(unit: ActionUnit) -> ActionUnitRow:
    return {
        "au": unit.au,
        "name": unit.name,
        "side": unit.side,
        "intensity": unit.intensity,
        "description": unit.description,
    }


def _chain_columns(annotation: Annotation, chain_id: str) -> ManifestRow:
    coarse, fine = coarse_and_fine([prompt for prompt in annotation.prompts if prompt])
    return {
        "chain_id": chain_id,
        "mode": annotation.mode,
        "gender": annotation.gender,
        "age_range": annotation.age_range,
        "ethnicity": annotation.ethnicity,
        "appearance": annotation.appearance,
        "action_units": [_unit(unit) for unit in annotation.action_units],
        "muscles": [{"name": one.name, "au": one.au, "action": one.action} for one in annotation.muscles],
        "prompts": list(annotation.prompts),
        "coarse_prompt": coarse,
        "fine_prompt": fine,
        "coarse_tokens": count_tokens(coarse) if coarse else None,
        "fine_tokens": count_tokens(fine) if fine else None,
        "step_outputs": list(annotation.step_outputs),
    }
