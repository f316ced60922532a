#!/usr/bin/env bash
# Several machines without a queue, by torchrun. The same line on each, with MACHINE=0 on the first, 1 on the next, …:
#   MACHINES=2 MACHINE=0 FIRST=node1 bash train/launch/several_machines.sh stage1 MANIFEST… -o DIR
# The others reach FIRST, the first machine, at PORT (29500). DIR and the data set lie under the same path on all of them.
# GPUS=4 takes the first four of each; on machines without a GPU it starts as many processes on the CPU.
set -euo pipefail
: "${MACHINES:?how many machines}" "${MACHINE:?which of them this is, from 0}" "${FIRST:?name or address of machine 0}"
gpus=${GPUS:-$( (nvidia-smi --list-gpus 2>/dev/null || true) | wc -l)}
if [ "$gpus" -lt 1 ]; then
  echo "no GPU on this machine (nvidia-smi lists none)" >&2
  echo "next: GPUS=2 before the same command   (two processes on the CPU)" >&2
  exit 4
fi
trap '' USR1 # it means to save and to end, and is for the processes of the run: the launcher would die of it
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT="${TORCH_ELASTIC_SHUTDOWN_TIMEOUT:-600}" # seconds after SIGTERM or Ctrl-C; 30 by default
exec torchrun --nnodes "$MACHINES" --node-rank "$MACHINE" --nproc-per-node "$gpus" \
  --master-addr "$FIRST" --master-port "${PORT:-29500}" -m tbd train "$@"
