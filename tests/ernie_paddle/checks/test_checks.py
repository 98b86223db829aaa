"""Checks pass for programs that are right, and fail where a mistake is planted."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import paddle
import pytest

from ernie_paddle.checks import exporting, machine, numerics, operators, speed, training
from ernie_paddle.checks.check import Bench, Check, Outcome, Programs, run_checks, stand_in_programs
from ernie_paddle.checks.suite import CHECKS
from ernie_paddle.checks.traces import Agreement
from ernie_paddle.programs.backend import Backend
from ernie_paddle.programs.cpu import Cpu
from ernie_paddle.programs.gpu import Gpu, GpuStandIn
from ernie_paddle.programs.session import Session

Run = Callable[[Programs, Bench], Outcome]


@pytest.mark.parametrize("run", [operators.operators_in_use, training.dropout, training.infinite_gradients])
def test_checks_pass_for_the_programs_of_cpus_and_gpus(run: Run, programs: Programs, bench: Bench) -> None:
    assert run(programs, bench).passed


@pytest.mark.parametrize("run", [numerics.fp32_against_reference, numerics.flash_attention, operators.feeds_ahead])
def test_checks_of_gpus_pass_for_their_programs_on_the_cpu(run: Run, gpu: Programs, bench: Bench) -> None:
    assert run(gpu, bench).passed


def test_low_precision_passes_within_its_rounding(programs: Programs, bench: Bench) -> None:
    if not programs.low:
        pytest.skip("needs a CPU with AVX-512 that oneDNN may use")
    outcome = numerics.low_precision(programs, bench)
    assert outcome.passed and outcome.figures["loss, bf16"] > 0  # type: ignore[operator]


def test_an_operator_that_fails_is_named(gpu: Programs, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(backend: Backend, inputs: Any) -> Any:
        raise RuntimeError("no kernel")

    monkeypatch.setitem(operators.OPERATORS, "gelu", broken)
    monkeypatch.setitem(operators.OPERATORS, "relu", lambda backend, inputs: paddle.log(-(inputs["x"] ** 2)))
    outcome = operators.operators_in_use(gpu, bench)
    assert not outcome.passed
    assert "gelu, fp32: RuntimeError no kernel" in outcome.note and "relu, fp32: not finite" in outcome.note
    assert outcome.figures["failed"] == 2 * (1 + len(gpu.low))


def test_programs_that_compute_something_else_are_found(
    gpu: Programs, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    linear = GpuStandIn.linear
    monkeypatch.setattr(GpuStandIn, "linear", lambda self, x, weight, bias: linear(self, x, weight, bias * 1.01))
    outcome = numerics.fp32_against_reference(gpu, bench)
    assert not outcome.passed and outcome.figures["gradients"] > 1e-4  # type: ignore[operator]


def test_low_precision_in_wrong_places_is_found(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """fp32 stands for the low precision, so that this runs on all CPUs, but for scores that are cut."""
    programs = replace(stand_in_programs(), low=("fp32",))
    assert numerics.low_precision(programs, bench).passed
    cut = iter([False, True])

    def make(precision: Any, impl: Any, flash: bool) -> Backend:
        backend = GpuStandIn(precision, impl, flash)
        if next(cut):
            scores = backend.vocabulary_scores
            backend.vocabulary_scores = lambda x, table, bias: paddle.clip(scores(x, table, bias), -0.05, 0.05)  # type: ignore[method-assign]
        return backend

    assert not numerics.low_precision(replace(programs, make=make), bench).passed


@pytest.mark.parametrize("mistake", ["borders", "unwritten"])
def test_mistakes_of_flash_attention_are_found(
    mistake: str, gpu: Programs, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sequences that see their neighbours; and a gradient that holds what was in memory."""
    flash = GpuStandIn._flash_attention

    def planted(self: Any, inputs: Any, longest: int, rate: float, dropout: Any) -> Any:
        if mistake == "borders":
            inputs = replace(
                inputs,
                query_layout=replace(inputs.query_layout, cu_seqlens=inputs.query_layout.cu_seqlens[::3]),
                key_layout=replace(inputs.key_layout, cu_seqlens=inputs.key_layout.cu_seqlens[::3]),
            )
        else:
            inputs = replace(inputs, keys=inputs.keys * float("nan"))
        return flash(self, inputs, longest, rate, dropout)

    monkeypatch.setattr(GpuStandIn, "_flash_attention", planted)
    assert not numerics.flash_attention(gpu, bench).passed


@pytest.mark.parametrize("mistake", ["key without effect", "other masks", "rate"])
def test_mistakes_of_dropout_are_found(
    mistake: str, gpu: Programs, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed, seeds = paddle.seed, iter(range(100, 10_000))
    if mistake == "rate":
        monkeypatch.setattr(training, "share_dropped", lambda backend, key: 0.11)
    else:
        same = mistake == "key without effect"
        monkeypatch.setattr("paddle.seed", lambda key: seed(7 if same else next(seeds)))
    assert not training.dropout(gpu, bench).passed


@pytest.mark.parametrize("mistake", ["applied", "not noticed"])
def test_infinite_gradients_that_change_something_are_found(
    mistake: str, programs: Programs, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    if mistake == "applied":
        for backend in (Cpu, Gpu):
            monkeypatch.setattr(
                backend, "host_flag", lambda self, flag: paddle.logical_and(flag, paddle.zeros_like(flag))
            )
    else:
        update = Session.update
        monkeypatch.setattr(Session, "update", lambda self, tasks, rate: update(self, tasks, rate) or True)
    assert not training.infinite_gradients(programs, bench).passed


def test_training_that_does_not_repeat_is_found(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = replace(stand_in_programs(), low=(), has_flash=False)
    assert training.repeatability(programs, bench).passed
    evaluate, drift = Session.update, iter(range(1, 1000))
    monkeypatch.setattr(Session, "update", lambda self, tasks, rate: evaluate(self, tasks, rate + 1e-5 * next(drift)))
    outcome = training.repeatability(programs, bench)
    assert not outcome.passed and outcome.figures["impl.repeatable"] is False


def test_flags_have_their_values_back_also_after_an_error() -> None:
    before = paddle.get_flags("FLAGS_use_mkldnn")
    with pytest.raises(KeyError), operators.flags_restored(("FLAGS_use_mkldnn", "FLAGS_unheard_of")):
        paddle.set_flags({"FLAGS_use_mkldnn": not before["FLAGS_use_mkldnn"]})
        raise KeyError
    assert paddle.get_flags("FLAGS_use_mkldnn") == before


def test_feeds_in_another_order_are_found(gpu: Programs, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(operators.DeviceFeeds):
        before: Any = None

        def take(self) -> dict[str, Any]:
            taken, self.before = self.before, super().take()
            return taken or self.before

    monkeypatch.setattr(operators, "DeviceFeeds", Late)
    assert operators.feeds_ahead(gpu, bench).figures["wrong"] == operators.FEEDS - 1


def test_the_largest_batch_is_the_last_before_memory_is_full() -> None:
    asked: list[int] = []

    def step(tokens: int) -> None:
        asked.append(tokens)
        if tokens > 5000:
            raise MemoryError("out of memory")

    largest, error = speed.largest_that_fits(step, 1024, 1 << 20)
    assert largest == 4096 and isinstance(error, MemoryError) and asked == [1024, 2048, 4096, 8192]
    assert speed.largest_that_fits(asked.append, 1024, 3000) == (2048, None)


@pytest.mark.parametrize(("error", "passes"), [(MemoryError("out of memory"), True), (RuntimeError("odd"), False)])
def test_a_full_memory_is_told_from_other_errors(
    error: Exception, passes: bool, gpu: Programs, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "BASE", {**speed.BASE, "num_hidden_layers": 1, "hidden_size": 12, "vocab_size": 60})
    monkeypatch.setattr(speed, "FIRST_TOKENS", 512)
    trained = speed.loss_of

    def full(work: Any, session: Session, key: int) -> float:
        if len(work.feed["input_ids"]) > 512:
            raise error
        return trained(work, session, key)

    monkeypatch.setattr(speed, "loss_of", full)
    outcome = speed.full_memory(gpu, bench)
    assert outcome.passed == passes and outcome.figures["largest train.batch_tokens"] == 512


def test_speed_is_measured_with_its_share_of_the_peak(
    programs: Programs, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "BASE", {**speed.BASE, "num_hidden_layers": 1, "hidden_size": 12, "vocab_size": 60})
    monkeypatch.setattr(speed, "TOKENS_ON_GPU", (128,))
    monkeypatch.setattr(speed, "peak_flops", lambda backend: 1e12 if isinstance(backend, Cpu) else None)
    figures = speed.speed(replace(programs, is_gpu=False), bench).figures
    assert figures["tokens/s of 256"] > 0 and ("share of peak of 256" in figures) == (programs.place is not None)  # type: ignore[operator]
    staged = speed.speed(replace(programs, is_gpu=True), bench).figures
    assert 0 < staged["ms launching of 128"] <= staged["ms of 128"]  # type: ignore[operator]


@pytest.mark.slow
def test_an_export_computes_the_same_on_the_device(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from ernie_paddle.checks.check import cpu_programs

    outcome = exporting.exported_model(cpu_programs(), bench)
    assert outcome.passed and outcome.figures["export against programs"] <= 1e-5  # type: ignore[operator]
    opened = exporting.open_backend

    def off(folder: Any, on_gpu: bool, **options: Any) -> Any:
        backend = opened(folder, on_gpu, **options)
        return SimpleNamespace(run=lambda feed: [output * (1.01 if on_gpu else 1.0) for output in backend.run(feed)])

    monkeypatch.setattr(exporting, "open_backend", off)
    again = replace(bench, folder=bench.folder / "again")
    again.folder.mkdir()
    assert not exporting.exported_model(cpu_programs(), again).passed


def test_flags_that_do_not_fit_the_device_are_named(bench: Bench) -> None:
    from ernie_paddle.checks.check import cpu_programs

    assert machine.device_and_flags(cpu_programs(), bench).passed
    wrong = replace(cpu_programs(), make=GpuStandIn)  # which turns oneDNN off
    outcome = machine.device_and_flags(wrong, bench)
    assert not outcome.passed and "FLAGS_use_mkldnn" in outcome.note


def test_agreement_looks_at_each_array_that_matters_and_at_all_values() -> None:
    expected = {"large": np.array([3.0, 4.0]), "zero": np.array([1e-9, 0.0])}
    near = {"large": np.array([3.0, 4.0]), "zero": np.array([0.0, 1e-9])}
    assert Agreement.of(near, expected).cosine == 1 and Agreement.of(near, expected).error < 1e-6
    assert Agreement.of({**near, "large": np.array([4.0, 3.0])}, expected).cosine == pytest.approx(24 / 25)
    assert Agreement.of({**near, "zero": np.array([0.1, 0.0])}, expected).error > 1
    assert Agreement.of({**near, "zero": np.array([np.nan, 0.0])}, expected).cosine == -1


def test_the_checks_have_the_numbers_1_to_15() -> None:
    assert sorted(check.number for check in CHECKS) == list(range(1, 16))
    assert CHECKS[-1].number == 13, "a full memory may leave it in pieces"


def test_an_error_in_a_check_is_its_failure_and_what_does_not_apply_is_said_of_the_device(
    programs: Programs, bench: Bench
) -> None:
    def fails(programs: Programs, bench: Bench) -> Outcome:
        raise ValueError("broken\nthing")

    checks = [Check(1, "one", "a", "b", fails), Check(2, "two", "a", "b", fails, lambda *_: "not here")]
    said: list[str] = []
    found = [result for _, result in run_checks(checks, [programs], bench, said.append)]
    assert found[0].passed is False and found[0].fails and found[0].note == "ValueError: broken thing"
    assert [result.note for result in found[1:]] == (["not run: not here"] if programs.place is not None else [])
    assert len(said) == len(found) and not any(result.fails for result in found[1:])
