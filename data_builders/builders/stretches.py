"""Consecutive sentences taken together up to a number of tokens."""

from itertools import pairwise

import numpy as np

from data_builders.annotation.document import AnnotatedDocument
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
            cut = span_border(document, start, limit)
            stretches.append((start, cut))
            start = cut
        end = border
    if end > start:
        stretches.append((start, end))
    return stretches


def trimmed_stretches(document: AnnotatedDocument, limit: int) -> list[tuple[int, int]]:
    """The same, but of a sentence longer than `limit` only the beginning is kept, as a stretch by itself."""
    stretches: list[tuple[int, int]] = []
    bounds = document.bounds.tolist()
    open_start = None
    for start, end in pairwise(bounds):
        if open_start is not None and end - open_start > limit:
            stretches.append((open_start, start))
            open_start = None
        if end - start > limit:
            stretches.append((start, span_border(document, start, limit)))
        elif open_start is None:
            open_start = start
    if open_start is not None:
        stretches.append((open_start, bounds[-1]))
    return stretches


def span_border(document: AnnotatedDocument, start: int, limit: int) -> int:
    """The last place at most `limit` tokens after `start` where a span begins; just there if there is none."""
    begins = np.flatnonzero(document.columns["span_codes"][start + 1 : start + limit + 1] == BEGIN)
    return start + 1 + int(begins[-1]) if len(begins) else start + limit
