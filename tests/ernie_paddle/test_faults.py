"""What errors of Paddle, CUDA and numpy mean. The texts of GPUs are those that users of Paddle reported."""

import numpy as np
import paddle
import pytest

from ernie_paddle.errors import Failure, UserError
from ernie_paddle.faults import fault_behind
from ernie_paddle.programs.building import new_program

LAUNCH_FAILURE = """In user code:

    File "train.py", line 7, in <module>
      loss = model(batch)

    ExternalError: CUDA error(719), unspecified launch failure.
      [Hint: 'cudaErrorLaunchFailure'. An exception occurred on the device while executing.] (at gpu_info.cc:123)
"""
FULL_GPU = """

--------------------------------------
Error Message Summary:
--------------------------------------
ResourceExhaustedError:

Out of memory error on GPU 3. Cannot allocate 98.000244MB memory on GPU 3, 6.000000GB memory has been allocated and
available memory is only 0.000000B.

Please check whether there is any other process using GPU 3.
""".replace("and\n", "and ")
CUBLAS = "(External) CUBLAS error(13). \n  [Hint: 'CUBLAS_STATUS_EXECUTION_FAILED'. ] (at blas_impl.cu.h:41)"
CUDNN = "(External) CUDNN error(8), CUDNN_STATUS_EXECUTION_FAILED. \n  [Hint: Please search for the error code(8)]"
NCCL = "(External) NCCL error(2), unhandled system error. \n  [Hint: Please search] (at ProcessGroupNCCL.cc:236)"
FAILED = {
    LAUNCH_FAILURE: "CUDA error(719), unspecified launch failure.",
    CUBLAS: "CUBLAS error(13).",
    CUDNN: "CUDNN error(8), CUDNN_STATUS_EXECUTION_FAILED.",
    NCCL: "NCCL error(2), unhandled system error.",
}
FULL = {
    FULL_GPU: "the memory of GPU 3 is full at step 7 (Cannot allocate 98.000244MB memory on GPU 3, 6.000000GB memory",
    "(External) CUDA error(2), out of memory. \n  [Hint: 'cudaErrorMemoryAllocation'.]": "the memory of the GPU is",
    "(External) CUBLAS error(3). \n  [Hint: 'CUBLAS_STATUS_ALLOC_FAILED'.]": "the memory of the GPU is full at step 7",
}


@pytest.mark.parametrize("kind", [OSError, RuntimeError, SystemError])
@pytest.mark.parametrize("text", FAILED)
def test_a_failed_device_asks_to_be_run_again(text: str, kind: type[Exception]) -> None:
    fault = fault_behind(kind(text), " at step 7")
    assert isinstance(fault, Failure) and fault.exit_code == 75
    assert str(fault) == f"the device failed at step 7: {FAILED[text]}"


@pytest.mark.parametrize("kind", [MemoryError, OSError, RuntimeError])
@pytest.mark.parametrize("text", FULL)
def test_full_memory_of_a_gpu_is_the_user_s_to_mend(text: str, kind: type[Exception]) -> None:
    fault = fault_behind(kind(text), " at step 7")
    assert isinstance(fault, UserError) and str(fault).startswith(FULL[text]) and "train.batch_tokens" in str(fault)
    assert "\n" not in str(fault)


def full_in_paddle() -> None:
    with new_program() as main:
        size = paddle.static.data("size", [1], "int64")
        total = paddle.sum(paddle.full([size], 1.0, "float32"))
    feed = {"size": np.array([1 << 46])}
    paddle.static.Executor(paddle.CPUPlace()).run(main, feed=feed, fetch_list=[total])


@pytest.mark.parametrize("allocate", [full_in_paddle, lambda: np.ones(1 << 46), lambda: bytearray(1 << 60)])
def test_full_memory_of_the_machine_is_told_with_what_this_process_uses(allocate: object) -> None:
    with pytest.raises(MemoryError) as error:
        allocate()  # type: ignore[operator]
    fault = fault_behind(error.value)
    assert isinstance(fault, UserError) and str(fault).startswith("memory is full (")
    assert 0.05 < float(str(fault).split("(")[1].split(" GB")[0]) < 100


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device", "cuda/step_7"),
        RuntimeError("std::exception"),
        ValueError(CUBLAS),
        KeyError("memory"),
        RuntimeError("(PreconditionNotMet) Paddle is not compiled with CUDA"),
    ],
)
def test_other_errors_are_not_faults(error: Exception) -> None:
    assert fault_behind(error) is None


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (
            "OSError('(External) CUDA error(719), unspecified launch failure.')",
            75,
            "the device failed: CUDA error(719)",
        ),
        ("MemoryError()", 2, "memory is full ("),
        ("Failure('rank 1 (b) has ended', 2)", 2, "rank 1 (b) has ended"),
    ],
)
def test_every_command_reports_faults_in_one_line(
    raised: str, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ernie_paddle import cli
    from ernie_paddle.commands import tasks

    def fails(*_: object) -> None:
        raise eval(raised)

    monkeypatch.setattr(tasks, "open_console", fails)
    with pytest.raises(SystemExit) as end:
        cli.main(["tasks"])
    error = capsys.readouterr().err
    assert end.value.code == code and error.count("\n") == 1 and error.startswith(f"ernie-paddle tasks: {said}")
