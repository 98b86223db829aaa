#!/usr/bin/env bash
# Creates the environment, then runs the checks and the test suite. Arguments are passed to pytest.
#   bash tools/test.sh [-k EXPRESSION ...] [PATH ...]
# Paths are relative to the folder you are in. Without paths, all tests of the checkout run. VENV and PYTHON choose the
# environment's folder (.venv of the checkout) and the interpreter.
set -euo pipefail

if [ "${1:-}" = "--help" ]; then
    sed -n '2,5s/^# \{0,1\}//p' "$0"
    exit 0
fi

source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
ensure_environment cpu,demo,docs,onnx,ray,serve,test
ensure_small_bert

(cd "$ROOT" && ruff format --check . && ruff check . && mypy)
# --strict: a link to nothing is an error. Material would print a note on MkDocs 2.
(cd "$ROOT" && NO_MKDOCS_2_WARNING=1 mkdocs build --quiet --strict)
paths=("$ROOT/tests")
for argument in "$@"; do
    [ ! -e "${argument%%::*}" ] || paths=()
done
# One worker per core, each with one thread. The tests of a file share a worker and its fixtures. Files run in the order
# of tests/conftest.py.
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} pytest -c "$ROOT/pyproject.toml" --rootdir "$ROOT" \
    --numprocesses "$(nproc)" --dist loadfile --no-loadscope-reorder "$@" "${paths[@]}"
