"""What the page refuses, and that nothing it shows can become more than text."""

import re
from pathlib import Path

import pytest
from media import video
from review import WARN, flagged, manifest, small
from review_page import ORIGIN, TOKEN, Site

import tbd.review.web
from tbd.web.forms import LIMIT
from tbd.web.guard import named

WEB = Path(tbd.review.web.__file__).parent
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'"
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Origin": ORIGIN}


@pytest.fixture
def site(tmp_path):
    return Site(small(tmp_path / "m", 3))


@pytest.fixture
def ann(site):
    browser = site.browser()
    browser.open()
    return browser


@pytest.mark.parametrize("path", ["/", "/review", "/clips/clip_000/strip.jpg", "/name", "/ahead"])
@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token=the-toke", "?token=%00"])
def test_without_the_right_token_nothing_is_shown(site, path, query):
    answer = site.stranger().get(path + query)
    assert answer.status_code == 403
    assert "clip_0" not in answer.text
    assert "set-cookie" not in answer.headers


def test_without_the_token_nothing_can_be_posted(site):
    answer = site.stranger().submit("/decide", action="accept", clip="clip_000")
    assert answer.status_code == 403
    assert site.events == []


def test_a_cookie_that_was_not_given_out_lets_nobody_in(site):
    assert site.stranger(cookies={"tbd_80": "guess"}).get("/review").status_code == 403


def test_the_token_is_traded_for_a_strict_http_only_cookie_and_never_shown_again(site):
    browser = site.stranger()
    answer = browser.get("/review", params={"token": TOKEN, "flag": "levels_missing"})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "path=/" in cookie
    assert TOKEN not in answer.text and TOKEN not in cookie
    assert "url=/review?flag=levels_missing" in answer.text
    assert TOKEN not in browser.open().text


def test_coming_with_the_token_again_keeps_the_name(site):
    browser = site.browser("Bob")
    browser.get("/", params={"token": TOKEN})
    assert "Bob</a>" in browser.open().text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "https://127.0.0.1.evil.example"},
        {"Origin": "http://127.0.0.1:81"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {},
    ],
)
@pytest.mark.parametrize("path", ["/decide", "/bulk", "/undo", "/skipped", "/recheck", "/renew", "/name"])
def test_a_post_from_a_foreign_page_is_refused(site, ann, headers, path):
    fields = {"clip": ann.clip, "ticket": ann.ticket, "action": "accept", "flag": "levels_missing", "name": "Eve"}
    answer = ann.post(path, data=fields, headers=headers)
    assert answer.status_code == 403
    assert site.events == []
    assert "Ann</a>" in ann.open().text


@pytest.mark.parametrize("path", ["/decide", "/bulk", "/undo", "/skipped", "/recheck", "/renew"])
def test_nothing_is_decided_by_following_a_link(site, ann, path):
    answer = ann.get(f"{path}?clip={ann.clip}&ticket={ann.ticket}&action=accept&flag=levels_missing")
    assert answer.status_code == 405
    assert site.events == []


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.0.7", "", "[", "a b", "0.0.0.0"],
)
def test_a_foreign_name_for_this_server_is_refused(site, host):
    answer = site.stranger().get("/", params={"token": TOKEN}, headers={"Host": host})
    assert answer.status_code == 400
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("host", ["127.0.0.1:9000", "localhost", "LOCALHOST:8765", "[::1]:8765", "localhost."])
def test_the_loopback_answers_to_its_own_names_on_any_port_of_a_tunnel(host):
    assert named(host, "127.0.0.1")


def test_a_server_opened_to_the_network_answers_to_addresses_and_its_own_name_only():
    assert named("192.168.0.7:8765", "0.0.0.0")
    assert named("lab.example:8765", "lab.example")
    assert not named("evil.example", "0.0.0.0")
    assert not named("evil.example", "lab.example")


@pytest.mark.parametrize(
    "name",
    [
        "../../../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2fetc%2fpasswd",
        "clip_000%00",
        "nobody",
        "%ff",
        "clip_000%2f..",
        ".",
    ],
)
@pytest.mark.parametrize("path", ["/clips/{}/strip.jpg", "/clips/{}/video", "/review?clip={}"])
def test_a_clip_that_the_manifest_does_not_have_is_not_found(ann, name, path):
    answer = ann.get(path.format(name))
    assert answer.status_code == 404
    assert "root:" not in answer.text


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "review.css%00", "nothing.js", "%2fetc%2fpasswd"])
def test_static_files_are_a_fixed_list(ann, name):
    assert ann.get(f"/static/{name}").status_code == 404


@pytest.mark.parametrize("name", ["../secret.mp4", "/etc/passwd", "a/../../secret.mp4"])
def test_a_file_name_of_the_manifest_that_leads_out_of_the_dataset_is_not_followed(tmp_path, name):
    video(tmp_path / "secret.mp4", frames=4)
    (tmp_path / "root/a").mkdir(parents=True)
    folder = manifest(tmp_path / "m", [flagged("clip_000", WARN, file_name=name)])
    browser = Site(folder, roots={"mead": tmp_path / "root"}).browser()
    assert "not on this machine" in browser.open().text
    assert browser.get("/clips/clip_000/video").status_code == 404
    assert browser.get("/clips/clip_000/strip.jpg").status_code == 404


def test_a_file_is_never_sent_as_something_that_a_browser_would_run(tmp_path):
    for name in ("page.html", "picture.svg", "code.js"):
        (tmp_path / name).write_text("<script>alert(1)</script>")
    rows = [
        flagged(f"clip_{at}", WARN, file_name=name) for at, name in enumerate(("page.html", "picture.svg", "code.js"))
    ]
    browser = Site(manifest(tmp_path / "m", rows), roots={"mead": tmp_path}).browser()
    for at in range(3):
        answer = browser.get(f"/clips/clip_{at}/video")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_markup_in_everything_that_people_and_models_write_is_shown_as_text(tmp_path):
    finding = WARN | {"message": SCRIPT, "quote": "<b>", "where": "step1"}
    text = {
        "prompts": [f"<b>{SCRIPT}"] * 4,
        "step_outputs": [f"<b>{SCRIPT}", '{"gender": "</main><b>"}', SCRIPT, SCRIPT],
    }
    more = {
        "subject": SCRIPT,
        "file_name": f"{SCRIPT}.mp4",
        "transcript": SCRIPT,
        "instruction": SCRIPT,
        "view": SCRIPT,
    }
    name = f"<i>{SCRIPT[:60]}"
    site = Site(manifest(tmp_path / "m", [flagged("clip_000", finding, **text, **more)]), reviewer="")
    browser = site.browser(name)
    pages = [browser.page.text, browser.open("/review?clip=clip_000&edit=1").text, browser.open("/name").text]
    browser.open("/review?clip=clip_000")
    pages.append(browser.decide("edit", prompt=[SCRIPT] * 4).text)
    pages.append(browser.open("/review?clip=clip_000").text)
    for page in pages:
        assert not re.search(r"<script(?! src=\"/static/review)|<img src=x|<i>|<b>(?!\d|Ann)[^<]*<b>", page)
        assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in pages[0]
    assert re.search(r'<mark class="warning"[^>]*>&lt;b&gt;</mark>', pages[0])


@pytest.mark.parametrize("chunked", [False, True])
def test_an_oversized_body_is_refused_and_changes_nothing(site, ann, chunked):
    body = f"clip={ann.clip}&ticket={ann.ticket}&action=accept&more=".encode() + b"x" * LIMIT
    content = iter([body[:1000], body[1000:]]) if chunked else body
    answer = ann.post("/decide", content=content, headers=FORM)
    assert answer.status_code == 413
    assert site.events == []


def test_the_largest_body_is_still_read(ann):
    body = f"clip={ann.clip}&ticket={ann.ticket}&action=accept&more=".encode()
    body += b"x" * (LIMIT - len(body))
    assert ann.post(ann.action("/decide"), content=body, headers=FORM).status_code == 200


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x"])
def test_only_forms_are_read(site, ann, kind):
    answer = ann.post("/decide", content=b"action=accept", headers={"Content-Type": kind, "Origin": ORIGIN})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"a=%ff", b"&".join(b"a=1" for _ in range(5000))], ids=["bytes", "escape", "fields"]
)
def test_what_is_no_form_is_refused(ann, body):
    assert ann.post("/undo", content=body, headers=FORM).status_code == 400


def test_every_answer_forbids_scripts_and_frames_that_are_not_the_servers(site, ann):
    answers = [
        ann.open(),
        ann.get("/nowhere"),
        site.stranger().get("/review"),
        ann.get("/static/review.js"),
        ann.get("/ahead"),
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy
        assert answer.headers["referrer-policy"] == "same-origin"  # no-referrer would hide the origin of our own posts
        assert "access-control-allow-origin" not in answer.headers


def test_pages_with_clips_on_them_are_not_kept_by_the_browser(ann):
    assert ann.page.headers["cache-control"] == "no-store"


def test_templates_hold_no_inline_script_or_style_and_no_address_outside():
    for path in [*WEB.glob("templates/*.html"), *WEB.glob("static/*")]:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z]+\.[a-z]+/|@import|(?<!_)url\(", text), path.name
        if path.suffix == ".html":
            assert not re.search(r"<script(?! src)|<style|\sstyle=|\son[a-z]+=|\|\s*safe", text), path.name
