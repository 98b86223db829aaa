"""Toy shards, models and plans, and samples built from real text, that several test modules share."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from finetuning_support import pretrain_toy
from helpers import Run
from real_text_support import RealText, make_real_text, with_cased_vocabulary

from data_builders.annotation.features import CAPITALIZATION
from ernie_paddle import testing
from ernie_paddle.cli import main
from ernie_paddle.config import load_settings
from ernie_paddle.data.schema import Column
from ernie_paddle.data.spans import SPANS
from ernie_paddle.pretraining.run import build_trainer
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.registry import load_plugins
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.training.trainer import Trainer

# Trainings of tiny models spend a fifth of their time on compiling kernels, which later tests can use if they are kept.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "1024")

UNMARKED_SECONDS = 20.0
TOY_TASKS = ("knowledge_masking", "capitalization", "sentence_reordering", "sentence_distance")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files with the most slow tests first, so that the last ones are short and no worker waits for another."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the tests that take long and are not marked as slow."""
    for report in terminalreporter.getreports("passed"):
        if report.duration > UNMARKED_SECONDS and "slow" not in report.keywords:
            terminalreporter.write_line(f"{report.nodeid} took {report.duration:.0f} s; make it faster or mark it slow")


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
    return testing.toy_vocabulary()


@pytest.fixture(scope="session")
def toy_shards(tmp_path_factory: pytest.TempPathFactory, toy_vocabulary: Vocabulary) -> Path:
    """Shards of four tasks, 96 training and 32 validation samples each, in two files a split."""
    columns = (*SPANS, CAPITALIZATION.column)
    reordering = Column("label", "sentence", tuple(f"order {i}" for i in range(9)))
    distance = Column("label", "sentence", ("adjacent", "same document", "different documents"))
    labels = {"sentence_reordering": (reordering,), "sentence_distance": (distance,)}
    tasks = {task: (*columns, *labels.get(task, ())) for task in TOY_TASKS}
    return testing.write_toy_shards(tmp_path_factory.mktemp("shards"), tasks, toy_vocabulary)


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    return testing.write_toy_model(folder / "ernie_config.json", 64, num_hidden_layers=2)


@pytest.fixture
def toy_model_without_dropout(tmp_path: Path) -> dict[str, str]:
    """The `model` section of a plan."""
    path = tmp_path / "no_dropout.json"
    testing.write_toy_model(path, 64, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    return {"config": str(path)}


@pytest.fixture
def write_plan(tmp_path: Path, toy_model: Path, toy_shards: Path) -> Callable[..., Path]:
    """A function that writes a plan config; keyword arguments replace whole sections."""

    def write(**sections: Any) -> Path:
        plan = testing.toy_plan(toy_model, toy_shards, TOY_TASKS)
        tree = {**plan, "impl": {"logging_steps": 5, "save_steps": 7}, **sections}
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
def cased_text(real_text: RealText, tmp_path_factory: pytest.TempPathFactory) -> RealText:
    return with_cased_vocabulary(real_text, tmp_path_factory.mktemp("cased_text"))


@pytest.fixture(scope="module", params=["real_text", "cased_text"], ids=["lower-cased", "cased"])
def either_text(request: pytest.FixtureRequest) -> RealText:
    """The corpora with a lower-cased vocabulary, then with a cased one."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def toy_pretrained(tmp_path_factory: pytest.TempPathFactory, toy_shards: Path) -> Path:
    return pretrain_toy(tmp_path_factory.mktemp("pretrained"), toy_shards)
