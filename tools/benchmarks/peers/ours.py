"""Steps of this project on the same samples, bucketed by length as its trainer does.

usage: ours.py BATCHES CONFIG fp32|bf16
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from batches import IGNORED, read_batches
from stepping import serve

from ernie_paddle.data.batch import Batch
from ernie_paddle.data.feeding import encoder_feed
from ernie_paddle.data.order import NO_LIMIT, BatchOrder, BatchSize, Cursor
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.shards import SampleTable
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.session import Session
from ernie_paddle.programs.task_program import LOSS_WEIGHTS
from ernie_paddle.registry import load_plugins
from ernie_paddle.settings import AdamSettings
from ernie_paddle.task import Labels, padded


def main() -> None:
    folder, config, precision = sys.argv[1:]
    batches = read_batches(Path(folder))
    lengths = np.concatenate([batch["lengths"] for batch in batches])
    ids, labels = (
        np.concatenate([row[:n] for batch in batches for row, n in zip(batch[key], batch["lengths"], strict=True)])
        for key in ("ids", "labels")
    )
    table = SampleTable([SampleBlock(lengths, {"input_ids": ids})])
    starts = np.cumsum(lengths) - lengths
    task = load_plugins().pretraining_tasks.get("knowledge_masking")
    session = Session(ErnieConfig.load(Path(config)), 1, AdamSettings(), precision)  # type: ignore[arg-type]
    tokens_a_step = round(float(np.mean([batch["lengths"].sum() for batch in batches])))
    order = BatchOrder(lengths, BatchSize(NO_LIMIT, tokens_a_step), 1, task.name)
    cursor = Cursor()

    def step(number: int) -> int:
        nonlocal cursor
        rows = order.batch(cursor)
        cursor = order.after(cursor)
        batch = Batch.of(table.take(rows), rows)
        wanted = np.concatenate([labels[starts[row] : starts[row] + lengths[row]] for row in rows])
        tokens = np.flatnonzero(wanted != IGNORED)
        tokens, classes = padded(tokens, wanted[tokens].astype(np.int64))
        feed = encoder_feed(batch, {task.name: Labels(tokens, {}, classes)}) | {"mask_labels": classes}
        feed[LOSS_WEIGHTS] = np.array([1 / max((classes >= 0).sum(), 1)], np.float32)
        session.add_gradients((task,), feed, number)
        session.update((task,), 1e-4)
        return batch.tokens

    serve(step)


main()
