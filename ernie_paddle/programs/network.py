"""The encoder and its heads, added to the program under construction.

Parameter names are the release's (`model/ernie.py`): `word_embedding`,
`encoder_layer_0_multi_head_att_query_fc.w_0`, ... Weights are [in, out].
"""

from dataclasses import dataclass
from typing import Any

import paddle
from paddle.nn import functional as F

from ernie_paddle.data.samples import IGNORED
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.attention import AttentionFunction, Cells, Heads, Layout, rectangular_attention
from ernie_paddle.programs.building import column_of_ones, declare_parameter, operators_so_far
from ernie_paddle.programs.dropout import Dropout, Size
from ernie_paddle.programs.recomputation import Segment
from ernie_paddle.programs.variables import ParameterSpec


@dataclass(frozen=True)
class EncoderInputs:
    """Tokens end to end: `ids`, `sentence_ids` and `positions`, int64 [tokens], and where they stand for attention.

    `outputs` are the tokens whose encoding is wanted.
    """

    ids: Any
    sentence_ids: Any
    positions: Any
    outputs: Any
    of_tokens: Layout
    of_outputs: Layout


class Network:
    """One ERNIE encoder in the current program.

    `parameters` and `values` are its parameters by name, declared and as Values of the program; `layers` say where
    its layers stand in the program. `outputs` [outputs, hidden] is what it gives. Heads are added on demand.
    """

    def __init__(
        self,
        config: ErnieConfig,
        task_id: int,
        inputs: EncoderInputs,
        dropout: Dropout,
        attention: AttentionFunction = rectangular_attention,
    ):
        self.config = config
        self.parameters: dict[str, ParameterSpec] = {}
        self.values: dict[str, Any] = {}
        self.layers: list[Segment] = []
        self._dropout, self._attention = dropout, attention
        x, last = self._embed(inputs, task_id), config.num_hidden_layers - 1
        for i in range(config.num_hidden_layers):
            before = operators_so_far()
            wanted, where = (x, inputs.of_tokens) if i < last else (paddle.gather(x, inputs.outputs), inputs.of_outputs)
            x = self._encoder_layer(wanted, x, where, inputs.of_tokens, f"encoder_layer_{i}")
            self.layers.append(Segment(operators_so_far() - before, x))
        self.outputs = x
        self._read: Size = inputs.of_outputs.tokens

    # ---- heads ----

    def read(self, places: Any, feed: str) -> Any:
        """The outputs at some places, [n, hidden], for a head that is built next; `feed` [n] has the places."""
        self._read = (feed, 0)
        return paddle.gather(self.outputs, places)

    def pooled(self, first_tokens: Any) -> Any:
        """First tokens [samples, hidden] through a tanh layer."""
        return paddle.tanh(self._linear(first_tokens, self.config.hidden_size, "pooled_fc"))

    def sentence_logits(self, first_tokens: Any, head: str, classes: int) -> Any:
        """Scores of the sequences' classes, [sequences, classes], from their first tokens [sequences, hidden]."""
        return self.token_logits(self.pooled(first_tokens), head, classes)

    def token_logits(self, tokens: Any, head: str, classes: int) -> Any:
        """Scores of the tokens' classes, [tokens, classes], from [tokens, hidden]."""
        sizes = (self._read, self.config.hidden_size)
        return self._linear(self._dropout(tokens, self.config.hidden_dropout_prob, sizes), classes, head)

    def laid_out(self, scores: Any, cells: Any) -> Any:
        """Scores [n, 1] at the numbers in `cells` [rows, width]; where these are -1, so low that nothing is there."""
        rectangle = Cells(cells)
        return rectangle.rectangle(paddle.cast(scores, "float32")) + rectangle.nothing

    def masked_lm_logits(self, tokens: Any) -> Any:
        """Scores of the vocabulary for tokens [tokens, hidden]: [tokens, vocabulary]."""
        x = self._activation(self._linear(tokens, self.config.hidden_size, "mask_lm_trans_fc"))
        x = self._layer_norm(x, "mask_lm_trans_layer_norm")
        scores = paddle.matmul(x, self.values["word_embedding"], transpose_y=True)
        return self._add_bias(scores, self._parameter("mask_lm_out_fc.b_0", (self.config.vocab_size,), "zeros"))

    def cross_entropy(self, logits: Any, labels: Any) -> tuple[Any, Any]:
        """Summed loss and number of right answers where `labels` is not -1."""
        logits = paddle.cast(logits, "float32")
        column = paddle.unsqueeze(labels, -1)  # oneDNN fails on the gradient of the squeeze that flat labels bring
        losses = F.cross_entropy(logits, column, ignore_index=IGNORED, reduction="none")
        right = paddle.cast(paddle.argmax(logits, axis=-1) == labels, "float32")
        return paddle.sum(losses), paddle.sum(right)

    def squared_error(self, numbers: Any, wanted: Any, near: float) -> tuple[Any, Any]:
        """Summed squared error of numbers [n, 1], and how many are at most `near` from what is wanted, [n]."""
        difference = paddle.reshape(paddle.cast(numbers, "float32"), [-1]) - wanted
        right = paddle.cast(paddle.abs(difference) <= near, "float32")
        return paddle.sum(difference * difference), paddle.sum(right)

    # ---- encoder ----

    def _embed(self, inputs: EncoderInputs, task_id: int) -> Any:
        config = self.config
        x = self._look_up("word_embedding", config.vocab_size, inputs.ids)
        x = x + self._look_up("sent_embedding", config.sent_type_vocab_size, inputs.sentence_ids)
        x = x + self._look_up("pos_embedding", config.max_position_embeddings, inputs.positions)
        if config.use_task_id:
            # Looked up for every token: oneDNN's gradient of a broadcast sum fails on some shapes.
            x = x + self._look_up("task_embedding", config.task_type_vocab_size, paddle.full_like(inputs.ids, task_id))
        x = self._layer_norm(x, "pre_encoder_layer_norm")
        return self._drop(x, inputs.of_tokens)

    def _look_up(self, name: str, rows: int, ids: Any) -> Any:
        return F.embedding(ids, self._parameter(name, (rows, self.config.hidden_size)))

    def _encoder_layer(self, wanted: Any, x: Any, of_wanted: Layout, of_tokens: Layout, name: str) -> Any:
        """The layer's outputs for the tokens `wanted` among all tokens `x`."""
        config, attention = self.config, f"{name}_multi_head_att"

        def projected(part: str, source: Any, where: Layout) -> Any:
            return self._linear(source, config.hidden_size, f"{attention}_{part}_fc", where.ones)

        heads = Heads(
            projected("query", wanted, of_wanted),
            projected("key", x, of_tokens),
            projected("value", x, of_tokens),
            of_wanted,
            of_tokens,
            config.num_attention_heads,
        )
        context = self._attention(heads, config.attention_probs_dropout_prob, self._dropout)
        context = self._linear(context, config.hidden_size, f"{attention}_output_fc", of_wanted.ones)
        x = self._layer_norm(wanted + self._drop(context, of_wanted), f"{name}_post_att_layer_norm")
        inner = self._activation(self._linear(x, config.ffn_size, f"{name}_ffn_fc_0", of_wanted.ones))
        outer = self._linear(inner, config.hidden_size, f"{name}_ffn_fc_1", of_wanted.ones)
        return self._layer_norm(x + self._drop(outer, of_wanted), f"{name}_post_ffn_layer_norm")

    def _drop(self, x: Any, layout: Layout) -> Any:
        sizes: tuple[Size, ...] = (layout.tokens, self.config.hidden_size)
        return self._dropout(x, self.config.hidden_dropout_prob, sizes)

    # ---- layers ----

    def _linear(self, x: Any, size: int, name: str, ones: Any = None) -> Any:
        weight = self._parameter(f"{name}.w_0", (int(x.shape[-1]), size))
        return self._add_bias(paddle.matmul(x, weight), self._parameter(f"{name}.b_0", (size,), "zeros"), ones)

    def _add_bias(self, x: Any, bias: Any, ones: Any = None) -> Any:
        """x + bias; in training as a product with ones, whose gradient is a product too and not a slow sum."""
        if not self._dropout.active or paddle.is_compiled_with_cuda():
            return x + bias
        ones = column_of_ones(x) if ones is None else ones
        return x + paddle.matmul(ones, paddle.reshape(bias, [1, -1]))

    def _layer_norm(self, x: Any, name: str) -> Any:
        size = (self.config.hidden_size,)
        scale, bias = self._parameter(f"{name}_scale", size, "ones"), self._parameter(f"{name}_bias", size, "zeros")
        return F.layer_norm(x, size, scale, bias, self.config.layer_norm_epsilon)

    def _activation(self, x: Any) -> Any:
        return F.gelu(x) if self.config.hidden_act == "gelu" else F.relu(x)

    def _parameter(self, name: str, shape: tuple[int, ...], initializer: str = "normal") -> Any:
        if name not in self.values:
            spec = ParameterSpec(name, shape, initializer, self.config.initializer_range)  # type: ignore[arg-type]
            self.parameters[name] = spec
            self.values[name] = declare_parameter(spec)
        return self.values[name]
