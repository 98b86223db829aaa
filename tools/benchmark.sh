#!/usr/bin/env bash
# Compares the speed of this project and its peers on this machine, in alternating runs, and prints ratios.
#   bash tools/benchmark.sh data      building samples of all seven tasks: speed with one and two workers
#   bash tools/benchmark.sh memory    peak memory of building from 100 MB and from 1 GB (25 GB of disk, half an hour)
#   bash tools/benchmark.sh train     training steps against PyTorch + transformers and paddlenlp; --rounds 5
#   bash tools/benchmark.sh inference predictions of an exported base model against PyTorch and onnxruntime; --rounds 15
# Everything goes to runs/benchmark/ of the checkout. VENV and PYTHON choose the environment's folder (.venv of the
# checkout) and the interpreter. train and inference install PyTorch, transformers and onnxruntime into a second
# environment, PEERS_VENV (.venv-peers of the checkout). Paths that you give are relative to the folder you are in.
set -euo pipefail

if [ "${1:-}" = "--help" ] || [ $# -eq 0 ]; then
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    exit 0
fi

source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
ensure_environment cpu,demo
if [ "$1" != train ] && [ "$1" != inference ]; then
    python "$ROOT/tools/benchmarks/data.py" "$@"
    exit
fi
peers=$(absolute "${PEERS_VENV:-$ROOT/.venv-peers}")
packages="torch==2.13.0 transformers==5.13.0 numpy onnx==1.23.2 onnxruntime==1.32.0"
if [ "$(cat "$peers/installed" 2>/dev/null)" != "$packages" ]; then
    echo "installing $packages into $peers ..."
    "$PYTHON" -m venv "$peers"
    # shellcheck disable=SC2086
    pip_install "$peers/bin/python" $packages
    echo "$packages" > "$peers/installed"
fi
python "$ROOT/tools/benchmarks/$1.py" "$@" --peers "$peers/bin/python"
