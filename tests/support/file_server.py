"""A local web server that has one file and misbehaves in a chosen way."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HABITS = (
    "honest", "cuts", "redirects", "announces more", "announces less", "sends more", "wrong bytes", "web page",
    "not found", "busy once", "ignores range", "other range", "hangs up",
)  # fmt: skip


def _handler(content: bytes, seen: list[tuple[str, str]]):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            habit = self.path.strip("/").partition("/")[0].replace("-", " ")
            wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            first = int(wanted[1]) if wanted else 0
            seen.append((habit, self.headers.get("Range", "")))
            self.close_connection = True
            getattr(self, habit.replace(" ", "_"))(first)

        def _send(self, body, first=0, length=None, code=None, kind="application/octet-stream", at=None):
            self.send_response(code or (206 if first else 200))
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            if first:
                self.send_header(
                    "Content-Range", f"bytes {first if at is None else at}-{len(content) - 1}/{len(content)}"
                )
            self.end_headers()
            self.wfile.write(body)

        def honest(self, first):
            if first >= len(content):
                self._send(b"", code=416)
            else:
                self._send(content[first:], first)

        def cuts(self, first):
            rest = content[first:]
            self._send(rest[: max(1, len(content) // 3)], first, len(rest))

        def redirects(self, first):
            self.send_response(302)
            self.send_header("Location", "/honest/file")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def announces_more(self, first):
            self._send(content[first:], first, len(content) - first + 100)

        def announces_less(self, first):
            self._send(content[first:], first, len(content) - first - 10)

        def sends_more(self, first):
            self._send(content[first:] + b"more" * 10, first)

        def wrong_bytes(self, first):
            self._send(bytes(len(content) - first), first)

        def web_page(self, first):
            self._send(b"<html>accept our terms</html>", kind="text/html; charset=utf-8")

        def not_found(self, first):
            self._send(b"no", code=404)

        def busy_once(self, first):
            busy = sum(habit == "busy once" for habit, _ in seen) == 1
            self._send(b"", code=503) if busy else self.honest(first)

        def ignores_range(self, first):
            self._send(content)

        def other_range(self, first):
            self._send(content[first // 2 :], first, at=first // 2) if first else self._send(content)

        def hangs_up(self, first):
            self.wfile.flush()

    return Handler


@contextmanager
def file_server(content: bytes):
    """Yields ``url(habit)`` and the list of ``(habit, Range)`` that were asked."""
    seen: list[tuple[str, str]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(content, seen))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield lambda habit, name="file": f"http://127.0.0.1:{server.server_port}/{habit.replace(' ', '-')}/{name}", seen
    finally:
        server.shutdown()
        server.server_close()
