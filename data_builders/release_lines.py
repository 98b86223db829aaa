"""The original release's pre-training samples: gzipped lines, five fields of integers.

`token_ids;sentence_ids;position_ids;bi_tags;label`, integers separated by blanks (release, `reader/pretraining.py`).
BI tags are 0 at the first token of a unit, 1 inside it and -1 at special tokens, as in our samples.
"""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.schema import IGNORED, INPUT_IDS, LABEL, SENTENCE_IDS, Column
from ernie_paddle.data.shards import SampleTable
from ernie_paddle.data.spans import BI_TAGS
from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_write
from ernie_paddle.text.vocabulary import Vocabulary

COLUMNS = (BI_TAGS, Column(LABEL, "sentence", dtype="int16"))  # of the samples
FIELDS = ("token_ids", "sentence_ids", "position_ids", "bi_tags", "label")
LINES_PER_BLOCK = 4096


def read_blocks(path: Path, vocabulary: Vocabulary) -> Iterator[SampleBlock]:
    """Yield the lines of a file as samples in blocks of a few thousand.

    Raises:
        UserError: the file is not a complete gzip file, or a line is not a sample.
    """
    rows: list[list[np.ndarray]] = []
    try:
        with gzip.open(path, "rt", encoding="ascii", newline="\n") as file:
            for number, line in enumerate(file, 1):
                rows.append(_parsed(line, f"{path} line {number}", vocabulary))
                if len(rows) == LINES_PER_BLOCK:
                    yield _block(rows)
                    rows = []
    except FileNotFoundError:
        raise UserError(f"{path}: file not found") from None
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise UserError(f"{path}: not a complete gzip file of lines: {error}") from None
    if rows:
        yield _block(rows)


def write_lines(path: Path, table: SampleTable) -> None:
    """Write samples as gzipped lines; the label of a sample without one is 0. The same samples give the same bytes."""
    with (
        atomic_write(path, "wb") as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed,
    ):
        for start in range(0, len(table), LINES_PER_BLOCK):
            block = table.take(np.arange(start, min(start + LINES_PER_BLOCK, len(table))))
            packed.writelines(line.encode("ascii") for line in _lines(block))


def _parsed(line: str, where: str, vocabulary: Vocabulary) -> list[np.ndarray]:
    fields = line.rstrip("\r\n").split(";")
    if len(fields) != len(FIELDS):
        raise UserError(f"{where}: {len(fields)} fields, expected {';'.join(FIELDS)}")
    try:
        values = [np.array(field.split(), np.int64) for field in fields]
    except ValueError:
        raise UserError(f"{where}: expected integers only") from None
    lengths = [len(value) for value in values]
    if len(set(lengths[:4])) != 1 or lengths[4] != 1 or not lengths[0]:
        raise UserError(f"{where}: fields of {lengths} numbers, expected four of one length and a label")
    maxima = (vocabulary.size - 1, 3, lengths[0] - 1, 1, 1)
    for name, value, minimum, maximum in zip(FIELDS, values, (0, 0, 0, IGNORED, 0), maxima, strict=True):
        if value.min() < minimum or value.max() > maximum:
            raise UserError(f"{where}: {name} from {value.min()} to {value.max()}, expected {minimum} to {maximum}")
    if (np.diff(values[1]) < 0).any():
        raise UserError(f"{where}: sentence_ids fall; the sentences of a sample must be numbered in their order")
    return values


def _block(rows: list[list[np.ndarray]]) -> SampleBlock:
    ids, sentence_ids, _, bi_tags, labels = (np.concatenate(column) for column in zip(*rows, strict=True))
    columns = {INPUT_IDS: ids, SENTENCE_IDS: sentence_ids, BI_TAGS.name: bi_tags}
    return SampleBlock(np.array([len(row[0]) for row in rows]), columns, {LABEL: labels})


def _lines(block: SampleBlock) -> Iterator[str]:
    ends = np.cumsum(block.lengths)
    labels = block.sample_columns.get(LABEL, np.zeros(len(block), np.int64))
    for start, end, label in zip(ends - block.lengths, ends, labels.tolist(), strict=True):
        columns = [block.columns[name][start:end].tolist() for name in (INPUT_IDS, SENTENCE_IDS, BI_TAGS.name)]
        columns.insert(2, list(range(end - start)))
        yield ";".join([*(" ".join(map(str, column)) for column in columns), str(max(label, 0))]) + "\n"
