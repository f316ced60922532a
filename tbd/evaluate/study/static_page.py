"""``tbd study serve --static DIR``: the same page without a server. Votes stay in the browser until they are saved as a file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tbd import workspace
from tbd.errors import InputError
from tbd.evaluate.study.app import templates
from tbd.evaluate.study.study_folder import MEDIA, Study, read_study

DATA = "study-data.js"


def write_static(folder: Path, out: Path) -> list[str]:
    """Write the page, its script and the media into a new folder that any web server, or none, can show.

    Returns:
        The address of each rater, relative to the folder: ``index.html?rater=…``.

    Raises:
        InputError: there is no study, or ``out`` is taken.
    """
    study = read_study(folder)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: is there already and not empty", next="choose another folder for --static")
    building = out.with_name(f".{out.name}.tmp")
    with workspace.writing(out):
        try:
            shutil.rmtree(building, ignore_errors=True)
            shutil.copytree(folder / MEDIA, building / MEDIA)
            for name, content in templates.static.items():
                workspace.write_whole(building / name, lambda path, content=content: path.write_bytes(content))  # type: ignore[misc]
            workspace.write_text(building / DATA, _data(study))
            page = templates.fragment("rate.html", own="", data=DATA, static_url=lambda name: name)
            workspace.write_text(building / "index.html", str(page))
            building.replace(out)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return [f"index.html?rater={rater}" for rater in study.raters]


def _data(study: Study) -> str:
    """The orders as a script, since a page that was opened from a file may fetch nothing."""
    every = range(len(study.orders[0]))
    items = {code: [study.shown(rater, position) for position in every] for rater, code in enumerate(study.raters)}
    document = json.dumps({"study": study.invitation[:8], "raters": items}, ensure_ascii=True)
    return f"window.STUDY = {document};\n"
