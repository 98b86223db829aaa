"""What words alone tell about the labels of samples: a logistic regression without order and without an encoder.

For masking, which has a class a word: how often a word follows the one before it, which is shown even where a model
would have it masked.

A model that is no better has not learned more than that, and a baseline far above the classes' frequencies on a task
about order or distance points to a leak, such as a marker left in the text or a telling length.
"""

from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from ernie_paddle.data.checking import open_checked
from ernie_paddle.data.samples import IGNORED, SampleBlock
from ernie_paddle.data.shards import Manifest, SampleTable
from ernie_paddle.keyed_random import generator
from ernie_paddle.task import Task
from ernie_paddle.training.evaluation import Score, prior_scores

MOST_TRAINING = 200_000  # samples, or tokens of a token-level task
MOST_SEGMENTS = 4
EPOCHS = 10
REGULARIZATION = (1e-4, 1e-3, 1e-2, 1e-1)  # the best on a tenth of the training samples is taken
LEAST_PROBABILITY = 1e-6


def measure(folder: Path, task: Task, seed: int) -> Score:
    """Train on a task's training samples, score on its held-out ones.

    Raises:
        UserError: the shards cannot be read.
    """
    manifest = Manifest.load(folder)
    blocks = [_sampled(open_checked(folder, split), task, seed) for split in ("train", "validation")]
    if task.objective.column == "span_codes":
        before, after = (_following(block) for block in blocks)
        scores, labels = _bigram(before, after, manifest.vocabulary_size), after[:, 1]
    else:
        features = _of_samples if task.objective.level == "sentence" else _of_tokens
        train, held_out = (features(block, task.objective.column, manifest.vocabulary_size) for block in blocks)
        labels = held_out[1]
        scores = _regression(train[0], train[1], held_out[0], int(max(train[1].max(), labels.max())) + 1, seed)
    prior_loss, prior_accuracy = prior_scores(np.bincount(labels))
    return Score(
        loss=_loss(scores, labels),
        accuracy=float((scores.argmax(axis=1) == labels).mean()),
        labels=len(labels),
        prior_loss=prior_loss,
        prior_accuracy=prior_accuracy,
    )


def _sampled(table: SampleTable, task: Task, seed: int) -> SampleBlock:
    rows = generator(seed, "baseline", task.name).permutation(len(table))
    if task.objective.level == "sentence":
        rows = rows[:MOST_TRAINING]
    else:
        rows = rows[: int(np.searchsorted(np.cumsum(table.lengths[rows]), MOST_TRAINING)) + 1]
    return table.take(np.sort(rows))


def _of_samples(block: SampleBlock, column: str, vocabulary_size: int) -> tuple[sparse.csr_matrix, np.ndarray]:
    """The words of each segment, their number, and the number of segments."""
    sample = np.repeat(np.arange(len(block)), block.lengths)
    segment = np.minimum(block.columns["sentence_ids"], MOST_SEGMENTS - 1).astype(np.int64)
    words = sparse.csr_matrix(
        (np.ones(len(sample), np.float32), (sample, segment * vocabulary_size + block.columns["input_ids"])),
        shape=(len(block), MOST_SEGMENTS * vocabulary_size),
    )
    words.data = np.minimum(words.data, 1.0)
    lengths = np.zeros((len(block), MOST_SEGMENTS), np.float32)
    np.add.at(lengths, (sample, segment), 1 / 64)
    present = (lengths > 0).astype(np.float32)
    return sparse.hstack([words, lengths, present], format="csr"), block.labels.astype(np.int64)


def _of_tokens(block: SampleBlock, column: str, vocabulary_size: int) -> tuple[sparse.csr_matrix, np.ndarray]:
    """The labelled tokens, each with the one before and the one after it."""
    ids = block.columns["input_ids"].astype(np.int64)
    labels = block.columns[column].astype(np.int64)
    places = np.flatnonzero(labels != IGNORED)
    rows = np.arange(len(places))
    parts = [
        sparse.csr_matrix(
            (np.ones(len(places), np.float32), (rows, ids[places + shift])), shape=(len(places), vocabulary_size)
        )
        for shift in (-1, 0, 1)  # a labelled token stands between [CLS] and [SEP]
    ]
    return sparse.hstack(parts, format="csr"), labels[places]


def _following(block: SampleBlock) -> np.ndarray:
    """Pairs of neighbouring tokens [pairs, 2], the second one with a span code."""
    ids = block.columns["input_ids"].astype(np.int64)
    places = np.flatnonzero(block.columns["span_codes"] != IGNORED)
    return np.stack([ids[places - 1], ids[places]], axis=1)


def _bigram(train: np.ndarray, held_out: np.ndarray, vocabulary_size: int) -> np.ndarray:
    """Probability of every token after the one before it: counts of pairs and of tokens, mixed half and half."""
    single = np.bincount(train[:, 1], minlength=vocabulary_size) + 0.1
    pairs = sparse.csr_matrix(
        (np.ones(len(train), np.float32), (train[:, 0], train[:, 1])), shape=(vocabulary_size, vocabulary_size)
    )
    after = pairs[held_out[:, 0]].toarray()
    total = after.sum(axis=1, keepdims=True)
    alone = (single / single.sum()).astype(np.float32)
    return np.where(total > 0, 0.5 * after / np.maximum(total, 1) + 0.5 * alone, alone)


def _regression(features: Any, labels: np.ndarray, held_out: Any, classes: int, seed: int) -> np.ndarray:
    """Class probabilities of held-out rows, [rows, classes]."""
    # Imported where needed: scikit-learn takes longer to load than the rest of the command line.
    from sklearn.linear_model import SGDClassifier

    def probabilities(alpha: float, rows: np.ndarray, wanted: Any) -> np.ndarray:
        model = SGDClassifier(loss="log_loss", alpha=alpha, max_iter=EPOCHS, tol=None, average=True, random_state=seed)
        model.fit(features[rows], labels[rows])
        scores = np.full((wanted.shape[0], classes), LEAST_PROBABILITY)
        scores[:, model.classes_] = model.predict_proba(wanted)
        return scores

    order = generator(seed, "baseline", "regularization").permutation(len(labels))
    tried, rest = order[: len(order) // 10], order[len(order) // 10 :]
    losses = {alpha: _loss(probabilities(alpha, rest, features[tried]), labels[tried]) for alpha in REGULARIZATION}
    return probabilities(min(losses, key=lambda alpha: losses[alpha]), order, held_out)


def _loss(scores: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.log(np.maximum(scores[np.arange(len(labels)), labels], LEAST_PROBABILITY)).mean())
