"""Consecutive sentences taken together up to a number of tokens."""

from bisect import bisect_right

from data_builders.annotation.document import AnnotatedDocument, Columns
from ernie_paddle.data.samples import BEGIN


def whole_stretches(document: AnnotatedDocument, limit: int) -> list[tuple[int, int]]:
    """Cover a document with stretches `(start, end)` of at most `limit` tokens, filled greedily with sentences.

    A sentence longer than `limit` is cut where a span begins, so that no token is lost and no span broken
    (unless one span is longer than `limit`).
    """
    stretches: list[tuple[int, int]] = []
    start = end = 0
    for border in document.bounds[1:].tolist():
        if border - start > limit and end > start:
            stretches.append((start, end))
            start = end
        while border - start > limit:
            cut = span_border(document.columns, start, limit)
            stretches.append((start, cut))
            start = cut
        end = border
    if end > start:
        stretches.append((start, end))
    return stretches


def sentence_stretches(document: AnnotatedDocument, limit: int) -> list[tuple[int, int]]:
    """The same, but a sentence longer than `limit` is a stretch by itself, for `beginning` or `ending` to cut.

    All stretches begin and end where sentences do, and touch.
    """
    stretches: list[tuple[int, int]] = []
    bounds = document.bounds.tolist()
    first, count = 0, len(bounds) - 1
    while first < count:
        after = max(bisect_right(bounds, bounds[first] + limit, first + 1) - 1, first + 1)
        stretches.append((bounds[first], bounds[after]))
        first = after
    return stretches


def beginning(columns: Columns, stretch: tuple[int, int], limit: int) -> Columns:
    """The first tokens of a stretch, `limit` at most, up to the border of a span."""
    start, end = stretch
    return columns.part(start, end if end - start <= limit else span_border(columns, start, limit))


def ending(columns: Columns, stretch: tuple[int, int], limit: int) -> Columns:
    """The last tokens of a stretch, `limit` at most, from the border of a span if there is one among them."""
    start, end = stretch
    if end - start > limit:
        start = end - limit
        start += int((columns.of("span_codes")[start:end] == BEGIN).argmax())
    return columns.part(start, end)


def span_border(columns: Columns, start: int, limit: int) -> int:
    """The last place at most `limit` tokens after `start` where a span begins; just there if there is none."""
    begins = columns.of("span_codes")[start + limit : start : -1] == BEGIN  # from the last place back
    last = int(begins.argmax())
    return start + limit - last if begins[last] else start + limit
