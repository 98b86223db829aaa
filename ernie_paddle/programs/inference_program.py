"""The program of an exported model: token ids in, the scores that answers are read from out."""

from pathlib import Path
from typing import Any

import numpy as np
import paddle

from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.attention import Layout
from ernie_paddle.programs.building import declare_inputs, new_program
from ernie_paddle.programs.dropout import Dropout
from ernie_paddle.programs.network import EncoderInputs, Network
from ernie_paddle.programs.variables import Variables
from ernie_paddle.task import Feed, Objective

INPUTS = (Feed("input_ids", (-1, -1), "int64"), Feed("sentence_ids", (-1, -1), "int64"))


class InferenceProgram:
    """An encoder with a head, training off, its parameters set.

    Raises:
        ValueError: parameters of the program are not among those given.
    """

    def __init__(
        self, config: ErnieConfig, objective: Objective, task_id: int, pad_id: int, parameters: dict[str, np.ndarray]
    ):
        self._variables = Variables(paddle.CPUPlace())
        self._executor = paddle.static.Executor(self._variables.place)
        with new_program() as self._main:
            self._inputs = declare_inputs(INPUTS)
            every_token = objective.level == "token"
            inputs = packed(self._inputs, pad_id, every_token)
            network = Network(config, task_id, inputs, Dropout(active=False, keep_masks=False))
            scores = objective.answer_scores(objective.logits(network, network.outputs))
            self._scores = inputs.of_outputs.rectangle(scores, int(scores.shape[-1])) if every_token else scores
        missing = network.parameters.keys() - parameters.keys()
        if missing:
            raise ValueError(f"the model lacks {', '.join(sorted(missing))}")
        for name in network.parameters:
            self._variables.set_parameter(name, parameters[name])

    def scores(self, feed: dict[str, np.ndarray]) -> np.ndarray:
        """Scores of a padded batch, float32 [batch, n], or [batch, length, n] for heads on tokens."""
        scope = self._variables.scope
        return self._executor.run(self._main, feed=feed, fetch_list=[self._scores], scope=scope)[0]

    def save(self, prefix: Path) -> None:
        """Write Paddle's inference files `<prefix>.json` and `<prefix>.pdiparams`."""
        with paddle.static.scope_guard(self._variables.scope):
            paddle.static.save_inference_model(
                str(prefix), list(self._inputs.values()), [self._scores], self._executor, program=self._main
            )


def packed(inputs: dict[str, Any], pad_id: int, every_token: bool) -> EncoderInputs:
    """Inputs padded to a rectangle, as the network takes them; the encoding of first tokens or of all is wanted."""
    ids = paddle.reshape(inputs["input_ids"], [-1])
    width = paddle.shape(inputs["input_ids"])[1]
    is_token = paddle.cast(ids != pad_id, "int64")
    cells = paddle.reshape(paddle.nonzero(is_token), [-1])
    token_of_cell = paddle.reshape(paddle.cumsum(is_token) * is_token - 1, paddle.shape(inputs["input_ids"]))
    outputs, of_outputs = _every_token(token_of_cell, cells) if every_token else _first_tokens(token_of_cell)
    return EncoderInputs(
        paddle.gather(ids, cells),
        paddle.gather(paddle.reshape(inputs["sentence_ids"], [-1]), cells),
        cells % paddle.cast(width, "int64"),
        outputs,
        Layout(token_of_cell, cells, ("input_ids", 0), ("input_ids", 0), ("input_ids", 1)),
        of_outputs,
    )


def _first_tokens(token_of_cell: Any) -> tuple[Any, Layout]:
    firsts = paddle.clip(token_of_cell[:, 0], min=0)  # a row may hold nothing but padding
    rows = paddle.arange(0, paddle.shape(firsts)[0], dtype="int64")
    return firsts, Layout(paddle.unsqueeze(rows, 1), rows, ("input_ids", 0), ("input_ids", 0), 1)


def _every_token(token_of_cell: Any, cells: Any) -> tuple[Any, Layout]:
    tokens = paddle.arange(0, paddle.shape(cells)[0], dtype="int64")
    return tokens, Layout(token_of_cell, cells, ("input_ids", 0), ("input_ids", 0), ("input_ids", 1))
