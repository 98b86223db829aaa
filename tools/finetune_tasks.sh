# Sourced by finetune_glue.sh, finetune_clue.sh and finetune_zh.sh: fine-tunes a model on tasks of a benchmark, one after the
# other, and gathers the leaderboard's zip. The caller sets benchmark, tasks, the zip's name if there is a leaderboard, and
# answered, as "recipe=task", if a recipe is answered by the model of another.

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
            *) [[ " $tasks " == *" $1 "* ]] || fail "unknown task $1; there are: $tasks${answered:+ (${answered#*=} also answers ${answered%=*})}"; chosen+=("$1"); shift ;;
        esac
    done
    [ -n "$model" ] || fail "--model is missing: a folder that ernie-paddle convert or pretrain wrote"
    [ ${#chosen[@]} -gt 0 ] || read -ra chosen <<< "$tasks"

    local task recipe folder run command file
    mkdir -p "$out/predictions"
    for task in "${chosen[@]}"; do
        recipe="$ROOT/configs/finetune/$benchmark/$task.yaml"
        folder=$(sed -n 's/^  folder: *\([^ ]*\).*/\1/p' "$recipe")
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
        [ "$task" != "${answered#*=}" ] || answer_with "$run"
    done
    echo "answers to test data: $out/predictions/"
    if [ -n "$zip" ] && [ "${#chosen[@]}" -eq "$(wc -w <<< "$tasks")" ]; then
        ernie-paddle submission "$benchmark" "$out/predictions" --data "$data" --out "$out/$zip"
    fi
}

# Answer the diagnostic set with a model of the task that it is for.
answer_with() {
    local recipe="$ROOT/configs/finetune/$benchmark/${answered%=*}.yaml" folder name
    folder=$(sed -n 's/^  folder: *\([^ ]*\).*/\1/p' "$recipe")
    name=$(sed -n 's/^submission: {test: \(.*\)}$/\1/p' "$recipe")
    ernie-paddle export "$1/best" --out "$1/export"
    ernie-paddle predict "$1/export" --recipe "$recipe" --set "data.folder=$data/${folder##*/}" \
        --output "$out/predictions/$name.tsv" --no-scores
}
