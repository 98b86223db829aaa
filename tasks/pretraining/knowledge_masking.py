"""Knowledge masking (paper section 4.2.1): predict words, phrases and entities that were masked whole.

A unit of `span_codes` is masked as the release does it (`batching.py`, `mask_word`): it is selected when the
draw of its first token is at most 0.15; then each of its tokens becomes `[MASK]` (80 %), a random token
(10 %) or stays (10 %) by a draw of its own. All tokens of a selected unit are predicted.
Masks are drawn when the batch is made, anew each epoch.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from ernie_paddle.data.batch import Batch
from ernie_paddle.data.samples import BEGIN, IGNORED
from ernie_paddle.keyed_random import uniforms
from ernie_paddle.registry import Registry
from ernie_paddle.task import Feed, Labels, Level, Objective, Outcome, Task
from ernie_paddle.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from ernie_paddle.programs.network import Network

MASKED_SHARE = 0.15
MASK_UNTIL, RANDOM_UNTIL = 0.8, 0.9
COUNT_MULTIPLE = 8  # masked positions are padded to a multiple of it, to keep shapes few


class MaskedLanguageModel(Objective):
    """Cross entropy over the vocabulary at masked positions; output weights tied to the word embedding."""

    level: Level = "token"
    column = "span_codes"

    def feeds(self) -> tuple[Feed, ...]:
        return (Feed("mask_positions", (-1,), "int64"), Feed("mask_labels", (-1,), "int64"))

    def label(self, batch: Batch, vocabulary: Vocabulary, key: int) -> Labels:
        ids = batch.columns["input_ids"]
        chosen, masked_ids = mask_units(ids, batch.columns["span_codes"], batch.rows, vocabulary, key)
        positions = np.flatnonzero(chosen)
        labels = ids.ravel()[positions].astype(np.int64)
        batch.columns["input_ids"] = masked_ids
        padding = -len(positions) % COUNT_MULTIPLE if len(positions) else COUNT_MULTIPLE
        feeds = {
            "mask_positions": np.pad(positions.astype(np.int64), (0, padding)),
            "mask_labels": np.pad(labels, (0, padding), constant_values=IGNORED),
        }
        return Labels(feeds, labels)

    def build(self, network: "Network", inputs: dict[str, Any]) -> Outcome:
        logits = network.masked_lm_logits(inputs["mask_positions"])
        return Outcome(*network.cross_entropy(logits, inputs["mask_labels"]))

    def classes(self, vocabulary_size: int) -> int:
        return vocabulary_size


def mask_units(
    ids: np.ndarray, span_codes: np.ndarray, rows: np.ndarray, vocabulary: Vocabulary, key: int
) -> tuple[np.ndarray, np.ndarray]:
    """Choose units and mask them.

    Args:
        ids: token ids [batch, length].
        span_codes: 0 at the first token of a unit, 1 inside, -1 at special tokens and padding.
        rows: sample numbers [batch]; with `key` and the position they determine every draw.

    Returns:
        which positions are predicted (bool), and the ids with those positions masked.
    """
    row, column = rows[:, None], np.arange(ids.shape[1])[None, :]
    first = np.maximum.accumulate(np.where(span_codes == BEGIN, column, -1), axis=1)
    select = uniforms(key, row, column)
    selected = np.take_along_axis(select, np.maximum(first, 0), axis=1) < MASKED_SHARE
    chosen = selected & (first >= 0) & (span_codes != IGNORED)
    how, which = uniforms(key, row, column, 1), uniforms(key, row, column, 2)
    ordinary = vocabulary.ordinary_ids
    random_ids = ordinary[(which * len(ordinary)).astype(np.int64)]
    replaced = np.where(how < MASK_UNTIL, vocabulary.mask_id, np.where(how < RANDOM_UNTIL, random_ids, ids))
    return chosen, np.where(chosen, replaced, ids).astype(ids.dtype)


def register(registry: Registry) -> None:
    task = Task("knowledge_masking", 0, MaskedLanguageModel(), always_companion=True)
    registry.pretraining_tasks.add(task.name, task)
