#!/usr/bin/env bash
# Makes the environment and runs the checks and the test suite; arguments go to pytest.
#   bash tools/test.sh [-k EXPRESSION ...]
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" = "--help" ]; then
    sed -n '2,3s/^# \{0,1\}//p' "$0"
    exit 0
fi

source tools/environment.sh
ensure_environment cpu,demo,ray,test
ensure_small_bert

ruff format --check .
ruff check .
mypy
# A worker a core, each on one thread; the tests of a file share what they prepare.
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} pytest --numprocesses "$(nproc)" --dist loadfile "$@"
