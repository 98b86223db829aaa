"""Prediction from an exported model alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ernie_paddle.checksums import SUMS_FILE, check_files
from ernie_paddle.config import check_settings
from ernie_paddle.data.batch import Batch, Rectangle
from ernie_paddle.data.order import NO_LIMIT, BatchSize, cut_batches
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.shards import SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json
from ernie_paddle.kind import SIGNATURE_FILE, Answer, FinetuningKind, KeptSignature
from ernie_paddle.programs import paddle
from ernie_paddle.text.vocabulary import Vocabulary

MODEL_PREFIX = "model"
MODEL_FILES = (f"{MODEL_PREFIX}.json", f"{MODEL_PREFIX}.pdiparams")
VOCABULARY_FILE = "vocab.txt"


class ExportSignature(KeptSignature):
    """The signature of an exported model: also the dtypes of its inputs, all [batch, length], by name."""

    inputs: dict[str, str]


class Predictor:
    """An exported model, its vocabulary and signature.

    Raises:
        UserError: a file of the export is missing, damaged or does not fit.
    """

    def __init__(self, folder: Path, on_gpu: bool = True):
        """`on_gpu`: use a GPU if there is one."""
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
        config = paddle.inference.Config(*(str(folder / name) for name in MODEL_FILES))
        config.disable_glog_info()
        if on_gpu and paddle.is_compiled_with_cuda():
            config.enable_use_gpu(256, 0)
        self._predictor = paddle.inference.create_predictor(config)

    def scores(self, feed: dict[str, np.ndarray]) -> np.ndarray:
        """Scores of a padded batch, float32 [batch, n], or [batch, length, n] for heads on tokens."""
        for name, dtype in self.signature.inputs.items():
            self._predictor.get_input_handle(name).copy_from_cpu(np.ascontiguousarray(feed[name], dtype))
        self._predictor.run()
        return self._predictor.get_output_handle(self._predictor.get_output_names()[0]).copy_to_cpu()

    def scores_of(self, samples: SampleBlock, batch_samples: int = 64) -> list[np.ndarray]:
        """Scores [sequences, n] of each sample in order, or [tokens, n] for heads on tokens."""
        table, rows = SampleTable([samples]), np.argsort(samples.lengths, kind="stable")
        found: dict[int, np.ndarray] = {}
        for batch_rows in cut_batches(rows, samples.lengths, BatchSize(batch_samples, NO_LIMIT)):
            batch = Batch.of(table.take(batch_rows), batch_rows)
            cells = Rectangle.of(batch.lengths)
            padding = {"input_ids": self.vocabulary.pad_id, "sentence_ids": 0}
            scores = self.scores({name: cells.filled(batch.columns[name], filler) for name, filler in padding.items()})
            if scores.ndim == 3:
                scores, counts = scores.reshape(-1, scores.shape[-1])[cells.cell_of_token], batch.lengths
            else:
                counts = batch.sequences
            found |= zip(batch_rows.tolist(), np.split(scores, np.cumsum(counts)[:-1]), strict=True)
        return [found[row] for row in range(len(samples))]

    def predict(self, kind: FinetuningKind, examples: Sequence[Any], batch_samples: int = 64) -> list[Answer]:
        """One answer an example, in order."""
        encoded = kind.encode(examples, self.vocabulary, self.signature)
        return kind.answers(examples, encoded, self.scores_of(encoded.samples, batch_samples), self.signature)
