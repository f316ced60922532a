"""Frame strips and videos of the clips under review."""

import io
import re
import threading
from html import escape, unescape

import numpy as np
import pytest
from media import number, still, tone, video
from PIL import Image
from review import WARN, flagged, manifest
from review_page import Site

from tbd.errors import InputError
from tbd.media import strip
from tbd.media.canonical import CanonicalClip
from tbd.media.strip import SIDE, Strips, draw_strip, strip_frames


@pytest.fixture
def clip(tmp_path):
    return CanonicalClip(video(tmp_path / "a.mp4", frames=80, size=(96, 96)))


def cells(data, columns):
    """The frames of a strip, in reading order."""
    picture = np.asarray(Image.open(io.BytesIO(data)))
    side = SIDE
    assert picture.shape == (8 // columns * side, columns * side, 3)
    return [
        picture[y : y + side, x : x + side]
        for y in range(0, len(picture), side)
        for x in range(0, picture.shape[1], side)
    ]


@pytest.mark.parametrize("columns", [8, 2])
def test_a_strip_shows_the_middles_of_eight_equal_parts_in_reading_order(clip, columns):
    assert [number(cell) for cell in cells(draw_strip(clip, columns), columns)] == [5, 15, 25, 35, 45, 55, 65, 75]


def test_a_strip_keeps_to_the_window_and_the_crop_of_the_clip(tmp_path):
    path = video(tmp_path / "a.mp4", frames=60, size=(192, 96))
    found = strip_frames(CanonicalClip(path, start=0.8, end=1.6))
    assert all(20 <= number(frame[frame.shape[0] // 4 : -frame.shape[0] // 4]) < 40 for frame in found)
    right = strip_frames(CanonicalClip(path, crop_box=(96, 48, 144, 96)))[0]
    assert right[..., 2].mean() > 180  # the blue quarter alone
    assert right[..., 0].mean() < 80


def test_a_clip_shorter_than_eight_frames_and_a_still_fill_the_strip(tmp_path):
    short = strip_frames(CanonicalClip(video(tmp_path / "a.mp4", frames=3, size=(96, 96))))
    assert [number(frame) for frame in short] == [0, 0, 0, 1, 1, 2, 2, 2]
    assert [number(frame) for frame in strip_frames(CanonicalClip(still(tmp_path / "a.png")))] == [7] * 8


def test_a_strip_is_drawn_once_however_many_ask_at_once():
    drawn, gate, kept = [], threading.Event(), Strips()

    def draw():
        gate.wait(5)
        drawn.append(1)
        return b"strip"

    threads = [threading.Thread(target=kept.get, args=("a", draw)) for _ in range(5)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert kept.get("a", draw) == b"strip" and drawn == [1]


def test_only_the_strips_used_last_are_kept(monkeypatch):
    monkeypatch.setattr(strip, "KEPT", 2)
    kept, drawn = Strips(), []
    for name in "abacab":
        kept.get(name, lambda name=name: drawn.append(name) or b"")
    assert drawn == list("abcb")


def test_a_file_that_cannot_be_decoded_is_tried_once_and_named():
    kept, tried = Strips(), []

    def draw():
        tried.append(1)
        raise InputError("a.mp4: cut off")

    for _ in range(2):
        with pytest.raises(InputError, match="cut off"):
            kept.get("a", draw)
    assert tried == [1]


@pytest.fixture
def browser(tmp_path):
    video(tmp_path / "good.mp4", frames=40, size=(96, 96), audio=tone(1.6))
    (tmp_path / "bad.mp4").write_bytes(b"no video at all")
    rows = [
        flagged("clip_0", WARN, file_name="good.mp4", crop_box=None, end=1.0, start=0.2),
        flagged("clip_1", WARN, file_name="bad.mp4", crop_box=None),
        flagged("clip_2", WARN, file_name="gone.mp4"),
    ]
    browser = Site(manifest(tmp_path / "m", rows), roots={"mead": tmp_path}).browser()
    browser.open()
    return browser


def test_the_page_shows_strip_and_video_of_its_window(browser):
    assert 'data-start="0.2" data-end="1.0"' in browser.page.text
    wide = re.search(r'srcset="(/clips/clip_0/strip.jpg\?v=\w{16}&amp;rows=4)"', browser.page.text)[1]
    answer = browser.get(unescape(wide))
    assert answer.headers["content-type"] == "image/jpeg" and "max-age" in answer.headers["cache-control"]
    assert len(cells(answer.content, 2)) == 8
    assert answer.content == browser.get("/clips/clip_0/strip.jpg?rows=4").content


def pictures(browser):
    """The addresses of a card's pictures: strip, video."""
    browser.open("/review?clip=clip_0")
    return re.findall(r' src="(/clips/[^"]+)"', browser.page.text)


def test_two_reviews_at_one_address_share_no_picture(tmp_path):
    found = []
    for name, size in (("one", (96, 96)), ("other", (64, 64))):
        (tmp_path / name).mkdir()
        video(tmp_path / name / "same.mp4", frames=20, size=size)
        rows = [flagged("clip_0", WARN, file_name="same.mp4", crop_box=None)]
        site = Site(manifest(tmp_path / f"m_{name}", rows), roots={"mead": tmp_path / name})
        found.append(pictures(site.browser()))
    assert len(found[0]) == 2 and not set(found[0]) & set(found[1])


def test_a_picture_is_kept_under_the_address_of_what_it_shows_only(browser, tmp_path):
    strip_before, video_before = pictures(browser)
    assert pictures(browser) == [strip_before, video_before]
    for path in (strip_before, video_before):
        assert "max-age" in browser.get(path).headers["cache-control"]
        assert browser.get(path.partition("?")[0]).headers["cache-control"] == "no-store"
    before = browser.get(strip_before).content
    video(tmp_path / "good.mp4", frames=40, size=(64, 96))
    assert not {strip_before, video_before} & set(pictures(browser))
    again = browser.get(strip_before)
    assert again.headers["cache-control"] == "no-store" and again.content != before


def test_a_file_that_was_mended_is_shown(browser, tmp_path):
    assert browser.get("/clips/clip_1/strip.jpg").status_code == 404
    video(tmp_path / "bad.mp4", frames=10, size=(96, 96))
    assert browser.get("/clips/clip_1/strip.jpg").status_code == 200


def test_a_video_can_be_sought_in_by_ranges(browser, tmp_path):
    whole = (tmp_path / "good.mp4").read_bytes()
    answer = browser.get("/clips/clip_0/video", headers={"Range": "bytes=100-199"})
    assert answer.status_code == 206 and answer.content == whole[100:200]
    assert answer.headers["content-range"] == f"bytes 100-199/{len(whole)}"
    assert browser.get("/clips/clip_0/video").headers["content-type"] == "video/mp4"
    assert browser.get("/clips/clip_0/video", headers={"Range": "bytes=99999999-"}).status_code == 416


def test_a_clip_whose_file_is_broken_or_gone_still_has_its_card(browser):
    assert browser.get("/clips/clip_1/strip.jpg").status_code == 404
    assert browser.get("/clips/clip_2/strip.jpg").status_code == 404
    browser.open("/review?clip=clip_1")
    browser.decide()
    assert browser.clip == "clip_2" and "not on this machine" in browser.page.text
    browser.decide()
    assert browser.clip == "clip_0"


def test_looking_at_pictures_leases_no_card(browser):
    browser.get("/clips/clip_2/strip.jpg")
    ahead = browser.get("/ahead?clip=clip_0&rows=4", follow_redirects=False)
    assert re.fullmatch(r"/clips/clip_1/strip\.jpg\?v=\w{16}&rows=4", ahead.headers["location"])
    browser.open("/review?clip=clip_1")
    assert f'srcset="{escape(ahead.headers["location"])}"' in browser.page.text  # it is the one that was fetched ahead
