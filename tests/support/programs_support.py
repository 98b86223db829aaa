"""Tiny sessions and random feeds."""

import numpy as np

from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.session import Session
from ernie_paddle.programs.task_program import LOSS_WEIGHTS
from ernie_paddle.registry import load_plugins
from ernie_paddle.settings import AdamSettings
from ernie_paddle.task import Task


def session_for(adam: AdamSettings, *names: str, dropout: float = 0.1, seed: int = 3) -> tuple[Session, list[Task]]:
    """A session over a tiny encoder, and tasks by name."""
    config = ErnieConfig(
        vocab_size=24,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        hidden_act="gelu",
        max_position_embeddings=8,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        initializer_range=0.5,
        use_task_id=True,
    )
    registry = load_plugins()
    return Session(config, 0, seed, adam), [registry.pretraining_tasks.get(name) for name in names]


def feed_for(session: Session, tasks: tuple[Task, ...], seed: int) -> dict[str, np.ndarray]:
    """A batch of 4 rows and 8 tokens with labels for the tasks, summed losses weighing 1."""
    random = np.random.default_rng(seed)
    feed = {"input_ids": random.integers(5, 24, (4, 8)), "sentence_ids": random.integers(0, 2, (4, 8))}
    for task in tasks:
        for declared in task.objective.feeds():
            if declared.name == "mask_positions":
                feed[declared.name] = random.integers(0, 32, 8)
            else:
                sizes = {"mask_labels": 8}
                count = sizes.get(declared.name, 4 if task.objective.level == "sentence" else 32)
                feed[declared.name] = random.integers(0, task.objective.classes(24), count)
    feed[LOSS_WEIGHTS] = np.ones(len(tasks), np.float32)
    return feed
