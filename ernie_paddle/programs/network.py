"""The encoder and its heads, added to the program under construction.

Parameters have the names of the release (`model/ernie.py`): `word_embedding`,
`encoder_layer_0_multi_head_att_query_fc.w_0`, ... Weights are [in, out].
"""

from dataclasses import dataclass
from typing import Any

import paddle
from paddle.nn import functional as F

from ernie_paddle.data.schema import IGNORED
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.attention import AttentionInputs, PaddedGather, TokenLayout
from ernie_paddle.programs.backend import Backend
from ernie_paddle.programs.building import cast, declare_parameter, operator_ids
from ernie_paddle.programs.dropout import Dropout, Size
from ernie_paddle.programs.recomputation import Segment
from ernie_paddle.programs.variables import ParameterSpec

SHARED_HEADS = ("pooled_fc", "mask_lm_")  # prefixes of the heads that tasks share


@dataclass(frozen=True)
class EncoderInputs:
    """Packed tokens: `input_ids`, `sentence_ids` and `position_ids`, int64 [tokens], and their layouts for attention.

    `selected` are the indices of the tokens whose encoder outputs are computed.
    """

    input_ids: Any
    sentence_ids: Any
    position_ids: Any
    selected: Any
    token_layout: TokenLayout
    selected_layout: TokenLayout


class Network:
    """One ERNIE encoder in the current program; its methods add heads and losses.

    `parameters` and `values` are the specs and the Values of its parameters, by name. `layers` are the operators of its
    layers. `outputs` [selected, hidden] are the encoder outputs of the selected tokens.
    """

    def __init__(
        self,
        config: ErnieConfig,
        task_id: int,
        inputs: EncoderInputs,
        dropout: Dropout,
        backend: Backend,
    ):
        self.config = config
        self.parameters: dict[str, ParameterSpec] = {}
        self.values: dict[str, Any] = {}
        self.layers: list[Segment] = []
        self._dropout, self._backend = dropout, backend
        self._attention = backend.attention(config.max_position_embeddings)
        x, last = self._embed(inputs, task_id), config.num_hidden_layers - 1
        for i in range(config.num_hidden_layers):
            before = operator_ids()
            if i < last:
                queries, query_layout = x, inputs.token_layout
            else:
                queries, query_layout = paddle.gather(x, inputs.selected), inputs.selected_layout
            x = self._encoder_layer(queries, x, query_layout, inputs.token_layout, f"encoder_layer_{i}")
            self.layers.append(Segment(operator_ids() - before, x))
        self.outputs = x
        self._head_rows: Size = inputs.selected_layout.tokens

    # ---- heads ----

    def select_outputs(self, indices: Any, feed: str) -> Any:
        """Gather outputs [n, hidden] for the head that is built next; `feed` is the name of the feed `indices` [n]."""
        self._head_rows = (feed, 0)
        return paddle.gather(self.outputs, indices)

    def pooled(self, first_tokens: Any) -> Any:
        """Apply the pooler, a tanh layer, to first tokens [sequences, hidden]."""
        return paddle.tanh(self._float32_linear(first_tokens, self.config.hidden_size, "pooled_fc"))

    def sentence_logits(self, first_tokens: Any, head: str, classes: int) -> Any:
        """Return logits [sequences, classes] from the first tokens [sequences, hidden], through the pooler."""
        return self.token_logits(self.pooled(first_tokens), head, classes)

    def token_logits(self, tokens: Any, head: str, classes: int) -> Any:
        """Return logits [tokens, classes] from tokens [tokens, hidden]."""
        sizes: tuple[Size, ...] = (self._head_rows, int(tokens.shape[-1]))
        return self._float32_linear(self._dropout(tokens, self.config.hidden_dropout_prob, sizes), classes, head)

    def hidden_layer(self, tokens: Any, size: int, name: str) -> Any:
        """Apply a linear layer and the model's activation to tokens [tokens, n]: [tokens, size]."""
        return cast(self._activation(self._linear(tokens, size, name)), paddle.float32)

    def padded_scores(self, scores: Any, indices: Any) -> Any:
        """Gather scores [n, 1] by `indices` [rows, width]; an index of -1 gives a score that softmax turns into 0."""
        padded = PaddedGather(indices)
        return padded.gather(cast(scores, paddle.float32)) + padded.padding_bias

    def masked_lm_logits(self, tokens: Any) -> Any:
        """Return logits over the vocabulary, [tokens, vocabulary], from tokens [tokens, hidden]."""
        x = self.hidden_layer(tokens, self.config.hidden_size, "mask_lm_trans_fc")
        x = self._layer_norm(x, "mask_lm_trans_layer_norm")
        bias = self._parameter("mask_lm_out_fc.b_0", (self.config.vocab_size,), "zeros")
        return cast(self._backend.vocabulary_scores(x, self.values["word_embedding"], bias), paddle.float32)

    def cross_entropy(self, logits: Any, labels: Any) -> tuple[Any, Any]:
        """Return the summed loss and the number of correct predictions, both over labels other than -1."""
        logits = cast(logits, paddle.float32)
        if not self._dropout.active:
            logits = paddle.assign(logits)  # the operator overwrites its input, even if predictions read that later
        column = paddle.unsqueeze(labels, -1)  # flat labels would need a squeeze, whose gradient fails in oneDNN
        losses = F.cross_entropy(logits, column, ignore_index=IGNORED, reduction="none")
        correct = paddle.cast(paddle.argmax(logits, axis=-1) == labels, "float32")
        return paddle.sum(losses), paddle.sum(correct)

    def squared_error(self, predictions: Any, targets: Any, tolerance: float) -> tuple[Any, Any]:
        """Return the summed squared error of predictions [n, 1], and how many are within `tolerance` of targets [n]."""
        difference = paddle.reshape(cast(predictions, paddle.float32), [-1]) - targets
        correct = paddle.cast(paddle.abs(difference) <= tolerance, "float32")
        return paddle.sum(difference * difference), paddle.sum(correct)

    # ---- encoder ----

    def _embed(self, inputs: EncoderInputs, task_id: int) -> Any:
        config = self.config
        x = self._look_up("word_embedding", config.vocab_size, inputs.input_ids)
        x = x + self._look_up("sent_embedding", config.sent_type_vocab_size, inputs.sentence_ids, small=True)
        x = x + self._look_up("pos_embedding", config.max_position_embeddings, inputs.position_ids)
        if config.use_task_id:
            x = x + self._table("task_embedding", config.task_type_vocab_size)[task_id]
        x = self._layer_norm(x, "pre_encoder_layer_norm")
        return self._drop(x, inputs.token_layout)

    def _look_up(self, name: str, rows: int, ids: Any, small: bool = False) -> Any:
        return self._backend.look_up(ids, self._table(name, rows), small)

    def _table(self, name: str, rows: int) -> Any:
        return self._parameter(name, (rows, self.config.hidden_size))

    def _encoder_layer(
        self, queries: Any, x: Any, query_layout: TokenLayout, token_layout: TokenLayout, name: str
    ) -> Any:
        """Add a layer; return its outputs for `queries` [queries, hidden], which attend to all tokens `x`."""
        config, attention, low = self.config, f"{name}_multi_head_att", self._backend.low(x)

        def projected(part: str, source: Any) -> Any:
            return self._linear(source, config.hidden_size, f"{attention}_{part}_fc")

        attention_inputs = AttentionInputs(
            projected("query", self._backend.low(queries)),
            projected("key", low),
            projected("value", low),
            query_layout,
            token_layout,
            config.num_attention_heads,
        )
        context = self._attention(attention_inputs, config.attention_probs_dropout_prob, self._dropout)
        context = self._linear(context, config.hidden_size, f"{attention}_output_fc")
        x = self._layer_norm(queries + self._drop(context, query_layout), f"{name}_post_att_layer_norm")
        inner = self._activation(self._linear(x, config.ffn_size, f"{name}_ffn_fc_0"))
        outer = self._linear(inner, config.hidden_size, f"{name}_ffn_fc_1")
        return self._layer_norm(x + self._drop(outer, query_layout), f"{name}_post_ffn_layer_norm")

    def _drop(self, x: Any, layout: TokenLayout) -> Any:
        sizes: tuple[Size, ...] = (layout.tokens, self.config.hidden_size)
        return cast(self._dropout(x, self.config.hidden_dropout_prob, sizes), paddle.float32)

    # ---- layers ----

    def _linear(self, x: Any, size: int, name: str) -> Any:
        """Apply a linear layer: [rows, size] in the dtype of products."""
        weight = self._parameter(f"{name}.w_0", (int(x.shape[-1]), size))
        return self._backend.linear(x, weight, self._parameter(f"{name}.b_0", (size,), "zeros"))

    def _float32_linear(self, x: Any, size: int, name: str) -> Any:
        return cast(self._linear(x, size, name), paddle.float32)

    def _layer_norm(self, x: Any, name: str) -> Any:
        """Normalise x: [rows, hidden] in float32."""
        size = (self.config.hidden_size,)
        scale, bias = self._parameter(f"{name}_scale", size, "ones"), self._parameter(f"{name}_bias", size, "zeros")
        return F.layer_norm(cast(x, paddle.float32), size, scale, bias, self.config.layer_norm_epsilon)

    def _activation(self, x: Any) -> Any:
        return F.gelu(x) if self.config.hidden_act == "gelu" else F.relu(x)

    def _parameter(self, name: str, shape: tuple[int, ...], initializer: str = "normal") -> Any:
        if name not in self.values:
            spec = ParameterSpec(name, shape, initializer, self.config.initializer_range)  # type: ignore[arg-type]
            self.parameters[name] = spec
            self.values[name] = declare_parameter(spec)
        return self.values[name]
