"""The review page for tests: one browser's requests without a network, or a server for a real browser."""

import re
import threading
from contextlib import contextmanager
from html import unescape
from urllib.parse import urlsplit

import uvicorn
from starlette.testclient import TestClient

from tbd.manifest.reviews import FILE, read_events
from tbd.review.session import ReviewSession
from tbd.review.web.app import create_app
from tbd.review.web.tabs import BrowserTabs
from tbd.web.listen import listen
from tbd.web.protocol import PatientProtocol

TOKEN = "the-token"
ORIGIN = "http://127.0.0.1"


class Site:
    """A review of one manifest folder, open to several browsers."""

    def __init__(self, folder, *, reviewer="Ann", host="127.0.0.1", **session):
        self.folder = folder
        self.tabs = BrowserTabs(lambda name: ReviewSession(folder, name, **session))
        self.app = create_app(self.tabs, {TOKEN: reviewer}, host=host)

    @property
    def session(self):
        """The session of the tab that was opened last."""
        return list(list(self.tabs._tabs.values())[-1].values())[-1].session

    def stranger(self, **kwargs):
        """A browser that has no token yet."""
        return Browser(self.app, base_url=ORIGIN, **kwargs)

    def browser(self, name=None):
        """A browser that opened the printed address, and said a name if it is asked to."""
        browser = self.stranger()
        assert browser.get("/", params={"token": TOKEN}).status_code == 200
        if name is not None:
            browser.submit("/name", name=name)
        return browser

    @property
    def events(self):
        return read_events(self.folder / FILE)


class Browser(TestClient):
    """Sends what the pages' own forms send; ``page`` is what it sees."""

    page = None

    def open(self, path="/review"):
        self.page = self.get(self._in_tab(path))
        return self.page

    def _in_tab(self, path):
        """A path with the name of the tab that the browser shows, unless it has one."""
        tab = re.search(r"tab=[0-9a-f]+", str(self.page.url)) if self.page is not None else None
        return path if tab is None or "tab=" in path else f"{path}{'&' if '?' in path else '?'}{tab[0]}"

    def submit(self, path, **fields):
        """Post a form from a page of this server, and follow to the next page."""
        origin = {"Origin": str(self.base_url).rstrip("/")}
        self.page = self.post(self._in_tab(path), data=fields, headers=origin)
        return self.page

    def decide(self, action="accept", **fields):
        path = self.action("/decide")
        about = {"clip": self.clip, "ticket": self.ticket}
        return self.submit(path, **about, **({"action": action} if action else {}), **fields)

    def edit(self, **fields):
        """Press Edit as a browser without the script does."""
        path = unescape(re.search(r'formaction="([^"]*)"', self.page.text)[1])
        return self.submit(path, clip=self.clip, ticket=self.ticket, **fields)

    def action(self, path):
        """Where the page's form of this path goes, with tab and filters."""
        return unescape(re.search(rf'action="({path}[^"]*)"', self.page.text)[1])

    @property
    def clip(self):
        return self._of_main("data-clip")

    @property
    def ticket(self):
        return self._of_main("data-ticket") if "data-ticket" in self.page.text else self._hidden("ticket")

    @property
    def status(self):
        """The sentence that a screen reader is told."""
        return unescape(re.search(r'<p id="status"[^>]*>(.*?)</p>', self.page.text, re.DOTALL)[1])

    @property
    def heading(self):
        return unescape(re.search(r"<h1[^>]*>(.*?)</h1>", self.page.text, re.DOTALL)[1])

    def _of_main(self, name):
        return unescape(re.search(rf'<main[^>]*{name}="([^"]*)"', self.page.text)[1])

    def _hidden(self, name):
        return unescape(re.search(rf'name="{name}" value="([^"]*)"', self.page.text)[1])


@contextmanager
def served(app):
    """A real server on a free loopback port; its address with the token."""
    with listen("127.0.0.1", 0, "tbd review --web") as listener:
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="error", ws="none", timeout_graceful_shutdown=1, http=PatientProtocol)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/?token={TOKEN}"
        finally:
            server.should_exit = True
            thread.join(10)


def path_of(url):
    """Path and query of an address, without the tab's name."""
    parts = urlsplit(re.sub(r"tab=[0-9a-f]*&?", "", str(url)))
    return parts.path + (f"?{parts.query}" if parts.query else "")
