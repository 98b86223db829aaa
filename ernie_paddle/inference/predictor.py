"""Prediction with fine-tuned models: runs, checkpoints, converted models and exports."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ernie_paddle.data.prefetch import prefetch
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import SIGNATURE_FILE, Encoded, FinetuningTask, KeptSignature, Prediction
from ernie_paddle.inference.backends import InferenceBackend, InferencePrecision, model_backend, open_backend
from ernie_paddle.inference.batching import CHUNKS_AHEAD, in_chunks, run_batches
from ernie_paddle.inference.exported import is_export, load_export
from ernie_paddle.inference.heads import TaskHead
from ernie_paddle.inputs import BadRow, InputRow, input_rows
from ernie_paddle.model.saved import load_model
from ernie_paddle.registry import Registry, load_plugins
from ernie_paddle.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class IdentifiedPrediction:
    """A prediction, or the row that could not be read, with the id of its input."""

    id: str
    prediction: Prediction | BadRow


class Predictor:
    """A fine-tuned model that predicts. Several threads may use it.

    `signature` is what the model expects and predicts, `task` its fine-tuning task.
    """

    def __init__(
        self, backend: InferenceBackend, task: FinetuningTask, signature: KeptSignature, vocabulary: Vocabulary
    ):
        self.task, self.signature, self.vocabulary = task, signature, vocabulary
        self._backend = backend

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        precision: InferencePrecision = "fp32",
        on_gpu: bool = True,
        threads: int | None = None,
        registry: Registry | None = None,
    ) -> "Predictor":
        """Open a fine-tuned model: a run, for its best model, a checkpoint, a converted model or an export.

        Args:
            path: its folder.
            precision: that of matrix products; `bf16` needs a device that computes in it.
            on_gpu: whether to use a GPU if there is one.
            threads: CPU threads; by default those of `OMP_NUM_THREADS`, or the cores of the process.
            registry: what plug-ins added; by default all that are installed.

        Raises:
            UserError: a file is missing, damaged or invalid, the model is not fine-tuned, or the device does not
                support the precision.
        """
        folder, tasks = Path(path), (registry or load_plugins()).finetuning_tasks

        def described(signature: KeptSignature | None) -> tuple[FinetuningTask, KeptSignature]:
            if signature is None:
                raise UserError(f"{path}: not a fine-tuned model, {SIGNATURE_FILE} is missing; fine-tune one first")
            return tasks.get(signature.task, f"{folder / SIGNATURE_FILE}"), signature

        if is_export(folder):
            exported = load_export(folder)
            task, signature = described(exported.signature)
            return cls(open_backend(folder, on_gpu, precision, threads), task, signature, exported.vocabulary)
        model = load_model(folder)
        task, signature = described(model.signature)
        head = TaskHead(task.objective(signature))
        backend = model_backend(model, head, str(path), on_gpu, precision, threads)
        return cls(backend, task, signature, model.vocabulary)

    def predict(self, inputs: Sequence[Any], *, batch_tokens: int | None = None) -> list[Prediction]:
        """Predict for each input, in order.

        Args:
            inputs: what the task's `Input` can be made of: texts, sequences of its fields in order, or mappings.
            batch_tokens: tokens that are computed together, padding included; by default what is fastest.

        Returns:
            predictions of the class that belongs to the task, such as `LabelPrediction`.

        Raises:
            UserError: an input lacks a field, or a field is unknown or has another type.
        """
        if isinstance(inputs, str):
            raise UserError("inputs: found a text; give a list of them")
        examples = self.examples(input_rows(inputs))
        found = (identified.prediction for identified in self.stream(examples, batch_tokens))
        return [prediction for prediction in found if isinstance(prediction, Prediction)]

    def examples(self, rows: Iterable[InputRow | BadRow], skip_bad: bool = False) -> Iterator[Any]:
        """Yield the unlabelled examples of rows.

        Raises:
            UserError: as `predict` does. With `skip_bad`, the row becomes a `BadRow` instead.
        """
        for row in rows:
            if isinstance(row, BadRow):
                yield row
                continue
            try:
                yield self.task.example(self.task.Input.of(row.given, row.place), row.id, row.place)
            except UserError as error:
                if not skip_bad:
                    raise
                yield BadRow(row.id, str(error))

    def stream(self, examples: Iterable[Any], batch_tokens: int | None = None) -> Iterator[IdentifiedPrediction]:
        """Predict for examples of the task as they come, in order. A `BadRow` among them is passed on.

        Memory does not grow with the number of examples: the next ones are encoded in the background.
        """

        def encoded(chunk: list[Any]) -> tuple[list[Any], list[Any], Encoded | None]:
            good = [example for example in chunk if not isinstance(example, BadRow)]
            return chunk, good, self.task.encode(good, self.vocabulary, self.signature) if good else None

        def together(example: Any, following: Any) -> bool:
            rows = (example, following)
            return not any(isinstance(row, BadRow) for row in rows) and self.task.belongs_together(*rows)

        for chunk, good, samples in prefetch(map(encoded, in_chunks(examples, together=together)), CHUNKS_AHEAD):
            predictions: Iterator[Prediction] = iter(())
            if samples is not None:
                scores = self.scores(samples.samples, batch_tokens)
                predictions = iter(self.task.predictions(good, samples, scores, self.signature))
            for example in chunk:
                bad = isinstance(example, BadRow)
                yield IdentifiedPrediction(example.id, example if bad else next(predictions))

    def scores(self, samples: SampleBlock, batch_tokens: int | None = None) -> list[np.ndarray]:
        """Return the scores of each sample in order, [sequences, n], or [tokens, n] for token-level heads."""
        scores: dict[int, np.ndarray] = {}
        for done in run_batches(self._backend, samples, self.vocabulary.pad_id, batch_tokens):
            scores |= zip(done.rows.tolist(), done.by_sample(done.outputs[0]), strict=True)
        return [scores[row] for row in range(len(samples))]
