#!/usr/bin/env bash
# Pre-trains on a Slurm cluster, with one task for each GPU.
#   sbatch --nodes 4 tools/slurm.sh configs/plans/ernie2_base_en.yaml runs/ernie2_base_en
# Machines with other than 8 GPUs: sbatch --nodes 4 --ntasks-per-node 4 --gpus-per-node 4 --cpus-per-task 16 tools/slurm.sh ...
# A job that was preempted, lost a machine or reached its time limit is queued again, and resumes. Each rank's output goes to
# <out>/ranks/rank.<rank>.log. Further arguments are passed to `ernie-paddle pretrain`.
# With --dry-run first, each rank's environment and command are printed, and nothing else is done.
# Paths, also those in a plan, are relative to the folder that sbatch is called from.
#SBATCH --job-name=ernie-paddle
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=12
#SBATCH --requeue
#SBATCH --signal=TERM@120
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
set -euo pipefail

usage() { sed -n '2,8s/^# \{0,1\}//p' "$0"; }
fail() { echo "tools/slurm.sh: $1" >&2; exit 2; }

[ "${1:-}" != "--help" ] || { usage; exit 0; }
dry=""
[ "${1:-}" = "--dry-run" ] && { dry=1; shift; }
[ $# -ge 2 ] || { usage >&2; exit 2; }
[ -n "${SLURM_JOB_ID:-}" ] || fail "this runs in a job of Slurm: sbatch tools/slurm.sh ..."
plan="$1" out="$2"
shift 2
tools=$(dirname "${BASH_SOURCE[0]}")
if [ ! -f "$tools/forward.sh" ]; then  # Slurm runs a copy of this script, but knows the original's path
    tools=$(scontrol show job "$SLURM_JOB_ID" | sed -n 's|^ *Command=\(.*\)/slurm\.sh.*|\1|p')
fi
source "$tools/forward.sh"

tasks="${SLURM_NTASKS_PER_NODE:-1}" gpus="${SLURM_GPUS_ON_NODE:-0}" cores="${SLURM_CPUS_PER_TASK:-1}"
[ "$gpus" -eq 0 ] || [ "$tasks" -le "$gpus" ] || fail "--ntasks-per-node $tasks: a machine of this job has $gpus GPUs"
threads=$cores
[ "$gpus" -eq 0 ] || threads=$((cores < 4 ? cores : 4))  # on GPUs, threads only prepare batches
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$threads}"
# The port follows from the job, so that two jobs on a machine do not meet.
export PADDLE_MASTER="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -1):$((20000 + SLURM_JOB_ID % 12768))"

mkdir -p "$out/ranks"
# Ranks end by themselves when one has failed. Slurm would kill them sooner, and the exit code would be that of the kill.
steps=(srun --kill-on-bad-exit=0 --wait=60 --cpus-per-task="$cores" --cpu-bind=cores --gpu-bind=none)
[ -n "$dry" ] || steps+=(--open-mode=append --output="$out/ranks/rank.%t.log")
rank='
export PADDLE_TRAINER_ID=$SLURM_PROCID PADDLE_TRAINERS_NUM=$SLURM_NTASKS PADDLE_LOCAL_RANK=$SLURM_LOCALID
[ -z "$DRY_RUN" ] || { echo $(hostname) $(env | grep -E "^(PADDLE|OMP|NCCL|GLOO|CUDA)_" | LC_ALL=C sort) "$@"; exit 0; }
exec "$@"'
code=0
DRY_RUN="$dry" forward TERM TERM "${steps[@]}" bash -c "$rank" rank \
    ernie-paddle pretrain "$plan" --out "$out" --resume auto "$@" || code=$?

# 75: saved after SIGTERM, or a machine failed. A job that somebody cancels is no longer RUNNING here.
if [ "$code" -eq 75 ] && [ "$(squeue --noheader --jobs "$SLURM_JOB_ID" --format %T)" = RUNNING ]; then
    echo "tools/slurm.sh: the run is not finished; the job is queued again"
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
