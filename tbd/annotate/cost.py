"""How annotation grows: from the pace of a measured run, or a stated one, to hours, disk and money on any number of GPUs.

Three things go on at the same time, and the slowest sets the pace: chains on the GPUs, looking at media on all CPU cores,
and the one driver that keeps the journal:

    wall = start + max(chains · chain / GPUs,  clips · (look + row) / cores,  clips · row)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from tbd.annotate.journal import FILE, Journal
from tbd.annotate.pace import META, RunPace
from tbd.errors import InputError
from tbd.manifest import MANIFEST
from tbd.manifest.run import ManifestRun, read_run

GPUS = (1, 2, 4, 8, 16, 32, 64)
CORES = 8
"""CPU cores that come with a GPU, where nobody says otherwise: what clouds rent is 8 to 26."""
LOOK, ROW, ROW_BYTES = 0.9, 0.003, 9_000.0
"""Assumed where nothing was measured: CPU seconds to look at a clip of MEAD, the driver's a row, bytes a row."""


@dataclass(frozen=True)
class ClipCost:
    """What one more clip or chain takes.

    Attributes:
        chain: seconds of one GPU.
        look: CPU seconds of looking at a clip.
        row: CPU seconds of the driver a row.
        start: seconds before anything comes back: processes, loading a model.
        bytes: of journal and manifest a row.
        backend, model: what was measured; empty where it was stated.
        rows: measured; 0 where it was stated.
    """

    chain: float
    look: float = LOOK
    row: float = ROW
    start: float = 0.0
    bytes: float = ROW_BYTES
    backend: str = ""
    model: str = ""
    rows: int = 0

    @classmethod
    def of_run(cls, pace: RunPace, size: int, rows: int, run: ManifestRun) -> Self:
        """From a measured run.

        Args:
            size: bytes of journal and manifest of its folder, with ``rows`` rows.
        """
        chain = pace.asking / max(pace.sessions, 1) * pace.gpus / max(pace.chains, 1)
        look = pace.looking / max(pace.looks, 1)
        driving = pace.driving - (0.0 if pace.workers else pace.looking)
        backend, model = (*run.asked, None, None)[:2]
        return cls(
            chain, look, max(driving, 0.0) / max(pace.rows, 1), pace.start, size / max(rows, 1),
            backend or "", model or run.identity.get("backend", {}).get("model") or "", pace.rows,
        )  # fmt: skip


@dataclass(frozen=True)
class CostLine:
    """A line of the table.

    Attributes:
        gpus, cores: the cluster.
        wall: hours of the wall clock.
        gpu_hours: held: GPUs times wall.
        money: for the GPUs; None where no price is known.
        waits_for: ``GPUs``, ``CPU cores`` or ``driver``: what more of would make it faster.
    """

    gpus: int
    cores: int
    wall: float
    gpu_hours: float
    money: float | None
    waits_for: str

    def as_json(self) -> dict[str, Any]:
        """For a document."""
        return asdict(self)


def measured_cost(folder: Path) -> ClipCost:
    """The cost of a clip in a manifest folder, from its largest run.

    Raises:
        InputError: nothing was annotated there, or by a version that took no time.
    """
    run, again = read_run(folder), f"tbd annotate DATASET --sample stratified:200 -o {folder}-pilot"
    if run is None or not (folder / FILE).is_file():
        raise InputError(f"{folder}: holds no run of tbd annotate, so nothing was measured there", next=again)
    with Journal(folder, read_only=True) as journal:
        pace, rows = journal.meta(META), journal.count("row")
    if pace is None:
        raise InputError(
            f"{folder}: its run was not timed (an earlier tbd made it, or nothing was left to do)", next=again
        )
    files = (folder / FILE, folder / MANIFEST)
    size = sum(path.stat().st_size for path in files if path.is_file())
    return ClipCost.of_run(RunPace.of_json(pace), size, rows, run)


def cost_line(cost: ClipCost, clips: int, chains: int, gpus: int, cores: int, price: float | None = None) -> CostLine:
    """What a run takes on so many GPUs.

    Args:
        cores: CPU cores of all machines together.
        price: of a GPU for an hour.
    """
    parts = {
        "GPUs": chains * cost.chain / gpus,
        "CPU cores": clips * (cost.look + cost.row) / cores,
        "driver": clips * cost.row,
    }
    slowest = max(parts, key=lambda name: parts[name])
    wall = (cost.start + parts[slowest]) / 3600
    return CostLine(gpus, cores, wall, gpus * wall, None if price is None else price * gpus * wall, slowest)
