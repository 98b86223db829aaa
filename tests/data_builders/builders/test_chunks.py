"""Chunks of a document, recounted sentence by sentence."""

import numpy as np

from data_builders.annotation.document import AnnotatedDocument, TokenColumns
from data_builders.builders.chunks import sentence_chunks, token_chunks
from ernie_paddle.data.spans import BEGIN, INSIDE


def document_of(lengths: list[int], tags: np.ndarray) -> AnnotatedDocument:
    columns = TokenColumns({"bi_tags": tags}, 0, sum(lengths))
    return AnnotatedDocument(0, np.cumsum([0, *lengths]), columns, None, TokenColumns({}, 0, 0))


def test_whole_sentences_fill_chunks_greedily() -> None:
    """Both ways of cutting agree where no sentence is longer than a chunk."""
    random = np.random.default_rng(1)
    for _ in range(50):
        lengths = random.integers(1, 9, random.integers(1, 12)).tolist()
        expected: list[tuple[int, int]] = []
        start = end = 0
        for length in lengths:
            if end + length - start > 8:
                expected.append((start, end))
                start = end
            end += length
        expected.append((start, end))
        document = document_of(lengths, np.full(sum(lengths), BEGIN, np.int8))
        assert token_chunks(document, 8) == sentence_chunks(document, 8) == expected


def test_long_sentences_are_cut_where_spans_begin_and_no_token_is_lost() -> None:
    random = np.random.default_rng(2)
    for _ in range(50):
        lengths = random.integers(1, 40, random.integers(1, 6)).tolist()
        tags = np.where(np.arange(sum(lengths)) % 3 == 0, BEGIN, INSIDE).astype(np.int8)
        chunks = token_chunks(document_of(lengths, tags), 8)
        assert [start for start, _ in chunks] == [0, *(end for _, end in chunks[:-1])]
        assert chunks[-1][1] == sum(lengths) and all(0 < end - start <= 8 for start, end in chunks)
        ends = set(np.cumsum(lengths).tolist())
        assert all(end in ends or tags[end] == BEGIN for _, end in chunks)
