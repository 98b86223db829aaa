"""The program of an exported model: from padded token ids to the scores that predictions are made from."""

from pathlib import Path
from typing import Any

import numpy as np
import paddle

from ernie_paddle.data.feeds import Feed
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.attention import SymbolicLayout
from ernie_paddle.programs.building import declare_inputs, new_program
from ernie_paddle.programs.dropout import Dropout
from ernie_paddle.programs.network import EncoderInputs, Network
from ernie_paddle.programs.variables import Variables
from ernie_paddle.task import Objective

INPUTS = (Feed("input_ids", (-1, -1), "int64"), Feed("sentence_ids", (-1, -1), "int64"))


class InferenceProgram:
    """An encoder with a head for inference, with its parameters.

    Raises:
        ValueError: `parameters` lacks some of the program's parameters.
    """

    def __init__(
        self, config: ErnieConfig, objective: Objective, task_id: int, pad_id: int, parameters: dict[str, np.ndarray]
    ):
        self._variables = Variables(paddle.CPUPlace())
        self._executor = paddle.static.Executor(self._variables.place)
        with new_program() as self._main:
            self._inputs = declare_inputs(INPUTS)
            every_token = objective.level == "token"
            inputs = packed_inputs(self._inputs, pad_id, every_token)
            network = Network(config, task_id, inputs, Dropout(active=False, keep_masks=False))
            scores = objective.prediction_scores(objective.logits(network, network.outputs))
            self._scores = inputs.selected_layout.gather(scores, int(scores.shape[-1])) if every_token else scores
        missing = network.parameters.keys() - parameters.keys()
        if missing:
            raise ValueError(f"the model lacks {', '.join(sorted(missing))}")
        for name in network.parameters:
            self._variables.set_parameter(name, parameters[name])

    def scores(self, feed: dict[str, np.ndarray]) -> np.ndarray:
        """Return the scores of a padded batch, float32 [batch, n], or [batch, length, n] for token-level heads."""
        scope = self._variables.scope
        return self._executor.run(self._main, feed=feed, fetch_list=[self._scores], scope=scope)[0]

    def save(self, prefix: Path) -> None:
        """Write Paddle's inference files `<prefix>.json` and `<prefix>.pdiparams`."""
        with paddle.static.scope_guard(self._variables.scope):
            paddle.static.save_inference_model(
                str(prefix), list(self._inputs.values()), [self._scores], self._executor, program=self._main
            )


def packed_inputs(inputs: dict[str, Any], pad_id: int, every_token: bool) -> EncoderInputs:
    """Unpad the inputs [batch, length] for the network. Selects every token, or the first token of each sequence."""
    ids = paddle.reshape(inputs["input_ids"], [-1])
    width = paddle.shape(inputs["input_ids"])[1]
    is_token = paddle.cast(ids != pad_id, "int64")
    token_to_padded = paddle.reshape(paddle.nonzero(is_token), [-1])
    padded_to_token = paddle.reshape(paddle.cumsum(is_token) * is_token - 1, paddle.shape(inputs["input_ids"]))
    if every_token:
        selected, selected_layout = _every_token(padded_to_token, token_to_padded)
    else:
        selected, selected_layout = _first_tokens(padded_to_token)
    return EncoderInputs(
        paddle.gather(ids, token_to_padded),
        paddle.gather(paddle.reshape(inputs["sentence_ids"], [-1]), token_to_padded),
        token_to_padded % paddle.cast(width, "int64"),
        selected,
        SymbolicLayout(padded_to_token, token_to_padded, ("input_ids", 0), ("input_ids", 0), ("input_ids", 1)),
        selected_layout,
    )


def _first_tokens(padded_to_token: Any) -> tuple[Any, SymbolicLayout]:
    first_tokens = paddle.clip(padded_to_token[:, 0], min=0)  # a row may hold nothing but padding
    rows = paddle.arange(0, paddle.shape(first_tokens)[0], dtype="int64")
    return first_tokens, SymbolicLayout(paddle.unsqueeze(rows, 1), rows, ("input_ids", 0), ("input_ids", 0), 1)


def _every_token(padded_to_token: Any, token_to_padded: Any) -> tuple[Any, SymbolicLayout]:
    tokens = paddle.arange(0, paddle.shape(token_to_padded)[0], dtype="int64")
    layout = SymbolicLayout(padded_to_token, token_to_padded, ("input_ids", 0), ("input_ids", 0), ("input_ids", 1))
    return tokens, layout
