"""From a batch to what programs are fed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ernie_paddle.data.batch import Batch, Rectangle
from ernie_paddle.keyed_random import keyed_hash
from ernie_paddle.task import Feed, Labels, Objective
from ernie_paddle.text.vocabulary import Vocabulary

# Tokens end to end. The last layer computes `outputs` alone: the tokens that some objective reads.
ENCODER_FEEDS = (
    Feed("input_ids", (-1,), "int64"),
    Feed("sentence_ids", (-1,), "int64"),
    Feed("position_ids", (-1,), "int64"),
    Feed("token_of_cell", (-1, -1), "int64"),
    Feed("cell_of_token", (-1,), "int64"),
    Feed("outputs", (-1,), "int64"),
    Feed("output_of_cell", (-1, -1), "int64"),
    Feed("cell_of_output", (-1,), "int64"),
)


@dataclass(frozen=True)
class MicroBatch:
    """What one run of a task program is fed, and its size."""

    feed: dict[str, np.ndarray]
    rows: np.ndarray  # the samples' numbers in their table
    tokens: int
    cells: int  # of the rectangle that the tokens stand in for attention


def outputs_feed(name: str) -> Feed:
    """Where the tokens that the task `name` reads stand among the outputs of the encoder."""
    return Feed(f"{name}@outputs", (-1,), "int64")


def feed_of(
    batch: Batch, objectives: Mapping[str, Objective], vocabulary: Vocabulary, key: int
) -> tuple[MicroBatch, list[np.ndarray]]:
    """The feed of a batch for the objectives of some tasks, and each one's class ids (-1: none)."""
    labels = {name: objective.label(batch, vocabulary, keyed_hash(key, name)) for name, objective in objectives.items()}
    feed = encoder_feed(batch, labels)
    for label in labels.values():
        feed |= label.feeds
    micro_batch = MicroBatch(feed, batch.rows, batch.tokens, feed["token_of_cell"].size)
    return micro_batch, [label.classes for label in labels.values()]


def encoder_feed(batch: Batch, labels: Mapping[str, Labels]) -> dict[str, np.ndarray]:
    """The `ENCODER_FEEDS` of a batch, and the `outputs_feed` of each task."""
    keys = Rectangle.of(batch.lengths)
    wanted = np.zeros(batch.tokens, bool)
    for label in labels.values():
        wanted[label.tokens] = True
    outputs = np.flatnonzero(wanted)
    place = np.cumsum(wanted) - 1
    queries = Rectangle.of(np.add.reduceat(wanted.astype(np.int64), batch.first_tokens))
    return {
        "input_ids": batch.columns["input_ids"].astype(np.int64),
        "sentence_ids": batch.columns["sentence_ids"].astype(np.int64),
        "position_ids": batch.positions,
        "token_of_cell": keys.token_of_cell,
        "cell_of_token": keys.cell_of_token,
        "outputs": outputs,
        "output_of_cell": queries.token_of_cell,
        "cell_of_output": queries.cell_of_token,
        **{outputs_feed(name).name: place[label.tokens] for name, label in labels.items()},
    }
