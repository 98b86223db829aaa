# Sourced by finetune_glue.sh, finetune_clue.sh and finetune_zh.sh: fine-tunes a model on the tasks of a benchmark, one after
# the other, and writes the leaderboard's zip. The caller sets `benchmark`, `tasks`, `zip` (empty without a leaderboard) and
# `diagnostic`, as "recipe=task" if the model of a task also predicts the test set of another recipe.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

source "$ROOT/tools/forward.sh"

fail() { echo "$0: $1" >&2; exit 2; }

finetune_tasks() {
    local model="" data="data/$benchmark" out="runs/$benchmark" size=base processes=1 options=() sets=() chosen=()
    while [ $# -gt 0 ]; do
        case "$1" in
            --model=* | --data=* | --out=* | --size=* | --processes=* | --seeds=* | --set=* | --grid=*)
                set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
            --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit 0 ;;
            --model | --data | --out | --size | --processes)
                [ $# -gt 1 ] || fail "$1 needs a value"
                printf -v "${1#--}" '%s' "$2"; shift 2 ;;
            --seeds) [ $# -gt 1 ] || fail "$1 needs a value"; options+=(--seeds "$2"); shift 2 ;;
            --resume) options+=(--resume auto); shift; [ "${1:-}" != auto ] || shift ;;
            --from-scratch) options+=("$1"); shift ;;
            --set) shift; while [ $# -gt 0 ] && [[ "$1" == *=* ]]; do sets+=("$1"); shift; done ;;
            --grid) options+=("$1"); shift; while [ $# -gt 0 ] && [[ "$1" == *=* ]]; do options+=("$1"); shift; done ;;
            -*) fail "unknown option $1; see --help" ;;
            *) [[ " $tasks " == *" $1 "* ]] || fail "unknown task $1; known: $tasks${diagnostic:+ (${diagnostic#*=} also predicts ${diagnostic%=*})}"; chosen+=("$1"); shift ;;
        esac
    done
    [ -n "$model" ] || fail "--model is missing: a folder written by ernie-paddle convert or pretrain"
    [ ${#chosen[@]} -gt 0 ] || read -ra chosen <<< "$tasks"

    local task recipe folder run command file
    mkdir -p "$out/predictions"
    for task in "${chosen[@]}"; do
        recipe="$ROOT/configs/finetune/$benchmark/$task.yaml"
        folder=$(ernie-paddle config "$recipe" data.folder)
        echo "== $task"
        command=(finetune "$recipe" --model "$model" --out "$out/$task" --size "$size" "${options[@]}"
            --set "data.folder=$data/${folder##*/}" "${sets[@]}")
        if [ "$processes" -gt 1 ]; then
            forward INT TERM bash "$ROOT/tools/launch.sh" --processes "$processes" "${command[@]}"
        else
            forward INT TERM ernie-paddle "${command[@]}"
        fi
        run="$out/$task"
        [ ! -f "$run/best_run" ] || run="$run/$(cat "$run/best_run")"
        if [ -n "$zip" ]; then
            [ ! -d "$run/submission" ] || cp "$run"/submission/* "$out/predictions/"
        else
            for file in "$run"/predictions/*; do cp "$file" "$out/predictions/${task}_${file##*/}"; done
        fi
        [ "$task" != "${diagnostic#*=}" ] || predict_diagnostic "$run"
    done
    echo "predictions for the test sets: $out/predictions/"
    if [ -n "$zip" ] && [ "${#chosen[@]}" -eq "$(wc -w <<< "$tasks")" ]; then
        ernie-paddle submission "$benchmark" "$out/predictions" --data "$data" --out "$out/$zip"
    fi
}

# Predicts the diagnostic set with the model of a run.
predict_diagnostic() {
    local recipe="$ROOT/configs/finetune/$benchmark/${diagnostic%=*}.yaml" folder name
    folder=$(ernie-paddle config "$recipe" data.folder)
    name=$(ernie-paddle config "$recipe" submission.test)
    rm -rf "$1/export"  # that of an earlier call
    ernie-paddle export "$1" --out "$1/export"
    ernie-paddle predict "$1/export" --recipe "$recipe" --set "data.folder=$data/${folder##*/}" \
        --output "$out/predictions/$name.tsv" --no-scores
}
