"""``run.json`` of a manifest folder: how its rows were made, the split rule, and where the datasets lie."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, Self

from tbd import workspace
from tbd.errors import InputError
from tbd.manifest.split import SplitRule
from tbd.schema import ManifestRow
from tbd.storage import copied

if TYPE_CHECKING:
    from tbd.media.canonical import ClipRule

RUN = "run.json"
CROP_RULE = 2
"""Version of the rule for crops that this tbd annotates with (``tbd.media.canonical.ClipRule.version``)."""
MediaColumn = Literal["file_name", "audio_file_name"]
"""The columns that name files."""
_KINDS: dict[str, type] = {
    **dict.fromkeys(("tbd", "dataset", "layout", "root", "fingerprint", "exported", "part_of"), str),
    **dict.fromkeys(("roots", "identity", "recipe", "shards", "versions"), dict),
    **dict.fromkeys(("asked", "merged"), list),
    "schema_version": int,
}


@dataclass(frozen=True, slots=True)
class ManifestRun:
    """What ``run.json`` holds; what does not apply is empty.

    Attributes:
        tbd, schema_version, versions: of the programs that wrote the rows.
        dataset, layout, root: what was annotated, how its files are laid out, and where they lay.
        roots: dataset -> folder, of a merged manifest.
        fingerprint, identity: hash of everything that can change a row, and that everything.
        asked: backend and model as the recipe names them; ``identity`` has what was found.
        recipe: resolved.
        split: the rule; None takes what the datasets themselves say.
        split_recorded: whether the document speaks of a rule at all, if only to say that there is none.
        merged: folders that a merged manifest was made of.
        shards, part_of: which parts of a run the folder holds (``1/4``), with the number of clips of each, and which run that
            is; see ``tbd.manifest.shards``.
        exported: folder that an exported manifest was made of.
        more: keys that this version of tbd does not know.
    """

    tbd: str = ""
    schema_version: int | None = None
    dataset: str = ""
    layout: str = ""
    root: str = ""
    roots: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""
    asked: tuple[str | None, ...] = ()
    identity: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    merged: tuple[str, ...] = ()
    shards: Mapping[str, int] = field(default_factory=dict)
    part_of: str = ""
    exported: str = ""
    split: SplitRule | None = None
    split_recorded: bool = True
    versions: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Self:
        """The record that a document holds.

        Raises:
            TypeError: a key has a value of another kind than it must have.
        """
        for key, kind in _KINDS.items():
            if not isinstance(document.get(key, kind()), kind):
                raise TypeError(f"{key} is {document[key]!r}")
        known = {key: document[key] for key in _KINDS if key in document}
        known |= {key: tuple(known[key]) for key in ("asked", "merged") if key in known}
        split = document.get("split")
        more = {key: value for key, value in document.items() if key not in _KINDS and key != "split"}
        rule = SplitRule(split["rule"], split.get("seed", 0)) if isinstance(split, dict) else None
        return cls(**known, split=rule, split_recorded="split" in document, more=more)

    def as_json(self) -> dict[str, Any]:
        """The document, without what does not apply."""
        document: dict[str, Any] = {
            item.name: getattr(self, item.name)
            for item in dataclasses.fields(self)
            if item.name in _KINDS and getattr(self, item.name)
        }
        if self.split_recorded:
            document["split"] = self.split.as_json() if self.split else None
        return document | dict(self.more)


def read_run(folder: Path) -> ManifestRun | None:
    """What ``run.json`` says; None when there is none.

    Raises:
        InputError: it is not JSON, or not such a document.
    """
    file = folder / RUN
    try:
        document = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
        if document is None:
            return None
        if not isinstance(document, dict):
            raise TypeError("not an object")
        return ManifestRun.of_json(document)
    except (OSError, ValueError, KeyError, TypeError) as error:
        fix = f"mend it, or move it away: mv {file} {file}.bak"
        raise InputError(f"{file}: cannot be read as the record of a manifest ({error})", next=fix) from None


def write_run(folder: Path, run: ManifestRun) -> None:
    """Write ``run.json``. Whoever read it before holds ``manifest_lock`` from then on.

    Raises:
        InputError, MissingError: the folder cannot be written.
    """
    workspace.write_json(folder / RUN, run.as_json())


def recorded_roots(folder: Path) -> dict[str, str]:
    """Where each dataset of a manifest lay when it was made: a folder, or an address such as ``s3://…``."""
    run = read_run(folder) or ManifestRun()
    return dict(run.roots) | ({run.dataset: run.root} if run.root and run.dataset else {})


def dataset_roots(folder: Path, given: Mapping[str, Path] | None = None) -> dict[str, Path]:
    """Where each dataset of a manifest lies: as ``--root`` says, else as recorded; what lies elsewhere is copied here first.

    Raises:
        MissingError, InputError: as ``tbd.storage.copied``.
    """
    asked: dict[str, str | Path] = {**recorded_roots(folder), **(given or {})}
    return {name: copied(root) for name, root in asked.items()}


def leads_out(name: str) -> bool:
    """Whether a file's name would lead out of the folder of its dataset."""
    return PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts


def media_file(roots: Mapping[str, Path], row: ManifestRow, column: MediaColumn) -> Path | None:
    """A file of a row on this machine; None when it is not there, or its name leads out of the dataset.

    Args:
        roots: where each dataset lies.
        column: which of its files.
    """
    root, name = roots.get(row["dataset"]), row[column]
    if not (root and name) or leads_out(name):
        return None
    try:
        return root / name if (root / name).is_file() else None
    except (OSError, ValueError):
        return None


def clip_rule(folder: Path) -> ClipRule:
    """The rule by which this manifest's clips become canonical, as recorded when it was made."""
    from tbd.media.canonical import ClipRule  # brings numpy and pydantic, which readers of a manifest do not need

    recorded = clip_settings(folder)
    return ClipRule(**{key: value for key, value in recorded.items() if key in ClipRule.model_fields})


def rule_notes(folder: Path) -> list[str]:
    """What a person should know about the rule by which the crops of a manifest were chosen."""
    if clip_settings(folder).get("version", CROP_RULE) == CROP_RULE:
        return []
    note = (
        "the crops were chosen by rule version 1, which repeats the edge of the frame around faces close to it; "
        "they stay as they are (next: tbd annotate DATASET -o NEW_FOLDER for version 2)"
    )
    return [note]


def clip_settings(folder: Path) -> dict[str, Any]:
    """The keys of ``clip_rule`` as they are recorded; empty where the defaults hold."""
    run = read_run(folder)
    return dict(run.recipe.get("clip") or {}) if run else {}
