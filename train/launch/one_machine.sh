#!/usr/bin/env bash
# All GPUs of this machine, one process each: bash train/launch/one_machine.sh stage1 MANIFEST… -o DIR
# GPUS=4 takes the first four; on a machine without a GPU it starts as many processes on the CPU.
set -euo pipefail
gpus=${GPUS:-$( (nvidia-smi --list-gpus 2>/dev/null || true) | wc -l)}
if [ "$gpus" -lt 1 ]; then
  echo "no GPU on this machine (nvidia-smi lists none)" >&2
  echo "next: GPUS=2 bash train/launch/one_machine.sh …   (two processes on the CPU)" >&2
  exit 4
fi
several= # accelerate starts one process, whatever it was asked for, where it sees no second GPU and is not told this
[ "$gpus" -eq 1 ] || several=yes
trap '' USR1 # it means to save and to end, and is for the processes of the run: the launcher would die of it
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT="${TORCH_ELASTIC_SHUTDOWN_TIMEOUT:-600}" # seconds after SIGTERM or Ctrl-C; 30 by default
exec accelerate launch --num_processes "$gpus" ${several:+--multi_gpu} --num_machines 1 --main_process_port 0 \
  --mixed_precision no --dynamo_backend no -m tbd train "$@"
