"""Steps of this project on the same samples, grouped by length as its trainer does.

usage: ours.py BATCHES CONFIG fp32|bf16
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from batches import IGNORED, read_batches
from stepping import serve

from ernie_paddle.data.batch import Batch
from ernie_paddle.data.feeding import encoder_feed
from ernie_paddle.data.order import NO_LIMIT, BatchOrder, BatchSize, Cursor
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.schema import LABEL
from ernie_paddle.data.shards import SampleTable
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.cpu import Cpu
from ernie_paddle.programs.session import Session
from ernie_paddle.registry import load_plugins
from ernie_paddle.settings import AdamSettings
from ernie_paddle.task import Labels, Task, pad_labels
from ernie_paddle.text.vocabulary import Vocabulary

NO_WORDS = Vocabulary({})  # for labels that do not depend on the vocabulary


def main() -> None:
    folder, config, precision = sys.argv[1:]
    serve(stepper(Path(folder), Path(config), precision, load_plugins().pretraining_tasks.get("knowledge_masking")))


def stepper(folder: Path, config: Path, precision: str, task: Task) -> Callable[[int], int]:
    """Return a function that runs steps of a task. Masked tokens are those of the batches; other labels are 0."""
    batches = read_batches(folder)
    lengths = np.concatenate([batch["lengths"] for batch in batches])
    ids, masked = (
        np.concatenate([row[:n] for batch in batches for row, n in zip(batch[key], batch["lengths"], strict=True)])
        for key in ("ids", "labels")
    )
    # The masked tokens are an additional column, which no task reads.
    columns = {"input_ids": ids, "masked": masked}
    samples = SampleBlock(lengths, columns, {LABEL: np.zeros(len(lengths), np.int16)})
    table = SampleTable([samples])
    session = Session(ErnieConfig.load(config), 1, AdamSettings(), Cpu(precision))  # type: ignore[arg-type]
    step_tokens = round(float(np.mean([batch["lengths"].sum() for batch in batches])))
    order = BatchOrder(lengths, BatchSize(NO_LIMIT, step_tokens), 1, task.name)
    cursor = Cursor()

    def step(number: int) -> int:
        nonlocal cursor
        rows = order.batch(cursor)
        cursor = order.after(cursor)
        batch = Batch.of(table.take(rows), rows)
        labels = masked_labels(batch) if task.name == "knowledge_masking" else task.objective.label(batch, NO_WORDS, 1)
        feed = encoder_feed(batch, {task.name: labels}) | labels.feeds
        weights = np.array([1 / max((labels.classes >= 0).sum(), 1)], np.float32)
        session.add_gradients((task,), feed, weights, number)
        session.update((task,), 1e-4)
        return batch.tokens

    return step


def masked_labels(batch: Batch) -> Labels:
    """Return the labels of knowledge masking that the batch holds."""
    tokens = np.flatnonzero(batch.columns["masked"] != IGNORED)
    tokens, classes = pad_labels(tokens, batch.columns["masked"][tokens])
    return Labels(tokens, {"mask_labels": classes}, classes)


if __name__ == "__main__":
    main()
