#!/usr/bin/env bash
# The whole way to a model in use, on CPU: environment, corpora, samples, pre-training on all seven tasks, fine-tuning of
# this model and of the same model from scratch with three seeds each, export, prediction, report.
#   bash tools/quickstart.sh
#   bash tools/quickstart.sh --help
# Everything goes to runs/quickstart/ of the checkout, wherever you call this from. A second run replaces what the first one
# wrote, and nothing else. VENV and PYTHON choose the environment's folder (.venv of the checkout) and the interpreter.
set -euo pipefail

if [ "${1:-}" = "--help" ]; then
    sed -n '2,7s/^# \{0,1\}//p' "$0"
    exit 0
fi
[ $# -eq 0 ] || { echo "tools/quickstart.sh: takes no arguments; see --help" >&2; exit 2; }

source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
ensure_environment cpu,demo
cd "$ROOT"

# Threads that wait sleep. Spinning, they would make training several times slower beside other busy processes.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"

OUT=runs/quickstart
CORPORA=$OUT/corpora
OUTPUTS=(corpora vocab.txt shards pretrain names_pretrained names_scratch export predictions.jsonl report.html)
WRITTEN=$OUT/written_by_quickstart  # the names of the outputs of an earlier run of this script
SECONDS=0

for name in "${OUTPUTS[@]}"; do
    if { [ -e "$OUT/$name" ] || [ -L "$OUT/$name" ]; } && ! grep -qxF "$name" "$WRITTEN" 2>/dev/null; then
        echo "tools/quickstart.sh: $ROOT/$OUT/$name: was not written by this script; move it away" >&2
        exit 2
    fi
done
mkdir -p "$OUT"
for name in "${OUTPUTS[@]}"; do rm -rf "${OUT:?}/$name"; done
printf '%s\n' "${OUTPUTS[@]}" > "$WRITTEN"

step() { printf '\n== %s  (%d:%02d)\n' "$1" $((SECONDS / 60)) $((SECONDS % 60)); }

step "raw corpora"
ernie-paddle corpus demo --out $CORPORA

step "vocabulary"
ernie-paddle vocab --size 8000 --out $OUT/vocab.txt \
    text:$CORPORA/peoples_daily/articles.txt text:$CORPORA/reviews/train.txt \
    titled_text:$CORPORA/wikipedia/train.txt

step "samples"
ernie-paddle build --corpora configs/corpora/quickstart.yaml --out $OUT/shards --workers 2

step "the plan"
ernie-paddle plan configs/plans/quickstart.yaml

step "pre-training"
ernie-paddle pretrain configs/plans/quickstart.yaml --out $OUT/pretrain

step "fine-tuning from the pre-trained model"
ernie-paddle finetune configs/finetune/names.yaml --model $OUT/pretrain --out $OUT/names_pretrained --seeds 1,2,3

step "fine-tuning the same model from scratch"
ernie-paddle finetune configs/finetune/names.yaml --model $OUT/pretrain --out $OUT/names_scratch --seeds 1,2,3 --from-scratch

step "export and prediction"
BEST=$OUT/names_pretrained/$(cat $OUT/names_pretrained/best_run)
ernie-paddle export "$BEST" --out $OUT/export
ernie-paddle predict $OUT/export --input $CORPORA/tasks/names_test.tsv --output $OUT/predictions.jsonl

step "report"
ernie-paddle report $OUT/pretrain --compare $OUT/names_{pretrained,scratch}/seed=* --out $OUT/report.html
cat <<EOF

In $ROOT:

corpora              $CORPORA/
samples              $OUT/shards/
pre-trained model    $OUT/pretrain/$(cat $OUT/pretrain/latest)/
fine-tuned model     $BEST/best/
exported model       $OUT/export/
predictions          $OUT/predictions.jsonl
report               $OUT/report.html
EOF
step "done"
