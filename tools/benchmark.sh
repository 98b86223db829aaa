#!/usr/bin/env bash
# Compares the speed of this project and its peers on this machine, in alternating runs, and prints ratios.
#   bash tools/benchmark.sh data      building samples of all seven tasks: speed with one and two workers
#   bash tools/benchmark.sh memory    peak memory of building from 100 MB and from 1 GB (25 GB of disk, half an hour)
#   bash tools/benchmark.sh train     training steps against PyTorch + transformers and paddlenlp; --rounds 5
#   bash tools/benchmark.sh inference exports of a base model against PyTorch, torch.compile, onnxruntime and
#                                     sentence-transformers; --rounds 9, --texts 2000, --clock cpu on a busy machine
#   bash tools/benchmark.sh plain_bert exports as plain BERT, opened by transformers, sentence-transformers, infinity-emb
#   bash tools/benchmark.sh serving   ernie-paddle serve against infinity-emb; --clients 1 8 64, --seconds 10, --rounds 5
# Everything goes to runs/benchmark/ of the checkout. VENV and PYTHON choose the environment's folder (.venv of the
# checkout) and the interpreter. The last four install other libraries into environments of their own, PEERS_VENV
# (.venv-peers of the checkout) and INFINITY_VENV (.venv-infinity). Paths that you give are relative to the folder you
# are in.
set -euo pipefail

if [ "${1:-}" = "--help" ] || [ $# -eq 0 ]; then
    sed -n '2,14s/^# \{0,1\}//p' "$0"
    exit 0
fi

source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
ensure_environment cpu,demo,onnx,serve,test
case "$1" in train | inference | plain_bert | serving) ;; *) exec python "$ROOT/tools/benchmarks/data.py" "$@" ;; esac

# Installs packages into an environment, unless it has them.
ensure_packages() {
    local folder=$1
    shift
    if [ "$(cat "$folder/installed" 2>/dev/null)" != "$*" ]; then
        echo "installing $* into $folder ..."
        "$PYTHON" -m venv "$folder"
        pip_install "$folder/bin/python" "$@"
        echo "$*" > "$folder/installed"
    fi
}

infinity=$(absolute "${INFINITY_VENV:-$ROOT/.venv-infinity}")
ensure_infinity() {
    ensure_packages "$infinity" torch==2.13.0 "infinity-emb[torch,server]==0.0.78" "transformers<5"
}

if [ "$1" = serving ]; then
    ensure_infinity
    ensure_small_bert
    model=$(mktemp -d)
    trap 'rm -rf "$model"' EXIT
    ernie-paddle convert "$ERNIE_SMALL_BERT" --out "$model/encoder" > /dev/null
    python "$ROOT/tools/benchmarks/serving.py" "$@" --model "$model/encoder" --infinity "$infinity/bin/infinity_emb"
    exit
fi
peers=$(absolute "${PEERS_VENV:-$ROOT/.venv-peers}")
ensure_packages "$peers" torch==2.13.0 transformers==5.13.0 sentence-transformers==6.2.0 numpy onnx==1.23.2 \
    onnxruntime==1.32.0 ml_dtypes
options=(--peers "$peers/bin/python")
if [ "$1" = plain_bert ]; then
    ensure_infinity
    options+=(--infinity "$infinity/bin/python")
fi
python "$ROOT/tools/benchmarks/$1.py" "$@" "${options[@]}"
