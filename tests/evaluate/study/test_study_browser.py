"""Ten raters in a real browser, a server that is killed in between, and the page without a server."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright
from study import no_names, rated, small_study

from tbd.evaluate.study.analysis import analyse
from tbd.evaluate.study.static_page import write_static
from tbd.evaluate.study.votes import VoteStore, import_votes

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ("no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking", "disable-component-update")
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def chromium():
    found = os.environ.get("TBD_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    assert found, "no Chromium found: run `make browser`, or set TBD_BROWSER to one"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[f"--{flag}" for flag in QUIET])
        yield browser
        browser.close()


class Server:
    """``tbd study serve`` in a process of its own."""

    def __init__(self, folder, port=0):
        command = [sys.executable, "-m", "tbd", "study", "serve", str(folder), "--port", str(port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.address = self.process.stdout.readline().strip()
        self.port = int(self.address.split(":")[2].partition("/")[0])

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


def watch(page, at):
    """Play the video to its end; nothing can be answered before."""
    expect(page.locator("#where")).to_have_text(f"Video {at + 1} of 5")
    assert page.locator("#next").is_disabled()
    assert page.locator("fieldset:disabled").count() == 4
    expect(page.locator("#video[data-ready]")).to_have_count(1)  # a server that was away is asked again
    page.evaluate("() => { const video = document.getElementById('video'); video.muted = true; return video.play(); }")
    expect(page.locator("fieldset:disabled")).to_have_count(0)


def answer(page, value):
    for name in ("lip_sync", "naturalness", "emotion", "identity"):
        page.locator(f"input[name={name}][value='{value}']").check()
    page.get_by_role("button", name="Save and go on").click()


def opinion(study, rater, at):
    system, asked = rated(study, rater, at)
    return asked or (4 if system == "mine" else 2) + rater % 2


def test_ten_raters_and_a_server_that_is_killed(chromium, tmp_path):
    folder, study = small_study(tmp_path)
    server = Server(folder)
    votes, requests, wrong, pages = VoteStore(folder, study), [], [], []
    for rater in range(10):
        context = chromium.new_context(viewport=PHONE) if rater % 2 else chromium.new_context()
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(server.address)
        page.get_by_role("button", name="Begin").click()
        pages.append(page)
    for at in range(5):
        for rater, page in enumerate(pages):
            if (at, rater) == (2, 4):
                server.kill()
                server = Server(folder, server.port)
            if (at, rater) == (3, 7):  # closed and opened again
                page.close()
                page = pages[rater] = page.context.new_page()
                page.goto(server.address)
            watch(page, at)
            if (at, rater) == (1, 6):  # killed while somebody answers: not saved, said, and sent again
                server.kill()
                answer(page, opinion(study, rater, at))
                expect(page.locator("#rate .trouble")).to_contain_text("Not saved")
                server = Server(folder, server.port)
                page.get_by_role("button", name="Save and go on").click()
            else:
                answer(page, opinion(study, rater, at))
            shown = page.locator("#thanks") if at == 4 else page.locator("#where")
            expect(shown).to_contain_text("All 5" if at == 4 else f"Video {at + 2}")
            assert sum(vote.rater == rater for vote in votes.votes()) == at + 1  # before the next clip
            assert no_names(page.content())
            if rater % 2:
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    server.kill()
    assert wrong == []
    assert all(url.startswith(f"http://127.0.0.1:{server.port}/") and no_names(url) for url in requests)
    found = analyse(study, votes.votes())
    assert found["counted"] == 10
    assert [entry["mos"] for entry in found["criteria"]["lip_sync"]["systems"]] == [2.5, 4.5]


def test_the_page_without_a_server(chromium, tmp_path):
    folder, study = small_study(tmp_path, raters=2)
    address = f"file://{tmp_path / 'static' / write_static(folder, tmp_path / 'static')[1]}"
    context = chromium.new_context(accept_downloads=True)
    page, requests = context.new_page(), []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address)
    for at in range(5):
        if at == 2:  # a rater who returns goes on
            page.goto(address)
        watch(page, at)
        answer(page, opinion(study, 1, at))
    with page.expect_download() as download:
        page.get_by_text("Save my answers").click()
    saved = Path(download.value.path())
    assert no_names(saved.read_text()) and no_names((tmp_path / "static" / "study-data.js").read_text())
    assert len(json.loads(saved.read_text())["votes"]) == 5
    store = VoteStore(folder, study)
    assert import_votes(store, study, [saved]) == (5, 0)
    assert [vote.answers["emotion"] for vote in store.votes()] == [opinion(study, 1, at) for at in range(5)]
    assert all(url.startswith(("file://", "blob:")) for url in requests)
    page.goto(address.partition("?")[0])
    page.get_by_label("code").fill("nobody")
    page.get_by_role("button", name="Begin").click()
    expect(page.locator("#code .trouble")).to_have_text("There is no such code.")
