"""Small models with random parameters, and inputs for them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ernie_paddle.finetuning_task import KeptSignature
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.model.saved import Model
from ernie_paddle.registry import Registry, load_plugins
from ernie_paddle.testing import toy_vocabulary
from ernie_paddle.text.vocabulary import SPECIAL_TOKENS
from ernie_paddle.weights import conversion
from ernie_paddle.weights.names import KnownHeads, Part, names_of
from ernie_paddle.weights.report import ConversionReport

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
    """Return a model with a masked-LM head and `heads`, such as `cls_out`, with their numbers of classes."""
    config = ErnieConfig(**{"hidden_act": "gelu", **SIZES, **settings})
    random = np.random.default_rng(1)
    parameters = {}
    for name in names_of("ours", config, heads=KnownHeads.of(load_plugins()).finetuned):
        classes = (heads or {}).get(name.ours.partition(".")[0], 0)
        included = classes or name.part is not Part.OTHER_HEAD
        if included and (config.use_task_id or name.part is not Part.TASK_EMBEDDING):
            mean, shape = float(name.ours.endswith("_scale")), [size or classes for size in name.shape]
            values = random.normal(mean, 0.1, shape)
            parameters[name.ours] = values.astype(np.float32)
    vocabulary = toy_vocabulary(f"w{i}" for i in range(config.vocab_size - len(SPECIAL_TOKENS)))
    return Model(config, vocabulary, parameters)


@dataclass(frozen=True)
class Tuned:
    """A fine-tuned head: its name, number of classes, labels, and whether it reads all tokens."""

    head: str
    classes: int
    labels: tuple[str, ...] | None = None
    of_tokens: bool = False


FINETUNED = {
    "classification": Tuned("cls_out", 3, ("bad", "fair", "good")),
    "regression": Tuned("cls_out", 1),
    "sequence_labelling": Tuned("cls_seq_label_out", 3, ("B-LOC", "I-LOC", "O"), of_tokens=True),
    "reading_comprehension": Tuned("cls_mrc_out", 2, of_tokens=True),
    "multiple_choice": Tuned("cls_out", 1),
    "cloze": Tuned("cls_out", 1),
    "pronoun_resolution": Tuned("cls_out", 2, ("false", "true")),
}


def finetuned_model(task: str, **settings: Any) -> Model:
    """Return a model as fine-tuning saves it: an encoder, a head with its pooler if it needs one, and a signature."""
    tuned = FINETUNED[task]
    model = random_model({tuned.head: tuned.classes}, layer_norm_epsilon=1e-12, **settings)
    absent = ("mask_lm_", "pooled_fc") if tuned.of_tokens else ("mask_lm_",)
    parameters = {name: values for name, values in model.parameters.items() if not name.startswith(absent)}
    signature = KeptSignature(task=task, labels=tuned.labels, max_length=12, data={"train": "train.tsv"})
    return Model(model.config, model.vocabulary, parameters, signature)


def read_model(
    folder: Path, vocabulary: Path | None = None, config: Path | None = None, registry: Registry | None = None
) -> tuple[Model, ConversionReport]:
    """Read a folder of any layout."""
    layout = conversion.recognise(folder)
    return conversion.read_source(layout, folder, config, vocabulary, registry or load_plugins())


def assert_equal(found: Model, expected: Model) -> None:
    """Check that configuration, vocabulary and parameters are equal, bit by bit."""
    assert found.config == expected.config and found.vocabulary == expected.vocabulary
    assert found.parameters.keys() == expected.parameters.keys()
    for name, values in expected.parameters.items():
        np.testing.assert_array_equal(found.parameters[name], values)


def write_model(layout: str, folder: Path, model: Model) -> list[str]:
    """Write a model in a layout; return the notes."""
    return conversion.write_model(conversion.LAYOUTS[layout], folder, model, load_plugins()).notes


def write_inputs(folder: Path, vocabulary_size: int, sentence_types: int, task_id: int = 0) -> dict[str, np.ndarray]:
    """Write a batch of three rows, two of them padded with 0, to `inputs.npz`, and return it."""
    random = np.random.default_rng(2)
    ids = random.integers(5, vocabulary_size, (3, 12))
    ids[1, 7:] = ids[2, 1:] = 0
    inputs = {"input_ids": ids, "sentence_ids": random.integers(0, sentence_types, ids.shape), "task_id": task_id}
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "inputs.npz", **inputs)
    return {name: np.array(value) for name, value in inputs.items()}
