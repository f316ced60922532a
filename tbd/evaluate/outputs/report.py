"""``report.html``, ``report.md`` and ``report.tex``: the scores for people, in files that need no other."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from tbd import workspace
from tbd.evaluate.inputs.jobs import ClipJob, ScoreRow
from tbd.evaluate.inputs.record import EvaluationRecord
from tbd.evaluate.outputs import results
from tbd.evaluate.outputs.charts import curve, distributions
from tbd.evaluate.outputs.clip_table import clip_table
from tbd.evaluate.outputs.score_table import breakdown, score_table
from tbd.evaluate.outputs.scoreboard import columns, floors, mark, rows, skipped, title
from tbd.evaluate.outputs.tables import ScoreTable, environment, html, latex, markdown
from tbd.evaluate.outputs.worst_clips import draw_worst, read_worst
from tbd.evaluate.style_codes.style_figures import draw_style_codes

REPORT = "report"
_TYPED = re.compile(r"(tbd weights pull [\w.-]+|export \w+=\S+?(?=[)<]|$)|pip install '[^']+')")


def write_report(folder: Path, document: Mapping[str, Any], jobs: Sequence[ClipJob] = ()) -> Path:
    """Write the report of a result folder in its three forms, and the pictures in it.

    Args:
        document: of ``scores.json``.
        jobs: that know where the videos lie, for the worst clips; without them those of before are shown.

    Raises:
        InputError, MissingError: the folder cannot be written.
    """
    record, clips, features = results.read(folder)
    styles = draw_style_codes(folder, document, clips, features)
    if jobs:
        draw_worst(folder, document, clips, jobs)
    name = folder.resolve().name
    tables = [score_table(document, name), *_parts(document, clips)]
    workspace.write_text(folder / f"{REPORT}.md", "\n".join(map(markdown, tables)))
    workspace.write_text(folder / f"{REPORT}.tex", "\n".join(map(latex, tables)))
    path = folder / f"{REPORT}.html"
    workspace.write_text(path, page(document, name, clips, record, folder, styles))
    return path


def page(
    document: Mapping[str, Any],
    name: str,
    clips: Sequence[ScoreRow] = (),
    record: EvaluationRecord | None = None,
    folder: Path | None = None,
    styles: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The page as HTML: no script, no other file, light and dark as the reader's system.

    Args:
        clips: the rows of ``clips.parquet``.
        folder: that holds the pictures.
        styles: what ``draw_style_codes`` drew.
    """
    keys, table = columns(document), score_table(document, name)
    own = {
        run["name"]: [row for row in clips if row.name == run["name"] and row.kind == "run"] for run in document["runs"]
    }
    found = environment()
    found.filters["typed"] = typed
    return found.get_template("report.html").render(
        name=name,
        document=document,
        table=table,
        headline=html(table),
        marks={mark(one) for row in rows(document) for key in keys if (one := row["scores"].get(key))},
        floors=list(floors(document, keys)),
        styles=[dict(one) | {"picture": _picture(folder, one["files"])} for one in styles],
        parts=[{"title": one.title, "caption": one.caption, "html": html(one)} for one in _parts(document, clips)],
        charts=distributions(document, clips),
        worst=_worst(folder),
        clips=[clip_table(run, own[run["name"]], keys) for run in document["runs"]],
        protocols=[_protocol(document, key) for key in keys],
        skipped=skipped(document),
        command=_command(record) if record else "",
        record=json.dumps(asdict(record), indent=1, ensure_ascii=False, default=str) if record else "",
    )


def typed(text: str) -> Markup:
    """A reason with what is to be typed in its own type."""
    pieces = _TYPED.split(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if i % 2 else escape(piece) for i, piece in enumerate(pieces)
    )


def _parts(document: Mapping[str, Any], clips: Sequence[ScoreRow]) -> list[ScoreTable]:
    return [table for label in ("emotion", "level") if (table := breakdown(document, clips, label))]


def _worst(folder: Path | None) -> list[dict[str, Any]]:
    found = read_worst(folder) if folder else []
    return [
        one
        | {
            "picture": _picture(folder, [one["file"]]),
            "curve": curve(one["psnr"], "PSNR of each frame") if one["psnr"] else "",
        }
        for one in found
    ]


def _picture(folder: Path | None, files: Sequence[str]) -> str:
    """The first file as a ``data:`` address, so that the page needs no other file."""
    if not folder or not files:
        return ""
    path = folder / files[0]
    kind = {".png": "png", ".jpg": "jpeg"}[path.suffix]
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _protocol(document: Mapping[str, Any], key: str) -> tuple[str, ...]:
    one = next(row["scores"][key] for row in document["runs"] if key in row["scores"])
    weights = one["weights"]
    looks = "no weights"
    if weights:
        looks = f"{weights['file']} ({'published' if weights['published'] else 'not the published file'})"
    return title(key), one["protocol"], one["aggregate"], one["interval"] or "–", looks


def _command(record: EvaluationRecord) -> str:
    """The command that makes these numbers again, to be typed where it was typed; empty where it is not known."""
    if record.asked is None or not record.metrics:
        return ""
    runs = [str(facts.get("folder", name)) for name, facts in record.runs.items()]
    chosen = {key: value for key, value in record.settings.items() if key != "portrait"}  # the runs say it themselves
    settings = [word for key, value in chosen.items() if value is not None for word in (f"--{key}", str(value))]
    return shlex.join(["tbd", "eval", *runs, *record.asked, "--metrics", ",".join(record.metrics), *settings])
