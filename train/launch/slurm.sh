#!/usr/bin/env bash
# Several machines under Slurm: sbatch train/launch/slurm.sh stage1 MANIFEST… -o DIR
#SBATCH --job-name=tbd
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
# Five minutes before the end the run gets SIGTERM, saves and ends; the requeued job resumes where it was.
set -uo pipefail
FIRST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
PER_MACHINE=${SLURM_GPUS_ON_NODE:-8}
SEVERAL= # accelerate starts one process where it sees no second GPU and is not told this
[ "$((SLURM_NNODES * PER_MACHINE))" -eq 1 ] || SEVERAL=--multi_gpu
PORT=${PORT:-29500}
export FIRST PORT PER_MACHINE SEVERAL

srun bash -c 'exec accelerate launch --num_machines "$SLURM_NNODES" --machine_rank "$SLURM_NODEID" \
  --num_processes "$((SLURM_NNODES * PER_MACHINE))" $SEVERAL --main_process_ip "$FIRST" --main_process_port "$PORT" \
  --mixed_precision no --dynamo_backend no -m tbd train "$@"' tbd "$@" &
run=$!

again() {
  kill -TERM "$run"
  wait "$run"
  scontrol requeue "$SLURM_JOB_ID"
}
trap again USR1
wait "$run"
