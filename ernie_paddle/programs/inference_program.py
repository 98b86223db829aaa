"""The program of an exported model: from padded token ids to the outputs of a head."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from ernie_paddle.data.feeds import Feed
from ernie_paddle.inference.heads import InferenceHead, Reads
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.attention import SymbolicLayout
from ernie_paddle.programs.building import declare_inputs, new_program
from ernie_paddle.programs.cpu import Cpu
from ernie_paddle.programs.dropout import Dropout
from ernie_paddle.programs.network import EncoderInputs, Network
from ernie_paddle.programs.variables import Variables
from ernie_paddle.text.vocabulary import Vocabulary

INPUTS = (Feed("input_ids", (-1, -1), "int64"), Feed("sentence_ids", (-1, -1), "int64"))


class InferenceProgram:
    """An encoder with a head for inference, with its parameters.

    Raises:
        ValueError: `parameters` lacks some of the program's parameters.
    """

    def __init__(
        self,
        config: ErnieConfig,
        head: InferenceHead,
        task_id: int,
        vocabulary: Vocabulary,
        parameters: Mapping[str, np.ndarray],
    ):
        self._variables = Variables(paddle.CPUPlace())
        self._executor = paddle.static.Executor(self._variables.place)
        with new_program() as self._main:
            self._inputs = declare_inputs(INPUTS)
            inputs = packed_inputs(self._inputs, vocabulary.pad_id, head.reads)
            network = Network(config, task_id, inputs, Dropout(active=False, fed=False), Cpu())
            tokens = PackedTokens(network.outputs, inputs, vocabulary.mask_id)
            outputs = head.build(network, tokens)
        missing = network.parameters.keys() - parameters.keys()
        if missing:
            raise ValueError(f"the model lacks {', '.join(sorted(missing))}")
        for name in network.parameters:
            self._variables.set_parameter(name, parameters[name])
        self._fetched = [outputs[name] for name in head.outputs]

    def run(self, feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Return the outputs of the head for a padded batch, float32."""
        scope = self._variables.scope
        return self._executor.run(self._main, feed=dict(feed), fetch_list=self._fetched, scope=scope)

    def save(self, prefix: Path) -> None:
        """Write Paddle's inference files `<prefix>.json` and `<prefix>.pdiparams`."""
        with paddle.static.scope_guard(self._variables.scope):
            paddle.static.save_inference_model(
                str(prefix), list(self._inputs.values()), self._fetched, self._executor, program=self._main
            )


class PackedTokens:
    """The encoder's outputs at the selected tokens of packed inputs, for heads; see `EncoderTokens`."""

    def __init__(self, outputs: Any, inputs: EncoderInputs, mask_id: int):
        self._outputs, self._inputs, self._mask_id = outputs, inputs, mask_id

    def first(self) -> Any:
        only_first = self._inputs.selected_layout is not self._inputs.token_layout
        return self._outputs if only_first else self.padded(self._outputs)[:, 0]

    def every(self) -> Any:
        return self._outputs

    def masked(self) -> Any:
        masks = paddle.nonzero(self._inputs.input_ids == self._mask_id)
        return paddle.gather(self._outputs, paddle.reshape(masks, [-1]))

    def padded(self, values: Any) -> Any:
        layout = self._inputs.token_layout
        assert isinstance(layout, SymbolicLayout)
        return layout.gather(values, int(values.shape[-1]))


def packed_inputs(inputs: dict[str, Any], pad_id: int, reads: Reads) -> EncoderInputs:
    """Unpad the inputs [batch, length] for the network. Selects the first token of each row, or every token."""
    ids = paddle.reshape(inputs["input_ids"], [-1])
    width = paddle.shape(inputs["input_ids"])[1]
    is_token = paddle.cast(ids != pad_id, "int64")
    token_to_padded = paddle.reshape(paddle.nonzero(is_token), [-1])
    padded_to_token = paddle.reshape(paddle.cumsum(is_token) * is_token - 1, paddle.shape(inputs["input_ids"]))
    layout = SymbolicLayout(padded_to_token, token_to_padded, ("input_ids", 0), ("input_ids", 0), ("input_ids", 1))
    if reads == "first":
        selected, selected_layout = _first_tokens(padded_to_token)
    else:
        selected, selected_layout = paddle.arange(0, paddle.shape(token_to_padded)[0], dtype="int64"), layout
    return EncoderInputs(
        paddle.gather(ids, token_to_padded),
        paddle.gather(paddle.reshape(inputs["sentence_ids"], [-1]), token_to_padded),
        token_to_padded % paddle.cast(width, "int64"),
        selected,
        layout,
        selected_layout,
    )


def _first_tokens(padded_to_token: Any) -> tuple[Any, SymbolicLayout]:
    first_tokens = paddle.clip(padded_to_token[:, 0], min=0)  # a row may hold nothing but padding
    rows = paddle.arange(0, paddle.shape(first_tokens)[0], dtype="int64")
    return first_tokens, SymbolicLayout(paddle.unsqueeze(rows, 1), rows, ("input_ids", 0), ("input_ids", 0), 1)
