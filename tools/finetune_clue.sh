#!/usr/bin/env bash
# Fine-tunes a model on all tasks of CLUE, or on those named, with PaddleNLP's best settings. All tasks together give a zip.
#   bash tools/finetune_clue.sh --model models/zh [afqmc c3 ...]
#   --data DIR       CLUE's folders as downloaded: afqmc/, tnews/, ..., clue_diagnostics/ (data/clue)
#   --out DIR        a run a task, predictions/, submit.zip (runs/clue)
#   --size SIZE      base or large: which settings
#   --seeds 1,2,3    each task once for each; the best on dev predicts the test sets
#   --processes N    devices to use
#   --resume, --from-scratch, --set KEY=VALUE ..., --grid KEY=A,B ...    as in ernie-paddle finetune
# CLUE's own grid: --grid train.learning_rate.peak=1e-5,2e-5,3e-5,5e-5 train.batch_samples=16,32,64
# Paths, also --data and --out by default, are relative to the folder you are in.
set -euo pipefail
benchmark=clue
tasks="afqmc tnews iflytek cmnli ocnli cluewsc2020 csl cmrc2018 chid c3"
diagnostic="diagnostics=cmnli"
zip=submit.zip
source "$(dirname "${BASH_SOURCE[0]}")/finetune_tasks.sh"
finetune_tasks "$@"
