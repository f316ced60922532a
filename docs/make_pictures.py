"""Draws the pictures of the README and the site from real runs: ``python docs/make_pictures.py [FOLDER]`` (``make pictures``).

``demo.svg`` is a film of a terminal that goes through all stages; ``sheet.jpg`` and ``grid.png`` are the contact sheet and the grid of
``tbd demo``; ``report.png``, ``worst.png`` and ``review.png`` its pages in Chromium. Everybody in them is drawn.

The runs take half an hour on two cores and are kept in FOLDER: the same command goes on with them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from terminal_film import cut, film, record

DOCS = Path(__file__).parent
FILM = (
    "tbd demo --until annotate --people 2 --clips 8",
    "tbd manifest show demo/data_manifests/mead --clip mead_W901_front_happy_2_001",
    "tbd train stage1 demo/data_manifests/mead --recipe tiny --set stage1.steps=20 -o checkpoints/stage1",
    "tbd train stage2 demo/data_manifests/mead --recipe tiny --set stage2.steps=20 --from checkpoints/stage1 -o checkpoints/stage2",
    "tbd generate --checkpoint checkpoints/stage2 --manifest demo/data_manifests/mead --preset fast -o runs/ours",
    "tbd eval runs/ours --suite quick --size 64",
)
"""What is typed in the film: every stage, the trainings far shorter than is of use."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTH = 900
"""Of the report, px: what a README shows without shrinking it."""
REVIEW = "tbd review data_manifests/mead --web --reviewer anna --port 0"


def run(line: str, folder: Path) -> None:
    """A command in ``folder``, heard on this terminal."""
    subprocess.run([sys.executable, "-m", *line.split()], cwd=folder, check=True)


def sheet(folder: Path) -> None:
    """``sheet.jpg``: six clips of four people, few enough to be read."""
    run("tbd demo people --until draw --people 4 --clips 8", folder)
    run("tbd annotate people/mead --backend facs --where emotion=happiness|sadness -o few", folder)
    Image.open(folder / "few/sheet.png").convert("RGB").save(DOCS / "sheet.jpg", quality=85)


def grid(folder: Path) -> None:
    """``grid.png``: every emotion at every intensity, by the network that ``tbd demo`` trains."""
    run("tbd demo", folder)
    Image.open(folder / "demo/grid.png").convert("RGB").save(DOCS / "grid.png", optimize=True)


@contextmanager
def review_page(demo: Path) -> Iterator[str]:
    """Address of the review page of the demo while it is served."""
    words = [sys.executable, "-m", *REVIEW.split()]
    with subprocess.Popen(words, cwd=demo, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield next(line.split()[-1] for line in server.stdout or () if "http" in line)
        finally:
            server.terminate()


def pages(demo: Path, browser: Browser) -> None:
    """``report.png``: numbers and warnings; ``worst.png``: clips beside the truth; ``review.png``: a flagged card."""
    page = browser.new_page(viewport={"width": WIDTH, "height": 700})
    page.goto((demo / "results/demo/report.html").as_uri())
    edge = page.get_by_role("heading", name="Emotions").bounding_box()
    page.screenshot(path=DOCS / "report.png", clip={"x": 0, "y": 0, "width": WIDTH, "height": edge["y"] - 16})
    page.set_viewport_size({"width": 1180, "height": 700})
    page.locator(".worst").screenshot(path=DOCS / "worst.png")
    with review_page(demo) as address:
        page.goto(address)
        page.wait_for_load_state("networkidle")
        page.locator("body").screenshot(path=DOCS / "review.png")


def main(folder: Path) -> None:
    """All pictures, from runs in ``folder``."""
    sheet(folder)
    grid(folder)
    terminal = folder / "terminal"
    terminal.mkdir(exist_ok=True)
    (DOCS / "demo.svg").write_text(film(cut(record(FILM, terminal))), encoding="utf-8")
    name = os.environ.get("TBD_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=name, args=["--no-sandbox"])
        pages(folder / "demo", browser)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="where the runs are kept")
    given = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as temporary:
        place = given or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        main(place.resolve())
