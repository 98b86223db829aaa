"""Which device a process computes on."""

from types import SimpleNamespace

import numpy as np
import paddle
import pytest

from ernie_paddle.errors import UserError
from ernie_paddle.programs import devices
from ernie_paddle.programs.devices import check_precision, default_place
from ernie_paddle.settings import Precision


@pytest.mark.parametrize(("given", "number"), [(None, 0), ("2", 2), ("3,1", 3)])
def test_a_process_takes_the_first_gpu_that_the_launcher_gave_it(
    given: str | None, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paddle.is_compiled_with_cuda", lambda: True)
    monkeypatch.setattr("paddle.CUDAPlace", lambda number: f"GPU {number}")
    monkeypatch.delenv("FLAGS_selected_gpus", raising=False)
    if given:
        monkeypatch.setenv("FLAGS_selected_gpus", given)
    assert default_place() == f"GPU {number}"


@pytest.mark.skipif(paddle.is_compiled_with_cuda(), reason="for CPUs")
def test_without_gpus_it_is_the_cpu() -> None:
    assert default_place().is_cpu_place()


@pytest.mark.parametrize(
    ("precision", "gpu", "bf16_on_cpus", "fits"),
    [
        ("fp32", False, False, True),
        ("bf16", False, True, True),
        ("bf16", False, False, False),
        ("fp16", False, True, False),
        ("bf16", True, False, True),
        ("fp16", True, False, True),
    ],
)
def test_gpus_have_every_precision_cpus_bf16_where_it_can_be_tried(
    precision: Precision, gpu: bool, bf16_on_cpus: bool, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "cpu_supports_bf16", lambda: bf16_on_cpus)
    place = SimpleNamespace(is_cpu_place=lambda: not gpu)
    if fits:
        check_precision(precision, place)
    else:
        with pytest.raises(UserError, match=f"here: {precision} needs a GPU"):
            check_precision(precision, place, option="here")


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
