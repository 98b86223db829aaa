"""Streams of samples through a back end: chunks in their order, batches of similar length within a chunk."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any, TypeVar

import numpy as np

from ernie_paddle.data.batch import Batch, PaddedLayout
from ernie_paddle.data.order import NO_LIMIT, BatchSize, cut_batches
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.inference.backends import InferenceBackend

Item = TypeVar("Item")

CHUNK = 512  # inputs that are sorted by length together
CHUNK_CHARACTERS = 1 << 20  # at which a chunk ends, too
CHUNKS_AHEAD = 1  # tokenised in the background while one is computed


@dataclass(frozen=True)
class BatchOutputs:
    """The outputs for a batch of samples, without padding.

    `rows` [samples] are their numbers in the block and `batch` their tokens. Each of `outputs` is [tokens, n], or
    [sequences, n] if the model returns one row for each sequence.
    """

    rows: np.ndarray
    batch: Batch
    outputs: list[np.ndarray]

    def by_sample(self, output: np.ndarray) -> list[np.ndarray]:
        """Split one of the outputs by sample: [tokens, n] or [sequences, n] each."""
        ends = np.cumsum(self.batch.sequences)
        if len(output) != len(self.batch.lengths):  # rows are tokens, of which every sequence has several
            ends = np.cumsum(self.batch.lengths)[ends - 1]
        return np.split(output, ends[:-1])


def run_batches(
    backend: InferenceBackend, samples: SampleBlock, pad_id: int, batch_tokens: int | None = None
) -> Iterator[BatchOutputs]:
    """Run samples in batches of up to `batch_tokens` tokens, padding included, in the order of their lengths.

    By default batches have the size that the back end computes fastest.
    """
    rows = np.argsort(samples.lengths, kind="stable")
    for batch_rows in cut_batches(rows, samples.lengths, BatchSize(NO_LIMIT, batch_tokens or backend.batch_tokens)):
        batch = Batch.of(samples.take(batch_rows), batch_rows)
        layout = PaddedLayout.of(batch.lengths)
        padding = {"input_ids": pad_id, "sentence_ids": 0}
        outputs = backend.run({name: layout.pad(batch.columns[name], value) for name, value in padding.items()})
        yield BatchOutputs(batch_rows, batch, [_without_padding(output, layout) for output in outputs])


def _without_padding(output: np.ndarray, layout: PaddedLayout) -> np.ndarray:
    return output.reshape(-1, output.shape[-1])[layout.token_to_padded] if output.ndim == 3 else output


def in_chunks(
    items: Iterable[Item], size: int = CHUNK, together: Callable[[Item, Item], bool] = lambda item, following: False
) -> Iterator[list[Item]]:
    """Cut items into lists of `size`, or fewer if their texts are long, which bounds the memory for tokenising them.

    A list is longer if its last item and the one that follows belong `together`.
    """
    chunk: list[Item] = []
    characters = 0
    for item in items:
        full = len(chunk) >= size or characters >= CHUNK_CHARACTERS
        if full and not together(chunk[-1], item):
            yield chunk
            chunk, characters = [], 0
        chunk.append(item)
        characters += characters_of(item)
    if chunk:
        yield chunk


def characters_of(value: Any) -> int:
    """Return the number of characters of all texts in an example or input."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        value = value.values()
    elif is_dataclass(value):
        value = vars(value).values()
    return sum(map(characters_of, value)) if isinstance(value, Iterable) else 0
