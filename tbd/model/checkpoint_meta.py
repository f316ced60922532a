"""``meta.json`` of a checkpoint: everything that made its weights, and the size and sha256 of each of its files."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field


class FileRecord(NamedTuple):
    """What a file was when the checkpoint was written."""

    bytes: int
    sha256: str


class CheckpointMeta(BaseModel):
    """The record of one checkpoint."""

    model_config = ConfigDict(frozen=True, extra="allow")  # other versions of the trainer may have written more

    stage: Literal[1, 2]
    step: int = Field(ge=0)
    """Optimizer steps behind it."""
    recipe: dict[str, Any] = {}
    """``tbd.recipe.essence`` of the training recipe."""
    clips: str = ""
    """Digest of the rows, prompts and windows that were trained on, and of the labels that counted."""
    samples: int = 0
    """Samples seen, over all processes; a resumed run goes on with the next one."""
    processes: int = 1
    samples_per_step: int = 0
    """Batch, times accumulated batches, times processes."""
    validation: dict[str, Any] | None = None
    bad_steps: int = 0
    """Steps without a finite loss, which changed nothing."""
    left_out: dict[str, str] = {}
    """Clip -> why it could not be read when it was its turn; another was shown instead."""
    average_steps: int = 0
    scheduler: dict[str, Any] = {}
    guidance: dict[str, Any] = {}
    trained: dict[str, int] = {}
    clip_rule: dict[str, Any] = {}
    """``ClipRule`` of the clips: rates, and how their crops were chosen; empty where an older version did not record it."""
    manifests: dict[str, str] = {}
    """Manifest -> sha256 of its Parquet file."""
    encoders: dict[str, str] = {}
    """Identities of the frozen networks."""
    folders: dict[str, str] = {}
    """Frozen networks that the recipe names by folder: the way there from this checkpoint's folder."""
    history: dict[str, Any] = {}
    """What was started from, and every change since."""
    versions: dict[str, str] = {}
    files: dict[str, FileRecord] = {}
    """Every file of the checkpoint but this one, by its path inside."""

    @property
    def loss(self) -> float | None:
        """Validation loss at this step; None where none was taken, or it was no number."""
        found = (self.validation or {}).get("loss")
        return float(found) if found is not None and math.isfinite(found) else None
