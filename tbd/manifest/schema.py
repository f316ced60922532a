"""The columns of ``manifest.parquet``: one row a clip, groups clip, chain, outcome, review, origin.

``SCHEMA`` is the contract. A row that the annotate stage finished has ``MODEL_COLUMNS``; sealing adds
``REVIEW_COLUMNS``. What could not be read is null, so the columns that come from the media, and all
that depends on them, may be null; lists are never null, they are empty.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

SCHEMA_VERSION = 1
"""Raised when a column is added, removed or changes its meaning."""

ROW_GROUP = 2_000
"""Rows of a Parquet row group: what a reader must hold to see one row."""

_text, _texts, _box = pa.string(), pa.list_(pa.string()), pa.list_(pa.float32(), 4)

ACTION_UNIT = pa.struct(
    {"au": pa.int16(), "name": _text, "side": _text, "intensity": _text, "description": _text},
)
"""``side``: left, right or null for both; ``intensity``: A (trace) to E (maximum)."""

MUSCLE = pa.struct({"name": _text, "au": pa.int16(), "action": _text})

_CLIP: dict[str, pa.DataType] = {
    "clip_id": _text,
    "dataset": _text,
    "subject": _text,
    "view": _text,
    "emotion": _text,
    "emotion_raw": _text,
    "level": pa.int8(),
    "intensity": _text,
    "split": _text,
    "file_name": _text,
    "audio_file_name": _text,
    "has_audio": pa.bool_(),
    "fps": pa.float32(),
    "num_frames": pa.int32(),
    "duration": pa.float32(),
    "width": pa.int16(),
    "height": pa.int16(),
    "start": pa.float64(),
    "end": pa.float64(),
    "reference_frame": pa.int32(),
    "face_box": _box,
    "crop_box": _box,
    "instruction": _text,
    "transcript": _text,
}
_CHAIN: dict[str, pa.DataType] = {
    "chain_id": _text,
    "mode": _text,
    "gender": _text,
    "age_range": _text,
    "ethnicity": _text,
    "appearance": _text,
    "action_units": pa.list_(ACTION_UNIT),
    "muscles": pa.list_(MUSCLE),
    "prompts": _texts,
    "coarse_prompt": _text,
    "fine_prompt": _text,
    "coarse_tokens": pa.int16(),
    "fine_tokens": pa.int16(),
    "step_outputs": _texts,
}
_OUTCOME: dict[str, pa.DataType] = {"status": _text, "error": _text}
_JUDGED: dict[str, pa.DataType] = {"flags": _texts, "severity": pa.int8()}
_REVIEW: dict[str, pa.DataType] = {
    "needs_review": pa.bool_(),
    "review_status": _text,
    "reviewers": _texts,
    "prompts_final": _texts,
    "coarse_prompt_final": _text,
    "fine_prompt_final": _text,
    "approved": pa.bool_(),
}
_ORIGIN: dict[str, pa.DataType] = {
    "backend": _text,
    "model": _text,
    "model_revision": _text,
    "prompt_version": _text,
    "fingerprint": _text,
    "seed": pa.int64(),
}

REQUIRED = frozenset(
    {"clip_id", "dataset", "subject", "emotion_raw", "file_name", "chain_id", "mode", "status", "severity"}
    | {"needs_review", "review_status", "approved", *_ORIGIN}
)
"""Text and numbers that every row has, an unreadable clip's too."""

REVIEW_COLUMNS = tuple(_REVIEW)
MODEL_COLUMNS = (*_CLIP, *_CHAIN, *_OUTCOME, *_JUDGED, *_ORIGIN)


def features(schema: pa.Schema) -> dict[str, Any]:
    """The columns as Hugging Face ``Features``, in their JSON form.

    Equal to ``datasets.Features.from_arrow_schema(schema).to_dict()``, without the seconds that
    importing ``datasets`` takes.
    """
    return {column.name: _feature(column.type) for column in schema}


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_struct(kind):
        return {column.name: _feature(column.type) for column in kind.fields}
    if pa.types.is_fixed_size_list(kind):
        return {"feature": _feature(kind.value_type), "length": kind.list_size, "_type": "List"}
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    return {"dtype": {"float": "float32", "double": "float64"}.get(str(kind), str(kind)), "_type": "Value"}


def _schema(columns: Iterable[tuple[str, pa.DataType]]) -> pa.Schema:
    fields = [pa.field(name, kind, nullable=not (name in REQUIRED or kind in _LISTS)) for name, kind in columns]
    plain = pa.schema(fields)
    document = {"info": {"features": features(plain)}}
    return plain.with_metadata({"schema_version": str(SCHEMA_VERSION), "huggingface": json.dumps(document)})


_LISTS = (_texts, _CHAIN["action_units"], _CHAIN["muscles"])

SCHEMA: pa.Schema = _schema((_CLIP | _CHAIN | _OUTCOME | _JUDGED | _REVIEW | _ORIGIN).items())
"""Every column of a manifest, in order, with ``schema_version`` and ``huggingface`` as metadata."""

MODEL_SCHEMA: pa.Schema = pa.schema([SCHEMA.field(name) for name in MODEL_COLUMNS])
"""The columns of a finished row before sealing."""
