"""Serving the review page until Ctrl-C."""

from __future__ import annotations

import errno
import getpass
import os
import secrets
import socket
from collections.abc import Mapping

from tbd.console import out, say
from tbd.errors import InputError, MissingError, UsageError
from tbd.manifest.seal import Sealed
from tbd.review.web.app import create_app
from tbd.review.web.guard import loopback
from tbd.review.web.tabs import OpenSession, Seats

PORT = 8765


def serve(
    make_desk: OpenSession,
    host: str = "127.0.0.1",
    port: int = PORT,
    token: str | None = None,
    reviewer: str = "",
) -> list[Sealed]:
    """Serve the page until Ctrl-C or SIGTERM; then give every card back and seal the manifest again.

    The full address goes to stdout on one line; what a person has to know goes to stderr.

    Args:
        make_desk: makes the session of a reviewer.
        host: address to listen on; anything but the loopback can be reached by others.
        port: 0 takes a free one.
        token: secret in the address; None draws one.
        reviewer: name that browsers start with; their session is opened before the address is printed. "" asks.

    Returns:
        What was sealed, by the sessions whose decisions were not in the manifest yet.

    Raises:
        UsageError: the port is taken, or the reviewer's name cannot be one.
        InputError: no manifest, or a damaged one; no such address on this machine.
    """
    import uvicorn

    token, seats = token or secrets.token_urlsafe(24), Seats(make_desk)
    try:
        with listen(host, port) as listener:
            if reviewer:
                seats.of(reviewer)
            app = create_app(seats, token, host=host, reviewer=reviewer)
            config = uvicorn.Config(
                app, log_level="warning", access_log=False, server_header=False, proxy_headers=False,
                ws="none", lifespan="on", timeout_graceful_shutdown=2,
            )  # fmt: skip
            _announce(host, listener.getsockname()[1], token)
            uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        pass  # uvicorn hands Ctrl-C on after it has shut down
    finally:
        seats.close()
    return seats.sealed


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens, before anything is printed about it.

    Raises:
        UsageError: the port is taken.
        InputError: this machine has no such address.
        MissingError: the port needs rights that this user has not.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=64)
        # Head and body of an answer are two packets; without this the second waits 40 ms for the first's receipt.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None)
        if number == errno.EADDRINUSE:
            raise UsageError(f"port {port} on {host} is taken", next="tbd review --web --port 0") from None
        if number == errno.EACCES:
            raise MissingError(f"port {port} needs more rights than you have", next="--port 0") from None
        raise InputError(f"{host}:{port} cannot be listened on: {error}", next="tbd review --web") from None


def tunnel(port: int, environment: Mapping[str, str], user: str) -> str | None:
    """The command that makes a loopback port of this machine one of the person's, when they came over SSH."""
    parts = environment.get("SSH_CONNECTION", "").split()
    if len(parts) != 4:
        return None
    entry = "" if parts[3] == "22" else f" -p {parts[3]}"
    return f"ssh -N -L {port}:127.0.0.1:{port}{entry} {user}@{parts[2]}"


def _announce(host: str, port: int, token: str) -> None:
    name = socket.gethostname() if host in ("0.0.0.0", "::", "") else f"[{host}]" if ":" in host else host
    out(f"http://{name}:{port}/?token={token}")
    if not loopback(host):
        say("Others can reach this page: whoever has the address can review.")
    elif command := tunnel(port, os.environ, getpass.getuser()):
        say(f"You are here over SSH. On your own machine run\n  {command}\nand open the address above there.")
    say("Ctrl-C ends the review and writes the decisions into the manifest.")
