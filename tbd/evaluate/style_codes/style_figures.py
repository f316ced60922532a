"""The pictures of every run of a result folder, with captions that hold the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tbd.evaluate.inputs.jobs import ScoreRow
from tbd.evaluate.style_codes.points import Features, expression_points, identity_points
from tbd.evaluate.style_codes.tsne_figure import draw_tsne

POINTS = {"style_identity": identity_points, "style_expression": expression_points}
FOLDER = "style_codes"


def draw_style_codes(
    folder: Path, document: Mapping[str, Any], rows: Sequence[ScoreRow], features: Features
) -> list[dict[str, Any]]:
    """Draw Fig. 11 for every run and key that was scored.

    Args:
        document: of ``scores.json``; captions are read from it.

    Returns:
        ``{run, key, files, caption}`` each; ``files`` are relative to the folder, none where there are too few videos.
    """
    found = []
    for number, run in enumerate(document["runs"]):
        for key, choose in POINTS.items():
            score = run["scores"].get(key)
            if not score or score["status"] == "skipped":
                continue
            own = [
                row
                for row in rows
                if row.kind == "run" and row.name == run["name"] and row.protocol.startswith(f"{key}@")
            ]
            title = f"{run['name']}: {'speakers' if key == 'style_identity' else 'emotions'}"
            paths, words = draw_tsne(choose(own, features), title, folder / FOLDER / f"{key}-{number}")
            caption = f"{words}. {style_numbers(score)}"
            found.append({"run": run["name"], "key": key, "files": [path.relative_to(folder).as_posix() for path in paths], "caption": caption})  # fmt: skip
    return found


def style_numbers(score: Mapping[str, Any]) -> str:
    """What the picture cannot say: purity beside chance, silhouette beside shuffled labels, over all videos."""
    if score["value"] is None:
        return str(score["reason"])
    facts = score["details"]
    apart = ", neighbours of other speakers" if facts["leave_out"] else ""
    return (
        f"In the original features of {facts['points']} videos: purity of {facts['k']} neighbours {facts['purity']:.2f}"
        f" (chance {facts['chance']:.2f}, shuffled labels {facts['shuffled_purity']:.2f}{apart}); silhouette "
        f"{facts['silhouette']:.2f} (shuffled {facts['shuffled_silhouette']:.2f}); Calinski-Harabasz "
        f"{facts['calinski_harabasz']:.1f}. {score['protocol']}"
    )
