"""The encoder and its heads, added to the program under construction.

Parameter names are the release's (`model/ernie.py`): `word_embedding`,
`encoder_layer_0_multi_head_att_query_fc.w_0`, ... Weights are [in, out].
"""

from typing import Any

import paddle
from paddle.nn import functional as F

from ernie_paddle.data.samples import IGNORED
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.building import declare_parameter
from ernie_paddle.programs.variables import ParameterSpec

LAYER_NORM_EPSILON = 1e-5
MASKED_SCORE = 10000.0  # what the release subtracts from the scores of padding; safe in float16


class Network:
    """One ERNIE encoder in the current program.

    `parameters` and `values` are its parameters by name, declared and as Values of the program.
    `tokens` [batch * length, hidden] is its output, flat: linear layers on two dimensions are several
    times faster on CPU, gradients included. Heads are added on demand.
    """

    def __init__(self, config: ErnieConfig, task_id: int, pad_id: int, training: bool, inputs: dict[str, Any]):
        """`inputs`: `input_ids` and `sentence_ids`, int64 [batch, length]."""
        self.config = config
        self.training = training
        self.parameters: dict[str, ParameterSpec] = {}
        self.values: dict[str, Any] = {}
        ids = inputs["input_ids"]
        self.batch, self.length = paddle.shape(ids)[0], paddle.shape(ids)[1]
        padding = paddle.cast(ids == pad_id, "float32")
        self._score_bias = paddle.reshape(padding * -MASKED_SCORE, [self.batch, 1, 1, self.length])
        self.tokens = self._embed(ids, inputs["sentence_ids"], task_id)
        for i in range(config.num_hidden_layers):
            self.tokens = self._encoder_layer(self.tokens, f"encoder_layer_{i}")

    # ---- heads ----

    def pooled(self) -> Any:
        """The first token through a tanh layer, [batch, hidden]."""
        first = paddle.reshape(self.tokens, [self.batch, self.length, self.config.hidden_size])[:, 0]
        return paddle.tanh(self._linear(first, self.config.hidden_size, "pooled_fc"))

    def sentence_logits(self, head: str, classes: int) -> Any:
        """Scores of the sequence's classes, [batch, classes]."""
        return self._linear(self._dropout(self.pooled(), self.config.hidden_dropout_prob), classes, head)

    def token_logits(self, head: str, classes: int) -> Any:
        """Scores of every token's classes, [batch * length, classes]."""
        return self._linear(self._dropout(self.tokens, self.config.hidden_dropout_prob), classes, head)

    def masked_lm_logits(self, positions: Any) -> Any:
        """Scores of the vocabulary at flat positions (row * length + column), [positions, vocabulary]."""
        x = paddle.gather(self.tokens, positions)
        x = self._activation(self._linear(x, self.config.hidden_size, "mask_lm_trans_fc"))
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

    # ---- encoder ----

    def _embed(self, ids: Any, sentence_ids: Any, task_id: int) -> Any:
        """Sum of the embeddings, all looked up in full: oneDNN's gradient of a broadcast sum fails on some shapes."""
        config = self.config
        nothing = paddle.zeros_like(ids)
        x = self._look_up("word_embedding", config.vocab_size, ids)
        x = x + self._look_up("sent_embedding", config.sent_type_vocab_size, sentence_ids)
        positions = paddle.arange(0, self.length, dtype="int64") + nothing
        x = x + self._look_up("pos_embedding", config.max_position_embeddings, positions)
        if config.use_task_id:
            x = x + self._look_up("task_embedding", config.task_type_vocab_size, nothing + task_id)
        x = self._layer_norm(paddle.reshape(x, [-1, config.hidden_size]), "pre_encoder_layer_norm")
        return self._dropout(x, config.hidden_dropout_prob)

    def _look_up(self, name: str, rows: int, ids: Any) -> Any:
        return F.embedding(ids, self._parameter(name, (rows, self.config.hidden_size)))

    def _encoder_layer(self, x: Any, name: str) -> Any:
        config = self.config
        context = self._attention(x, f"{name}_multi_head_att")
        x = self._layer_norm(x + self._dropout(context, config.hidden_dropout_prob), f"{name}_post_att_layer_norm")
        inner = self._activation(self._linear(x, config.ffn_size, f"{name}_ffn_fc_0"))
        outer = self._linear(inner, config.hidden_size, f"{name}_ffn_fc_1")
        return self._layer_norm(x + self._dropout(outer, config.hidden_dropout_prob), f"{name}_post_ffn_layer_norm")

    def _attention(self, x: Any, name: str) -> Any:
        config = self.config
        heads, head_size = config.num_attention_heads, config.hidden_size // config.num_attention_heads

        def split(part: str) -> Any:
            projected = self._linear(x, config.hidden_size, f"{name}_{part}_fc")
            return paddle.transpose(
                paddle.reshape(projected, [self.batch, self.length, heads, head_size]), [0, 2, 1, 3]
            )

        scores = paddle.matmul(split("query") * head_size**-0.5, split("key"), transpose_y=True)
        weights = self._dropout(F.softmax(scores + self._score_bias), config.attention_probs_dropout_prob)
        # assign restores the plain layout: oneDNN's gradient of the product is wrong for a transposed one
        context = paddle.transpose(paddle.assign(paddle.matmul(weights, split("value"))), [0, 2, 1, 3])
        return self._linear(paddle.reshape(context, [-1, config.hidden_size]), config.hidden_size, f"{name}_output_fc")

    # ---- layers ----

    def _linear(self, x: Any, size: int, name: str) -> Any:
        weight = self._parameter(f"{name}.w_0", (int(x.shape[-1]), size))
        return self._add_bias(paddle.matmul(x, weight), self._parameter(f"{name}.b_0", (size,), "zeros"))

    def _add_bias(self, x: Any, bias: Any) -> Any:
        """x + bias; in training as a product with ones, whose gradient is a product too and not a slow sum."""
        if not self.training or paddle.is_compiled_with_cuda():
            return x + bias
        ones = paddle.ones([paddle.shape(x)[0], 1], "float32")
        ones.stop_gradient = False  # oneDNN's gradient of a product crashes where an input needs none
        return x + paddle.matmul(ones, paddle.reshape(bias, [1, -1]))

    def _layer_norm(self, x: Any, name: str) -> Any:
        size = (self.config.hidden_size,)
        scale, bias = self._parameter(f"{name}_scale", size, "ones"), self._parameter(f"{name}_bias", size, "zeros")
        return F.layer_norm(x, size, scale, bias, LAYER_NORM_EPSILON)

    def _activation(self, x: Any) -> Any:
        return F.gelu(x) if self.config.hidden_act == "gelu" else F.relu(x)

    def _dropout(self, x: Any, rate: float) -> Any:
        return F.dropout(x, rate, training=True, mode="upscale_in_train") if self.training and rate else x

    def _parameter(self, name: str, shape: tuple[int, ...], initializer: str = "normal") -> Any:
        if name not in self.values:
            spec = ParameterSpec(name, shape, initializer, self.config.initializer_range)  # type: ignore[arg-type]
            self.parameters[name] = spec
            self.values[name] = declare_parameter(spec)
        return self.values[name]
