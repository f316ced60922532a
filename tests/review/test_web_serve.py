"""The server around the page: its address, its port, and its end."""

import os
import re
import signal
import socket
import subprocess
import sys
from html import unescape
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from review import small
from review_page import ORIGIN, TOKEN, Browser, Site, served

from tbd.errors import InputError, TbdError, UsageError
from tbd.manifest import read_manifest
from tbd.manifest.reviews import FILE, read_events
from tbd.review.session import ReviewSession
from tbd.review.web import serve
from tbd.review.web.app import create_app
from tbd.review.web.serve import serve_review
from tbd.review.web.tabs import BrowserTabs
from tbd.web import protocol
from tbd.web.listen import listen, tunnel

SERVE = """
import sys
from pathlib import Path
from tbd.review.session import ReviewSession
from tbd.review.web.serve import serve_review
print(len(serve_review(lambda name: ReviewSession(Path(sys.argv[1]), name), port=0, reviewers=["Ann"])), flush=True)
"""


def test_a_port_in_use_is_an_error_with_a_way_on():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} on 127.0.0.1 is taken") as caught:
            serve_review(
                lambda name: pytest.fail("no session is opened for a port that is taken"), port=port, reviewers=["Ann"]
            )
    assert caught.value.next == "tbd review --web --port 0"


@pytest.mark.parametrize(("host", "port"), [("no.such.host.invalid", 0), ("192.0.2.1", 0), ("127.0.0.1", 70_000)])
def test_an_address_that_is_not_this_machines_is_an_error_of_the_user(host, port):
    with pytest.raises(InputError):
        listen(host, port, "tbd review --web")


def test_a_reviewers_desk_is_opened_before_anything_is_printed(tmp_path, capsys):
    with pytest.raises(TbdError):
        serve_review(lambda name: ReviewSession(tmp_path / "nothing", name), port=0, reviewers=["Ann"])
    assert capsys.readouterr().out == ""


def test_over_ssh_the_command_that_reaches_the_page_is_told():
    words = tunnel(8765, {"SSH_CONNECTION": "10.0.0.2 50000 10.0.0.9 22"}, "ann")
    assert words == "ssh -N -L 8765:127.0.0.1:8765 ann@10.0.0.9"
    assert "-p 2222 ann@" in tunnel(8765, {"SSH_CONNECTION": "10.0.0.2 50000 10.0.0.9 2222"}, "ann")
    assert tunnel(8765, {}, "ann") is None
    assert tunnel(8765, {"SSH_CONNECTION": "odd"}, "ann") is None


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_server_gives_cards_back_and_writes_the_decisions_into_the_manifest(tmp_path, stop):
    folder = small(tmp_path / "m", 2)
    environment = os.environ | {"SSH_CONNECTION": "10.0.0.2 50000 10.0.0.9 22"}
    command = [sys.executable, "-c", SERVE, str(folder)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as server:
        try:
            address = server.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}", address)
            origin = address.partition("/?")[0]
            with httpx.Client(base_url=origin, headers={"Origin": origin}, follow_redirects=True) as browser:
                browser.get(address)
                page = browser.get("/review").text
                ticket = re.search(r'data-ticket="([^"]+)"', page)[1]
                decide = unescape(re.search(r'action="(/decide[^"]+)"', page)[1])
                assert browser.post(decide, data={"ticket": ticket, "action": "accept"}).status_code == 200
            server.send_signal(stop)
            out, words = server.communicate(timeout=20)
        finally:
            server.kill()
    assert "ssh -N -L " in words and "Traceback" not in words
    assert out.strip() == ("1" if stop == signal.SIGINT else "")
    assert [row["review_status"] for row in read_manifest(folder).to_pylist()] == ["unreviewed", "accepted"]
    with ReviewSession(folder, "Bob") as bob:
        assert bob.next().clip_id == "clip_000"


def test_an_answer_never_waits_for_the_receipt_of_its_first_packet():
    with listen("127.0.0.1", 0, "tbd review --web") as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_request_that_never_ends_is_hung_up_on_and_holds_nobody_up(monkeypatch, tmp_path):
    monkeypatch.setattr(protocol, "PATIENCE", 0.3)
    site = Site(small(tmp_path / "m", 1))
    with served(site.app) as address:
        host, port = re.search(r"//([^:]+):(\d+)", address).groups()
        slow = [socket.create_connection((host, int(port))) for _ in range(20)]
        for at, connection in enumerate(slow):
            connection.sendall(b"GET /review HTTP/1.1\r\nHost: 127.0.0.1\r\n" if at % 2 else b"")
        assert httpx.get(address).status_code == 200
        for connection in slow:
            connection.settimeout(10)
            assert connection.recv(1) == b""  # closed, without an answer
            connection.close()


def test_an_address_each_is_printed_for_several_reviewers_and_nobody_decides_as_another(tmp_path, capsys, monkeypatch):
    folder, apps = small(tmp_path / "m", 3), []
    monkeypatch.setattr(serve, "run_app", lambda app, listener: apps.append(app))
    serve_review(lambda name: ReviewSession(folder, name), port=0, reviewers=["Anna", "Ben", "Cleo"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["Anna", "Ben", "Cleo"]
    tokens = [re.search(r"token=(\S+)", line)[1] for line in lines]
    assert len(set(tokens)) == 3
    tabs = BrowserTabs(lambda name: ReviewSession(folder, name))
    app = create_app(tabs, dict(zip(tokens, ["Anna", "Ben", "Cleo"], strict=True)))
    ben = Browser(app, base_url=ORIGIN)
    ben.get("/", params={"token": tokens[1]})
    ben.open()
    ben.decide()
    assert ben.submit("/name", name="Anna").status_code == 403
    tabs.close()
    assert [event.reviewer for event in read_events(folder / FILE)] == ["Ben"]


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example", "//evil.example/%2e%2e", "/%5cevil.example"])
def test_the_way_in_never_leads_to_another_server(tmp_path, path):
    browser = Site(small(tmp_path / "m", 1)).stranger()
    answer = browser.get(f"{ORIGIN}{path}?token={TOKEN}", follow_redirects=False)
    assert answer.status_code == 200
    target = unescape(re.search(r"url=([^\"]*)", answer.text)[1])
    assert urlsplit(urljoin(f"{ORIGIN}/", target)).netloc == "127.0.0.1"
