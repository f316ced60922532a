#!/usr/bin/env bash
# All GPUs of this machine, one process each: bash train/launch/one_machine.sh stage1 MANIFEST… -o DIR
# GPUS=4 takes the first four.
set -euo pipefail
gpus=${GPUS:-$(nvidia-smi --list-gpus | wc -l)}
exec accelerate launch --num_processes "$gpus" --num_machines 1 --mixed_precision no --dynamo_backend no \
  -m tbd train "$@"
