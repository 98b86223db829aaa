#!/usr/bin/env bash
# Runs a training command of ernie-paddle on several GPUs (or CPU processes), of one machine or of many.
#   bash tools/launch.sh [options] pretrain configs/plans/quickstart.yaml --out runs/quickstart/pretrain
#   --processes N       processes on each machine (default: its visible GPUs, or 1)
#   --nodes N           machines; run this script on each of them (default: 1)
#   --node-rank R       number of this machine, from 0 (default: 0)
#   --master HOST:PORT  machine number 0 and a free port on it (with one machine: a free port is found)
#   --grace SECONDS     time to save and end, for the other ranks after one has failed (default: 30)
#   --dry-run           print each rank's environment and command, but start nothing
# Each rank's output goes to <out>/ranks/rank.<rank>.log; that of rank 0 is also printed. When a rank fails, it is named and
# the others are stopped; the exit code is that of the rank. Ctrl-C and SIGTERM reach all ranks, which save a checkpoint.
# Options also take the form --processes=N. Paths are relative to the folder you are in. On a Slurm cluster, use slurm.sh.
set -euo pipefail

usage() { sed -n '2,13s/^# \{0,1\}//p' "$0"; }
fail() { echo "tools/launch.sh: $1" >&2; exit 2; }

processes="" nodes=1 node=0 master="" grace=30 dry=""
while [ $# -gt 0 ]; do
    case "$1" in
        --processes=* | --nodes=* | --node-rank=* | --master=* | --grace=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
        --processes | --nodes | --node-rank | --master | --grace)
            [ $# -gt 1 ] || fail "$1 needs a value"
            case "$1" in
                --processes) processes="$2" ;;
                --nodes) nodes="$2" ;;
                --node-rank) node="$2" ;;
                --master) master="$2" ;;
                --grace) grace="$2" ;;
            esac
            shift 2 ;;
        --dry-run) dry=1; shift ;;
        --help) usage; exit 0 ;;
        -*) fail "unknown option $1; see --help" ;;
        *) break ;;
    esac
done
[ $# -gt 0 ] || { usage >&2; exit 2; }

if [ -n "${CUDA_VISIBLE_DEVICES+set}" ]; then  # numbers with gaps or names; processes count what they see
    gpus=$(tr ',' '\n' <<< "$CUDA_VISIBLE_DEVICES" | grep -c '^[^-]' || true)
else
    gpus=$(nvidia-smi --list-gpus 2>/dev/null | wc -l || true)
fi
processes="${processes:-$((gpus > 0 ? gpus : 1))}"
for number in "$processes" "$nodes" "$node" "$grace"; do
    [[ "$number" =~ ^[0-9]+$ ]] || fail "'$number' is not a number"
done
[ "$processes" -ge 1 ] && [ "$nodes" -ge 1 ] || fail "--processes and --nodes must be at least 1"
[ "$gpus" -eq 0 ] || [ "$processes" -le "$gpus" ] || fail "--processes $processes: this machine has $gpus GPUs"
[ "$node" -lt "$nodes" ] || fail "--node-rank $node: machines are numbered 0 to $((nodes - 1))"
[ -n "$master" ] || [ "$nodes" -eq 1 ] || fail "--master HOST:PORT is missing: machine number 0 and a free port on it"
[ -z "$master" ] || [[ "$master" =~ ^.+:[0-9]+$ ]] || fail "--master '$master' is not HOST:PORT"

out="" previous=""
for argument in "$@"; do
    [[ "$argument" != --out=* ]] || out="${argument#--out=}"
    [ "$previous" != "--out" ] || out="$argument"
    previous="$argument"
done
[ -n "$out" ] || fail "the command has no --out DIR"
command -v ernie-paddle > /dev/null || fail "ernie-paddle is not installed here"

# Prints a port that nobody uses. Those from 32768 on are taken by outgoing connections.
free_port() {
    local port
    for _ in {1..99}; do
        port=$((20000 + RANDOM % 12768))
        (exec 3<> "/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}

cores=$(nproc)
threads=$((cores > processes ? cores / processes : 1))
[ "$gpus" -eq 0 ] || threads=$((threads < 4 ? threads : 4))  # on GPUs, threads only prepare batches
export PADDLE_MASTER="${master:-127.0.0.1:$(free_port)}" PADDLE_TRAINERS_NUM=$((nodes * processes))
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$threads}"
first=$((node * processes))

echo "machine $node of $nodes, $PADDLE_TRAINERS_NUM ranks in total, which meet at $PADDLE_MASTER"
for ((local = 0; local < processes; local++)); do
    echo "rank $((first + local)) on $(hostname), $([ "$gpus" -gt 0 ] && echo "GPU $local of those visible" || echo CPU)"
    [ -n "$dry" ] || continue
    echo "  PADDLE_MASTER=$PADDLE_MASTER PADDLE_TRAINERS_NUM=$PADDLE_TRAINERS_NUM PADDLE_TRAINER_ID=$((first + local))" \
        "PADDLE_LOCAL_RANK=$local OMP_NUM_THREADS=$OMP_NUM_THREADS"
    printf '  ernie-paddle'; printf ' %q' "$@"; echo " >> $out/ranks/rank.$((first + local)).log"
done
[ -z "$dry" ] || exit 0

pids=() came="" code=0
signal_all() { kill -s "$1" "${pids[@]}" 2>/dev/null || true; }
trap 'came=${came:-130}; signal_all INT' INT
trap 'came=${came:-75}; signal_all TERM' TERM
trap 'signal_all TERM; exit 129' HUP

mkdir -p "$out/ranks"
set -m  # each rank in a process group of its own: background commands in the script's group ignore Ctrl-C
for ((local = 0; local < processes; local++)); do
    export PADDLE_TRAINER_ID=$((first + local)) PADDLE_LOCAL_RANK=$local
    log="$out/ranks/rank.$PADDLE_TRAINER_ID.log"
    if [ "$PADDLE_TRAINER_ID" -eq 0 ]; then
        ernie-paddle "$@" > >(exec tee -ia "$log") 2>&1 &
    else
        ernie-paddle "$@" >> "$log" 2>&1 &
    fi
    pids[local]=$!
done
set +m

# Names the first rank that ends with an error, and stops the others.
end_all() {
    local rank=$((first + $1)) how="exit code $code"
    [ "$code" -le 128 ] || how="signal $(kill -l "$code")"
    if [ -z "$came" ]; then
        echo "tools/launch.sh: rank $rank on $(hostname) ended with $how; the end of $out/ranks/rank.$rank.log:" >&2
        tail -n 3 "$out/ranks/rank.$rank.log" >&2
    fi
    signal_all TERM
    sleep "$grace" > /dev/null 2>&1 &
    timer=$!
}

timer=""
while [ ${#pids[@]} -gt 0 ]; do
    wait -n 2>/dev/null || true  # until a rank or the timer ends, or a signal comes
    for local in "${!pids[@]}"; do
        kill -0 "${pids[local]}" 2>/dev/null && continue
        ended=0
        wait "${pids[local]}" 2>/dev/null || ended=$?
        unset "pids[local]"
        if [ "$ended" -ne 0 ] && [ "$code" -eq 0 ]; then
            code=$ended
            end_all "$local"
        fi
    done
    [ -z "$timer" ] || kill -0 "$timer" 2>/dev/null || signal_all KILL
done
[ -z "$timer" ] || kill "$timer" 2>/dev/null || true
[ "$code" -eq 0 ] || exit "${came:-$code}"
