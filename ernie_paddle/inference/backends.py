"""Back ends: libraries that run exported models."""

import os
import threading
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from ernie_paddle.errors import UserError
from ernie_paddle.inference.exported import MODEL_FILES, MODEL_PREFIX, read_record
from ernie_paddle.inference.heads import InferenceHead
from ernie_paddle.model.saved import Model

if TYPE_CHECKING:
    from ernie_paddle.programs.inference_program import InferenceProgram

InferencePrecision = Literal["fp32", "bf16"]
GPU_MEMORY_MB = 256  # allocated at first; grows
FREED_TOGETHER_GB = 0.1
SLOW_FUSIONS = ["SkipLayerNormFusion"]  # the fused operator takes ten times the time of its parts
INSTALL_ONNX = "pip install 'ernie-paddle[onnx]'"


class InferenceBackend(Protocol):
    """A model that several threads may run.

    `batch_tokens` are the tokens that it computes together fastest, padding included.
    """

    batch_tokens: int

    def run(self, feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Return the outputs for a padded batch, float32, in the order of `ExportRecord.outputs`.

        `feed` has `input_ids` and `sentence_ids`, integers [rows, length]; rows are padded with `[PAD]` at their end.
        """


class PaddleBackend:
    """A model in Paddle's files, run by Paddle's predictor.

    `on_gpu` uses a GPU if there is one. `precision` is that of matrix products and the operators between them.

    Raises:
        UserError: the device does not support the precision.
    """

    batch_tokens = 2048

    def __init__(
        self, folder: Path, on_gpu: bool = True, precision: InferencePrecision = "fp32", threads: int | None = None
    ):
        from ernie_paddle.programs import paddle

        self._predictor = paddle.inference.create_predictor(inference_config(folder, on_gpu, precision, threads))
        self._lock = threading.Lock()

    def run(self, feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        predictor = self._predictor
        with self._lock:
            for name in predictor.get_input_names():
                predictor.get_input_handle(name).copy_from_cpu(np.ascontiguousarray(feed[name], np.int64))
            predictor.run()
            return [predictor.get_output_handle(name).copy_to_cpu() for name in predictor.get_output_names()]


class OnnxBackend:
    """A model in an ONNX file, run by onnxruntime on the CPU.

    Raises:
        UserError: onnxruntime is not installed.
    """

    batch_tokens = 512  # what lies between two products then stays in a core's cache

    def __init__(self, folder: Path, threads: int | None = None):
        try:
            import onnxruntime
        except ImportError:
            raise UserError(f"{folder}: an ONNX file, which needs onnxruntime: {INSTALL_ONNX}") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or cpu_threads()
        options.enable_mem_pattern = False  # it keeps a plan for every shape of a batch that it has seen
        path = str(folder / MODEL_FILES["onnx"][0])
        self._session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW_FUSIONS
        )
        self._inputs = [given.name for given in self._session.get_inputs()]

    def run(self, feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        return self._session.run(None, {name: np.asarray(feed[name], np.int64) for name in self._inputs})


def open_backend(
    folder: Path, on_gpu: bool = True, precision: InferencePrecision = "fp32", threads: int | None = None
) -> InferenceBackend:
    """Open the model in `folder`, whose files the caller has checked. `threads` are the process's by default.

    Raises:
        UserError: the folder holds no exported model, or neither the device nor the format has the precision.
    """
    record = read_record(folder)
    if record.format == "paddle":
        return PaddleBackend(folder, on_gpu, precision, threads)
    if precision != "fp32":
        raise UserError(f"--precision: {folder} holds an ONNX file; {precision} needs an export with --format paddle")
    return OnnxBackend(folder, threads)


def model_backend(
    model: Model,
    head: InferenceHead,
    where: str,
    on_gpu: bool = True,
    precision: InferencePrecision = "fp32",
    threads: int | None = None,
) -> InferenceBackend:
    """Open a model that is not exported, with a head, in the fastest back end: on CPUs onnxruntime if it is installed.

    Raises:
        UserError: the model lacks parameters of the head, the device does not support the precision, or there is no
            room for temporary files. The message begins with `where`.
    """
    with TemporaryDirectory(prefix="ernie-paddle-") as temporary:
        folder = Path(temporary)
        try:
            if precision == "fp32" and not (on_gpu and is_gpu_build()) and write_onnx(folder, model, head, where):
                return OnnxBackend(folder, threads)
            inference_program(model, head, where).save(folder / MODEL_PREFIX)
            return PaddleBackend(folder, on_gpu, precision, threads)
        except (
            OSError,
            RuntimeError,
        ) as error:  # Paddle does not report a full disk when it writes, only when it reads
            reason = str(error).strip().split("\n")[0]
            advice = "free space there, or set TMPDIR"
            raise UserError(f"{where}: cannot be written to {folder.parent} ({reason}); {advice}") from None


def write_onnx(folder: Path, model: Model, head: InferenceHead, where: str) -> bool:
    """Write a model as an ONNX file if that is possible; return whether it is.

    Raises:
        UserError: the model lacks parameters of the head. The message begins with `where`.
    """
    if not (find_spec("onnx") and find_spec("onnxruntime")):
        return False
    from ernie_paddle.inference import export_onnx

    try:
        export_onnx.write(folder / MODEL_FILES["onnx"][0], model, head)
    except export_onnx.CannotExport:
        return False
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    return True


def is_gpu_build() -> bool:
    """Return whether Paddle's package for GPUs is installed, without importing it."""
    try:
        version("paddlepaddle-gpu")
    except PackageNotFoundError:
        return False
    return True


def inference_program(model: Model, head: InferenceHead, where: str) -> "InferenceProgram":
    """Build the Paddle program of a model with a head.

    Raises:
        UserError: the model lacks parameters of the head. The message begins with `where`.
    """
    from ernie_paddle.programs.inference_program import InferenceProgram

    try:
        return InferenceProgram(model.config, head, model.task_id, model.vocabulary, model.parameters)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from None


def cpu_threads() -> int:
    """Return the number of CPU threads: OMP_NUM_THREADS, or the cores of this process."""
    return int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))


def inference_config(folder: Path, on_gpu: bool, precision: InferencePrecision, threads: int | None = None) -> Any:
    """Return Paddle's inference configuration for the model in `folder`.

    Raises:
        UserError: the device does not support the precision.
    """
    from ernie_paddle.programs import paddle
    from ernie_paddle.programs.devices import check_precision, default_place

    place = default_place() if on_gpu else paddle.CPUPlace()
    check_precision(precision, place, "--precision")
    config = paddle.inference.Config(*(str(folder / name) for name in MODEL_FILES["paddle"]))
    config.disable_glog_info()
    if place.is_gpu_place():
        modes = {"fp32": paddle.inference.PrecisionType.Float32, "bf16": paddle.inference.PrecisionType.Bfloat16}
        config.enable_use_gpu(GPU_MEMORY_MB, 0, modes[precision])
        return config
    # Freed one by one, tensors keep a thread of Paddle's busy, on a core that the products need.
    paddle.set_flags({"FLAGS_eager_delete_tensor_gb": FREED_TOGETHER_GB})
    config.set_cpu_math_library_num_threads(threads or cpu_threads())  # the default is one
    config.enable_onednn()
    if precision == "bf16":
        config.enable_onednn_bfloat16()
    return config
