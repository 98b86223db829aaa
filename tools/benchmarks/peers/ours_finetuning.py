"""Steps of this project's fine-tuning task `classification`, on the same samples as `ours.py`.

usage: ours_finetuning.py BATCHES CONFIG fp32|bf16
"""

import sys
from pathlib import Path

from ours import stepper
from stepping import serve

from ernie_paddle.task import SentenceClassificationObjective, Task


def main() -> None:
    folder, config, precision = sys.argv[1:]
    task = Task("classification", 0, SentenceClassificationObjective(("no", "yes"), head="cls_out"))
    serve(stepper(Path(folder), Path(config), precision, task))


main()
