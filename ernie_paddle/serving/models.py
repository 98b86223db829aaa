"""Models as a service uses them: requests become samples, and results of samples become answers."""

import base64
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from ernie_paddle.config import Settings, check_settings
from ernie_paddle.data.encoding import pair, samples_of
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import Encoded
from ernie_paddle.inference.encoder import Encoder, Pooling
from ernie_paddle.inference.exported import is_export
from ernie_paddle.inference.predictor import Predictor
from ernie_paddle.inputs import input_rows
from ernie_paddle.model.saved import load_signature, resolve
from ernie_paddle.serving.batching import Results

Endpoint = Literal["embeddings", "predict"]


class RequestError(UserError):
    """A mistake in a request, with the HTTP status that says what kind of mistake it is."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class EmbeddingsRequest(Settings):
    """The body of `POST /v1/embeddings`, as in OpenAI's API."""

    input: str | list[str] | list[int] | list[list[int]]
    """A text, the token ids of one, or a list of either. `[CLS]` and `[SEP]` are added to token ids."""
    model: str | None = None
    """Name of the model that the client expects."""
    encoding_format: Literal["float", "base64"] = "float"
    """Numbers, or the bytes of little-endian float32 in base64."""
    dimensions: int | None = None
    """Length of a vector: that of the model."""
    user: str | None = None
    """Not used."""


class PredictRequest(Settings):
    """The body of `POST /predict`."""

    inputs: list[Any] = Field(min_length=1)
    """What `Predictor.predict` takes: texts, lists of fields in order, or objects with the fields of the task."""
    model: str | None = None
    """Name of the model that the client expects."""


@dataclass(frozen=True)
class Prepared:
    """A request that is ready to be computed, and what its answer needs besides the results.

    `inputs` counts its texts or inputs, `cut` those that are longer than the model's longest input.
    """

    samples: SampleBlock
    details: Any
    inputs: int
    cut: int = 0

    @property
    def tokens(self) -> int:
        return int(self.samples.lengths.sum())


class ServedModel(ABC):
    """A model under a name, for one endpoint. Several threads may call it."""

    path: ClassVar[str]
    Request: ClassVar[type[Settings]]

    def __init__(self, name: str, most_inputs: int):
        self.name, self.most_inputs = name, most_inputs

    @abstractmethod
    def prepare(self, body: Any) -> Prepared:
        """Check and tokenise a request, given as JSON.

        Raises:
            UserError: it is not what the endpoint takes.
        """

    @abstractmethod
    def compute(self, samples: SampleBlock) -> Results:
        """Return the result of each sample, in order."""

    @abstractmethod
    def answer(self, prepared: Prepared, results: Results) -> dict[str, Any]:
        """Return the answer as plain values."""

    def check(self, model: str | None, inputs: Sequence[Any]) -> None:
        """Raise a `RequestError` if a request asks for another model or has too many inputs."""
        if model not in (None, self.name):
            raise RequestError(404, f"model: {model!r} is not served here, but {self.name!r}")
        if len(inputs) > self.most_inputs:
            raise RequestError(413, f"{len(inputs):,} inputs, at most {self.most_inputs:,} are allowed in a request")


class EmbeddingModel(ServedModel):
    """Vectors of texts, in OpenAI's form."""

    path = "/v1/embeddings"
    Request = EmbeddingsRequest

    def __init__(
        self, encoder: Encoder, name: str, most_inputs: int, pooling: Pooling, normalize: bool, batch_tokens: int
    ):
        super().__init__(name, most_inputs)
        encoder.check_pooling(pooling)
        self._encoder, self._settings = encoder, (pooling, normalize, batch_tokens)
        self._hidden_size = encoder.hidden_size

    def prepare(self, body: Any) -> Prepared:
        if isinstance(body, dict) and "input" in body:
            check_input(body["input"])
        request = check_settings(EmbeddingsRequest, body, "request")
        given: list[Any] = [request.input] if is_single(request.input) else list(request.input)
        self.check(request.model, given)
        if request.dimensions not in (None, self._hidden_size):
            raise UserError(f"dimensions: {request.dimensions}, vectors of this model have {self._hidden_size:,}")
        if isinstance(given[0], str):
            rows = self._encoder.tokenize(input_rows(given))
            return Prepared(rows.samples, request.encoding_format, len(given), sum(rows.cut))
        sequences = [
            pair(self._checked_ids(ids, number), None, self._encoder.max_length) for number, ids in enumerate(given)
        ]
        cut = sum(len(kept[0]) < len(ids) for kept, ids in zip(sequences, given, strict=True))
        samples = samples_of(sequences, None, self._encoder.vocabulary)
        return Prepared(samples, request.encoding_format, len(given), cut)

    def _checked_ids(self, ids: list[int], number: int) -> list[int]:
        vocabulary = self._encoder.vocabulary
        added = {vocabulary.cls_id, vocabulary.sep_id, vocabulary.pad_id}
        wrong = next((i for i in ids if i not in vocabulary.tokens or i in added), None)
        if wrong is None:
            return ids
        if wrong in added:
            raise UserError(
                f"input {number}: token id {wrong} is {vocabulary.tokens[wrong]}, which is added; leave it out"
            )
        raise UserError(f"input {number}: token id {wrong} is not in the model's vocabulary")

    def compute(self, samples: SampleBlock) -> Results:
        vectors = np.empty((len(samples), self._hidden_size), np.float32)
        for done, found in self._encoder.run(samples, *self._settings):
            vectors[done.rows] = found
        return list(vectors)

    def answer(self, prepared: Prepared, results: Results) -> dict[str, Any]:
        as_base64 = prepared.details == "base64"
        return {
            "object": "list",
            "data": [
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": in_base64(vector) if as_base64 else vector.tolist(),
                }
                for index, vector in enumerate(results)
            ],
            "model": self.name,
            "usage": usage(prepared),
        }


class PredictionModel(ServedModel):
    """Predictions of a fine-tuned model."""

    path = "/predict"
    Request = PredictRequest

    def __init__(self, predictor: Predictor, name: str, most_inputs: int, batch_tokens: int):
        super().__init__(name, most_inputs)
        self._predictor, self._batch_tokens = predictor, batch_tokens

    def prepare(self, body: Any) -> Prepared:
        request = check_settings(PredictRequest, body, "request")
        self.check(request.model, request.inputs)
        predictor = self._predictor
        examples = list(predictor.examples(input_rows(request.inputs)))
        encoded = predictor.task.encode(examples, predictor.vocabulary, predictor.signature)
        return Prepared(encoded.samples, (examples, encoded), len(examples))

    def compute(self, samples: SampleBlock) -> Results:
        return self._predictor.scores(samples, self._batch_tokens)

    def answer(self, prepared: Prepared, results: Results) -> dict[str, Any]:
        examples, encoded = prepared.details
        assert isinstance(encoded, Encoded)
        task, signature = self._predictor.task, self._predictor.signature
        predictions = task.predictions(examples, encoded, results, signature)
        return {
            "model": self.name,
            "task": task.name,
            "predictions": [prediction.as_record() for prediction in predictions],
            "usage": usage(prepared),
        }


def check_input(given: Any) -> None:
    """Raise a `UserError` if the input of a request for embeddings is neither texts nor token ids."""
    expected = "expected a text, a list of token ids, or a list of either"
    inputs = [given] if is_single(given) else given
    if not isinstance(inputs, list) or not inputs:
        raise UserError(f"input: {expected}" + ("; found an empty list" if inputs == [] else ""))
    for number, one in enumerate(inputs):
        if type(one) is not type(inputs[0]) or not (isinstance(one, str) or is_single(one)):
            raise UserError(f"input {number}: {expected}, all of the same kind")


def is_single(given: Any) -> bool:
    """Return whether the input is one text, or the token ids of one."""
    return isinstance(given, str) or (isinstance(given, list) and bool(given) and all(type(i) is int for i in given))


def in_base64(vector: np.ndarray) -> str:
    """Return the bytes of little-endian float32 in base64."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def usage(prepared: Prepared) -> dict[str, int]:
    """Return the tokens that were computed, special ones included, under OpenAI's names."""
    return {"prompt_tokens": prepared.tokens, "total_tokens": prepared.tokens}


def usual_endpoint(folder: Path) -> Endpoint:
    """Return `predict` for a fine-tuned model, else `embeddings`."""
    return "embeddings" if load_signature(folder if is_export(folder) else resolve(folder)) is None else "predict"
