"""Draws the pictures of the README and the site from real runs: ``python docs/make_pictures.py`` (``make pictures``).

``sheet.jpg`` is the contact sheet of ``tbd demo``, ``demo.svg`` a recording of the first commands in a terminal, ``report.png`` and
``review.png`` are the pages of ``tbd eval`` and ``tbd review --web`` in Chromium.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.text import Text

DOCS = Path(__file__).parent
COMMANDS = (
    "tbd demo --until annotate --people 4 --clips 12",
    "tbd manifest show demo/data_manifests/mead --limit 2",
    "tbd annotate demo/mead --backend facs --sample stratified:8 -o data_manifests/pilot --quiet",
    "tbd eval videos --manifest demo/data_manifests/mead --align canvas --suite quick --quiet",
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def run(line: str, folder: Path) -> str:
    """What a command prints on both streams."""
    words = [sys.executable, "-m", *line.split()]
    environment = os.environ | {"COLUMNS": "100", "PYTHONPATH": str(DOCS.parent)}
    result = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True, env=environment)
    return (result.stderr + result.stdout).strip()


def recording(folder: Path) -> None:
    """``demo.svg``: the commands with what they printed, as one terminal."""
    console = Console(record=True, width=100, file=io.StringIO())
    for line in COMMANDS:
        if line.startswith("tbd eval"):
            videos(folder)
        console.print(Text(f"$ {line}", style="bold green"))
        console.print(Text(run(line, folder)))
    svg = console.export_svg(title="tbd", clear=False)
    svg = re.sub(
        r"@font-face \{.*?\}", "", svg, flags=re.DOTALL
    )  # no font from the network: the reader's own monospace
    (DOCS / "demo.svg").write_text(svg, encoding="utf-8")


def videos(folder: Path) -> None:
    """A system's videos: the canonical clips of the demo."""
    run("tbd prepare demo/data_manifests/mead -o clips --quiet", folder)
    (folder / "videos").mkdir()
    for clip in (folder / "clips").glob("mead_*"):
        shutil.copy(clip / "video.mp4", folder / f"videos/{clip.name}.mp4")


def pages(folder: Path) -> None:
    """``report.png`` and ``review.png``."""
    from playwright.sync_api import sync_playwright

    browser = os.environ.get("TBD_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)))
    command = [
        sys.executable,
        "-m",
        "tbd",
        "review",
        "data_manifests/mead",
        "--web",
        "--queue",
        "all",
        "--reviewer",
        "anna",
        "--port",
        "0",
    ]
    environment = os.environ | {"PYTHONPATH": str(DOCS.parent)}
    with (
        subprocess.Popen(command, cwd=folder / "demo", stdout=subprocess.PIPE, text=True, env=environment) as server,
        sync_playwright() as playwright,
    ):
        try:
            address = next(line.split()[-1] for line in server.stdout if "http" in line)
            page = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"]).new_page(
                viewport={"width": 1280, "height": 800}
            )
            page.goto(address)
            page.wait_for_load_state("networkidle")
            page.screenshot(path=DOCS / "review.png")
            page.goto((folder / "results/videos/report.html").as_uri())
            page.screenshot(path=DOCS / "report.png")
        finally:
            server.terminate()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        recording(Path(name))
        pages(Path(name))
        sheet = Image.open(Path(name) / "demo/data_manifests/mead/sheet.png").convert("RGB")
        sheet.thumbnail((1200, 1200))
        sheet.save(DOCS / "sheet.jpg", quality=85)
