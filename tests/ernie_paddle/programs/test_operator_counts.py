"""Operators in the programs of a base model on a GPU: the device is kept busy only if they are few."""

from typing import Any

import paddle
import pytest
from programs_support import task_of

from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.attention import AttentionInputs
from ernie_paddle.programs.building import new_program
from ernie_paddle.programs.dropout import Dropout
from ernie_paddle.programs.gpu import Gpu, GpuStandIn
from ernie_paddle.programs.profiling import OperatorCount, StepCost, step_cost
from ernie_paddle.ranks import Ranks
from ernie_paddle.settings import AdamSettings, ImplSettings

BASE = ErnieConfig(
    vocab_size=30522,
    hidden_size=768,
    num_hidden_layers=12,
    num_attention_heads=12,
    hidden_act="gelu",
    max_position_embeddings=512,
    hidden_dropout_prob=0.1,
    attention_probs_dropout_prob=0.1,
    initializer_range=0.02,
    use_task_id=True,
)


class Counted(GpuStandIn):
    """Builds the programs of a GPU to count their operators; they cannot run.

    FlashAttention, which Paddle for CPUs cannot build, is one operator here too.
    """

    product = Gpu.product

    def _flash_attention(self, inputs: AttentionInputs, longest: int, rate: float, dropout: Dropout) -> Any:
        return paddle.add_n([inputs.queries, inputs.keys, inputs.values])


@pytest.fixture(scope="module")
def cost() -> StepCost:
    tasks = [task_of("knowledge_masking"), task_of("capitalization")]
    return step_cost(BASE, tasks, Counted("bf16", ImplSettings(), flash=True), AdamSettings(), Ranks(0, 2))


def test_the_task_program_has_few_operators(cost: StepCost) -> None:
    """Bounds a few per cent above what there is: 1,447 and 1,042."""
    assert cost.task.operators <= 1500 and cost.task.launches <= 1085


def test_the_update_program_has_few_operators(cost: StepCost) -> None:
    """There are 249 and 88, with the sum over ranks."""
    assert cost.update.operators <= 258 and cost.update.launches <= 92


def test_a_step_launches_the_task_program_once_for_each_micro_batch(cost: StepCost) -> None:
    assert cost.launches(4) == 4 * cost.task.launches + cost.update.launches


def test_ranks_sum_the_gradients_of_every_parameter_once_a_step(cost: StepCost) -> None:
    head = 768 * 768 + 3 * 768 + 30522 + (768 * 2 + 2)  # of masking, then of capitalization
    layer = 4 * 768 * 769 + 768 * 3073 + 3072 * 769 + 4 * 768
    rows = 30522 + 512 + BASE.sent_type_vocab_size + BASE.task_type_vocab_size
    assert cost.summed_bytes == 4 * (rows * 768 + 2 * 768 + 12 * layer + head)


def test_declarations_and_constants_launch_nothing() -> None:
    with new_program() as main:
        x = paddle.static.data("x", [-1, 4], "float32")
        weight = paddle.static.data("weight", [4, 4], "float32")
        paddle.concat([paddle.matmul(x, weight), paddle.zeros([2, 4])])  # with an axis and a list of the two
    assert OperatorCount.of(main) == OperatorCount(7, 2)
