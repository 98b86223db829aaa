"""Conversion of a batch to the arrays that programs are fed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ernie_paddle.data.batch import Batch, PaddedLayout
from ernie_paddle.data.feeds import selected_feed
from ernie_paddle.data.schema import INPUT_IDS, SENTENCE_IDS
from ernie_paddle.keyed_random import keyed_hash
from ernie_paddle.task import Labels, Objective
from ernie_paddle.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class MicroBatch:
    """The arrays that one run of a task program is fed, and their sizes."""

    feed: Any  # arrays by name, or what a session staged of them
    rows: np.ndarray  # the samples' numbers in their batch
    tokens: int
    padded_tokens: int  # tokens and padding of the layout for attention


def feed_of(
    batch: Batch, objectives: Mapping[str, Objective], vocabulary: Vocabulary, key: int
) -> tuple[MicroBatch, list[np.ndarray]]:
    """Return the feed of a batch for the objectives of some tasks, and the class ids of each task (-1: no label)."""
    labels = {name: objective.label(batch, vocabulary, keyed_hash(key, name)) for name, objective in objectives.items()}
    feed = encoder_feed(batch, labels)
    for label in labels.values():
        feed |= label.feeds
    micro_batch = MicroBatch(feed, batch.rows, batch.tokens, feed["padded_to_token"].size)
    return micro_batch, [label.classes for label in labels.values()]


def encoder_feed(batch: Batch, labels: Mapping[str, Labels]) -> dict[str, np.ndarray]:
    """Return the `ENCODER_FEEDS` of a batch and the `selected_feed` of each task."""
    is_selected = np.zeros(batch.tokens, bool)
    for label in labels.values():
        is_selected[label.selected] = True
    # FlashAttention's kernel leaves the gradients of a sequence without any query unwritten.
    is_selected[batch.first_tokens] = True
    token_to_selected = np.cumsum(is_selected) - 1
    token_layout = PaddedLayout.of(batch.lengths)
    selected_lengths = np.add.reduceat(is_selected.astype(np.int64), batch.first_tokens)
    selected_layout = PaddedLayout.of(selected_lengths)
    return {
        "input_ids": batch.columns[INPUT_IDS].astype(np.int64),
        "sentence_ids": batch.columns[SENTENCE_IDS].astype(np.int64),
        "position_ids": batch.positions,
        "padded_to_token": token_layout.padded_to_token,
        "token_to_padded": token_layout.token_to_padded,
        "selected": np.flatnonzero(is_selected),
        "padded_to_selected": selected_layout.padded_to_token,
        "selected_to_padded": selected_layout.token_to_padded,
        "token_cu_seqlens": cumulative(batch.lengths),
        "selected_cu_seqlens": cumulative(selected_lengths),
        **{selected_feed(name).name: token_to_selected[label.selected] for name, label in labels.items()},
    }


def cumulative(lengths: np.ndarray) -> np.ndarray:
    """Return the cumulative lengths of sequences from 0, int32 [sequences + 1]."""
    return np.append(0, np.cumsum(lengths)).astype(np.int32)
