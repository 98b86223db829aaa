#!/usr/bin/env bash
# Compares strategies of pre-training at equal steps: the same tasks one after another, all at once, in stages that keep
# earlier tasks (paper section 4.4.2), and masked LM alone; by held-out scores and by fine-tuning. Other groups of the
# config: parts of the steps, tasks left out or added, another order, auxiliary losses, task embeddings.
#   bash tools/compare_strategies.sh --dry-run     shows the runs, and how long they would take
#   bash tools/compare_strategies.sh               runs what has not run yet, prints tables, and writes a report
#   --config FILE    config of the experiment (configs/experiments/strategies.yaml)
#   --languages zh,en    those of the config to run
#   --seeds 1,2,3    seeds of pre-training    --budget STEPS    steps of each run    --set KEY=VALUE ...    other keys
#   --out DIR        where runs, results/, tables and report go (runs/experiments)
# It works in the folder of the checkout, and paths are relative to it. VENV and PYTHON choose the environment's folder
# (.venv of the checkout) and the interpreter.
set -euo pipefail

if [ "${1:-}" = "--help" ]; then
    sed -n '2,13s/^# \{0,1\}//p' "$0"
    exit 0
fi

source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
ensure_environment cpu,demo
cd "$ROOT"
exec python "$ROOT/tools/experiments/compare_strategies.py" "$@"
