"""Tokens with tags: the release's rows with two columns, and CoNLL's columns."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Literal

from ernie_paddle.errors import UserError
from ernie_paddle.inputs import BadRow
from tasks.finetuning.reading.examples import Example, TaggedExample, TextExample
from tasks.finetuning.reading.report import Report
from tasks.finetuning.reading.source import Format, Source
from tasks.finetuning.reading.tsv import TsvColumns, TsvFormat

SEPARATOR = "\x02"
WHITESPACE = " \t"
Block = list[tuple[str, str]]  # the places and texts of the lines of an example


class TaggedRowsFormat(Format):
    """One example per row, with the columns `text_a` and `label`. In both, byte 2 separates tokens."""

    format: Literal["tagged_rows"] = "tagged_rows"

    def examples(self, source: Source, report: Report) -> Iterator[Example | BadRow]:
        # The tags of a row are not one label, so they are read as a second text.
        rows = TsvFormat(columns=TsvColumns(text_b="label" if source.labelled else None))
        unlabelled = replace(source, labelled=False)
        for row in rows.examples(unlabelled, report):
            if not isinstance(row, TextExample):
                yield row
                continue
            tokens = row.text_a.split(SEPARATOR) if row.text_a else []
            tags = None if row.text_b is None else row.text_b.split(SEPARATOR)
            yield _example(row.id, row.place, tokens, tags, source)


class TaggedColumnsFormat(Format):
    """One token per line: the first column is the token, the last its tag.

    Examples are separated by lines that are empty or contain only whitespace. Whitespace at line ends is ignored.
    """

    format: Literal["tagged_columns"] = "tagged_columns"
    separator: Literal["\t", " "] = "\t"
    """What stands between the columns."""

    def examples(self, source: Source, report: Report) -> Iterator[Example | BadRow]:
        def read(row: int, place: str, block: Block) -> Sequence[TaggedExample]:
            lines = [(where, line.split(self.separator)) for where, line in block]
            for where, fields in lines:
                if source.labelled and len(fields) < 2:
                    raise UserError(f"{where}: no tag; expected a token and its tag, separated by {self.separator!r}")
            tokens = [fields[0] for _, fields in lines]
            tags = [fields[-1] for _, fields in lines] if source.labelled else None
            return (_example(f"{source.prefix}{row}", place, tokens, tags, source),)

        for row, (place, content) in enumerate(_blocks(source, report)):
            report.rows += 1
            yield from source.attempt(row, place, content, report, read)


def _blocks(source: Source, report: Report) -> Iterator[tuple[str, Block | UserError]]:
    """Yield the places and runs of lines between lines that are empty or contain only whitespace.

    In the place of a run with a line that cannot be read is the error.
    """
    block: Block = []
    error: UserError | None = None
    for place, line in chain(source.lines(report), [("", "")]):
        if isinstance(line, UserError):
            error = error or line
            block.append((place, ""))
        elif line.strip(WHITESPACE):
            block.append((place, line.rstrip(WHITESPACE)))
        elif block:
            yield block[0][0], error or block
            block, error = [], None


def _example(id: str, place: str, tokens: list[str], tags: list[str] | None, source: Source) -> TaggedExample:
    if tags is None:
        return TaggedExample(id, place, tuple(tokens), None)
    if not any(tokens):
        raise UserError(f"{place}: no tokens; remove the row")
    if len(tags) != len(tokens):
        raise UserError(f"{place}: {len(tokens)} tokens and {len(tags)} tags; correct the row")
    return TaggedExample(id, place, tuple(tokens), tuple(source.labels.name(tag, place) for tag in tags))
