"""The parameter names of all libraries in one table, which is read in both directions.

Our names are those of the release, except for fine-tuned heads: the release's `_cls_out_w` is `cls_out.w_0` here.

A row of the table names a layer. Its kind says which tensors the layer has:

    kind     ours                   PaddleNLP, HF         shape
    table    <name>                 <name>.weight         [rows, columns]
    linear   <name>.w_0, .b_0       <name>.weight, .bias  [rows, columns], [columns]; Hugging Face: [columns, rows]
    norm     <name>_scale, _bias    <name>.weight, .bias  [columns]
    value    <name>                 <name>                [columns]

Fine-tuned heads are those of the registered fine-tuning tasks (`KnownHeads`). Most model classes call theirs
`classifier`; the model class tells which of our heads it is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal

import numpy as np

from ernie_paddle.finetuning_task import ModelClass
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.registry import Registry
from ernie_paddle.task import is_of_head

Library = Literal["ours", "release", "paddlenlp", "huggingface"]
LayerKind = Literal["table", "linear", "norm", "value"]


class Part(Enum):
    """A part of a model; only the encoder is required."""

    ENCODER = "encoder"
    TASK_EMBEDDING = "task embedding"
    POOLER = "pooler"
    MASKED_LM = "masked-LM head"
    OTHER_HEAD = "other head"


@dataclass(frozen=True)
class LayerNames:
    """A row of the table; `huggingface` is None if PaddleNLP has the same name.

    `rows` and `columns` are attributes of `ErnieConfig`, or None for any size. `release` is the release's name of a
    fine-tuned head, without `_w` and `_b`; `classes` are the suffixes of the model classes with this head.
    """

    kind: LayerKind
    ours: str
    paddlenlp: str
    huggingface: str | None = None
    rows: str | None = "hidden_size"
    columns: str | None = "hidden_size"
    part: Part = Part.ENCODER
    release: str | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ParameterName:
    """A parameter's name here and in a library, its shape here, and whether the library stores it transposed.

    A size of None may have any value.
    """

    ours: str
    theirs: str
    part: Part
    shape: tuple[int | None, ...]
    transposed: bool = False


INPUT = (
    LayerNames("table", "word_embedding", "embeddings.word_embeddings", rows="vocab_size"),
    LayerNames("table", "pos_embedding", "embeddings.position_embeddings", rows="max_position_embeddings"),
    LayerNames("table", "sent_embedding", "embeddings.token_type_embeddings", rows="sent_type_vocab_size"),
    LayerNames(
        "table",
        "task_embedding",
        "embeddings.task_type_embeddings",
        rows="task_type_vocab_size",
        part=Part.TASK_EMBEDDING,
    ),
    LayerNames("norm", "pre_encoder_layer_norm", "embeddings.layer_norm", "embeddings.LayerNorm"),
)
ENCODER_LAYER = (
    LayerNames("linear", "multi_head_att_query_fc", "self_attn.q_proj", "attention.self.query"),
    LayerNames("linear", "multi_head_att_key_fc", "self_attn.k_proj", "attention.self.key"),
    LayerNames("linear", "multi_head_att_value_fc", "self_attn.v_proj", "attention.self.value"),
    LayerNames("linear", "multi_head_att_output_fc", "self_attn.out_proj", "attention.output.dense"),
    LayerNames("norm", "post_att_layer_norm", "norm1", "attention.output.LayerNorm"),
    LayerNames("linear", "ffn_fc_0", "linear1", "intermediate.dense", columns="ffn_size"),
    LayerNames("linear", "ffn_fc_1", "linear2", "output.dense", rows="ffn_size"),
    LayerNames("norm", "post_ffn_layer_norm", "norm2", "output.LayerNorm"),
)
POOLER = LayerNames("linear", "pooled_fc", "pooler.dense", part=Part.POOLER)
HEADS = (  # their names have no prefix
    LayerNames(
        "linear",
        "mask_lm_trans_fc",
        "cls.predictions.transform",
        "cls.predictions.transform.dense",
        part=Part.MASKED_LM,
    ),
    LayerNames(
        "norm",
        "mask_lm_trans_layer_norm",
        "cls.predictions.layer_norm",
        "cls.predictions.transform.LayerNorm",
        part=Part.MASKED_LM,
    ),
    LayerNames(
        "value",
        "mask_lm_out_fc.b_0",
        "cls.predictions.decoder_bias",
        "cls.predictions.bias",
        columns="vocab_size",
        part=Part.MASKED_LM,
    ),
    LayerNames("linear", "next_sent_fc", "cls.seq_relationship", columns=None, part=Part.OTHER_HEAD),
)
# Names of tied tensors: libraries store the word embedding again as the decoder of the masked-LM head.
COPIES: dict[Library, dict[str, str]] = {
    "ours": {},
    "release": {"mask_lm_out_fc.w_0": "word_embedding"},
    "paddlenlp": {
        "cls.predictions.decoder.weight": "word_embedding",
        "cls.predictions.decoder_weight": "word_embedding",
        "cls.predictions.decoder.bias": "mask_lm_out_fc.b_0",
    },
    "huggingface": {
        "cls.predictions.decoder.weight": "word_embedding",
        "cls.predictions.decoder.bias": "mask_lm_out_fc.b_0",
    },
}

SUFFIXES: dict[LayerKind, tuple[tuple[str, str], ...]] = {
    "table": (("", ".weight"),),
    "linear": ((".w_0", ".weight"), (".b_0", ".bias")),
    "norm": (("_scale", ".weight"), ("_bias", ".bias")),
    "value": (("", ""),),
}

RELEASED_HEAD = {".w_0": "_w", ".b_0": "_b"}


@dataclass(frozen=True)
class KnownHeads:
    """The heads of the registered tasks.

    `finetuned` have names in other libraries, in the order in which their tasks are registered. `others` are the
    prefixes of all other heads, which have the same names in our layout and the release's.
    """

    finetuned: tuple[LayerNames, ...]
    others: tuple[str, ...]

    @classmethod
    def of(cls, registry: Registry) -> "KnownHeads":
        finetuned: dict[str, LayerNames] = {}
        others = [head for task in registry.pretraining_tasks for head in task.objective.heads]
        for task in registry.finetuning_tasks:
            if task.model_class is None:
                others.append(task.head)
                continue
            model_class: ModelClass = task.model_class
            layer = finetuned.setdefault(
                task.head,
                LayerNames(
                    "linear",
                    task.head,
                    model_class.layer,
                    model_class.huggingface_layer,
                    columns=None,
                    part=Part.OTHER_HEAD,
                    release=task.release_head,
                ),
            )
            if model_class.suffix not in layer.classes:
                finetuned[task.head] = replace(layer, classes=(*layer.classes, model_class.suffix))
        return cls(tuple(finetuned.values()), tuple(others))

    def of_class(self, suffix: str) -> str | None:
        """Return our name of a model class's fine-tuned head, None if the class has none."""
        return next((layer.ours for layer in self.finetuned if suffix in layer.classes), None)

    def with_others(self, names: list[ParameterName], tensors: Mapping[str, np.ndarray]) -> list[ParameterName]:
        """Return `names` and the other heads among the tensors."""
        found = sorted(tensors.keys() - {name.ours for name in names})
        return names + [
            ParameterName(name, name, Part.OTHER_HEAD, (None,) * tensors[name].ndim)
            for name in found
            if is_of_head(name, self.others)
        ]


def names_of(
    library: Library, config: ErnieConfig, prefix: str = "", model_class: str = "", heads: Sequence[LayerNames] = ()
) -> list[ParameterName]:
    """Return every parameter that has a name in a library.

    `prefix`, such as `ernie.`, begins the encoder's names in PaddleNLP and Hugging Face. `model_class`, such as
    `TokenClassification`, tells which of the fine-tuned `heads` the model has there.
    """
    finetuned = [layer for layer in heads if library in ("ours", "release") or model_class in layer.classes]
    names = []
    for layer, begin in [*_layers(config, prefix), *((layer, "") for layer in finetuned)]:
        for ours, theirs in SUFFIXES[layer.kind]:
            of_library = {
                "ours": layer.ours + ours,
                "release": layer.release + RELEASED_HEAD[ours] if layer.release else layer.ours + ours,
                "paddlenlp": begin + layer.paddlenlp + theirs,
                "huggingface": begin + (layer.huggingface or layer.paddlenlp) + theirs,
            }
            transposed = library == "huggingface" and ours == ".w_0"
            shape = _shape(layer, ours, config)
            names.append(ParameterName(of_library["ours"], of_library[library], layer.part, shape, transposed))
    return names


def prefix_of(tensors: Iterable[str]) -> str:
    """Return the prefix of the encoder's names in PaddleNLP or Hugging Face, empty if none is found."""
    table = f"{INPUT[0].paddlenlp}.weight"
    return next((name.removesuffix(table) for name in tensors if name.endswith(table)), "")


def _layers(config: ErnieConfig, prefix: str) -> Iterator[tuple[LayerNames, str]]:
    """Yield the layers that a model may have, each with the prefix of its name in PaddleNLP and Hugging Face."""
    for layer in INPUT:
        yield layer, prefix
    for i in range(config.num_hidden_layers):
        for layer in ENCODER_LAYER:
            numbered = replace(
                layer,
                ours=f"encoder_layer_{i}_{layer.ours}",
                paddlenlp=f"encoder.layers.{i}.{layer.paddlenlp}",
                huggingface=f"encoder.layer.{i}.{layer.huggingface}",
            )
            yield numbered, prefix
    yield POOLER, prefix
    for layer in HEADS:
        yield layer, ""


def _shape(layer: LayerNames, suffix: str, config: ErnieConfig) -> tuple[int | None, ...]:
    rows, columns = (getattr(config, size) if size else None for size in (layer.rows, layer.columns))
    return (rows, columns) if layer.kind == "table" or suffix == ".w_0" else (columns,)
