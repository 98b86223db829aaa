"""Chunks of consecutive sentences with a maximum number of tokens."""

from bisect import bisect_right

from data_builders.annotation.document import AnnotatedDocument, TokenColumns
from ernie_paddle.data.spans import BEGIN


def token_chunks(document: AnnotatedDocument, limit: int) -> list[tuple[int, int]]:
    """Cut a document into chunks `(start, end)` of at most `limit` tokens, filled greedily with sentences.

    The chunks cover every token. A sentence longer than `limit` is cut where a span begins; a span is cut only if it is
    longer than `limit`.
    """
    chunks: list[tuple[int, int]] = []
    start = end = 0
    for sentence_end in document.bounds[1:].tolist():
        if sentence_end - start > limit and end > start:
            chunks.append((start, end))
            start = end
        while sentence_end - start > limit:
            cut = span_boundary(document.columns, start, limit)
            chunks.append((start, cut))
            start = cut
        end = sentence_end
    if end > start:
        chunks.append((start, end))
    return chunks


def sentence_chunks(document: AnnotatedDocument, limit: int) -> list[tuple[int, int]]:
    """Cut a document into contiguous chunks `(start, end)` of whole sentences, filled greedily.

    A chunk has at most `limit` tokens unless it is a single longer sentence, which `first_tokens` or `last_tokens` cut.
    """
    chunks: list[tuple[int, int]] = []
    bounds = document.bounds.tolist()
    first, count = 0, len(bounds) - 1
    while first < count:
        after = max(bisect_right(bounds, bounds[first] + limit, first + 1) - 1, first + 1)
        chunks.append((bounds[first], bounds[after]))
        first = after
    return chunks


def first_tokens(columns: TokenColumns, chunk: tuple[int, int], limit: int) -> TokenColumns:
    """Return the first tokens of a chunk, at most `limit`, cut where a span begins."""
    start, end = chunk
    return columns.part(start, end if end - start <= limit else span_boundary(columns, start, limit))


def last_tokens(columns: TokenColumns, chunk: tuple[int, int], limit: int) -> TokenColumns:
    """Return the last tokens of a chunk, at most `limit`, cut where a span begins if there is such a position."""
    start, end = chunk
    if end - start > limit:
        start = end - limit
        start += int((columns.of("bi_tags")[start:end] == BEGIN).argmax())
    return columns.part(start, end)


def span_boundary(columns: TokenColumns, start: int, limit: int) -> int:
    """Return the last position, at most `limit` after `start`, where a span begins; `start + limit` without one."""
    begins = columns.of("bi_tags")[start + limit : start : -1] == BEGIN  # backwards from the last position
    last = int(begins.argmax())
    return start + limit - last if begins[last] else start + limit
