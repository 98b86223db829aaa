#!/usr/bin/env bash
# Runs a training command of ernie-paddle on several GPUs (or CPU processes), of one machine or of many.
#   bash tools/launch.sh [options] pretrain configs/plans/quickstart.yaml --out runs/quickstart/pretrain
#   --processes N      processes on each machine (default: its GPUs, or 1)
#   --nodes N          machines; run this script on each of them (default: Slurm's count, or 1)
#   --node-rank R      number of this machine, from 0 (default: Slurm's number, or 0)
#   --master HOST:PORT first machine and a free port on it (default: Slurm's first host, MASTER_PORT or 36789)
#   --dry-run          print the ranks and the command, but start nothing
# Each rank's output goes to <out>/ranks/workerlog.<rank>. The job ends when one rank ends; run it again with --resume.
# Ctrl-C and SIGTERM reach all ranks, which have 30 seconds to save a checkpoint. The exit code is that of one process.
# Options also take the form --processes=N. Paths are relative to the folder you are in.
set -euo pipefail

usage() { sed -n '2,12s/^# \{0,1\}//p' "$0"; }
fail() { echo "tools/launch.sh: $1" >&2; exit 2; }

processes="" nodes="${SLURM_NNODES:-1}" node="${SLURM_NODEID:-0}" master="" dry=""
while [ $# -gt 0 ]; do
    case "$1" in
        --processes=* | --nodes=* | --node-rank=* | --master=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
        --processes | --nodes | --node-rank | --master)
            [ $# -gt 1 ] || fail "$1 needs a value"
            case "$1" in
                --processes) processes="$2" ;;
                --nodes) nodes="$2" ;;
                --node-rank) node="$2" ;;
                --master) master="$2" ;;
            esac
            shift 2 ;;
        --dry-run) dry=1; shift ;;
        --help) usage; exit 0 ;;
        -*) fail "unknown option $1; see --help" ;;
        *) break ;;
    esac
done
[ $# -gt 0 ] || { usage >&2; exit 2; }

gpus=$(nvidia-smi --list-gpus 2>/dev/null | wc -l || true)
processes="${processes:-$((gpus > 0 ? gpus : 1))}"
for number in "$processes" "$nodes" "$node"; do
    [[ "$number" =~ ^[0-9]+$ ]] || fail "'$number' is not a number"
done
[ "$processes" -ge 1 ] && [ "$nodes" -ge 1 ] || fail "--processes and --nodes must be at least 1"
[ "$gpus" -eq 0 ] || [ "$processes" -le "$gpus" ] || fail "--processes $processes: this machine has $gpus GPUs"
[ "$node" -lt "$nodes" ] || fail "--node-rank $node: machines are numbered 0 to $((nodes - 1))"
if [ -z "$master" ] && [ "$nodes" -gt 1 ]; then
    [ -n "${SLURM_JOB_NODELIST:-}" ] || fail "--master HOST:PORT is missing: the first machine and a free port on it"
    master="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -1):${MASTER_PORT:-36789}"
fi
[ -z "$master" ] || [[ "$master" =~ ^[^:]+:[0-9]+$ ]] || fail "--master '$master' is not HOST:PORT"

out="" previous=""
for argument in "$@"; do
    [[ "$argument" != --out=* ]] || out="${argument#--out=}"
    [ "$previous" != "--out" ] || out="$argument"
    previous="$argument"
done
[ -n "$out" ] || fail "the command has no --out DIR"

command=(python -m paddle.distributed.launch --log_dir "$out/ranks" --nnodes "$nodes")
[ "$gpus" -gt 0 ] && command+=(--devices "$(seq -s, 0 $((processes - 1)))") || command+=(--nproc_per_node "$processes")
[ "$nodes" -gt 1 ] && command+=(--master "$master" --rank "$node")
command+=("$(command -v ernie-paddle || fail "ernie-paddle is not installed here")" "$@")

echo "machine $node of $nodes, $((nodes * processes)) ranks in total; master: ${master:-this machine}"
for ((local = 0; local < processes; local++)); do
    echo "  rank $((node * processes + local))  $(hostname)  $([ "$gpus" -gt 0 ] && echo "GPU $local" || echo CPU)"
done
printf '%q ' "${command[@]}"; echo
[ "$gpus" -gt 0 ] || export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$(($(nproc) > processes ? $(nproc) / processes : 1))}"
[ -z "$dry" ] || exit 0
source "$(dirname "${BASH_SOURCE[0]}")/forward.sh"
code=0
forward TERM TERM "${command[@]}" || code=$?
case "$came" in  # Paddle's launcher exits with the number of the signal
    INT) exit 130 ;;
    TERM) exit 75 ;;
esac
exit "$code"
