#!/usr/bin/env bash
# Pre-trains on a Slurm cluster. A preempted job resumes when it runs again.
#   sbatch --nodes 4 --gpus-per-node 8 tools/slurm.sh configs/plans/ernie2_base_en.yaml runs/ernie2_base_en
# Further arguments are passed to `ernie-paddle pretrain`. With --dry-run first, only ranks and commands are printed.
# Paths, also those in a plan, are relative to the folder that sbatch is called from.
#SBATCH --job-name=ernie-paddle
#SBATCH --ntasks-per-node=1
#SBATCH --requeue
#SBATCH --signal=TERM@120
#SBATCH --output=%x-%j.log
set -euo pipefail

usage() { sed -n '2,5s/^# \{0,1\}//p' "$0"; }

[ "${1:-}" != "--help" ] || { usage; exit 0; }
dry=()
[ "${1:-}" = "--dry-run" ] && { dry=(--dry-run); shift; }
[ $# -ge 2 ] || { usage >&2; exit 2; }
plan="$1" out="$2"
shift 2
tools=$(dirname "${BASH_SOURCE[0]}")
if [ ! -f "$tools/launch.sh" ]; then  # Slurm runs a copy of this script, but knows the original's path
    tools=$(scontrol show job "$SLURM_JOB_ID" | sed -n 's|^ *Command=\(.*\)/slurm\.sh.*|\1|p')
fi
exec srun bash "$tools/launch.sh" "${dry[@]}" pretrain "$plan" --out "$out" --resume auto "$@"
