"""Discourse relation (paper section 4.2.3): predict the marker that was removed between two sentences.

Pairs are adjacent sentences of a document. If the second sentence begins with a marker of `connectives.py`, the marker
is the class and is removed together with a comma after it; otherwise the class is `[no-conn]`. An English marker must
be followed by a comma. A Chinese marker must be followed by a comma or end where a word of jieba ends. The longest
matching marker counts. Of a first sentence that is too long, the last tokens are kept; of a second, the first.

Markers with too few training pairs are dropped; pairs with frequent markers are subsampled. `[no-conn]` gets as many
pairs as the most frequent marker. Labelled pairs keep their labels and are neither dropped nor subsampled.

In a cased vocabulary, the second sentence without its marker begins with a capital letter if it did so with the marker.
"""

from collections import Counter
from typing import ClassVar, NamedTuple

import numpy as np
from pydantic import Field

from data_builders.annotation.document import AnnotatedDocument, TokenColumns
from data_builders.builders.builder import (
    CountingBuilder,
    DocumentBuilder,
    Pool,
    SampleDraft,
    TooFewSamples,
    Unsuitable,
)
from data_builders.builders.chunks import first_tokens, last_tokens
from data_builders.builders.connectives import ENGLISH, MARKERS, NO_CONNECTIVE
from data_builders.readers.pairs import DiscoursePairReader
from ernie_paddle.config import Settings
from ernie_paddle.data.spans import BEGIN, BI_TAGS, INSIDE
from ernie_paddle.text.vocabulary import Vocabulary

MIN_TOKENS = 3  # of a second sentence without its marker
MAX_LISTED = 12  # dropped markers that a note lists
_NEED_COMMA = frozenset(ENGLISH)
_LABELLED = "labelled "  # prefix of the labels of labelled pairs among the counts


class DiscourseRelationOptions(Settings):
    """Options of the builder."""

    least_per_marker: int = Field(default=100, ge=1)
    """Training pairs that a marker has at least; rarer ones are dropped."""
    most_per_marker: int = Field(default=10_000, ge=1)
    """Training pairs of a marker that are kept at most, by expectation: more frequent markers are subsampled."""


class Opening(NamedTuple):
    """The marker that a sentence begins with, and the number of its tokens, the comma included."""

    marker: str
    tokens: int


_NONE = Opening(NO_CONNECTIVE, 0)


class DiscourseRelationBuilder(CountingBuilder, DocumentBuilder):
    """A builder of `[CLS] sentence [SEP] next sentence without its marker [SEP]`."""

    name: ClassVar[str] = "discourse_relation"
    version: ClassVar[int] = 3
    languages: ClassVar[tuple[str, ...]] = ("en", "zh")
    pairs: ClassVar[str | None] = DiscoursePairReader.name
    Options: ClassVar[type[Settings]] = DiscourseRelationOptions

    def __init__(self, max_length: int, options: DiscourseRelationOptions, vocabulary: Vocabulary):
        super().__init__(max_length, options, vocabulary)
        self._openings = openings_table(vocabulary)
        self._lengths = sorted({len(ids) for ids in self._openings}, reverse=True)
        self._opens = np.zeros(vocabulary.size, bool)  # whether a token is the first of a marker [vocabulary]
        self._opens[[ids[0] for ids in self._openings]] = True
        self._commas = {vocabulary.ids[comma] for comma in (",", "，") if comma in vocabulary.ids}
        self._shares: dict[str, float] = {}
        self._labels: dict[str, int] = {}
        self._notes: tuple[str, ...] = ()

    @property
    def min_sentences(self) -> int:
        return 2

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self._labels)

    @property
    def notes(self) -> tuple[str, ...]:
        return self._notes

    def count(self, document: AnnotatedDocument) -> Counter[str]:
        if document.label is not None:
            return Counter([_LABELLED + document.label])
        return Counter(opening.marker for _, opening in self._pairs(document))

    def fit(self, counts: Counter[str]) -> None:
        labelled = sorted(name.removeprefix(_LABELLED) for name in counts if name.startswith(_LABELLED))
        mined = Counter({name: count for name, count in counts.items() if not name.startswith(_LABELLED)})
        if mined or not labelled:
            self._fit_mined(mined)
        names = [*self._shares, *(name for name in labelled if name not in self._shares)]
        self._labels = {name: label for label, name in enumerate(names)}
        if labelled:
            self._notes = (*self._notes, f"{len(labelled)} classes in labelled pairs")

    def _fit_mined(self, counts: Counter[str]) -> None:
        """Select the markers to keep and the share of each marker's pairs."""
        least, most = self.options.least_per_marker, self.options.most_per_marker
        kept = [marker for marker in MARKERS if counts[marker] >= least]
        if not kept:
            raise TooFewSamples(
                f"{self.name}: no marker has {least} training pairs; add more text or lower "
                f"tasks.{self.name}.options.least_per_marker"
            )
        most_kept = min(most, max(counts[marker] for marker in kept))
        self._shares = {NO_CONNECTIVE: min(1.0, most_kept / max(counts[NO_CONNECTIVE], 1))}
        self._shares |= {marker: min(1.0, most / counts[marker]) for marker in kept}
        dropped = sorted((m for m in MARKERS if 0 < counts[m] < least), key=lambda marker: -counts[marker])
        listed = ", ".join(f"{marker} {counts[marker]}" for marker in dropped[:MAX_LISTED])
        more = f" and {len(dropped) - MAX_LISTED} more" if len(dropped) > MAX_LISTED else ""
        self._notes = (
            f"{len(kept)} markers kept; {len(dropped)} have fewer than {least} training pairs"
            + (f": {listed}{more}" if dropped else ""),
        )

    def of_document(self, document: AnnotatedDocument, pool: Pool, random: np.random.Generator) -> list[SampleDraft]:
        if document.sentences < 2:
            raise Unsuitable("a single sentence")
        if document.label is not None:
            return [self._labelled_draft(document)]
        drafts = []
        pairs = self._pairs(document)
        for (second, opening), value in zip(pairs, random.random(len(pairs)).tolist(), strict=True):
            if value < self._shares.get(opening.marker, 0.0):
                segments = [self._first_segment(document, second - 1), self._second_segment(document, second, opening)]
                drafts.append(SampleDraft(segments, self._labels[opening.marker]))
        if not drafts:
            raise Unsuitable("no pair of a kept class")
        return drafts

    def _labelled_draft(self, document: AnnotatedDocument) -> SampleDraft:
        if document.label not in self._labels:
            raise Unsuitable("a class that no training pair has")
        segments = [self._first_segment(document, 0), self._second_segment(document, 1, Opening(document.label, 0))]
        return SampleDraft(segments, self._labels[document.label])

    def _pairs(self, document: AnnotatedDocument) -> list[tuple[int, Opening]]:
        """Return the number of the second sentence of each usable pair, and the opening of that sentence."""
        starts = document.bounds[1:-1]
        may_open = self._opens[document.columns.of("input_ids")[starts]].tolist()
        lengths = np.diff(document.bounds)[1:].tolist()
        pairs = []
        for second, (possible, length) in enumerate(zip(may_open, lengths, strict=True), 1):
            opening = self._opening(document, second) if possible else _NONE
            if length - opening.tokens >= MIN_TOKENS:
                pairs.append((second, opening))
        return pairs

    def _opening(self, document: AnnotatedDocument, sentence: int) -> Opening:
        """Return the longest marker that a sentence begins with, `_NONE` without one."""
        start, end = document.bounds[sentence : sentence + 2].tolist()
        ids = document.columns.of("input_ids")[start : min(end, start + self._lengths[0] + 1)].tolist()
        for length in self._lengths:
            marker = self._openings.get(tuple(ids[:length])) if length < len(ids) else None
            if marker is None:
                continue
            comma = ids[length] in self._commas
            if comma or (marker not in _NEED_COMMA and document.columns.of("word_bi_tags")[start + length] == BEGIN):
                return Opening(marker, length + comma)
        return _NONE

    @property
    def _max_tokens(self) -> int:
        return (self.max_length - 3) // 2

    def _first_segment(self, document: AnnotatedDocument, sentence: int) -> TokenColumns:
        start, end = document.bounds[sentence : sentence + 2].tolist()
        return last_tokens(document.columns, (start, end), self._max_tokens)

    def _second_segment(self, document: AnnotatedDocument, sentence: int, opening: Opening) -> TokenColumns:
        start, end = document.bounds[sentence : sentence + 2].tolist()
        rest = document.columns.part(start + opening.tokens, end)
        if opening.tokens and self.vocabulary.tokens[int(document.columns.of("input_ids")[start])][0].isupper():
            rest = capitalized(rest, self.vocabulary)
        return first_tokens(rest, (0, rest.tokens), self._max_tokens)


def openings_table(vocabulary: Vocabulary) -> dict[tuple[int, ...], str]:
    """Return the markers by their token ids, without those that contain an unknown token.

    Markers are found in lower case, with a capital letter, with one for each word, and in capitals. The tokens of these
    forms differ only in a cased vocabulary.
    """
    table = {}
    for marker in MARKERS:
        for form in (marker, marker.capitalize(), marker.title(), marker.upper()):
            ids = tuple(vocabulary.tokenizer.encode(form, add_special_tokens=False).ids)
            if vocabulary.unk_id not in ids:
                table[ids] = marker
    return table


def capitalized(columns: TokenColumns, vocabulary: Vocabulary) -> TokenColumns:
    """Return the end of a sentence as a sentence, which begins with a capital letter.

    Otherwise the lower case of the first word would tell, in a cased vocabulary, that a marker was removed. All pieces
    of the word get the labels of its first piece.
    """
    ids = columns.of("input_ids")
    begins = np.flatnonzero(columns.of("word_bi_tags")[1:] == BEGIN)
    pieces = int(begins[0]) + 1 if len(begins) else len(ids)
    word = vocabulary.to_text(ids[:pieces].tolist())
    new = vocabulary.tokenizer.encode(word[:1].upper() + word[1:], add_special_tokens=False).ids
    if vocabulary.unk_id in (*ids[:pieces].tolist(), *new):
        return columns
    source = np.concatenate([np.zeros(len(new), np.int64), np.arange(pieces, len(ids))])
    flat = {name: columns.of(name)[source] for name in columns.flat}
    flat["input_ids"][: len(new)] = new
    for name in (BI_TAGS.name, "word_bi_tags"):
        flat[name][1 : len(new)] = INSIDE
    return TokenColumns(flat, 0, len(source))
