"""The program of an exported model: token ids in, class probabilities out."""

from pathlib import Path

import numpy as np
import paddle
from paddle.nn import functional as F

from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.building import declare_inputs, new_program
from ernie_paddle.programs.network import Network
from ernie_paddle.programs.task_program import ENCODER_FEEDS
from ernie_paddle.programs.variables import Variables
from ernie_paddle.task import SentenceClassification


class InferenceProgram:
    """An encoder with a classification head, training off, its parameters set.

    Raises:
        ValueError: parameters of the program are not among those given.
    """

    def __init__(
        self,
        config: ErnieConfig,
        objective: SentenceClassification,
        task_id: int,
        pad_id: int,
        parameters: dict[str, np.ndarray],
    ):
        self._variables = Variables(paddle.CPUPlace())
        self._executor = paddle.static.Executor(self._variables.place)
        with new_program() as self._main:
            self._inputs = declare_inputs(ENCODER_FEEDS)
            network = Network(config, task_id, pad_id, training=False, inputs=self._inputs)
            self._probabilities = F.softmax(objective.logits(network))
        missing = network.parameters.keys() - parameters.keys()
        if missing:
            raise ValueError(f"the model lacks {', '.join(sorted(missing))}")
        for name in network.parameters:
            self._variables.set_parameter(name, parameters[name])

    def probabilities(self, feed: dict[str, np.ndarray]) -> np.ndarray:
        """Class probabilities of a padded batch, float32 [batch, classes]."""
        scope = self._variables.scope
        return self._executor.run(self._main, feed=feed, fetch_list=[self._probabilities], scope=scope)[0]

    def save(self, prefix: Path) -> None:
        """Write Paddle's inference files `<prefix>.json` and `<prefix>.pdiparams`."""
        with paddle.static.scope_guard(self._variables.scope):
            paddle.static.save_inference_model(
                str(prefix), list(self._inputs.values()), [self._probabilities], self._executor, program=self._main
            )
