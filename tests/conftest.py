"""Toy shards, models and plans, and samples built from real text, that several test modules share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from finetuning_support import pretrain_toy
from helpers import Run, write_model
from real_text_support import RealText, make_real_text

from data_builders.annotation.features import CAPITALIZATION
from ernie_paddle.cli import main
from ernie_paddle.config import load_settings
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.schema import Column
from ernie_paddle.data.shard_writing import ShardWriter
from ernie_paddle.data.spans import SPANS
from ernie_paddle.pretraining.run import build_trainer
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.registry import load_plugins
from ernie_paddle.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from ernie_paddle.training.trainer import Trainer

TOY_TASKS = ("knowledge_masking", "capitalization", "sentence_reordering", "sentence_distance")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process; its exit code and stderr."""

    def run(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        try:
            main([str(argument) for argument in arguments])
            code: Any = 0
        except SystemExit as stop:
            code = stop.code
        return code, capsys.readouterr().err

    return run


@pytest.fixture(scope="session")
def toy_vocabulary() -> Vocabulary:
    return Vocabulary({token: i for i, token in enumerate([*SPECIAL_TOKENS, *(f"w{i}" for i in range(55))])})


def toy_block(random: np.random.Generator, samples: int, classes: int, vocabulary_size: int) -> SampleBlock:
    """Samples with a pattern to learn: the token after the first tells the label, capitals are even tokens."""
    lengths = random.integers(6, 25, samples)
    labels = random.integers(0, classes, samples) if classes else np.full(samples, -1)
    pieces: dict[str, list[np.ndarray]] = {"input_ids": [], "bi_tags": [], "span_kinds": [], "capitalization": []}
    for length, label in zip(lengths, labels, strict=True):
        ids = random.integers(5, vocabulary_size, length)
        ids[0], ids[1], ids[-1] = 1, 5 + max(label, 0), 2
        bi_tags = (random.random(length) < 0.3).astype(int)
        bi_tags[1], bi_tags[0], bi_tags[-1] = 0, -1, -1
        capital = np.where(bi_tags == -1, -1, ids % 2 == 0)
        span_kinds = np.full(length, -1)
        for name, column in zip(pieces, (ids, bi_tags, span_kinds, capital), strict=True):
            pieces[name].append(column)
    columns = {name: np.concatenate(parts) for name, parts in pieces.items()}
    return SampleBlock(lengths, columns, {"label": labels})


@pytest.fixture(scope="session")
def toy_shards(tmp_path_factory: pytest.TempPathFactory, toy_vocabulary: Vocabulary) -> Path:
    """Shards of four tasks, 96 training and 32 validation samples each, in two files a split."""
    folder = tmp_path_factory.mktemp("shards")
    toy_vocabulary.save(folder / "vocab.txt")
    labels = {
        "sentence_reordering": [f"order {i}" for i in range(9)],
        "sentence_distance": ["adjacent", "same document", "different documents"],
    }
    for number, task in enumerate(TOY_TASKS):
        random = np.random.default_rng(number)
        vocabulary, names = toy_vocabulary, labels.get(task, [])
        columns = [*SPANS, CAPITALIZATION.column]
        columns += [Column("label", "sentence", tuple(names))] if names else []
        shards = ShardWriter(folder / task, task, vocabulary.digest, vocabulary.size, 32, {"seed": 1}, columns, 64)
        for split, samples in (("train", 96), ("validation", 32)):
            shards.write(split, toy_block(random, samples, len(names), vocabulary.size))
        shards.finish()
    return folder


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "ernie_config.json", 64, num_hidden_layers=2)


@pytest.fixture
def toy_model_without_dropout(tmp_path: Path) -> dict[str, str]:
    """The `model` section of a plan."""
    path = tmp_path / "no_dropout.json"
    write_model(path, 64, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    return {"config": str(path)}


@pytest.fixture
def write_plan(tmp_path: Path, toy_model: Path, toy_shards: Path) -> Callable[..., Path]:
    """A function that writes a plan config; keyword arguments replace whole sections."""

    def write(**sections: Any) -> Path:
        tree = {
            "model": {"config": str(toy_model)},
            "data": {"shards": str(toy_shards)},
            "plan": {"tasks": {task: {"steps": 10} for task in TOY_TASKS}},
            "train": {"batch_tokens": 256, "learning_rate": {"peak": 0.01, "warmup_steps": 5}},
            "impl": {"logging_steps": 5, "save_steps": 7},
            **sections,
        }
        path = tmp_path / "plan.yaml"
        path.write_text(yaml.safe_dump(tree, sort_keys=False))
        return path

    return write


@pytest.fixture
def toy_trainer(write_plan: Callable[..., Path]) -> Callable[..., Trainer]:
    """A function that makes a trainer at step 0; keyword arguments replace sections of the toy plan."""

    def make(**sections: Any) -> Trainer:
        return build_trainer(load_settings(PretrainSettings, write_plan(**sections), []), load_plugins())

    return make


@pytest.fixture(scope="session")
def real_text(tmp_path_factory: pytest.TempPathFactory) -> RealText:
    return make_real_text(tmp_path_factory.mktemp("real_text"))


@pytest.fixture(scope="session")
def toy_pretrained(tmp_path_factory: pytest.TempPathFactory, toy_shards: Path) -> Path:
    return pretrain_toy(tmp_path_factory.mktemp("pretrained"), toy_shards)
