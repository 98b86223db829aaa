#!/usr/bin/env bash
# Fine-tunes a model on all Chinese tasks of the release, or on those named, with the release's settings.
#   bash tools/finetune_zh.sh --model models/zh [xnli lcqmc ...]
#   --data DIR       the tasks' folders as the release packs them: xnli/, lcqmc/, ... (data/ernie_zh)
#   --out DIR        a run a task, predictions/ (runs/ernie_zh)
#   --size SIZE      base or large: which of the release's settings
#   --seeds 1,2,3    each task once for each; the best on dev predicts the test sets
#   --processes N    devices to use
#   --resume, --from-scratch, --set KEY=VALUE ..., --grid KEY=A,B ...    as in ernie-paddle finetune
# Paths, also --data and --out by default, are relative to the folder you are in.
set -euo pipefail
benchmark=ernie_zh
tasks="xnli lcqmc bq chnsenticorp nlpcc-dbqa thucnews msra_ner cmrc2018 drcd dureader"
diagnostic=""
zip=""
source "$(dirname "${BASH_SOURCE[0]}")/finetune_tasks.sh"
finetune_tasks "$@"
