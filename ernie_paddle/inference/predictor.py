"""Prediction with exported models."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ernie_paddle.data.batch import Batch, PaddedLayout
from ernie_paddle.data.order import NO_LIMIT, BatchSize, cut_batches
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.shards import SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import FinetuningTask, Prediction
from ernie_paddle.inference.backends import InferencePrecision, open_backend
from ernie_paddle.inference.exported import load_export


class Predictor:
    """An exported model, its vocabulary and signature.

    `on_gpu` uses a GPU if there is one. `precision` is that of matrix products and the operators between them.

    Raises:
        UserError: a file of the export is missing, damaged or invalid, it has no fine-tuned head, or the device does
            not support the precision.
    """

    def __init__(self, folder: Path, on_gpu: bool = True, precision: InferencePrecision = "fp32"):
        exported = load_export(folder)
        if exported.signature is None:
            raise UserError(f"{folder}: the export of an encoder, which predicts nothing; fine-tune the model first")
        self.signature, self.vocabulary = exported.signature, exported.vocabulary
        self._backend = open_backend(folder, on_gpu, precision)

    def scores(self, feed: dict[str, np.ndarray]) -> np.ndarray:
        """Return the scores of a padded batch, float32 [batch, n], or [batch, length, n] for token-level heads."""
        return self._backend.run(feed)[0]

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
