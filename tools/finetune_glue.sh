#!/usr/bin/env bash
# Fine-tunes a model on all tasks of GLUE, or on those named, with the release's settings. All tasks together give a zip.
#   bash tools/finetune_glue.sh --model models/en [cola rte ...]
#   --data DIR       GLUE's folders as downloaded: CoLA/, MNLI/, ..., diagnostic/ (data/glue)
#   --out DIR        a run a task, predictions/, submission.zip (runs/glue)
#   --size SIZE      base or large: which of the release's settings
#   --seeds 1,2,3    each task once for each; the best on dev predicts the test sets
#   --processes N    devices to use
#   --resume, --from-scratch, --set KEY=VALUE ..., --grid KEY=A,B ...    as in ernie-paddle finetune
# Paths, also --data and --out by default, are relative to the folder you are in.
set -euo pipefail
benchmark=glue
tasks="cola sst-2 mrpc sts-b qqp mnli qnli rte wnli"
diagnostic="ax=mnli"
zip=submission.zip
source "$(dirname "${BASH_SOURCE[0]}")/finetune_tasks.sh"
finetune_tasks "$@"
