#!/usr/bin/env bash
# Plants small mistakes in modules, one at a time, and lists those that the fast tests miss.
#   bash tools/mutate.sh PATH ... [--sample 30] [--minutes 60] [--seed 1] [--jobs N] [--test-seconds 60] [--fresh]
#   bash tools/mutate.sh --survivors       tries the mistakes that were missed last time again
# A PATH is a module or a folder of modules, relative to the folder you are in. --sample: most mistakes per module;
# --test-seconds: time for tests per mistake; --fresh: record again which lines each test runs, otherwise only for changed
# files (ten minutes the first time). Records and results go to runs/mutate/ of the checkout.
# VENV and PYTHON choose the environment's folder (.venv of the checkout) and the interpreter.
set -euo pipefail

if [ "${1:-}" = "--help" ] || [ $# -eq 0 ]; then
    sed -n '2,8s/^# \{0,1\}//p' "$0"
    exit 0
fi

source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
ensure_environment cpu,demo,docs,onnx,ray,serve,test
ensure_small_bert
python "$ROOT/tools/mutation/mutate.py" "$@"
