#!/usr/bin/env bash
# Exports a model in every format, and prints a table: size, largest difference from the model, latency on the CPU.
#   bash tools/export.sh MODEL --out DIR
# MODEL is the folder of a model or of a run. DIR gets a folder for each format: paddle, onnx, int8 (ONNX in int8) and bert
# (plain BERT of Hugging Face). Paths are relative to the folder you are in. VENV and PYTHON choose the environment's folder
# (.venv of the checkout) and the interpreter.
set -euo pipefail

if [ "${1:-}" = "--help" ] || [ $# -eq 0 ]; then
    sed -n '2,6s/^# \{0,1\}//p' "$0"
    exit 0
fi

source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
ensure_environment cpu,demo,onnx
python "$ROOT/tools/benchmarks/exports.py" "$@"
