# Sourced by the other scripts: runs a command, forwards Ctrl-C and SIGTERM to it, and waits until it ends.
# usage: forward INT_AS TERM_AS COMMAND...    (e.g. forward INT TERM ernie-paddle ...)
# INT_AS and TERM_AS are the signals sent to the command for Ctrl-C and SIGTERM. `forward` returns the command's exit code
# and sets `came` to INT, TERM or nothing.

forward() {
    local int_as=$1 term_as=$2 child code signalled
    shift 2
    came=""
    # The command needs its own process group: a background command in the shell's group ignores Ctrl-C.
    set -m
    "$@" &
    child=$!
    set +m
    trap 'signalled=1 came=${came:-INT}; kill -s "$int_as" "$child" 2>/dev/null || true' INT
    trap 'signalled=1 came=${came:-TERM}; kill -s "$term_as" "$child" 2>/dev/null || true' TERM
    trap 'kill -s HUP "$child" 2>/dev/null; exit 129' HUP
    while :; do
        signalled="" code=0
        wait "$child" || code=$?
        [ -n "$signalled" ] || break  # otherwise only the wait was interrupted by the signal
    done
    trap - INT TERM HUP
    return "$code"
}
