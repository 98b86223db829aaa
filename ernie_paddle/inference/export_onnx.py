"""Models as ONNX graphs of standard operators, which any runtime reads; onnxruntime fuses them when it loads the file.

The graph computes what `programs/network.py` computes, on padded tokens instead of packed ones. Sources: the
operators of ONNX's opset 20, and the encoder of ERNIE 2.0, which is BERT's with a task embedding (section 4.1).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

import ernie_paddle
from ernie_paddle.errors import UserError
from ernie_paddle.inference.heads import InferenceHead
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.model.saved import Model

OPSET = 20  # the first with Gelu; onnxruntime has it since 1.17
IR_VERSION = 9  # of onnx 1.15, the first with this opset
LARGEST_FILE = 2**31 - 2**20  # bytes of one protobuf message, less what the graph itself takes
MASKED_SCORE = -10000.0  # as in programs/attention.py
INPUTS = ("input_ids", "sentence_ids")


def write(path: Path, model: Model, head: InferenceHead) -> None:
    """Write an encoder with a head to one ONNX file.

    Inputs are `input_ids` and `sentence_ids`, int64 [rows, length] with any sizes. `[PAD]` is padding.

    Raises:
        CannotExport: the model is too large for one file, or its head has unknown operators.
        UserError: it lacks parameters.
    """
    model = model.without_task_embedding()
    graph = Graph(model.parameters)
    outputs = head.build(OnnxNetwork(graph, model.config), EncoderGraph(graph, model, head))
    if graph.missing:
        raise UserError(f"the model lacks {', '.join(sorted(graph.missing))}")
    size = sum(value.nbytes for value in graph.initializers.values())
    if size > LARGEST_FILE:
        raise UserError(
            f"--format onnx: {size / 1e9:.1f} GB of parameters, an ONNX file holds 2 GB; use another format"
        )
    onnx.save(graph.proto({name: outputs[name] for name in head.outputs}, head.outputs), path)


class CannotExport(UserError):
    """A model that has no place in an ONNX file."""


class GraphValue:
    """A value of a graph, by name. Its methods are those that objectives call on values of Paddle programs."""

    def __init__(self, graph: "Graph", name: str):
        self.graph, self.name = graph, name

    def softmax(self) -> "GraphValue":
        return self.graph.add("Softmax", self, axis=-1)

    def __getattr__(self, name: str) -> Any:
        raise _unknown(name)


class Graph:
    """A graph under construction. `parameters` become its initializers where they are used."""

    def __init__(self, parameters: Mapping[str, np.ndarray]):
        self.initializers: dict[str, np.ndarray] = {}
        self.missing: set[str] = set()
        self._parameters = parameters
        self._nodes: list[onnx.NodeProto] = []

    def add(
        self, operator: str, *inputs: "GraphValue | np.ndarray | np.generic | list[int]", **attributes: Any
    ) -> GraphValue:
        """Add an operator with one output. Arrays and lists of integers become constants."""
        name = f"{operator.lower()}_{len(self._nodes)}"
        names = [given.name if isinstance(given, GraphValue) else self.constant(given).name for given in inputs]
        self._nodes.append(helper.make_node(operator, names, [name], name, **attributes))
        return GraphValue(self, name)

    def parameter(self, name: str) -> GraphValue:
        """Return a parameter of the model by its name; one that it lacks is added to `missing`."""
        if name in self._parameters:
            self.initializers[name] = self._parameters[name]
        else:
            self.missing.add(name)
        return GraphValue(self, name)

    def constant(self, value: "np.ndarray | np.generic | list[int]") -> GraphValue:
        """Return a constant; integers of a list are int64."""
        name = f"constant_{len(self.initializers)}"
        self.initializers[name] = np.asarray(value)
        return GraphValue(self, name)

    def input(self, name: str) -> GraphValue:
        return GraphValue(self, name)

    def proto(self, outputs: Mapping[str, GraphValue], axes: Mapping[str, tuple[str, ...]]) -> onnx.ModelProto:
        """Return the graph as a model with these outputs by name, and the names of their axes."""
        named = [helper.make_node("Identity", [value.name], [name]) for name, value in outputs.items()]
        inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["rows", "length"]) for name in INPUTS]
        results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, axes[name]) for name in outputs]
        model = helper.make_model(
            helper.make_graph(self._nodes + named, "ernie", inputs, results),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="ernie-paddle",
            producer_version=ernie_paddle.__version__,
        )
        for name, value in self.initializers.items():  # added last, since the helpers copy what they are given
            data_type = helper.np_dtype_to_tensor_dtype(value.dtype)
            model.graph.initializer.add(name=name, dims=value.shape, data_type=data_type, raw_data=value.tobytes())
        return model


class Layers:
    """Layers of the encoder and its heads; weights are [in, out]."""

    def __init__(self, graph: Graph, config: ErnieConfig):
        self.graph, self.config = graph, config

    def linear(self, x: GraphValue, name: str) -> GraphValue:
        product = self.graph.add("MatMul", x, self.graph.parameter(f"{name}.w_0"))
        return self.graph.add("Add", product, self.graph.parameter(f"{name}.b_0"))

    def layer_norm(self, x: GraphValue, name: str) -> GraphValue:
        scale, bias = self.graph.parameter(f"{name}_scale"), self.graph.parameter(f"{name}_bias")
        epsilon = self.config.layer_norm_epsilon
        return self.graph.add("LayerNormalization", x, scale, bias, axis=-1, epsilon=epsilon)

    def activation(self, x: GraphValue) -> GraphValue:
        return self.graph.add("Gelu" if self.config.hidden_act == "gelu" else "Relu", x)


class EncoderGraph(Layers):
    """The encoder of a model in a graph; see `EncoderTokens`. The last layer computes what the head reads."""

    def __init__(self, graph: Graph, model: Model, head: InferenceHead):
        super().__init__(graph, model.config)
        self._ids, self._mask_id, self._only_first = (
            graph.input(INPUTS[0]),
            model.vocabulary.mask_id,
            head.reads == "first",
        )
        is_padding = graph.add("Equal", self._ids, np.array(model.vocabulary.pad_id))
        bias = graph.add("Where", is_padding, np.float32(MASKED_SCORE), np.float32(0))
        self._bias = graph.add("Unsqueeze", bias, [1, 2])
        x, last = self._embed(), model.config.num_hidden_layers - 1
        for i in range(last + 1):
            queries = graph.add("Gather", x, [0], axis=1) if i == last and head.reads == "first" else x
            x = self._layer(queries, x, f"encoder_layer_{i}")
        self._outputs = x

    def first(self) -> GraphValue:
        """Return [rows, hidden]."""
        return self.graph.add("Gather", self._outputs, np.array(0), axis=1)

    def every(self) -> GraphValue:
        """Return [rows, length, hidden]."""
        return self._outputs

    def masked(self) -> GraphValue:
        """Return [masks, hidden], row by row."""
        is_mask = self.graph.add("Equal", self._ids, np.array(self._mask_id))
        places = self.graph.add("Transpose", self.graph.add("NonZero", is_mask), perm=[1, 0])
        return self.graph.add("GatherND", self._outputs, places)

    def padded(self, values: GraphValue) -> GraphValue:
        return values

    def _embed(self) -> GraphValue:
        graph = self.graph
        words = graph.add("Gather", graph.parameter("word_embedding"), self._ids)
        sentences = graph.add("Gather", graph.parameter("sent_embedding"), graph.input(INPUTS[1]))
        length = graph.add("Gather", graph.add("Shape", self._ids), np.array(1))
        numbers = graph.add("Range", np.array(0), length, np.array(1))
        last = np.array(self.config.max_position_embeddings - 1)  # padding may go on beyond it
        positions = graph.add("Gather", graph.parameter("pos_embedding"), graph.add("Min", numbers, last))
        x = graph.add("Add", graph.add("Add", words, sentences), positions)
        return self.layer_norm(x, "pre_encoder_layer_norm")

    def _layer(self, queries: GraphValue, x: GraphValue, name: str) -> GraphValue:
        """Add a layer; return its outputs for `queries` [rows, n, hidden], which attend to all tokens `x`."""
        context = self.linear(self._attention(queries, x, f"{name}_multi_head_att"), f"{name}_multi_head_att_output_fc")
        x = self.layer_norm(self.graph.add("Add", queries, context), f"{name}_post_att_layer_norm")
        inner = self.activation(self.linear(x, f"{name}_ffn_fc_0"))
        outer = self.linear(inner, f"{name}_ffn_fc_1")
        return self.layer_norm(self.graph.add("Add", x, outer), f"{name}_post_ffn_layer_norm")

    def _attention(self, queries: GraphValue, x: GraphValue, name: str) -> GraphValue:
        graph, heads = self.graph, self.config.num_attention_heads
        size = self.config.hidden_size // heads

        def split(source: GraphValue, part: str, axes: list[int]) -> GraphValue:
            projected = graph.add("Reshape", self.linear(source, f"{name}_{part}_fc"), [0, 0, heads, size])
            return graph.add("Transpose", projected, perm=axes)

        scaled = graph.add("Mul", split(queries, "query", [0, 2, 1, 3]), np.float32(size**-0.5))
        scores = graph.add("MatMul", scaled, split(x, "key", [0, 2, 3, 1]))
        weights = graph.add("Softmax", graph.add("Add", scores, self._bias), axis=-1)
        context = graph.add("MatMul", weights, split(x, "value", [0, 2, 1, 3]))
        return graph.add("Reshape", graph.add("Transpose", context, perm=[0, 2, 1, 3]), [0, 0, heads * size])


class OnnxNetwork(Layers):
    """The heads of an inference graph; see `InferenceNetwork`. They do not compute losses."""

    def pooled(self, first_tokens: GraphValue) -> GraphValue:
        return self.graph.add("Tanh", self.linear(first_tokens, "pooled_fc"))

    def sentence_logits(self, first_tokens: GraphValue, head: str, classes: int) -> GraphValue:
        return self.token_logits(self.pooled(first_tokens), head, classes)

    def token_logits(self, tokens: GraphValue, head: str, classes: int) -> GraphValue:
        return self.linear(tokens, head)

    def masked_lm_logits(self, tokens: GraphValue) -> GraphValue:
        x = self.layer_norm(self.activation(self.linear(tokens, "mask_lm_trans_fc")), "mask_lm_trans_layer_norm")
        table = self.graph.add("Transpose", self.graph.parameter("word_embedding"), perm=[1, 0])
        return self.graph.add("Add", self.graph.add("MatMul", x, table), self.graph.parameter("mask_lm_out_fc.b_0"))

    def __getattr__(self, name: str) -> Any:
        raise _unknown(name)


def quantize(source: Path, target: Path) -> None:
    """Write an ONNX model whose weight matrices are int8, one scale for each column; inputs are quantised as they come.

    Embeddings stay float32. Products of two inputs, as in attention, do too. Weights use 7 of the 8 bits, since sums of
    pairs overflow 16 bits on CPUs without VNNI.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        source,
        target,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
    )


def _unknown(name: str) -> CannotExport:
    return CannotExport(
        f"--format onnx: the model's head calls {name}(), which has no counterpart there; use --format paddle"
    )
