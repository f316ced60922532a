"""Joining a Ray cluster, and whether every node of it can do what this machine would."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from tbd import __version__
from tbd.errors import InputError, MissingError

ALIKE = (
    *("pyarrow", "av", "numpy", "pillow", "scipy", "ray"),
    *("torch", "torchvision", "diffusers", "transformers", "facenet-pytorch"),
)
"""Libraries that can change a byte of a result, or that must be the same to talk: equal on every node. Builds of one
version for a CPU and for a GPU (``2.15.0+cpu``) are taken as equal."""
TRIES = 5.0
"""Seconds that the head of a cluster has to answer."""


@dataclass(frozen=True)
class NodeFacts:
    """What a node says of itself.

    Attributes:
        versions: of what it runs.
        lacks: which of the paths asked for it does not see.
        contents: what else was asked for, such as hashes of weights, by the name that a person knows.
    """

    name: str
    versions: dict[str, str]
    lacks: tuple[str, ...]
    contents: Mapping[str, str] = field(default_factory=dict)


Contents = Callable[[], Mapping[str, str]]
"""A look at a node that must give what it gives here; sent there by pickle."""


def no_contents() -> Mapping[str, str]:
    """Nothing is asked for."""
    return {}


def ray_library() -> ModuleType:
    """The library.

    Raises:
        MissingError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise MissingError(
            "--engine ray needs Ray, which is not installed", next="pip install 'think-before-draw[ray]'"
        ) from None
    return ray


@contextlib.contextmanager
def joined(address: str | None, paths: Sequence[Path] = (), contents: Contents = no_contents) -> Iterator[None]:
    """Be a driver of a cluster for as long as this lasts.

    Args:
        address: ``host:port`` of the head; None takes ``$RAY_ADDRESS``, else the cluster that runs on this machine.
        paths: what every node must see under the same name.
        contents: what must be the same on every node as on this machine.

    Raises:
        MissingError: Ray is not installed, no cluster answers, or a node runs other versions or has other contents.
        InputError: a node does not see a path.
    """
    ray = ray_library()
    if ray.is_initialized() and address in (None, ray.get_runtime_context().gcs_address):  # the caller's own: it stays
        _check_nodes(ray, paths, contents)
        yield
        return
    _join(ray, address or os.environ.get("RAY_ADDRESS") or "auto")
    try:
        _check_nodes(ray, paths, contents)
        yield
    finally:
        ray.shutdown()


def cluster_size(resource: str) -> int:
    """How much of ``CPU`` or ``GPU`` the cluster has."""
    return int(ray_library().cluster_resources().get(resource, 0))


def _join(ray: Any, address: str) -> None:
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "//" not in address:
        try:
            socket.create_connection((host, int(port)), TRIES).close()
        except OSError as error:
            raise _no_cluster(address, error) from None
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, ignore_reinit_error=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _no_cluster(address, error) from None
    # Ray tells of lost workers on stdout, which is for results, whatever log_to_driver says; we say it ourselves.
    ray._private.worker._worker_logs_enabled = False


def _no_cluster(address: str, error: Exception) -> MissingError:
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    where = "runs on this machine" if address == "auto" else f"answers at {address}"
    return MissingError(
        f"no Ray cluster {where} ({said})",
        next="ray start --head   # on one machine, then: ray start --address=HEAD:6379 on the others",
    )


def _check_nodes(ray: Any, paths: Sequence[Path], contents: Contents) -> None:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(num_cpus=0, max_retries=1)(node_facts)
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    names = list(dict.fromkeys(str(path.absolute()) for path in paths))
    asked = [
        task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(one, soft=False)).remote(names, contents)
        for one in nodes
    ]
    try:
        found: list[NodeFacts] = ray.get(asked)
    except ray.exceptions.RayError as error:
        last = str(error).strip().splitlines()[-1]
        raise MissingError(
            f"a node of the cluster cannot run tbd: {last}",
            next="pip install 'think-before-draw[ray]'   # on every node",
        ) from None
    here = node_facts(names, contents)
    for node in found:
        refuse_unlike(node, here)


def refuse_unlike(node: NodeFacts, here: NodeFacts) -> None:
    """A node that would make other bytes, or none, is refused before anything is done.

    Raises:
        MissingError: it runs other versions than this machine, or has other contents.
        InputError: it lacks a path.
    """
    differ = [
        f"{name} {node.versions.get(name)} (here {version})"
        for name, version in here.versions.items()
        if node.versions.get(name) != version
    ]
    if differ:
        wanted = f"think-before-draw[ray]=={here.versions['tbd']}"
        raise MissingError(
            f"node {node.name} runs other versions, so its results could differ: {', '.join(differ)}",
            next=f"pip install '{wanted}' --constraint constraints.txt   # on {node.name}",
        )
    if node.lacks:
        raise InputError(
            f"node {node.name} does not see {', '.join(node.lacks)}",
            next=f"ls {node.lacks[0]}   # on {node.name}: mount it under the same name on every node",
        )
    for name, content in here.contents.items():
        if (there := node.contents.get(name)) != content:
            raise MissingError(
                f"node {node.name} differs from this machine in {name}: {there or 'nothing'} (here {content or 'nothing'})",
                next=f"tbd weights list   # on {node.name}, and here",
            )


def node_facts(paths: Sequence[str], contents: Contents = no_contents) -> NodeFacts:
    """What this machine is. Runs on every node."""
    versions = {"tbd": __version__, "python": platform.python_version()}
    versions |= {name: metadata.version(name).partition("+")[0] for name in ALIKE}
    lacks = tuple(path for path in paths if not Path(path).exists())
    return NodeFacts(socket.gethostname(), versions, lacks, {} if lacks else contents())
