"""Discourse relation (paper section 4.2.3): which marker was taken from between two sentences?

Pairs are neighbouring sentences of a document. Where the second opens with a marker of `connectives.py`, the marker is
taken away (with the comma after it) and is the class; a pair whose second sentence opens with none is `[no-conn]`.
An English marker counts only where a comma follows; a Chinese one where a word of jieba's ends with it. The longest
marker that fits is taken. A first sentence too long for its half of the sample keeps its end, a second its beginning.

Markers that open too few training sentences are left out, frequent ones are thinned by a keyed draw; `[no-conn]` gets
as many pairs as the most frequent marker.
"""

from collections import Counter
from typing import ClassVar, NamedTuple

import numpy as np
from pydantic import Field

from data_builders.annotation.document import AnnotatedDocument
from data_builders.builders.builder import CountingBuilder, Draft, Pool, Segment, Unsuitable
from data_builders.builders.connectives import ENGLISH, MARKERS, NO_CONNECTIVE
from data_builders.builders.stretches import span_border
from ernie_paddle.config import Settings
from ernie_paddle.data.samples import BEGIN
from ernie_paddle.errors import UserError
from ernie_paddle.text.vocabulary import Vocabulary

LEAST_TOKENS = 3  # of a second sentence without its marker
SHOWN = 12  # dropped markers named in a note
_NEED_COMMA = frozenset(ENGLISH)


class DiscourseOptions(Settings):
    """Training pairs that a marker must have, and those that are kept of it at most."""

    least_per_marker: int = Field(default=100, ge=1)
    most_per_marker: int = Field(default=10_000, ge=1)


class Opening(NamedTuple):
    """How a sentence opens: the marker, and how many tokens it takes with its comma."""

    marker: str
    tokens: int


class Builder(CountingBuilder):
    """`[CLS] sentence [SEP] next sentence without its marker [SEP]`."""

    name: ClassVar[str] = "discourse_relation"
    version: ClassVar[int] = 1
    languages: ClassVar[tuple[str, ...]] = ("en", "zh")
    Options: ClassVar[type[Settings]] = DiscourseOptions

    def __init__(self, max_length: int, options: DiscourseOptions, vocabulary: Vocabulary):
        super().__init__(max_length, options, vocabulary)
        self._openings = openings_table(vocabulary)
        self._lengths = sorted({len(ids) for ids in self._openings}, reverse=True)
        self._commas = {vocabulary.ids[comma] for comma in (",", "，") if comma in vocabulary.ids}
        self._shares: dict[str, float] = {}
        self._notes: tuple[str, ...] = ()

    @property
    def least_sentences(self) -> int:
        return 2

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self._shares)

    @property
    def notes(self) -> tuple[str, ...]:
        return self._notes

    def count(self, document: AnnotatedDocument) -> Counter[str]:
        return Counter(opening.marker for _, opening in self._pairs(document))

    def settle(self, counts: Counter[str]) -> None:
        least, most = self.options.least_per_marker, self.options.most_per_marker
        kept = [marker for marker in MARKERS if counts[marker] >= least]
        if not kept:
            raise UserError(
                f"{self.name}: no marker opens {least} training sentences; give more text or a smaller least_per_marker"
            )
        most_kept = min(most, max(counts[marker] for marker in kept))
        self._shares = {NO_CONNECTIVE: min(1.0, most_kept / max(counts[NO_CONNECTIVE], 1))}
        self._shares |= {marker: min(1.0, most / counts[marker]) for marker in kept}
        dropped = sorted((m for m in MARKERS if 0 < counts[m] < least), key=lambda marker: -counts[marker])
        named = ", ".join(f"{marker} {counts[marker]}" for marker in dropped[:SHOWN])
        more = f" and {len(dropped) - SHOWN} more" if len(dropped) > SHOWN else ""
        self._notes = (
            f"{len(kept)} markers kept; {len(dropped)} open fewer than {least} training sentences"
            + (f": {named}{more}" if dropped else ""),
        )

    def compose(self, document: AnnotatedDocument, pool: Pool, random: np.random.Generator) -> list[Draft]:
        if document.sentences < 2:
            raise Unsuitable("a single sentence")
        labels = {marker: label for label, marker in enumerate(self._shares)}
        drafts = []
        for second, opening in self._pairs(document):
            if random.random() < self._shares.get(opening.marker, 0.0):
                segments = [self._end_of(document, second - 1), self._rest_of(document, second, opening)]
                drafts.append(Draft(segments, labels[opening.marker]))
        if not drafts:
            raise Unsuitable("no pair of a kept class")
        return drafts

    def _pairs(self, document: AnnotatedDocument) -> list[tuple[int, Opening]]:
        """The number of the second sentence of each usable pair, and how that sentence opens."""
        lengths = np.diff(document.bounds)
        openings = ((second, self._opening(document, second)) for second in range(1, document.sentences))
        return [(second, opening) for second, opening in openings if lengths[second] - opening.tokens >= LEAST_TOKENS]

    def _opening(self, document: AnnotatedDocument, sentence: int) -> Opening:
        start, end = document.bounds[sentence : sentence + 2].tolist()
        ids = document.columns["input_ids"][start:end].tolist()
        for length in self._lengths:
            found = self._openings.get(tuple(ids[:length])) if length < len(ids) else None
            if found is None:
                continue
            comma = ids[length] in self._commas
            if comma or (found not in _NEED_COMMA and document.columns["word_codes"][start + length] == BEGIN):
                return Opening(found, length + comma)
        return Opening(NO_CONNECTIVE, 0)

    @property
    def _room(self) -> int:
        return (self.max_length - 3) // 2

    def _end_of(self, document: AnnotatedDocument, sentence: int) -> Segment:
        start, end = document.bounds[sentence : sentence + 2].tolist()
        begins = document.columns["span_codes"][start:end] == BEGIN
        late = np.flatnonzero(begins & (np.arange(end - start) >= end - start - self._room))
        return Segment(document, start + int(late[0]) if len(late) else max(start, end - self._room), end)

    def _rest_of(self, document: AnnotatedDocument, sentence: int, opening: Opening) -> Segment:
        start, end = document.bounds[sentence : sentence + 2].tolist()
        start += opening.tokens
        return Segment(document, start, end if end - start <= self._room else span_border(document, start, self._room))


def openings_table(vocabulary: Vocabulary) -> dict[tuple[int, ...], str]:
    """Markers by their token ids; those with a token that the vocabulary lacks are left out."""
    tokenizer = vocabulary.tokenizer()
    table = {}
    for marker in MARKERS:
        ids = tuple(tokenizer.encode(marker, add_special_tokens=False).ids)
        if vocabulary.unk_id not in ids:
            table[ids] = marker
    return table
