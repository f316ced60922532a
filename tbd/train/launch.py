"""Runs of several processes: how many a launcher started, and whether all of them are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tbd.errors import MissingError, UsageError

AGAIN = (
    "accelerate launch --multi_gpu --num_processes N -m tbd train …   # or torchrun --nproc-per-node N -m tbd train …"
)


@dataclass(frozen=True)
class ProcessShare:
    """Which of a run's processes this one is, from 0, and how many there are; here: on this machine."""

    rank: int = 0
    world: int = 1
    here: int = 1


def launched_share(environment: Mapping[str, str]) -> ProcessShare:
    """What the launcher (``accelerate launch``, ``torchrun``) said to this process in its environment.

    Raises:
        UsageError: several processes were asked for, and they would not know of each other.
    """
    world = environment.get("WORLD_SIZE")
    if world is None:
        _alone(environment)
        return ProcessShare()
    return ProcessShare(int(environment.get("RANK", 0)), int(world), int(environment.get("LOCAL_WORLD_SIZE", 1)))


def _alone(environment: Mapping[str, str]) -> None:
    # accelerate sets an address for several processes, and a number of them only where it starts more than one
    if "ACCELERATE_MIXED_PRECISION" in environment and "MASTER_PORT" in environment:
        raise UsageError(
            "accelerate launch was asked for several processes and started one (it does so where it sees no second GPU)",
            next=AGAIN,
        )
    if (tasks := int(environment.get("SLURM_STEP_NUM_TASKS", 1))) > 1:
        raise UsageError(
            f"srun started {tasks} tasks that know nothing of each other; each of them would be a run of its own",
            next="sbatch train/launch/slurm.sh …",
        )


def check_sharding(environment: Mapping[str, str], sharded: bool) -> None:
    """Hold FSDP, if the launcher asked for it, against whether weights are spread.

    Raises:
        MissingError: they are not: accelerate does it for GPUs alone, and says nothing.
    """
    if environment.get("ACCELERATE_USE_FSDP", "").lower() == "true" and not sharded:
        raise MissingError(
            "FSDP was asked for, and accelerate spreads weights over GPUs alone: without several GPUs it would copy them",
            next="GPUS=2 bash train/launch/one_machine.sh …",
        )


def check_processes(share: ProcessShare, present: int, gpus: int) -> None:
    """Hold what was asked for against what there is.

    Args:
        share: of ``launched_share``.
        present: processes that have found each other.
        gpus: of this machine that the run may use; 0 runs on the CPU.

    Raises:
        MissingError: there are fewer processes, or fewer GPUs.
    """
    if 0 < gpus < share.here:
        raise MissingError(
            f"{share.here} processes were asked for on this machine, which has {gpus} GPUs",
            next=f"GPUS={gpus} bash train/launch/one_machine.sh …",
        )
    if present != share.world:
        raise MissingError(f"{share.world} processes were asked for, {present} found each other", next=AGAIN)
