"""Collectives and what sessions do with them, for a simulated job of three ranks with equal values."""

from typing import Any

import numpy as np
import paddle
import pytest
from paddle.distributed import ReduceOp
from programs_support import feed_for, ones, session_for

from ernie_paddle.errors import UserError
from ernie_paddle.programs.building import new_program
from ernie_paddle.programs.collectives import HOST_RING, PROGRAM_RING, Collectives, all_reduce
from ernie_paddle.programs.cpu import Cpu
from ernie_paddle.programs.session import Session
from ernie_paddle.programs.update_program import build_update_program
from ernie_paddle.programs.variables import GRADIENT_SUFFIX
from ernie_paddle.ranks import Ranks
from ernie_paddle.rendezvous import Rendezvous
from ernie_paddle.settings import AdamSettings
from ernie_paddle.task import Task

ADAM = AdamSettings(clip_norm=None)
CPU = paddle.CPUPlace()
CPU_EXECUTOR = paddle.static.Executor(CPU)


@pytest.fixture(autouse=True)
def messages(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the number of values in each message to the other ranks."""
    sizes: list[int] = []

    def all_reduce(value: Any, ring: int, kind: int) -> Any:
        assert ring in (PROGRAM_RING, HOST_RING) and kind == ReduceOp.SUM
        if ring == PROGRAM_RING:
            sizes.append(int(np.prod(value.shape)))
        return value * 3

    monkeypatch.setattr(paddle._C_ops, "all_reduce", all_reduce)
    monkeypatch.setattr("ernie_paddle.programs.session.connect", lambda ranks, place: of_rank(ranks))
    return sizes


def of_rank(ranks: Ranks) -> Collectives:
    return Collectives(ranks, Rendezvous())


def session_of_rank(rank: int, name: str = "sentence_distance") -> tuple[Session, Task]:
    plain, (task,) = session_for(ADAM, name)
    return Session(plain.config, 3, ADAM, Cpu(), Ranks(rank, 3)), task


def test_sums_keep_shapes_and_order(messages: list[int]) -> None:
    random = np.random.default_rng(0)
    arrays = [random.normal(size=shape).astype(np.float32) for shape in ((2, 3), (2,), (1,), (5, 2), (3, 1))]
    with new_program() as main:
        values = [paddle.static.data(f"x{i}", array.shape, "float32") for i, array in enumerate(arrays)]
        sums = all_reduce(values)
    feed = {f"x{i}": array for i, array in enumerate(arrays)}
    for found, array in zip(paddle.static.Executor(CPU).run(main, feed=feed, fetch_list=sums), arrays, strict=True):
        np.testing.assert_allclose(found, 3 * array, rtol=1e-6)
        assert found.shape == array.shape
    assert messages == [6, 2, 1, 10, 3]


def test_gradients_may_be_summed_in_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """On GPUs: gloo cannot, which says so."""
    session, task = session_of_rank(0)
    session.add_gradients((task,), feed_for(session, (task,), 0), ones(1), 1)
    groups = session._training_program((task,), accumulates=False).groups
    sent: list[Any] = []
    monkeypatch.setattr(paddle._C_ops, "all_reduce", lambda value, ring, kind: sent.append(value.dtype) or value)
    norms = []
    for dtype in (paddle.float32, paddle.bfloat16):
        program = build_update_program(groups, ADAM, Ranks(0, 3), session.backend, dtype)
        CPU_EXECUTOR.run(program.main, scope=session.variables.scope)
        norms.append(session.gradient_norm())
    assert sent == [paddle.float32] * len(groups) + [paddle.bfloat16] * len(groups)
    assert norms[0] != norms[1] and norms[1] == pytest.approx(norms[0], rel=1e-2)
    with pytest.raises(UserError, match=r"train\.gradient_sums: bf16 needs GPUs"):
        Session(session.config, 3, ADAM, Cpu(), Ranks(0, 3), "bf16")


def test_arrays_are_summed_over_ranks_and_one_alone_keeps_its_own() -> None:
    sums = [of_rank(Ranks(rank, 3)) for rank in range(3)]
    for array in (np.array([[1, 2], [3, 1 << 60]]), np.array([[0.5], [1e-300]]), np.ones(3, np.float32)):
        found = sums[1].all_reduce(array)
        assert found.dtype == array.dtype and found.shape == array.shape and (found == 3 * array).all()
        assert of_rank(Ranks()).all_reduce(array) is array
        assert (sums[0].broadcast(array) == 3 * array).all() and not sums[1].broadcast(array).any()
    assert [collectives.all_gather(7) for collectives in sums] == [[21, 0, 0], [0, 21, 0], [0, 0, 21]]


def test_steps_and_logged_losses_are_of_all_ranks() -> None:
    session, task = session_of_rank(0)
    session.add_gradients((task,), feed := feed_for(session, (task,), 0), ones(1), 1)
    name = "encoder_layer_0_ffn_fc_0.w_0"
    gradient = session.variables.get(name + GRADIENT_SUFFIX)
    own = session.variables.get("metrics@sentence_distance")[0]
    np.testing.assert_allclose(session.take_metrics()[task.name], 3 * own.astype(np.float64))
    session.update((task,), 0.01)
    np.testing.assert_allclose(session.variables.get(f"{name}_moment1_0"), 0.3 * gradient, rtol=1e-5, atol=1e-9)
    alone, (task,) = session_for(ADAM, task.name)
    alone.add_gradients((task,), feed, ones(1), 1)
    alone.update((task,), 0.01)
    assert session.gradient_norm() == pytest.approx(3 * alone.gradient_norm(), rel=1e-5)


def test_ranks_sum_the_losses_of_the_same_programs_even_if_one_computes_nothing_or_builds_ahead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sums = []
    for rank in range(2):
        session, first = session_of_rank(rank)
        _, (second,) = session_for(ADAM, "capitalization")
        session._training_program((second,), accumulates=False)  # as staging the next step does
        if rank == 0:
            session.add_gradients((first,), feed_for(session, (first,), 0), ones(1), 1)
        session.update((first,), 0.01)
        messages: list[int] = []
        monkeypatch.setattr(
            session.collectives, "all_reduce", lambda array, to=messages: to.append(array.size) or array
        )
        assert list(session.take_metrics()) == [first.name]
        sums.append(messages)
    assert sums[0] == sums[1] == [2]


def test_ranks_with_any_other_parameter_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    session, task = session_of_rank(0)
    session.parameter_shapes([task])
    seen: list[int] = []

    def gathered(checksum: int) -> list[int]:
        seen.append(checksum)
        return [seen[0], seen[0], checksum]

    monkeypatch.setattr(session.collectives, "all_gather", gathered)
    before = session.parameters()
    session.check_equal()
    one, other = "encoder_layer_0_multi_head_att_key_fc.w_0", "encoder_layer_0_multi_head_att_query_fc.w_0"
    spoilt = {name: value.copy() for name, value in before.items() if name in (one, "pooled_fc.b_0")}
    for value in spoilt.values():
        value.reshape(-1)[-1] += 1e-6
    for change in (*({name: value} for name, value in spoilt.items()), {one: before[other], other: before[one]}):
        session.set_parameters(change)
        with pytest.raises(UserError, match="parameters of rank 2 differ from those of rank 0"):
            session.check_equal()
        session.set_parameters(before)
        session.check_equal()


def test_parameters_and_moments_are_taken_from_the_first_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    session, task = session_of_rank(1)
    session.add_gradients((task,), feed_for(session, (task,), 0), ones(1), 1)
    before = session.parameters() | session.optimizer_state()
    assert any("_moment2_0" in name for name in before)
    monkeypatch.setattr(session.collectives, "broadcast", lambda array: array + 1)
    session.broadcast_from_rank0()
    after = session.parameters() | session.optimizer_state()
    assert all((after[name] == value + 1).all() for name, value in before.items())
    assert session.any_rank(True) and not session.any_rank(False)
