"""Labelled pairs as tab-separated values without a header: logs of queries and titles, and discourse pairs."""

from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, ClassVar

from data_builders.documents import Record
from data_builders.readers.lines import text_lines
from data_builders.readers.reader import UNREADABLE, Reader

CLICKED, SHOWN = "clicked", "shown"


class PairReader(Reader):
    """A reader of rows of two texts and a label. Ids are row numbers from 0; other rows are skipped and counted."""

    suffixes: ClassVar[tuple[str, ...]] = (".tsv",)
    labels: ClassVar[tuple[str, ...] | None] = None  # allowed labels; None allows any

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
    """A search log: `query<TAB>title<TAB>clicked` for a clicked title, `query<TAB>title<TAB>shown` for any other."""

    name: ClassVar[str] = "query_titles"
    labels: ClassVar[tuple[str, ...] | None] = (CLICKED, SHOWN)


class DiscoursePairReader(PairReader):
    """Sentence pairs with their discourse marker: `sentence<TAB>next sentence<TAB>marker`."""

    name: ClassVar[str] = "discourse_pairs"
