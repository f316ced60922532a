"""Which clip lends a video its first picture: the portrait that ``tbd generate`` starts from, and ``tbd eval`` looks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tbd.schema import ManifestRow


def start_rows(
    rows: Sequence[ManifestRow], chosen: Sequence[ManifestRow], reference: str
) -> dict[str, ManifestRow | None]:
    """The row whose reference frame each chosen row is made from, by ``clip_id``; None where the person has no such clip.

    Args:
        rows: all of the manifest, with ``clip_id dataset subject emotion file_name start end crop_box``.
        chosen: of them, those that are made.
        reference: ``clip`` takes the very row, ``neutral`` a neutral one of the person, ``person`` any other one of
            theirs, neutral if possible: the first by name that has a crop box.
    """
    if reference == "clip":
        return {row["clip_id"]: row for row in chosen}
    readable = [row for row in rows if row["crop_box"] is not None]
    neutral_first = sorted(readable, key=lambda row: (row["emotion"] != "neutral", str(row["clip_id"])))
    of_person: dict[Any, list[ManifestRow]] = {}
    for row in neutral_first:
        if reference == "person" or row["emotion"] == "neutral":
            of_person.setdefault((row["dataset"], row["subject"]), []).append(row)
    return {
        row["clip_id"]: next(
            (
                other
                for other in of_person.get((row["dataset"], row["subject"]), ())
                if reference == "neutral" or _footage(other) != _footage(row)
            ),
            None,
        )
        for row in chosen
    }


def _footage(row: ManifestRow) -> tuple[Any, ...]:
    """What a row was cut from: two rows of the same piece are one clip."""
    return row["dataset"], row["file_name"], row["start"], row["end"]
