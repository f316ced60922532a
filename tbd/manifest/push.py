"""A manifest on the Hugging Face Hub, through ``datasets``: text alone, unless media may be handed on."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tbd.errors import InputError, MissingError
from tbd.manifest.export import export_manifest
from tbd.manifest.licences import licence_notice
from tbd.manifest.reader import read_manifest


def push_manifest(
    path: str | Path,
    repository: str,
    *,
    roots: Mapping[str, Path] | None = None,
    approved: bool = False,
    media_right: bool = False,
    public: bool = False,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Send a manifest to the Hub as a dataset, with a split each for train and test where every row has one.

    Args:
        repository: ``user/name``; it is made if need be.
        roots: where each dataset lies, for its media.
        approved: only rows that are approved.
        media_right: the media go along; the user has the right to hand them on.
        public: everybody may read it; private otherwise.
        dry_run: check and count, and send nothing.

    Returns:
        ``repository rows splits media public``.

    Raises:
        InputError: no rows, or media that may not be handed on.
        MissingError: no token, no network, or the Hub refuses.
    """
    table = read_manifest(path)
    if approved:
        table = table.filter(table["approved"])
    if not len(table):
        raise InputError(f"{path}: no {'approved ' if approved else ''}row to send", next=f"tbd manifest show {path}")
    with tempfile.TemporaryDirectory() as folder:
        dataset = (
            _with_media(path, Path(folder) / "media", roots, approved, media_right)
            if media_right
            else _text_only(table)
        )
        notice = licence_notice(table["dataset"].unique().to_pylist())
        if not dry_run:
            _send(dataset, repository, notice, private=not public)
    splits = {name: len(part) for name, part in dataset.items()}
    return {
        "repository": repository,
        "rows": sum(splits.values()),
        "splits": splits,
        "media": media_right,
        "public": public,
    }


def _text_only(table: Any) -> Any:
    """A ``DatasetDict`` of the manifest's own columns; paths are relative names, so that they tell nothing."""
    from datasets import Dataset, DatasetDict

    sides = set(table["split"].unique().to_pylist())
    plain = table.replace_schema_metadata()
    if None in sides:
        return DatasetDict({"train": Dataset(plain)})
    return DatasetDict({side: Dataset(plain.filter(_equal(plain["split"], side))) for side in sorted(sides)})


def _equal(column: Any, value: str) -> Any:
    import pyarrow.compute as pc

    return pc.equal(column, value)


def _with_media(
    path: str | Path, folder: Path, roots: Mapping[str, Path] | None, approved: bool, media_right: bool
) -> Any:
    from datasets import load_dataset

    export_manifest(path, folder, "huggingface", roots=roots, approved=approved, media_right=media_right)
    return load_dataset("videofolder", data_dir=str(folder))


def _send(dataset: Any, repository: str, notice: str, *, private: bool) -> None:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    try:
        dataset.push_to_hub(repository, private=private)
        HfApi().upload_file(
            path_or_fileobj=notice.encode(), path_in_repo="NOTICE.md", repo_id=repository, repo_type="dataset"
        )
    except LocalTokenNotFoundError as error:
        raise MissingError("no token for the Hugging Face Hub on this machine", next="hf auth login") from error
    except HfHubHTTPError as error:
        words = str(error).splitlines()[0]
        raise MissingError(f"{repository}: the Hub refuses ({words})", next="hf auth login") from error
    except (OSError, RuntimeError) as error:
        raise MissingError(
            f"{repository}: the Hub cannot be reached ({error})", next="try again with a network"
        ) from error
