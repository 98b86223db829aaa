"""Small models with random parameters, and inputs for them."""

from pathlib import Path
from typing import Any

import numpy as np

from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from ernie_paddle.training.checkpoint import Model
from ernie_paddle.weights.names import Part, names_of

SIZES: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 36,
    "max_position_embeddings": 16,
    "task_type_vocab_size": 5,
}


def random_model(heads: dict[str, int] | None = None, **settings: Any) -> Model:
    """A model with a masked-LM head and others, `cls_out` or `next_sent_fc` with so many classes."""
    config = ErnieConfig(**{"hidden_act": "gelu", **SIZES, **settings})
    random = np.random.default_rng(1)
    parameters = {}
    for name in names_of("release", config):
        classes = (heads or {}).get(name.ours.partition(".")[0], 0)
        wanted = classes or name.part is not Part.OTHER_HEAD
        if wanted and (config.use_task_id or name.part is not Part.TASK_EMBEDDING):
            mean, shape = float(name.ours.endswith("_scale")), [size or classes for size in name.shape]
            values = random.normal(mean, 0.1, shape)
            parameters[name.ours] = values.astype(np.float32)
    words = [*SPECIAL_TOKENS, *(f"w{i}" for i in range(config.vocab_size - len(SPECIAL_TOKENS)))]
    return Model(config, Vocabulary({word: i for i, word in enumerate(words)}), parameters)


def write_inputs(folder: Path, vocabulary_size: int, sentence_types: int, task_id: int = 0) -> dict[str, np.ndarray]:
    """A batch of three rows, two of them padded with 0, written to `inputs.npz`."""
    random = np.random.default_rng(2)
    ids = random.integers(5, vocabulary_size, (3, 12))
    ids[1, 7:] = ids[2, 1:] = 0
    inputs = {"input_ids": ids, "sentence_ids": random.integers(0, sentence_types, ids.shape), "task_id": task_id}
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "inputs.npz", **inputs)
    return {name: np.array(value) for name, value in inputs.items()}
