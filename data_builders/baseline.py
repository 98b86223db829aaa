"""Bag-of-words baselines for the labels of samples: logistic regression on words, without their order.

For a task that predicts tokens, the baseline is a bigram model. It sees the true previous word even where a model
sees `[MASK]`.

A model that does not beat its baseline has learned nothing about order. On a task about order or distance, a baseline
that clearly beats the majority class points to a leak, such as a marker left in the text or a telltale length.
"""

from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from ernie_paddle.data.checking import open_checked
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.schema import IGNORED
from ernie_paddle.data.shards import Manifest, SampleTable
from ernie_paddle.keyed_random import generator
from ernie_paddle.task import Task
from ernie_paddle.training.evaluation import Score, baseline_scores

MAX_TRAINING_SAMPLES = 200_000  # of a sentence-level task; tokens of a token-level task
MAX_SEGMENTS = 4
EPOCHS = 10
REGULARIZATION = (1e-4, 1e-3, 1e-2, 1e-1)  # the best on a tenth of the training samples is selected
MIN_PROBABILITY = 1e-6


def measure(folder: Path, task: Task, seed: int) -> Score:
    """Train a baseline on a task's training samples; return its score on the held-out samples.

    Raises:
        UserError: the shards cannot be read.
    """
    manifest = Manifest.load(folder)
    blocks = [_sample(open_checked(folder, split), task, seed) for split in ("train", "validation")]
    objective = task.objective
    if objective.predicts_tokens:
        train_pairs, held_out_pairs = (_bigrams(block, objective.column.name) for block in blocks)
        labels = held_out_pairs[:, 1]
        probabilities = _bigram_probabilities(train_pairs, held_out_pairs, manifest.vocabulary_size)
    else:
        features_of = _sample_features if objective.level == "sentence" else _token_features
        (train, train_labels), (held_out, labels) = (
            features_of(block, objective.column.name, manifest.vocabulary_size) for block in blocks
        )
        classes = int(max(train_labels.max(), labels.max())) + 1
        probabilities = _regression_probabilities(train, train_labels, held_out, classes, seed)
    unigram_loss, majority_accuracy = baseline_scores(np.bincount(labels))
    return Score(
        loss=_loss(probabilities, labels),
        accuracy=float((probabilities.argmax(axis=1) == labels).mean()),
        labels=len(labels),
        unigram_loss=unigram_loss,
        majority_accuracy=majority_accuracy,
    )


def _sample(table: SampleTable, task: Task, seed: int) -> SampleBlock:
    """Sample at most `MAX_TRAINING_SAMPLES` samples, or about as many tokens of a token-level task."""
    rows = generator(seed, "baseline", task.name).permutation(len(table))
    if task.objective.level == "sentence":
        rows = rows[:MAX_TRAINING_SAMPLES]
    else:
        rows = rows[: int(np.searchsorted(np.cumsum(table.lengths[rows]), MAX_TRAINING_SAMPLES)) + 1]
    return table.take(np.sort(rows))


def _sample_features(block: SampleBlock, column: str, vocabulary_size: int) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Return words, length and presence of each segment as features, and the labels, a row per labelled sample."""
    sample = np.repeat(np.arange(len(block)), block.lengths)
    segment = np.minimum(block.columns["sentence_ids"], MAX_SEGMENTS - 1).astype(np.int64)
    words = sparse.csr_matrix(
        (np.ones(len(sample), np.float32), (sample, segment * vocabulary_size + block.columns["input_ids"])),
        shape=(len(block), MAX_SEGMENTS * vocabulary_size),
    )
    words.data = np.minimum(words.data, 1.0)
    lengths = np.zeros((len(block), MAX_SEGMENTS), np.float32)
    np.add.at(lengths, (sample, segment), 1 / 64)
    present = (lengths > 0).astype(np.float32)
    labels = block.sample_columns[column].astype(np.int64)
    labelled = np.flatnonzero(labels != IGNORED)
    return sparse.hstack([words, lengths, present], format="csr")[labelled], labels[labelled]


def _token_features(block: SampleBlock, column: str, vocabulary_size: int) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Return each labelled token with its neighbours as features, and the labels, a row per labelled token."""
    ids = block.columns["input_ids"].astype(np.int64)
    labels = block.columns[column].astype(np.int64)
    positions = np.flatnonzero(labels != IGNORED)
    rows = np.arange(len(positions))
    matrices = [
        sparse.csr_matrix(
            (np.ones(len(positions), np.float32), (rows, ids[positions + shift])),
            shape=(len(positions), vocabulary_size),
        )
        for shift in (-1, 0, 1)  # a labelled token is never [CLS] or the last [SEP]
    ]
    return sparse.hstack(matrices, format="csr"), labels[positions]


def _bigrams(block: SampleBlock, column: str) -> np.ndarray:
    """Return the pairs of adjacent tokens whose second token has a label [pairs, 2]."""
    ids = block.columns["input_ids"].astype(np.int64)
    positions = np.flatnonzero(block.columns[column] != IGNORED)
    return np.stack([ids[positions - 1], ids[positions]], axis=1)


def _bigram_probabilities(train: np.ndarray, held_out: np.ndarray, vocabulary_size: int) -> np.ndarray:
    """Return the probabilities of the next token, the mean of bigrams and unigrams [pairs, vocabulary]."""
    counts = np.bincount(train[:, 1], minlength=vocabulary_size) + 0.1
    pairs = sparse.csr_matrix(
        (np.ones(len(train), np.float32), (train[:, 0], train[:, 1])), shape=(vocabulary_size, vocabulary_size)
    )
    bigrams = pairs[held_out[:, 0]].toarray()
    total = bigrams.sum(axis=1, keepdims=True)
    unigrams = (counts / counts.sum()).astype(np.float32)
    return np.where(total > 0, 0.5 * bigrams / np.maximum(total, 1) + 0.5 * unigrams, unigrams)


def _regression_probabilities(
    train: Any, train_labels: np.ndarray, held_out: Any, classes: int, seed: int
) -> np.ndarray:
    """Return the class probabilities of held-out rows [rows, classes]."""
    # Imported here because scikit-learn takes longer to load than the rest of the command line.
    from sklearn.linear_model import SGDClassifier

    def predict(alpha: float, rows: np.ndarray, features: Any) -> np.ndarray:
        model = SGDClassifier(loss="log_loss", alpha=alpha, max_iter=EPOCHS, tol=None, average=True, random_state=seed)
        model.fit(train[rows], train_labels[rows])
        probabilities = np.full((features.shape[0], classes), MIN_PROBABILITY)
        probabilities[:, model.classes_] = model.predict_proba(features)
        return probabilities

    order = generator(seed, "baseline", "regularization").permutation(len(train_labels))
    tuning, rest = order[: len(order) // 10], order[len(order) // 10 :]
    losses = {alpha: _loss(predict(alpha, rest, train[tuning]), train_labels[tuning]) for alpha in REGULARIZATION}
    return predict(min(losses, key=lambda alpha: losses[alpha]), order, held_out)


def _loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], MIN_PROBABILITY)).mean())
