"""What is drawn and written beside a manifest: the contact sheet, and the report with its costs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tbd.cli import options
from tbd.schema import ERROR, ManifestRow

CELLS = 64
COLUMNS = (
    *("dataset", "subject", "emotion", "intensity", "file_name", "audio_file_name", "start", "end", "reference_frame"),
    *("face_box", "crop_box", "status", "error", "flags", "severity", "coarse_prompt_final", "fine_prompt_final"),
)
"""What a cell shows; all columns of 281,400 rows would take gigabytes."""


def draw(manifest: Path, output: Path | None = None, given: Mapping[str, Path] | None = None) -> Path:
    """Draw ``sheet.png``: up to 64 rows, spread evenly over the manifest.

    Raises:
        InputError: no manifest, or its dataset has moved.
    """
    from tbd.manifest import locate_manifest, read_manifest
    from tbd.manifest.rows import as_rows
    from tbd.manifest.run import clip_rule
    from tbd.media.sheet import draw_sheet

    file = locate_manifest(manifest)
    table = read_manifest(file, COLUMNS)
    rows = as_rows(table.take(_spread(len(table))))
    places = options.located(manifest, given or {})
    rule = clip_rule(file.parent)
    with ThreadPoolExecutor(4) as pool:
        cells = list(pool.map(lambda row: _cell(row, places, rule), rows))
    path = output or file.parent / "sheet.png"
    draw_sheet(cells, path)
    return path


def write_beside(folder: Path, changed: bool = True) -> dict[str, str]:
    """Report and contact sheet of a manifest folder, unless they are up to date; returns their paths."""
    paths = {"report": folder / "report.md", "sheet": folder / "sheet.png"}
    if changed or not all(path.is_file() for path in paths.values()):
        report(folder)
        draw(folder)
    return {name: str(path) for name, path in paths.items()}


def report(manifest: Path) -> dict[str, Any]:
    """Write ``report.json`` and ``report.md``, with what the journal and the reviewers have to say."""
    from tbd.manifest import write_report
    from tbd.manifest.review_figures.summary import summary

    return write_report(manifest, costs(manifest), summary(manifest))


def costs(manifest: Path) -> dict[str, float] | None:
    """What the journal beside a manifest says of its replies, and their ``money`` by the price of the last run's recipe
    (0 where none is known); None when there is no journal."""
    from tbd.annotate.journal import Journal
    from tbd.annotate.recipe import money
    from tbd.manifest import locate_manifest
    from tbd.manifest.run import read_run

    folder = locate_manifest(manifest).parent
    if not (folder / "journal.sqlite").is_file():
        return None
    with Journal(folder, read_only=True) as journal:
        spent = journal.costs()
    run = read_run(folder)
    price = run.recipe.get("server", {}).get("price", (0, 0)) if run else (0, 0)
    return spent | {"money": money(price, spent["prompt_tokens"], spent["completion_tokens"])}


def _spread(count: int) -> list[int]:
    """Up to ``CELLS`` of ``count`` row numbers, evenly."""
    step = max(count / CELLS, 1)
    return [int(index * step) for index in range(min(count, CELLS))]


def _cell(row: ManifestRow, places: Mapping[str, Path], rule: Any) -> Any:
    from tbd.errors import InputError
    from tbd.media.canonical import CanonicalClip
    from tbd.media.sheet import SheetCell

    picture, box, why = None, None, row["error"] or "no crop"
    frame = row["reference_frame"]
    if row["crop_box"] and frame is not None:
        x0, y0, x1, _ = row["crop_box"]
        try:
            clip = CanonicalClip.of_row(row, places[row["dataset"]], rule)
            picture = clip.picture(frame)
            scale = rule.size / (x1 - x0)
            face = row["face_box"]
            box = (
                tuple((value - origin) * scale for value, origin in zip(face, (x0, y0, x0, y0), strict=True))
                if face
                else None
            )
        except InputError as error:
            why = error.message
    label = " · ".join(filter(None, (row["emotion"], row["intensity"], row["subject"])))
    return SheetCell(
        picture=picture,
        title=re.sub(r"\s+", " ", label),
        coarse=row["coarse_prompt_final"] or "",
        fine=row["fine_prompt_final"] or "",
        flags=tuple(row["flags"]),
        severity=row["severity"] if row["status"] == "success" else ERROR,
        box=box,
        missing="" if picture is not None else why,
    )
