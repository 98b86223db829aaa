"""Which device a process computes on, and what the device supports."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import paddle
import pytest

from ernie_paddle.errors import UserError
from ernie_paddle.programs import devices
from ernie_paddle.programs.cpu import Cpu
from ernie_paddle.programs.devices import check_precision, choose_backend, default_place, uses_flash
from ernie_paddle.programs.gpu import Gpu
from ernie_paddle.settings import Attention, ImplSettings, Precision

CPU = SimpleNamespace(is_cpu_place=lambda: True, is_gpu_place=lambda: False)
GPU = SimpleNamespace(is_cpu_place=lambda: False, is_gpu_place=lambda: True, get_device_id=lambda: 3)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that pretends a number of GPUs of a compute capability."""

    def pretend(count: int, capability: int = 8) -> None:
        monkeypatch.setattr("paddle.device.cuda.device_count", lambda: count)
        monkeypatch.setattr("paddle.device.cuda.get_device_capability", lambda device: (capability, 0))
        monkeypatch.setattr("paddle.CUDAPlace", lambda number: SimpleNamespace(number=number, **vars(GPU)))

    return pretend


@pytest.mark.parametrize(("local_rank", "number"), [(None, 0), ("2", 2), ("5", 1)])
def test_a_process_takes_the_visible_gpu_of_its_number_on_the_machine(
    local_rank: str | None, number: int, gpus: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(4)
    monkeypatch.delenv("PADDLE_LOCAL_RANK", raising=False)
    if local_rank:
        monkeypatch.setenv("PADDLE_LOCAL_RANK", local_rank)
    assert default_place().number == number


def test_a_wheel_for_gpus_without_a_gpu_computes_on_the_cpu(gpus: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(0)
    monkeypatch.setattr("paddle.is_compiled_with_cuda", lambda: True)
    assert default_place().is_cpu_place()
    assert type(choose_backend("fp32", ImplSettings())) is Cpu


@pytest.mark.parametrize(("precision", "flash"), [("fp32", False), ("bf16", True)])
def test_a_gpu_has_its_own_backend(
    precision: Precision, flash: bool, gpus: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(1)
    monkeypatch.setattr(devices, "why_not_flash", lambda place: "")
    switched = paddle.base.core.get_cublas_switch()
    try:
        backend = choose_backend(precision, ImplSettings())
    finally:
        paddle.set_flags({"FLAGS_use_mkldnn": True})
        paddle.base.core.set_cublas_switch(switched)
    assert type(backend) is Gpu and backend.flash == flash


@pytest.mark.parametrize(
    ("precision", "capability", "error"),
    [
        ("fp32", 6, ""),
        ("fp16", 7, ""),
        ("bf16", 8, ""),
        ("bf16", 9, ""),
        ("tf32", 8, ""),
        ("tf32", 7, "here: tf32 needs a GPU of compute capability 8, this one has 7; take fp16 or fp32"),
        ("fp16", 6, "here: fp16 needs a GPU of compute capability 7, this one has 6; take fp32"),
        ("bf16", 7, "here: bf16 needs a GPU of compute capability 8, this one has 7; take fp16 or fp32"),
    ],
)
def test_gpus_have_the_precisions_of_their_capability(
    precision: Precision, capability: int, error: str, gpus: Any
) -> None:
    gpus(4, capability)
    if not error:
        check_precision(precision, GPU)
        return
    with pytest.raises(UserError, match=error):
        check_precision(precision, GPU, option="here")


@pytest.mark.parametrize(
    ("precision", "bf16", "fits"),
    [("fp32", False, True), ("bf16", True, True), ("bf16", False, False), ("fp16", True, False), ("tf32", True, False)],
)
def test_cpus_have_bf16_where_it_can_be_tried(
    precision: Precision, bf16: bool, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "cpu_supports_bf16", lambda: bf16)
    if fits:
        check_precision(precision, CPU)
    else:
        with pytest.raises(UserError, match=f"here: {precision} needs a GPU"):
            check_precision(precision, CPU, option="here")


@pytest.mark.parametrize("refusal", ["", "its check failed"])
@pytest.mark.parametrize("chosen", ["automatic", "padded", "flash"])
@pytest.mark.parametrize(
    ("precision", "place", "capability", "runs"),
    [
        ("bf16", GPU, 8, True),
        ("fp16", GPU, 9, True),
        ("fp32", GPU, 8, False),
        ("fp16", GPU, 7, False),
        ("bf16", CPU, 0, False),
    ],
)
def test_flash_attention_is_used_where_it_runs_and_is_right_or_chosen(
    chosen: Attention,
    precision: Precision,
    place: Any,
    capability: int,
    runs: bool,
    refusal: str,
    gpus: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    gpus(1, capability)
    monkeypatch.setattr(devices, "why_not_flash", lambda place: refusal)
    impl = ImplSettings(attention=chosen)
    if chosen == "flash" and not runs:
        with pytest.raises(UserError, match=r"impl\.attention: flash needs a GPU of compute capability 8"):
            uses_flash(precision, impl, place)
    else:
        falls_back = bool(runs and chosen == "automatic" and refusal)
        assert uses_flash(precision, impl, place) == (runs and chosen != "padded" and not falls_back)
        said = capsys.readouterr().err.splitlines()
        assert len(said) == falls_back and all("impl.attention: padded" in line and refusal in line for line in said)


def test_only_the_first_rank_says_why_flash_attention_is_not_used(
    gpus: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gpus(1)
    monkeypatch.setattr(devices, "why_not_flash", lambda place: "its check failed")
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "2")
    monkeypatch.setenv("PADDLE_TRAINER_ID", "1")
    assert not uses_flash("bf16", ImplSettings(), GPU) and not capsys.readouterr().err


def test_runs_that_repeat_use_no_flash_attention(gpus: Any) -> None:
    gpus(1)
    assert not uses_flash("bf16", ImplSettings(repeatable=True), GPU)
    with pytest.raises(UserError, match="flash does not repeat"):
        uses_flash("bf16", ImplSettings(repeatable=True, attention="flash"), GPU)


@pytest.mark.parametrize(("precision", "repeatable"), [("fp32", False), ("tf32", False), ("bf16", True)])
def test_gpus_use_tf32_where_it_is_asked_for_and_fixed_sums_where_runs_repeat(
    precision: Precision, repeatable: bool, gpus: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(1)
    switches, flags = list[bool](), dict[str, Any]()
    monkeypatch.setattr("paddle.base.core.set_cublas_switch", switches.append)
    monkeypatch.setattr("paddle.set_flags", flags.update)
    choose_backend(precision, ImplSettings(repeatable=repeatable))
    assert switches == [precision == "tf32"] and flags["FLAGS_use_mkldnn"] is False
    assert flags.get("FLAGS_embedding_deterministic") == (1 if repeatable else None)


def test_padded_attention_asks_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paddle.device.cuda.get_device_capability", lambda _: pytest.fail("asked"))
    assert not uses_flash("bf16", ImplSettings(attention="padded"), GPU)


def test_cpus_without_bf16_or_whose_products_fail_are_said_to_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("could not create a primitive")

    supports = devices.cpu_supports_bf16.__wrapped__
    monkeypatch.setattr("paddle.static.Executor.run", fails)
    for hardware in (False, True):
        monkeypatch.setattr("paddle.base.core.supports_bfloat16", lambda has=hardware: has)
        assert supports() is False
    monkeypatch.setattr("paddle.static.Executor.run", lambda *_, **__: [np.full((8, 8), 8.0, np.float32)])
    assert supports() is True
