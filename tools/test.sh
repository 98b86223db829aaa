#!/usr/bin/env bash
# Makes the environment and runs the checks and the test suite; arguments go to pytest.
#   bash tools/test.sh [-k EXPRESSION ...] [PATH ...]
# Paths are relative to the folder you are in; without any, all tests of the checkout run. VENV and PYTHON choose the
# environment's folder (.venv of the checkout) and the interpreter.
set -euo pipefail

if [ "${1:-}" = "--help" ]; then
    sed -n '2,5s/^# \{0,1\}//p' "$0"
    exit 0
fi

source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
ensure_environment cpu,demo,ray,test
ensure_small_bert

(cd "$ROOT" && ruff format --check . && ruff check . && mypy)
paths=("$ROOT/tests")
for argument in "$@"; do
    [ ! -e "${argument%%::*}" ] || paths=()
done
# A worker a core, each on one thread; the tests of a file share what they prepare.
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} pytest -c "$ROOT/pyproject.toml" --rootdir "$ROOT" \
    --numprocesses "$(nproc)" --dist loadfile "$@" "${paths[@]}"
