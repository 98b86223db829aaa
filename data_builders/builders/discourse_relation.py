"""Discourse relation (paper section 4.2.3): which marker was taken from between two sentences?

Pairs are neighbouring sentences of a document. Where the second opens with a marker of `connectives.py`, the marker is
taken away (with the comma after it) and is the class; a pair whose second sentence opens with none is `[no-conn]`.
An English marker counts only where a comma follows; a Chinese one where a word of jieba's ends with it. The longest
marker that fits is taken. A first sentence too long for its half of the sample keeps its end, a second its beginning.

Markers that open too few training sentences are left out, frequent ones are thinned by a keyed draw; `[no-conn]` gets
as many pairs as the most frequent marker. Labelled pairs are taken as they are, whatever their markers.
"""

from collections import Counter
from typing import ClassVar, NamedTuple

import numpy as np
from pydantic import Field

from data_builders.annotation.document import AnnotatedDocument, Columns
from data_builders.builders.builder import CountingBuilder, DocumentBuilder, Draft, Pool, Unsuitable
from data_builders.builders.connectives import ENGLISH, MARKERS, NO_CONNECTIVE
from data_builders.builders.stretches import beginning, ending
from data_builders.readers.pairs import DiscoursePairReader
from ernie_paddle.config import Settings
from ernie_paddle.data.samples import BEGIN
from ernie_paddle.errors import UserError
from ernie_paddle.text.vocabulary import Vocabulary

LEAST_TOKENS = 3  # of a second sentence without its marker
SHOWN = 12  # dropped markers named in a note
_NEED_COMMA = frozenset(ENGLISH)
_GIVEN = "given "  # before a pair's label among the counts


class DiscourseOptions(Settings):
    """Training pairs that a marker must have, and those that are kept of it at most."""

    least_per_marker: int = Field(default=100, ge=1)
    most_per_marker: int = Field(default=10_000, ge=1)


class Opening(NamedTuple):
    """How a sentence opens: the marker, and how many tokens it takes with its comma."""

    marker: str
    tokens: int


_NONE = Opening(NO_CONNECTIVE, 0)


class Builder(CountingBuilder, DocumentBuilder):
    """`[CLS] sentence [SEP] next sentence without its marker [SEP]`."""

    name: ClassVar[str] = "discourse_relation"
    version: ClassVar[int] = 3
    languages: ClassVar[tuple[str, ...]] = ("en", "zh")
    pairs: ClassVar[str | None] = DiscoursePairReader.name
    Options: ClassVar[type[Settings]] = DiscourseOptions

    def __init__(self, max_length: int, options: DiscourseOptions, vocabulary: Vocabulary):
        super().__init__(max_length, options, vocabulary)
        self._openings = openings_table(vocabulary)
        self._lengths = sorted({len(ids) for ids in self._openings}, reverse=True)
        self._opens = np.zeros(vocabulary.size, bool)  # is the token the first of a marker?
        self._opens[[ids[0] for ids in self._openings]] = True
        self._commas = {vocabulary.ids[comma] for comma in (",", "，") if comma in vocabulary.ids}
        self._shares: dict[str, float] = {}
        self._labels: dict[str, int] = {}
        self._notes: tuple[str, ...] = ()

    @property
    def least_sentences(self) -> int:
        return 2

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self._labels)

    @property
    def notes(self) -> tuple[str, ...]:
        return self._notes

    def count(self, document: AnnotatedDocument) -> Counter[str]:
        if document.label is not None:
            return Counter([_GIVEN + document.label])
        return Counter(opening.marker for _, opening in self._pairs(document))

    def settle(self, counts: Counter[str]) -> None:
        given = sorted(name.removeprefix(_GIVEN) for name in counts if name.startswith(_GIVEN))
        mined = Counter({name: count for name, count in counts.items() if not name.startswith(_GIVEN)})
        if mined or not given:
            self._settle_mined(mined)
        names = [*self._shares, *(name for name in given if name not in self._shares)]
        self._labels = {name: label for label, name in enumerate(names)}
        if given:
            self._notes = (*self._notes, f"{len(given)} classes in labelled pairs")

    def _settle_mined(self, counts: Counter[str]) -> None:
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

    def of_document(self, document: AnnotatedDocument, pool: Pool, random: np.random.Generator) -> list[Draft]:
        if document.sentences < 2:
            raise Unsuitable("a single sentence")
        if document.label is not None:
            return [self._given(document)]
        drafts = []
        pairs = self._pairs(document)
        for (second, opening), drawn in zip(pairs, random.random(len(pairs)).tolist(), strict=True):
            if drawn < self._shares.get(opening.marker, 0.0):
                segments = [self._end_of(document, second - 1), self._rest_of(document, second, opening)]
                drafts.append(Draft(segments, self._labels[opening.marker]))
        if not drafts:
            raise Unsuitable("no pair of a kept class")
        return drafts

    def _given(self, document: AnnotatedDocument) -> Draft:
        if document.label not in self._labels:
            raise Unsuitable("a class that no training pair has")
        segments = [self._end_of(document, 0), self._rest_of(document, 1, Opening(document.label, 0))]
        return Draft(segments, self._labels[document.label])

    def _pairs(self, document: AnnotatedDocument) -> list[tuple[int, Opening]]:
        """The number of the second sentence of each usable pair, and how that sentence opens."""
        starts = document.bounds[1:-1]
        may_open = self._opens[document.columns.of("input_ids")[starts]].tolist()
        lengths = np.diff(document.bounds)[1:].tolist()
        pairs = []
        for second, (possible, length) in enumerate(zip(may_open, lengths, strict=True), 1):
            opening = self._opening(document, second) if possible else _NONE
            if length - opening.tokens >= LEAST_TOKENS:
                pairs.append((second, opening))
        return pairs

    def _opening(self, document: AnnotatedDocument, sentence: int) -> Opening:
        start, end = document.bounds[sentence : sentence + 2].tolist()
        ids = document.columns.of("input_ids")[start : min(end, start + self._lengths[0] + 1)].tolist()
        for length in self._lengths:
            found = self._openings.get(tuple(ids[:length])) if length < len(ids) else None
            if found is None:
                continue
            comma = ids[length] in self._commas
            if comma or (found not in _NEED_COMMA and document.columns.of("word_codes")[start + length] == BEGIN):
                return Opening(found, length + comma)
        return _NONE

    @property
    def _room(self) -> int:
        return (self.max_length - 3) // 2

    def _end_of(self, document: AnnotatedDocument, sentence: int) -> Columns:
        start, end = document.bounds[sentence : sentence + 2].tolist()
        return ending(document.columns, (start, end), self._room)

    def _rest_of(self, document: AnnotatedDocument, sentence: int, opening: Opening) -> Columns:
        start, end = document.bounds[sentence : sentence + 2].tolist()
        return beginning(document.columns, (start + opening.tokens, end), self._room)


def openings_table(vocabulary: Vocabulary) -> dict[tuple[int, ...], str]:
    """Markers by their token ids; those with a token that the vocabulary lacks are left out."""
    tokenizer = vocabulary.tokenizer()
    table = {}
    for marker in MARKERS:
        ids = tuple(tokenizer.encode(marker, add_special_tokens=False).ids)
        if vocabulary.unk_id not in ids:
            table[ids] = marker
    return table
