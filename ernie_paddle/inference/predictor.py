"""Prediction from an exported model alone."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ernie_paddle.config import check_settings
from ernie_paddle.data.batch import Rectangle
from ernie_paddle.data.order import NO_LIMIT, BatchSize, cut_batches
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.shards import SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json
from ernie_paddle.programs import paddle
from ernie_paddle.task import Signature
from ernie_paddle.text.vocabulary import Vocabulary

MODEL_PREFIX = "model"
MODEL_FILES = (f"{MODEL_PREFIX}.json", f"{MODEL_PREFIX}.pdiparams")
SIGNATURE_FILE, VOCABULARY_FILE = "signature.json", "vocab.txt"


class ExportSignature(Signature):
    """The signature of an exported model: also the dtypes of its inputs, all [batch, length], by name."""

    inputs: dict[str, str]


@dataclass(frozen=True)
class Prediction:
    """The most probable label of an input and the probabilities of all, in the signature's order."""

    label: str
    probabilities: list[float]


class Predictor:
    """An exported model, its vocabulary and signature.

    Raises:
        UserError: a file of the export is missing or does not fit.
    """

    def __init__(self, folder: Path):
        for name in (*MODEL_FILES, SIGNATURE_FILE, VOCABULARY_FILE):
            if not (folder / name).is_file():
                raise UserError(
                    f"{folder}: not an exported model, {name} is missing; make one with ernie-paddle export"
                )
        path = folder / SIGNATURE_FILE
        self.signature = check_settings(ExportSignature, read_json(path, "signature"), str(path))
        self.vocabulary = Vocabulary.load(folder / VOCABULARY_FILE)
        config = paddle.inference.Config(*(str(folder / name) for name in MODEL_FILES))
        config.disable_glog_info()
        if paddle.is_compiled_with_cuda():
            config.enable_use_gpu(256, 0)
        self._predictor = paddle.inference.create_predictor(config)

    def probabilities(self, feed: dict[str, np.ndarray]) -> np.ndarray:
        """Class probabilities of a padded batch, float32 [batch, classes]."""
        for name, dtype in self.signature.inputs.items():
            self._predictor.get_input_handle(name).copy_from_cpu(np.ascontiguousarray(feed[name], dtype))
        self._predictor.run()
        return self._predictor.get_output_handle(self._predictor.get_output_names()[0]).copy_to_cpu()

    def predict(self, samples: SampleBlock, batch_samples: int = 64) -> list[Prediction]:
        """One prediction a sample, in order; samples of similar length share a batch."""
        table, rows = SampleTable([samples]), np.argsort(samples.lengths, kind="stable")
        predictions: dict[int, Prediction] = {}
        for batch_rows in cut_batches(rows, samples.lengths, BatchSize(batch_samples, NO_LIMIT)):
            block = table.take(batch_rows)
            cells = Rectangle.of(block.lengths)
            padding = {"input_ids": self.vocabulary.pad_id, "sentence_ids": 0}
            feed = {name: cells.filled(block.columns[name], filler) for name, filler in padding.items()}
            for row, probabilities in zip(batch_rows, self.probabilities(feed), strict=True):
                label = self.signature.labels[int(probabilities.argmax())]
                predictions[int(row)] = Prediction(label, probabilities.tolist())
        return [predictions[row] for row in range(len(samples))]
