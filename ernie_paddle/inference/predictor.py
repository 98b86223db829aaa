"""Prediction with exported models."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ernie_paddle.checksums import SUMS_FILE, check_files
from ernie_paddle.config import check_settings
from ernie_paddle.data.batch import Batch, PaddedLayout
from ernie_paddle.data.order import NO_LIMIT, BatchSize, cut_batches
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.shards import SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json
from ernie_paddle.finetuning_task import SIGNATURE_FILE, FinetuningTask, KeptSignature, Prediction
from ernie_paddle.programs import paddle
from ernie_paddle.programs.devices import check_precision, cpu_threads, default_place
from ernie_paddle.text.vocabulary import VOCABULARY_FILE, Vocabulary

MODEL_PREFIX = "model"
MODEL_FILES = (f"{MODEL_PREFIX}.json", f"{MODEL_PREFIX}.pdiparams")
InferencePrecision = Literal["fp32", "bf16"]
GPU_MEMORY_MB = 256  # allocated at first; grows


class ExportSignature(KeptSignature):
    """The signature of an exported model, with the dtypes of its inputs [batch, length] by name."""

    inputs: dict[str, str]


class Predictor:
    """An exported model, its vocabulary and signature.

    `on_gpu` uses a GPU if there is one. `precision` is that of matrix products and the operators between them.

    Raises:
        UserError: a file of the export is missing, damaged or invalid, or the device does not support the precision.
    """

    def __init__(self, folder: Path, on_gpu: bool = True, precision: InferencePrecision = "fp32"):
        files = (*MODEL_FILES, SIGNATURE_FILE, VOCABULARY_FILE)
        for name in (*files, SUMS_FILE):
            if not (folder / name).is_file():
                raise UserError(
                    f"{folder}: not an exported model, {name} is missing; make one with ernie-paddle export"
                )
        check_files(folder, files)
        path = folder / SIGNATURE_FILE
        self.signature = check_settings(ExportSignature, read_json(path, "signature"), str(path))
        self.vocabulary = Vocabulary.load(folder / VOCABULARY_FILE)
        self._predictor = paddle.inference.create_predictor(inference_config(folder, on_gpu, precision))

    def scores(self, feed: dict[str, np.ndarray]) -> np.ndarray:
        """Return the scores of a padded batch, float32 [batch, n], or [batch, length, n] for token-level heads."""
        for name, dtype in self.signature.inputs.items():
            self._predictor.get_input_handle(name).copy_from_cpu(np.ascontiguousarray(feed[name], dtype))
        self._predictor.run()
        return self._predictor.get_output_handle(self._predictor.get_output_names()[0]).copy_to_cpu()

    def scores_of(self, samples: SampleBlock, batch_samples: int = 64) -> list[np.ndarray]:
        """Return the scores of each sample in order, [sequences, n], or [tokens, n] for token-level heads."""
        table, rows = SampleTable([samples]), np.argsort(samples.lengths, kind="stable")
        scores_by_row: dict[int, np.ndarray] = {}
        for batch_rows in cut_batches(rows, samples.lengths, BatchSize(batch_samples, NO_LIMIT)):
            batch = Batch.of(table.take(batch_rows), batch_rows)
            layout = PaddedLayout.of(batch.lengths)
            padding = {"input_ids": self.vocabulary.pad_id, "sentence_ids": 0}
            scores = self.scores({name: layout.pad(batch.columns[name], value) for name, value in padding.items()})
            if scores.ndim == 3:
                scores, counts = scores.reshape(-1, scores.shape[-1])[layout.token_to_padded], batch.lengths
            else:
                counts = batch.sequences
            scores_by_row |= zip(batch_rows.tolist(), np.split(scores, np.cumsum(counts)[:-1]), strict=True)
        return [scores_by_row[row] for row in range(len(samples))]

    def predict(self, task: FinetuningTask, examples: Sequence[Any], batch_samples: int = 64) -> list[Prediction]:
        """Predict for each example, in order."""
        encoded = task.encode(examples, self.vocabulary, self.signature)
        return task.predictions(examples, encoded, self.scores_of(encoded.samples, batch_samples), self.signature)


def inference_config(folder: Path, on_gpu: bool, precision: InferencePrecision) -> Any:
    """Return Paddle's inference configuration for the model in `folder`.

    Raises:
        UserError: the device does not support the precision.
    """
    place = default_place() if on_gpu else paddle.CPUPlace()
    check_precision(precision, place, "--precision")
    config = paddle.inference.Config(*(str(folder / name) for name in MODEL_FILES))
    config.disable_glog_info()
    if place.is_gpu_place():
        modes = {"fp32": paddle.inference.PrecisionType.Float32, "bf16": paddle.inference.PrecisionType.Bfloat16}
        config.enable_use_gpu(GPU_MEMORY_MB, 0, modes[precision])
        return config
    config.set_cpu_math_library_num_threads(cpu_threads())  # the default is one, whatever the environment says
    config.enable_onednn()
    if precision == "bf16":
        config.enable_onednn_bfloat16()
    return config
