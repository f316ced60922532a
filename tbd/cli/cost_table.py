"""``tbd doctor --plan``: hours, disk and money of an annotation on 1 to 64 GPUs, as a table and as a document."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tbd.console import document, human_bytes, human_seconds, out
from tbd.errors import UsageError

if TYPE_CHECKING:
    from tbd.annotate.cost import ClipCost, CostLine


def show_costs(
    clips: int | None,
    *,
    chains: int | None = None,
    measured: Path | None = None,
    rate: float | None = None,
    model: str | None = None,
    cores: int | None = None,
    price: float | None = None,
    json: bool = False,
) -> None:
    """Print the table.

    Args:
        clips: to annotate.
        chains: that they need; None: one each.
        measured: manifest folder whose run was timed.
        rate: chains an hour on one GPU, instead of what was measured.
        model: what the rate is of.
        cores: CPU cores for each GPU.
        price: of a GPU for an hour.

    Raises:
        UsageError: too little is given.
        InputError: nothing was measured in the folder.
    """
    from tbd.annotate.cost import CORES, GPUS, cost_line

    if clips is None:
        raise UsageError("--plan needs the number of clips", next="tbd doctor --plan --clips 281400 --rate 1500")
    cost = _cost(measured, rate, model)
    cores, chains = cores or CORES, clips if chains is None else chains
    lines = [cost_line(cost, clips, chains, gpus, gpus * cores, price) for gpus in GPUS]
    disk = clips * cost.bytes
    if json:
        given = {"clips": clips, "chains": chains, "cores_a_gpu": cores, "price": price}
        table = [line.as_json() for line in lines]
        document(given | {"cost": asdict(cost), "disk": disk, "lines": table})
        return
    for line in (*_origin(cost, clips, chains, cores), f"disk: {human_bytes(disk)} for journal and manifest", ""):
        out(line)
    for row in _table(lines):
        out(row)


def _cost(measured: Path | None, rate: float | None, model: str | None) -> ClipCost:
    from tbd.annotate.cost import ClipCost, measured_cost

    if measured is None and rate is None:
        raise UsageError(
            "--plan needs a pace: a manifest whose run was timed, or chains an hour on one GPU",
            next="tbd doctor --plan --clips 281400 --measured data_manifests/mead   # or --rate 1500",
        )
    if rate is not None and rate <= 0:
        raise UsageError(f"--rate {rate:g}: not a number of chains an hour", next="--rate 1500")
    cost = measured_cost(measured) if measured else ClipCost(chain=0.0)
    if rate is not None:
        cost = replace(cost, chain=3600 / rate)
    return replace(cost, model=model or cost.model)


def _origin(cost: ClipCost, clips: int, chains: int, cores: int) -> list[str]:
    """What the table rests on, in words: nobody should take an assumption for a measurement."""
    known = f"measured on {cost.rows} rows" if cost.rows else "assumed"
    chain = f"{cost.chain:.3g} s of a GPU a chain" if cost.chain else "no GPU (a backend without a model)"
    start = f", {human_seconds(cost.start)} before anything comes back" if cost.start else ""
    return [
        f"{clips:,} clips, {chains:,} chains; {' '.join(filter(None, (cost.backend, cost.model))) or 'model not named'}",
        f"{chain}; {cost.look:.3g} s of a core to look at a clip and {1000 * cost.row:.3g} ms of the driver a row ({known}){start}",
        f"{cores} CPU cores come with each GPU (--cores)",
    ]


def _table(lines: list[CostLine]) -> list[str]:
    rows: list[tuple[Any, ...]] = [("GPUs", "wall clock", "GPU hours", "money", "waits for")]
    for line in lines:
        money = "–" if line.money is None else f"{line.money:,.0f}"
        rows.append((line.gpus, human_seconds(line.wall * 3600), f"{line.gpu_hours:,.1f}", money, line.waits_for))
    return [f"{row[0]:>5}  {row[1]:>10}  {row[2]:>10}  {row[3]:>9}  {row[4]}" for row in rows]
