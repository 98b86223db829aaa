#!/usr/bin/env bash
# Measures this project beside its peers on this machine, in alternating runs, and prints ratios.
#   bash tools/benchmark.sh data      building samples of all seven tasks: speed, two workers against one
#   bash tools/benchmark.sh memory    peak memory of building from 100 MB and from 1 GB (25 GB of disk, half an hour)
# Everything goes to runs/benchmark/. VENV and PYTHON choose the environment's folder and the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" = "--help" ] || [ $# -eq 0 ]; then
    sed -n '2,5s/^# \{0,1\}//p' "$0"
    exit 0
fi

source tools/environment.sh
ensure_environment cpu,demo
python tools/benchmarks/data.py "$@"
