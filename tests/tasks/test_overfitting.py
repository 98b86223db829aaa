"""A small model learns 32 samples of every task by heart: data, labels, program and gradients fit together."""

import pytest
from real_text_support import TASKS, RealText

from ernie_paddle.registry import load_plugins
from ernie_paddle.testing import check_task

STEPS = {"knowledge_masking": 1000}  # masks are sampled anew each time, so that whole texts have to be learnt


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_32_samples_are_learnt_by_heart(name: str, real_text: RealText) -> None:
    score = check_task(load_plugins().pretraining_tasks.get(name), real_text.shards, STEPS.get(name, 200))
    assert score.accuracy > 0.95 and score.unigram_loss is not None and score.loss < 0.3 * score.unigram_loss
