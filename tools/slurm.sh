#!/usr/bin/env bash
# Pre-trains on a Slurm cluster; a job that is preempted goes on where it was when it runs again.
#   sbatch --nodes 4 --gpus-per-node 8 tools/slurm.sh configs/plans/ernie2_base_en.yaml runs/ernie2_base_en
# Further arguments go to `ernie-paddle pretrain`. With --dry-run as the first one, only ranks and commands are printed.
#SBATCH --job-name=ernie-paddle
#SBATCH --ntasks-per-node=1
#SBATCH --requeue
#SBATCH --signal=TERM@120
#SBATCH --output=%x-%j.log
set -euo pipefail

dry=()
[ "${1:-}" = "--dry-run" ] && { dry=(--dry-run); shift; }
[ $# -ge 2 ] || { sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2; }
plan="$1" out="$2"
shift 2
exec srun bash tools/launch.sh "${dry[@]}" pretrain "$plan" --out "$out" --resume auto "$@"
