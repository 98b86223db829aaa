"""What the author of a pre-training task needs to test it: toy samples, shards, models and plans, and `check_task`.

Checks raise an `AssertionError` that says what is wrong. They work with and without pytest. `data_builders.testing` has
the same for sample builders, token features and readers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ernie_paddle.data.batch import Batch
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.schema import IGNORED, INPUT_IDS, Column, of_level
from ernie_paddle.data.shard_writing import ShardWriter
from ernie_paddle.data.shards import SPLITS, SampleTable
from ernie_paddle.data.spans import BEGIN, BI_TAGS, INSIDE, SPAN_KINDS
from ernie_paddle.errors import UserError
from ernie_paddle.files import write_json
from ernie_paddle.keyed_random import generator
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.settings import ImplSettings, TrainSettings
from ernie_paddle.task import Labels, Task
from ernie_paddle.text.vocabulary import SPECIAL_TOKENS, VOCABULARY_FILE, Vocabulary

if TYPE_CHECKING:
    from ernie_paddle.training.evaluation import Score

TOY_WORDS = tuple(f"w{i}" for i in range(55))
TOY_SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 32}
TOY_MAX_LENGTH = 32
TOY_SAMPLES = {"train": 96, "validation": 32}
LEARNT_SAMPLES = 32  # that a tiny model learns by heart
CHECKED_EVERY = 25  # steps between two looks at the score


def toy_vocabulary(words: Iterable[str] = TOY_WORDS) -> Vocabulary:
    """Return a vocabulary of the special tokens and `words`, 60 tokens by default."""
    return Vocabulary({token: i for i, token in enumerate([*SPECIAL_TOKENS, *words])})


def toy_samples(
    random: np.random.Generator, samples: int, columns: Sequence[Column], vocabulary: Vocabulary
) -> SampleBlock:
    """Return samples of 6 to 24 random words whose labels follow from the words.

    The word after `[CLS]` has the number of the class of sentence-level columns. The class of a word in a token-level
    column is its token id modulo the number of classes. Three in ten words continue a span, which is of no kind.
    Columns without class names have two classes.
    """
    lengths = random.integers(6, 25, samples)
    ends = np.cumsum(lengths)
    starts, first_word = ends - lengths, len(SPECIAL_TOKENS)
    ids = random.integers(first_word, vocabulary.size, int(ends[-1]))
    sample_columns = {}
    for column in of_level(columns, "sentence"):
        sample_columns[column.name] = random.integers(0, _classes(column), samples)
        ids[starts + 1] = first_word + sample_columns[column.name] % (vocabulary.size - first_word)
    ids[starts], ids[ends - 1] = vocabulary.cls_id, vocabulary.sep_id
    tokens = {INPUT_IDS: ids, **{column.name: ids % _classes(column) for column in of_level(columns, "token")}}
    if BI_TAGS.name in tokens:
        tokens[BI_TAGS.name] = np.where(random.random(len(ids)) < 0.3, INSIDE, BEGIN)
        tokens[BI_TAGS.name][starts + 1] = BEGIN
    if SPAN_KINDS.name in tokens:
        tokens[SPAN_KINDS.name] = np.full(len(ids), IGNORED)
    for column in of_level(columns, "token"):
        tokens[column.name][np.append(starts, ends - 1)] = IGNORED
    return SampleBlock(lengths, tokens, sample_columns)


def _classes(column: Column) -> int:
    return len(column.labels) or 2


def write_toy_shards(
    folder: Path, tasks: Mapping[str, Sequence[Column]], vocabulary: Vocabulary | None = None, seed: int = 1
) -> Path:
    """Write `toy_samples` of tasks, given by name with the columns of their samples, and `vocab.txt`.

    Each task has 96 training and 32 validation samples, in files of at most 64. Returns the folder.
    """
    vocabulary = vocabulary or toy_vocabulary()
    vocabulary.save(folder / VOCABULARY_FILE)
    for task, columns in tasks.items():
        random = generator(seed, "toy samples", task)
        origin = {"seed": seed}
        shards = ShardWriter(
            folder / task, task, vocabulary.digest, vocabulary.size, TOY_MAX_LENGTH, origin, columns, 64
        )
        for split in SPLITS:
            shards.write(split, "toy", toy_samples(random, TOY_SAMPLES[split], columns, vocabulary))
        shards.finish()
    return folder


def write_toy_model(path: Path, vocabulary_size: int, **sizes: float) -> Path:
    """Write the config of a model with one tiny layer; `sizes` replace its values. Returns the path."""
    tree = {"vocab_size": vocabulary_size, "hidden_act": "gelu", "initializer_range": 0.25, "use_task_id": True}
    write_json(path, {**tree, **TOY_SIZES, **sizes})
    return path


def toy_plan(model: Path, shards: Path, tasks: Sequence[str], steps: int = 10) -> dict[str, Any]:
    """Return a plan config that trains a toy model on toy shards, with as many `steps` for each task."""
    return {
        "model": {"config": str(model)},
        "data": {"shards": str(shards)},
        "plan": {"tasks": {task: {"steps": steps} for task in tasks}},
        "train": {"batch_tokens": 256, "learning_rate": {"peak": 0.01, "warmup_steps": 5}},
    }


@contextmanager
def errors_as_assertions(where: str) -> Iterator[None]:
    """Turn the errors of a check into an `AssertionError` that begins with what is checked."""
    try:
        yield
    except (AssertionError, UserError, ValueError, RuntimeError) as error:
        message = str(error)
        raise AssertionError(message if message.startswith(where) else f"{where}: {message}") from error


def check_task(task: Task, shards: Path, steps: int = 250) -> "Score":
    """Check that a task's labels fit its samples, and that a small model learns 32 samples by heart.

    The model is learnt when its loss is below half the unigram loss and its accuracy more than halfway from that of the
    majority class to 1. A task without a fixed number of classes must halve the loss of the untrained model. Training
    goes on until 95 % of the labels are right, or for `steps` steps: a few seconds for most tasks.

    Args:
        task: the task. Its objective need not know the classes if the samples name them.
        shards: a folder with `vocab.txt` and the task's samples, as `ernie-paddle build`, `write_toy_shards` or
            `ToyCorpora.build` of `data_builders.testing` writes it.

    Returns:
        the score of the trained model on the samples that it learnt.

    Raises:
        AssertionError: the labels do not fit, or the samples are not learnt.
    """
    from ernie_paddle.pretraining.run import open_task

    with errors_as_assertions(f"task '{task.name}'"):
        vocabulary = Vocabulary.load(shards / VOCABULARY_FILE)
        bound, data = open_task({"": shards / task.name}, task, vocabulary)
        order = np.argsort(data.train.lengths, kind="stable")
        spread = np.linspace(0, len(order) - 1, min(LEARNT_SAMPLES, len(order))).astype(np.int64)
        rows = order[:LEARNT_SAMPLES] if bound.objective.predicts_tokens else spread  # masks differ each time
        samples = data.train.take(rows)
        _check_labels(bound, samples, vocabulary)
        before, after = _learn(bound, samples, vocabulary, steps)
        _check_learnt(before, after, steps)
        return after


def _learn(task: Task, samples: SampleBlock, vocabulary: Vocabulary, steps: int) -> tuple["Score", "Score"]:
    """Train a small model on samples; return its scores on them before and after."""
    from ernie_paddle.training.stage_plan import StagePlan
    from ernie_paddle.training.steps import TaskData
    from ernie_paddle.training.trainer import Trainer

    config = ErnieConfig(
        vocab_size=vocabulary.size,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=int(samples.lengths.max()),
        task_type_vocab_size=max(16, task.task_id + 1),
        hidden_act="gelu",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.125,
    )
    train = TrainSettings.model_validate(
        {"batch_samples": len(samples), "learning_rate": {"peak": 2e-3, "warmup_steps": min(20, steps)}}
    )
    table = SampleTable([samples])
    data = {task.name: TaskData(table, {"": table}, frozenset())}
    plan = StagePlan((task.name,), ((steps,),))
    trainer = Trainer(config, vocabulary, {task.name: task}, data, plan, train, ImplSettings())
    before = after = trainer.evaluate(task.name)
    for step in trainer.steps():
        if step.planned.number % CHECKED_EVERY == 0 or step.planned.number == steps:
            after = trainer.evaluate(task.name)
            if after.accuracy > 0.95 and after.loss < 0.3 * (after.unigram_loss or before.loss):
                break
    return before, after


def _check_learnt(before: "Score", after: "Score", steps: int) -> None:
    if after.unigram_loss is None or after.majority_accuracy is None:
        learnt = after.loss < before.loss / 2
        assert learnt, f"not learnt after {steps} steps: the loss was {before.loss:.3f} and is {after.loss:.3f}"
        return
    assert after.unigram_loss > 0, "all labels are the same, so that there is nothing to learn"
    learnt = after.loss < after.unigram_loss / 2 and after.accuracy > (1 + after.majority_accuracy) / 2
    assert learnt, (
        f"not learnt after {steps} steps: loss {after.loss:.3f} (unigram {after.unigram_loss:.3f}), "
        f"accuracy {after.accuracy:.1%} (majority class {after.majority_accuracy:.1%}); "
        "the loss must be below half the unigram loss, the accuracy more than halfway from the majority class to 1"
    )


def _check_labels(task: Task, samples: SampleBlock, vocabulary: Vocabulary) -> None:
    """Check what the objective says of a batch: feeds, selected tokens and class ids, the same for the same key."""
    rows, digest = np.arange(len(samples)), samples.digest()
    first, again = (task.objective.label(Batch.of(samples, rows), vocabulary, key=1) for _ in range(2))
    assert samples.digest() == digest, "`label` changes the samples in place; replace columns of the batch instead"
    arrays = [{**labels.feeds, "selected": labels.selected, "classes": labels.classes} for labels in (first, again)]
    for name, values in arrays[0].items():
        assert np.array_equal(values, arrays[1].get(name, np.empty(0))), (
            f"the same batch and key give other '{name}'; derive all randomness from `key`"
        )
    declared = {feed.name: feed for feed in task.objective.feeds()}
    assert declared.keys() == first.feeds.keys(), (
        f"`feeds` declares {sorted(declared)}, `label` returns {sorted(first.feeds)}"
    )
    for name, feed in declared.items():
        values = first.feeds[name]
        found = (values.dtype.name, values.ndim)
        assert found == (feed.dtype, len(feed.shape)), (
            f"feed '{name}' is {found[0]} with {found[1]} axes, declared {feed.dtype} with {len(feed.shape)}"
        )
    _check_classes(first, Batch.of(samples, rows).tokens, task.objective.classes(vocabulary.size))


def _check_classes(labels: Labels, tokens: int, classes: int | None) -> None:
    selected = labels.selected
    assert len(selected) and selected.min() >= 0 and selected.max() < tokens, (
        f"`selected` has {len(selected)} tokens, expected one or more from 0 to {tokens - 1}"
    )
    assert (labels.classes != IGNORED).any(), "no sample has a label"
    highest = np.inf if classes is None else classes - 1
    wrong = labels.classes[(labels.classes < IGNORED) | (labels.classes > highest)]
    assert not len(wrong), f"label {wrong[0]}, expected {IGNORED} to {highest}"
