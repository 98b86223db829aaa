"""A run, and plans that continue it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from history_support import NEXT, TASKS, TRAIN

from ernie_paddle import testing
from ernie_paddle.config import check_settings
from ernie_paddle.pretraining.run import pretrain
from ernie_paddle.pretraining.settings import PretrainSettings


@pytest.fixture(scope="session")
def earlier(tmp_path_factory: pytest.TempPathFactory, toy_model: Path, toy_shards: Path) -> Path:
    """A finished run of two stages, with a checkpoint in the middle of the second."""
    tree = testing.toy_plan(toy_model, toy_shards, [])
    tree |= {"plan": {"strategy": "stages", "tasks": TASKS}, "train": TRAIN, "impl": {"save_steps": 7}}
    run = tmp_path_factory.mktemp("earlier") / "run"
    pretrain(check_settings(PretrainSettings, tree, "plan"), run)
    return run


@pytest.fixture
def continued(write_plan: Callable[..., Path]) -> Callable[..., Path]:
    """A function that writes a plan that introduces a third task; keyword arguments replace sections."""

    def write(**sections: Any) -> Path:
        return write_plan(**{"plan": {"tasks": NEXT}, "train": TRAIN, **sections})

    return write
