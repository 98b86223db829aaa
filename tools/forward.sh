# Sourced by the other scripts: runs a command that gets Ctrl-C and SIGTERM wherever they were sent, and waits for its end.
# usage: forward INT_AS TERM_AS COMMAND...    (e.g. forward INT TERM ernie-paddle ...)
# INT_AS and TERM_AS are the signals that the command gets for Ctrl-C and SIGTERM. Its exit code is returned, and what came,
# INT, TERM or nothing, stands in `came`.

forward() {
    local int_as=$1 term_as=$2 child code signalled
    shift 2
    came=""
    # In a group of its own: the shell would hide Ctrl-C from a command of its own group that it does not wait for.
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
        [ -n "$signalled" ] || break  # else the signal ended the wait, not the command
    done
    trap - INT TERM HUP
    return "$code"
}
