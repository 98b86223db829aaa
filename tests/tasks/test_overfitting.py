"""Every task can be learnt by heart: data, labels, program and gradients fit together."""

import numpy as np
import pytest
from real_text_support import TASKS, RealText

from ernie_paddle.data.shards import SampleTable
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.pretraining.run import open_task
from ernie_paddle.registry import load_plugins
from ernie_paddle.settings import ImplSettings, TrainSettings
from ernie_paddle.training.stage_plan import StagePlan
from ernie_paddle.training.steps import TaskData
from ernie_paddle.training.trainer import Trainer

SAMPLES = 32
STEPS = {"knowledge_masking": 1000}  # masks are sampled anew each time, so that whole texts have to be learnt


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_32_samples_are_learnt_by_heart(name: str, real_text: RealText) -> None:
    config = ErnieConfig(
        vocab_size=real_text.vocabulary.size,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=96,
        hidden_act="gelu",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.125,
    )
    task, data = open_task(real_text.shards, load_plugins().pretraining_tasks.get(name), real_text.vocabulary)
    rows = np.linspace(0, len(data.train) - 1, SAMPLES).astype(int)
    if name == "knowledge_masking":
        rows = np.argsort(data.train.lengths, kind="stable")[:SAMPLES]
    few = SampleTable([data.train.take(rows)])
    train = TrainSettings(batch_samples=SAMPLES, learning_rate={"peak": 2e-3, "warmup_steps": 20})  # type: ignore[arg-type]
    plan = StagePlan((name,), ((STEPS.get(name, 200),),))
    data = {name: TaskData(few, few, frozenset())}
    trainer = Trainer(config, real_text.vocabulary, {name: task}, data, plan, train, ImplSettings())
    before = trainer.evaluate(name)
    for step in trainer.steps():
        if step.planned.number % 50 == 0 and (score := trainer.evaluate(name)).accuracy > 0.95:
            break
    assert score.accuracy > 0.95 > before.accuracy, (before, score)
    assert score.loss < 0.3 * before.unigram_loss
