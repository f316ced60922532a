"""A socket that listens, the address that is printed about it, and serving on it until Ctrl-C."""

from __future__ import annotations

import contextlib
import errno
import getpass
import os
import socket
from collections.abc import Mapping
from typing import Any

from tbd.console import out, say
from tbd.errors import InputError, MissingError, UsageError
from tbd.web.guard import loopback

_CONNECTIONS = 200
"""Connections at once; more are told to come later, so that nobody can take all of them for long."""


def run_app(app: Any, listener: socket.socket) -> None:
    """Serve an ASGI application on a socket until Ctrl-C or SIGTERM; requests under way are finished."""
    import uvicorn

    from tbd.web.protocol import PatientProtocol

    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, proxy_headers=False, http=PatientProtocol,
        ws="none", lifespan="on", timeout_graceful_shutdown=2, limit_concurrency=_CONNECTIONS,
    )  # fmt: skip
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn hands Ctrl-C on after it has shut down
        uvicorn.Server(config).run(sockets=[listener])


def listen(host: str, port: int, command: str) -> socket.socket:
    """A socket that listens, before anything is printed about it.

    Args:
        command: that asked for it; errors name it with another port.

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
            raise UsageError(f"port {port} on {host} is taken", next=f"{command} --port 0") from None
        if number == errno.EACCES:
            raise MissingError(f"port {port} needs more rights than you have", next=f"{command} --port 0") from None
        raise InputError(f"{host}:{port} cannot be listened on: {error}", next=command) from None


def announce(host: str, port: int, token: str, others: str, names: Mapping[str, str] | None = None) -> None:
    """Print the full address on stdout; on stderr, who else can reach it, or how to reach it over SSH.

    Args:
        names: secret -> whose address it is, where several people have one each; a line is printed for each.
        others: what whoever has the address can do, where the server can be reached from other machines.
    """
    name = socket.gethostname() if host in ("0.0.0.0", "::", "") else f"[{host}]" if ":" in host else host
    for secret, person in (names or {token: ""}).items():
        out(f"http://{name}:{port}/?token={secret}" + (f"  {person}" if person else ""))
    if not loopback(host):
        say(f"Others can reach this page: {others}")
        say("It is plain HTTP: who listens to the network sees token and cookie. On networks that you do not trust,")
        say("leave --host out and forward the port with ssh -L.")
    elif command := tunnel(port, os.environ, getpass.getuser()):
        say(f"You are here over SSH. On your own machine run\n  {command}\nand open the address above there.")


def tunnel(port: int, environment: Mapping[str, str], user: str) -> str | None:
    """The command that makes a loopback port of this machine one of the person's, when they came over SSH."""
    parts = environment.get("SSH_CONNECTION", "").split()
    if len(parts) != 4:
        return None
    entry = "" if parts[3] == "22" else f" -p {parts[3]}"
    return f"ssh -N -L {port}:127.0.0.1:{port}{entry} {user}@{parts[2]}"
