"""What each library calls a parameter: one table, read in both directions. The release's names are ours.

A row of the table names a layer; its kind says which tensors the layer has:

    kind     ours                   elsewhere             shape
    table    <name>                 <name>.weight         [rows, columns]
    linear   <name>.w_0, .b_0       <name>.weight, .bias  [rows, columns], [columns]; Hugging Face: [columns, rows]
    norm     <name>_scale, _bias    <name>.weight, .bias  [columns]
    value    <name>                 <name>                [columns]
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal

from ernie_paddle.model.config import ErnieConfig

Library = Literal["release", "paddlenlp", "huggingface"]
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

    `rows` and `columns` are attributes of `ErnieConfig`, or None where any size will do.
    """

    kind: Kind
    ours: str
    paddlenlp: str
    huggingface: str | None = None
    rows: str | None = "hidden_size"
    columns: str | None = "hidden_size"
    part: Part = Part.ENCODER


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
    Layer("linear", "cls_out", "classifier", columns=None, part=Part.OTHER_HEAD),
)

# Second names of a tensor: scores of the vocabulary are products with its embedding, which both libraries store again.
COPIES: dict[Library, dict[str, str]] = {
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


def names_of(library: Library, config: ErnieConfig, prefix: str = "") -> list[Name]:
    """Every parameter that has a name in a library; `prefix` (`ernie.`, say) begins those of the encoder there."""
    names = []
    for layer, of_encoder in _layers(config):
        there = layer.paddlenlp if library == "paddlenlp" else layer.huggingface or layer.paddlenlp
        for ours, theirs in SUFFIXES[layer.kind]:
            name = layer.ours + ours
            names.append(
                Name(
                    ours=name,
                    theirs=name if library == "release" else prefix * of_encoder + there + theirs,
                    part=layer.part,
                    shape=_shape(layer, ours, config),
                    transposed=library == "huggingface" and ours == ".w_0",
                )
            )
    return names


def prefix_of(tensors: Iterable[str]) -> str:
    """What begins the encoder's names among those of PaddleNLP or Hugging Face, nothing if that cannot be told."""
    table = f"{INPUT[0].paddlenlp}.weight"
    return next((name.removesuffix(table) for name in tensors if name.endswith(table)), "")


def _layers(config: ErnieConfig) -> Iterator[tuple[Layer, bool]]:
    """All layers, and whether they belong to the encoder."""
    for layer in INPUT:
        yield layer, True
    for i in range(config.num_hidden_layers):
        for layer in ENCODER_LAYER:
            numbered = replace(
                layer,
                ours=f"encoder_layer_{i}_{layer.ours}",
                paddlenlp=f"encoder.layers.{i}.{layer.paddlenlp}",
                huggingface=f"encoder.layer.{i}.{layer.huggingface}",
            )
            yield numbered, True
    yield POOLER, True
    for layer in HEADS:
        yield layer, False


def _shape(layer: Layer, suffix: str, config: ErnieConfig) -> tuple[int | None, ...]:
    rows, columns = (getattr(config, size) if size else None for size in (layer.rows, layer.columns))
    return (rows, columns) if layer.kind == "table" or suffix == ".w_0" else (columns,)
