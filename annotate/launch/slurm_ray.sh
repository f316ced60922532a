#!/usr/bin/env bash
# The nodes of a Slurm job as one Ray cluster, and one driver on the first: sbatch --nodes=4 annotate/launch/slurm_ray.sh DATASET -o DIR
#SBATCH --job-name=tbd-annotate
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=32
#SBATCH --time=12:00:00
# -o DIR must lie on a disk of the first node: the journal is refused on a network file system.
set -euo pipefail
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export RAY_USAGE_STATS_ENABLED=0 RAY_ADDRESS=$first:6379
srun --nodes=1 --ntasks=1 -w "$first" ray start --head --port=6379 --include-dashboard=false --block &
sleep 15
if [ "$SLURM_NNODES" -gt 1 ]; then
  srun --nodes="$((SLURM_NNODES - 1))" --ntasks="$((SLURM_NNODES - 1))" --exclude="$first" \
    ray start --address="$RAY_ADDRESS" --block &
fi
sleep 15
tbd annotate "$@" --engine ray --address "$RAY_ADDRESS"
