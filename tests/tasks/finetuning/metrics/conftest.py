import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from helpers import Scorer

from ernie_paddle.metric import Scores
from ernie_paddle.registry import Registry
from tasks.finetuning import metrics


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture(scope="session")
def registry() -> Registry:
    registry = Registry()
    metrics.register(registry)
    return registry


@pytest.fixture
def score(registry: Registry) -> Scorer:
    """Score predictions by a metric of the registry: name, gold, predicted, options."""

    def score(name: str, gold: Any, predicted: Any, **options: Any) -> Scores:
        return registry.metrics.get(name)(gold, predicted, **options)

    return score
