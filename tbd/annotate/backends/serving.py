"""``--serve``: the recipe's server is started on the free GPUs, waited for, and ended when the work is.

free GPUs -> one process each (``process_guard.py``) -> /health -> endpoints -> … -> the line closes, the servers end
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import string
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tbd import console
from tbd.annotate.backends import process_guard
from tbd.annotate.recipe import DEFAULT_MODEL, AnnotateRecipe
from tbd.errors import MissingError, RecipeError, UsageError

IDLE = 1024
"""MiB that may be in use on a GPU that counts as free: a desktop, or a driver's own."""

_LAST_WORDS = 8
"""Lines of a server's output that an error repeats."""


@dataclass(frozen=True)
class RunningServer:
    """One server that was started.

    Attributes:
        url: its address, without ``/v1``.
        command: what was started.
        log: the file that takes its output.
        process: the guard around it.
        gpus: numbers of its GPUs, as ``CUDA_VISIBLE_DEVICES`` takes them; empty without any.
    """

    url: str
    command: Sequence[str]
    log: Path
    process: subprocess.Popen[bytes]
    gpus: str = ""

    def last_words(self) -> str:
        """The end of its output."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-_LAST_WORDS:])


def model_of(recipe: AnnotateRecipe) -> str:
    """The model that ``--serve`` serves."""
    return recipe.backend.model or DEFAULT_MODEL


def check_command(recipe: AnnotateRecipe) -> None:
    """See that the recipe's command can be started.

    Raises:
        RecipeError: it has a blank that nothing fills, or quotes that do not close.
        MissingError: there is no such program.
    """
    program = _filled(recipe, 8000, 1)[0]
    if shutil.which(program) is None:
        raise MissingError(
            f"server.command starts {program}, and there is no such program on the PATH",
            next="python -m venv vllm && vllm/bin/pip install vllm && export PATH=$PATH:$PWD/vllm/bin",
        )


@contextmanager
def at_hand(
    recipe: AnnotateRecipe,
    endpoints: Sequence[str],
    devices: str,
    serve: Path | None,
    note: Callable[[str], None] = console.say,
) -> Iterator[tuple[AnnotateRecipe, Sequence[str]]]:
    """The recipe and the endpoints to open its backend with; with ``serve``, those of servers of our own.

    Args:
        serve: the folder that takes the servers' output; None starts none.

    Yields:
        The recipe, which names the model where a server of ours has it, and the endpoints.
    """
    if serve is None:
        yield recipe, endpoints
        return
    console.say("starting the recipe's server; loading a model takes minutes")
    with served(recipe, devices, serve, note) as own:
        console.say(f"up: {', '.join(own)}")
        named = recipe.backend.model_copy(update={"model": model_of(recipe)})
        yield recipe.model_copy(update={"backend": named}), own


@contextmanager
def served(
    recipe: AnnotateRecipe, devices: str, folder: Path, note: Callable[[str], None]
) -> Iterator[tuple[str, ...]]:
    """Start the recipe's servers and wait until they are up; they end when the block does, or this process.

    One server for each free GPU; one for all of them where the command has the blank ``$gpus``, or where there is none.

    Args:
        devices: ``auto`` takes the free GPUs, ``0,2`` these, ``cpu`` none.
        folder: takes the servers' output, ``server-0.log`` and so on.
        note: takes what a reader of the results should know.

    Yields:
        Their addresses.

    Raises:
        MissingError: no such program, no free GPU, or a server that ends or does not come up in time.
        RecipeError: see ``check_command``.
    """
    check_command(recipe)
    gpus = free_gpus(devices)
    together = "$gpus" in recipe.server.command or "${gpus}" in recipe.server.command
    shares = [",".join(gpus)] if together or not gpus else gpus
    with ExitStack() as stack:
        servers = []
        for number, share in enumerate(shares):
            log = folder / f"server-{number}.log"
            servers.append(stack.enter_context(_started(recipe, share, len(gpus) if together else 1, log)))
        for server in servers:
            _wait_for(server, recipe.server.start_timeout)
        try:
            yield tuple(server.url for server in servers)
        finally:
            for server in servers:
                if (code := server.process.poll()) is not None:
                    note(
                        f"the server at {server.url} ended by itself (exit code {code}); its words are in {server.log}"
                    )


def free_gpus(devices: str) -> list[str]:
    """Numbers of the GPUs to serve on, in order; empty where the machine has none.

    Raises:
        UsageError: ``devices`` is neither ``auto``, ``cpu`` nor a list of numbers.
        MissingError: there are GPUs, and none is free.
    """
    if devices != "auto":
        numbers = [] if devices == "cpu" else devices.split(",")
        if not all(number.strip().isdigit() for number in numbers):
            raise UsageError(f"--devices {devices}: neither auto, cpu nor a list of numbers", next="--devices 0,1")
        return [number.strip() for number in numbers]
    used = _memory_used()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        used = {number: used[number] for number in map(str.strip, visible.split(",")) if number in used}
    free = [number for number, mebibytes in used.items() if mebibytes <= IDLE]
    if used and not free:
        busy = ", ".join(f"GPU {number} has {mebibytes:,} MiB in use" for number, mebibytes in used.items())
        raise MissingError(f"no GPU is free: {busy}", next=f"--devices {next(iter(used))}   # takes it all the same")
    return free


def _memory_used() -> dict[str, int]:
    """MiB in use by number of the GPU; empty without ``nvidia-smi``, or where it finds none."""
    query = ["nvidia-smi", "--query-gpu=index,memory.used", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=60, check=True).stdout
        pairs = [line.split(",") for line in told.splitlines() if line.strip()]
        return {number.strip(): int(used) for number, used in pairs}
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}


def _filled(recipe: AnnotateRecipe, port: int, gpus: int) -> list[str]:
    blanks = {"model": model_of(recipe), "port": port, "frames": recipe.chain.frames, "gpus": gpus}
    words = recipe.server.command
    try:
        command = [string.Template(word).substitute(blanks) for word in shlex.split(words)]
    except (KeyError, ValueError) as error:
        known = ", ".join(f"${name}" for name in blanks)
        raise RecipeError(
            f"server.command cannot be filled in ({error}); it is {words!r}, its blanks are {known}",
            next="mend server.command in the recipe",
        ) from None
    if not command or ("$port" not in words and "${port}" not in words):
        raise RecipeError(
            f"server.command needs the blank $port; it is {words!r}", next="mend server.command in the recipe"
        )
    return command


@contextmanager
def _started(recipe: AnnotateRecipe, share: str, gpus: int, log: Path) -> Iterator[RunningServer]:
    port = _free_port()
    command = _filled(recipe, port, gpus)
    environment = dict(os.environ)
    if share:
        environment |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": share}
    guard = [sys.executable, "-I", str(Path(process_guard.__file__)), *command]
    with log.open("wb") as output:
        process = subprocess.Popen(
            guard, stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment, start_new_session=True
        )
    try:
        yield RunningServer(f"http://127.0.0.1:{port}", command, log, process, share)
    finally:
        if process.stdin:
            process.stdin.close()
        process.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _wait_for(server: RunningServer, seconds: float) -> None:
    """Return when a server answers ``/health``, or, where it has no such page, lists its models."""
    until = time.monotonic() + seconds
    with httpx.Client(trust_env=False, timeout=5.0) as client:
        while not _is_up(client, server.url):
            code = server.process.poll()
            if code is not None or time.monotonic() > until:
                what = f"ended with exit code {code}" if code is not None else f"is not up after {seconds:g} s"
                raise MissingError(
                    f"the server {what}; its last words (all are in {server.log}):\n{server.last_words()}",
                    next=shlex.join(server.command),
                )
            time.sleep(0.2)


def _is_up(client: httpx.Client, url: str) -> bool:
    try:
        answer = client.get(f"{url}/health")
        if answer.status_code == httpx.codes.NOT_FOUND:
            answer = client.get(f"{url}/v1/models")
        return answer.is_success
    except httpx.HTTPError:
        return False
