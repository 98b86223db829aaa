"""Which device a process computes on."""

import paddle
import pytest

from ernie_paddle.programs.devices import cpu_threads, default_place


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
def test_without_gpus_it_is_the_cpu_with_the_threads_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_place().is_cpu_place()
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert cpu_threads() == 7
