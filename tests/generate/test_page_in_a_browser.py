"""Two people at once at the Gradio page, in a real browser: from upload to playing result, one after the other."""

import socket
import threading
import time

import pytest
import uvicorn
from PIL import Image
from review_browser import chromium  # noqa: F401 (a fixture)
from talking_head import pipeline, speech

from tbd.demo.face import Portrait
from tbd.demo.identity import PEOPLE
from tbd.demo.landmarks import Expression
from tbd.generate.page import TalkingHeadPage, chain_steps, page_app
from tbd.generate.recipe import load_generate_recipe
from tbd.media import audio

PATIENCE = 120_000
"""Milliseconds."""


@pytest.fixture
def served(tmp_path):
    """The page's address, token included, and the page; at most one video is under way."""

    def annotate(picture, emotion, intensity):
        return [f"{emotion} {intensity}", "fine"], chain_steps(["facial information", "action units"])

    page = TalkingHeadPage(pipeline(), annotate, load_generate_recipe(["steps=1", "scale=1"]), tmp_path)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(page_app(page, "secret"), log_level="error"))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/?token=secret", page
    server.should_exit = True
    thread.join(10)


def test_two_people_upload_and_see_their_own_video(served, chromium, tmp_path):  # noqa: F811
    address, page = served
    under_way, most, render = [], [], page._render

    def watched(*given):
        under_way.append(1)
        most.append(len(under_way))
        try:
            return render(*given)
        finally:
            under_way.pop()

    page._render = watched
    asked, people = [], []
    for number in range(2):
        face, sound = tmp_path / f"face{number}.png", tmp_path / f"speech{number}.wav"
        Image.fromarray(Portrait(PEOPLE[number], 160).draw(Expression({}))).save(face)
        audio.write_wav(sound, speech(6 + 4 * number))
        tab = chromium.new_context(viewport={"width": 1200, "height": 900}).new_page()
        tab.set_default_timeout(PATIENCE)
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(address)
        files = tab.locator("input[type=file]")
        files.nth(0).set_input_files(face)
        tab.locator("img[src*=face]").first.wait_for()
        files = tab.locator("input[type=file]")
        files.last.set_input_files(sound)
        tab.locator("#think").click()
        tab.wait_for_function("document.querySelector('#coarse textarea').value == 'happiness moderate'")
        people.append(tab)
    for tab in people:
        tab.locator("#draw").click()
    for number, tab in enumerate(people):
        tab.wait_for_function("document.querySelector('#film video')?.readyState >= 2")
        seconds = tab.evaluate("document.querySelector('#film video').duration")
        assert abs(seconds - (6 + 4 * number) / 25) < 0.05, "each sees the video of their own speech"
        tab.evaluate("document.querySelector('#film video').play()")
        tab.wait_for_function("document.querySelector('#film video').currentTime > 0")
        tab.screenshot(path=tmp_path / f"person{number}.png", full_page=True)
    assert len(most) == 2 and max(most) == 1, "one after the other"
    assert all(url.startswith((address.split("?")[0], "data:", "blob:")) for url in asked), "nobody outside is called"
