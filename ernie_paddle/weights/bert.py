"""A model as plain BERT in Hugging Face's layout, which all libraries that open BERT open.

BERT has no task embedding: the row of the model's task id is added to all positions. Activation, epsilon and the
numbers of positions and sentence types are keys of BERT's configuration. An encoder also gets the files that tell
sentence-transformers how to make one vector of a text.
"""

from pathlib import Path
from typing import Any

from ernie_paddle.errors import UserError
from ernie_paddle.files import write_json
from ernie_paddle.model.saved import Model
from ernie_paddle.registry import Registry
from ernie_paddle.weights import huggingface
from ernie_paddle.weights.conversion import read_source
from ernie_paddle.weights.heads import class_of
from ernie_paddle.weights.names import KnownHeads

POOLING = "1_Pooling"
MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": POOLING, "type": "sentence_transformers.models.Pooling"},
]


def write(folder: Path, model: Model, registry: Registry) -> list[str]:
    """Write a folder that `from_pretrained` of Hugging Face's BERT classes loads; return sentences for the user.

    Raises:
        UserError: Hugging Face has no BERT class with the model's fine-tuned head.
    """
    model_class = class_of(model, registry) if model.signature else None  # without a signature, it is an encoder
    if model.signature and model_class is None:
        raise UserError(f"--format bert: no class of BERT has the head of {model.signature.task}; use --format onnx")
    plain = model.without_task_embedding()
    written = huggingface.write_as("bert", folder, plain, model_class, KnownHeads.of(registry))
    notes = list(written.notes)
    if model.signature is None:
        write_pooling(folder, model)
        if "pooled_fc.w_0" not in model.parameters:
            notes.append("the model has no pooler: `pooler_output` of other libraries is random; use the tokens")
    elif model_class and model_class.differences:
        notes.append(model_class.differences)
    return notes


def read(folder: Path, registry: Registry) -> Model:
    """Read what `write` wrote.

    Raises:
        UserError: a file is missing or damaged.
    """
    model, report = read_source(huggingface.LAYOUT, folder, None, None, registry)
    report.check()
    return model


def write_pooling(folder: Path, model: Model) -> None:
    """Write the files of sentence-transformers: the vector of a text is the mean of its tokens."""
    longest: dict[str, Any] = {"max_seq_length": model.config.max_position_embeddings, "do_lower_case": False}
    write_json(folder / "sentence_bert_config.json", longest)
    (folder / POOLING).mkdir()
    mean = {"word_embedding_dimension": model.config.hidden_size, "pooling_mode_mean_tokens": True}
    write_json(folder / POOLING / "config.json", mean | {"pooling_mode_cls_token": False})
    write_json(folder / "modules.json", MODULES)
