"""What each library calls a parameter: one table, read in both directions.

The release's names are ours, but for the heads of fine-tuning: `_cls_out_w` there is `cls_out.w_0` here.

A row of the table names a layer; its kind says which tensors the layer has:

    kind     ours                   PaddleNLP, HF         shape
    table    <name>                 <name>.weight         [rows, columns]
    linear   <name>.w_0, .b_0       <name>.weight, .bias  [rows, columns], [columns]; Hugging Face: [columns, rows]
    norm     <name>_scale, _bias    <name>.weight, .bias  [columns]
    value    <name>                 <name>                [columns]

Most model classes call the head that a model was fine-tuned with `classifier`: which one it is, the class tells.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal

from ernie_paddle.model.config import ErnieConfig

Library = Literal["ours", "release", "paddlenlp", "huggingface"]
Kind = Literal["table", "linear", "norm", "value"]


class Part(Enum):
    """Parts of a model; only the encoder has to be there."""

    ENCODER = "encoder"
    TASK_EMBEDDING = "task embedding"
    POOLER = "pooler"
    MASKED_LM = "masked-LM head"
    OTHER_HEAD = "other head"


@dataclass(frozen=True)
class Layer:
    """A row of the table; `huggingface` is None where PaddleNLP has the same name.

    `rows` and `columns` are attributes of `ErnieConfig`, or None where any size will do. `release` is the name of a
    head of fine-tuning in the release, without `_w` and `_b`; `classes` are the suffixes of model classes that have it.
    """

    kind: Kind
    ours: str
    paddlenlp: str
    huggingface: str | None = None
    rows: str | None = "hidden_size"
    columns: str | None = "hidden_size"
    part: Part = Part.ENCODER
    release: str | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Name:
    """One parameter: its name here and elsewhere, its shape here, and whether it is transposed there.

    A size of None is one that the configuration does not tell.
    """

    ours: str
    theirs: str
    part: Part
    shape: tuple[int | None, ...]
    transposed: bool = False


INPUT = (
    Layer("table", "word_embedding", "embeddings.word_embeddings", rows="vocab_size"),
    Layer("table", "pos_embedding", "embeddings.position_embeddings", rows="max_position_embeddings"),
    Layer("table", "sent_embedding", "embeddings.token_type_embeddings", rows="sent_type_vocab_size"),
    Layer(
        "table",
        "task_embedding",
        "embeddings.task_type_embeddings",
        rows="task_type_vocab_size",
        part=Part.TASK_EMBEDDING,
    ),
    Layer("norm", "pre_encoder_layer_norm", "embeddings.layer_norm", "embeddings.LayerNorm"),
)
ENCODER_LAYER = (
    Layer("linear", "multi_head_att_query_fc", "self_attn.q_proj", "attention.self.query"),
    Layer("linear", "multi_head_att_key_fc", "self_attn.k_proj", "attention.self.key"),
    Layer("linear", "multi_head_att_value_fc", "self_attn.v_proj", "attention.self.value"),
    Layer("linear", "multi_head_att_output_fc", "self_attn.out_proj", "attention.output.dense"),
    Layer("norm", "post_att_layer_norm", "norm1", "attention.output.LayerNorm"),
    Layer("linear", "ffn_fc_0", "linear1", "intermediate.dense", columns="ffn_size"),
    Layer("linear", "ffn_fc_1", "linear2", "output.dense", rows="ffn_size"),
    Layer("norm", "post_ffn_layer_norm", "norm2", "output.LayerNorm"),
)
POOLER = Layer("linear", "pooled_fc", "pooler.dense", part=Part.POOLER)
HEADS = (  # beside the encoder, without its prefix
    Layer(
        "linear",
        "mask_lm_trans_fc",
        "cls.predictions.transform",
        "cls.predictions.transform.dense",
        part=Part.MASKED_LM,
    ),
    Layer(
        "norm",
        "mask_lm_trans_layer_norm",
        "cls.predictions.layer_norm",
        "cls.predictions.transform.LayerNorm",
        part=Part.MASKED_LM,
    ),
    Layer(
        "value",
        "mask_lm_out_fc.b_0",
        "cls.predictions.decoder_bias",
        "cls.predictions.bias",
        columns="vocab_size",
        part=Part.MASKED_LM,
    ),
    Layer("linear", "next_sent_fc", "cls.seq_relationship", columns=None, part=Part.OTHER_HEAD),
)
FINETUNED_HEADS = (
    Layer(
        "linear",
        "cls_out",
        "classifier",
        columns=None,
        part=Part.OTHER_HEAD,
        release="_cls_out",  # <task>_cls_out, and the task has no name
        classes=("SequenceClassification", "MultipleChoice"),
    ),
    Layer(
        "linear",
        "cls_seq_label_out",
        "classifier",
        columns=None,
        part=Part.OTHER_HEAD,
        release="cls_seq_label_out",
        classes=("TokenClassification",),
    ),
    Layer(
        "linear",
        "cls_mrc_out",
        "classifier",
        "qa_outputs",
        columns=None,
        part=Part.OTHER_HEAD,
        release="cls_mrc_out",
        classes=("QuestionAnswering",),
    ),
)

# Second names of a tensor: scores of the vocabulary are products with its embedding, which both libraries store again.
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

SUFFIXES: dict[Kind, tuple[tuple[str, str], ...]] = {
    "table": (("", ".weight"),),
    "linear": ((".w_0", ".weight"), (".b_0", ".bias")),
    "norm": (("_scale", ".weight"), ("_bias", ".bias")),
    "value": (("", ""),),
}

RELEASED_HEAD = {".w_0": "_w", ".b_0": "_b"}


def names_of(library: Library, config: ErnieConfig, prefix: str = "", model_class: str = "") -> list[Name]:
    """Every parameter that has a name in a library.

    `prefix` (`ernie.`, say) begins the encoder's names in PaddleNLP and Hugging Face; `model_class` (such as
    `TokenClassification`) tells which head of fine-tuning the model has there.
    """
    names = []
    for layer, begin in _layers(config, library, model_class, prefix):
        for ours, theirs in SUFFIXES[layer.kind]:
            of_library = {
                "ours": layer.ours + ours,
                "release": layer.release + RELEASED_HEAD[ours] if layer.release else layer.ours + ours,
                "paddlenlp": begin + layer.paddlenlp + theirs,
                "huggingface": begin + (layer.huggingface or layer.paddlenlp) + theirs,
            }
            transposed = library == "huggingface" and ours == ".w_0"
            shape = _shape(layer, ours, config)
            names.append(Name(of_library["ours"], of_library[library], layer.part, shape, transposed))
    return names


def head_of(model_class: str) -> str | None:
    """The name here of the head that a model class has, None if it has none of fine-tuning."""
    return next((layer.ours for layer in FINETUNED_HEADS if model_class in layer.classes), None)


def prefix_of(tensors: Iterable[str]) -> str:
    """What begins the encoder's names among those of PaddleNLP or Hugging Face, nothing if that cannot be told."""
    table = f"{INPUT[0].paddlenlp}.weight"
    return next((name.removesuffix(table) for name in tensors if name.endswith(table)), "")


def _layers(config: ErnieConfig, library: Library, model_class: str, prefix: str) -> Iterator[tuple[Layer, str]]:
    """Yield the layers that a model can have, and what begins their names in PaddleNLP and Hugging Face."""
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
    for layer in FINETUNED_HEADS:
        if library in ("ours", "release") or model_class in layer.classes:
            yield layer, ""


def _shape(layer: Layer, suffix: str, config: ErnieConfig) -> tuple[int | None, ...]:
    rows, columns = (getattr(config, size) if size else None for size in (layer.rows, layer.columns))
    return (rows, columns) if layer.kind == "table" or suffix == ".w_0" else (columns,)
