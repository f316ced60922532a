#!/usr/bin/env bash
# A part of a data set for each task of an array: sbatch --array=1-8 annotate/launch/slurm_shards.sh DATASET OUT [OPTION…]
#SBATCH --job-name=tbd-annotate
#SBATCH --nodes=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --requeue
# The journal lies on the node's own disk while it is written, and is copied to OUT when the task ends, however it ends.
set -euo pipefail
dataset=$1 out=$2
shift 2
part=${SLURM_ARRAY_TASK_ID:?run it with sbatch --array=1-N} parts=${SLURM_ARRAY_TASK_COUNT:?}
name=shard-$part-of-$parts
work=${TMPDIR:-/tmp}/tbd-$name-$$
mkdir -p "$work" "$out"
trap 'rm -rf "$work"' EXIT
[ ! -d "$out/$name" ] || cp -r "$out/$name" "$work/"
keep() {
  rm -rf "$out/.$name.new" && cp -r "$work/$name" "$out/.$name.new"
  rm -rf "${out:?}/$name" && mv "$out/.$name.new" "$out/$name"
}
trap 'keep; rm -rf "$work"' EXIT
tbd annotate "$dataset" --shard "$part/$parts" -o "$work/$name" "$@"
