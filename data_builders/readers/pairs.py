"""Labelled pairs as tab-separated values: logs of queries and titles, and discourse pairs. No header line."""

from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, ClassVar

from data_builders.documents import Record
from data_builders.readers.lines import text_lines
from data_builders.readers.reader import UNREADABLE, Reader

CLICKED, SHOWN = "clicked", "shown"


class PairReader(Reader):
    """A row holds two texts and a label. Rows that do not are counted; a row is known by its number, from 0."""

    suffixes: ClassVar[tuple[str, ...]] = (".tsv",)
    labels: ClassVar[tuple[str, ...] | None] = None  # those that a row may have; None for any

    def records(self, file: BinaryIO, tally: Counter[str]) -> Iterator[Record]:
        cut = False
        for number, (line, whole) in enumerate(text_lines(file, tally)):
            fields = [field.strip() for field in line.split("\t")]
            usable = len(fields) == 3 and all(fields) and (self.labels is None or fields[2] in self.labels)
            if usable and whole and not cut:
                yield Record(str(number), f"{fields[0]}\n{fields[1]}", label=fields[2])
            elif line.strip():
                tally[UNREADABLE] += 1
            cut = not whole


class QueryTitleReader(PairReader):
    """`query<TAB>title<TAB>clicked` or `shown`: what a search engine showed for a query and what was clicked."""

    name: ClassVar[str] = "query_titles"
    labels: ClassVar[tuple[str, ...] | None] = (CLICKED, SHOWN)


class DiscoursePairReader(PairReader):
    """`sentence<TAB>next sentence<TAB>marker`: pairs whose discourse marker is known."""

    name: ClassVar[str] = "discourse_pairs"
