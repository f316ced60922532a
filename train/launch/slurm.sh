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
# Five minutes before the end the run gets USR1, saves and ends; the requeued job resumes where it was. More than 300 seconds
# where a checkpoint takes longer. SIGTERM would not do: torchrun's agent, which accelerate starts, may kill 30 s after it.
set -uo pipefail
FIRST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
PER_MACHINE=${SLURM_GPUS_ON_NODE:-8}
SEVERAL= # accelerate starts one process where it sees no second GPU and is not told this
[ "$((SLURM_NNODES * PER_MACHINE))" -eq 1 ] || SEVERAL=--multi_gpu
PORT=${PORT:-29500}
export FIRST PORT PER_MACHINE SEVERAL TORCH_ELASTIC_SHUTDOWN_TIMEOUT="${TORCH_ELASTIC_SHUTDOWN_TIMEOUT:-600}"

srun bash -c 'trap "" USR1 # the launcher would die of it; the processes of the run have a handler of their own
accelerate launch --num_machines "$SLURM_NNODES" --machine_rank "$SLURM_NODEID" \
  --num_processes "$((SLURM_NNODES * PER_MACHINE))" $SEVERAL --main_process_ip "$FIRST" --main_process_port "$PORT" \
  --mixed_precision no --dynamo_backend no -m tbd train "$@" &
launcher=$!
trap "pkill -USR1 -P $launcher" USR1
trap "kill -TERM $launcher" TERM
while wait "$launcher"; code=$?; kill -0 "$launcher" 2>/dev/null; do :; done # a signal ends a wait too
exit "$code"' tbd "$@" &
run=$!

again() {
  kill -USR1 "$run" # srun hands it on to every machine
  wait "$run" || scontrol requeue "$SLURM_JOB_ID"
}
trap again USR1
wait "$run"
