"""Tokens with tags: the release's rows with two columns, and CoNLL's columns."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from ernie_paddle.errors import UserError
from tasks.finetuning.reading.examples import TaggedExample
from tasks.finetuning.reading.report import Report
from tasks.finetuning.reading.source import Format, Source
from tasks.finetuning.reading.tsv import TsvColumns, TsvFormat

SEPARATOR = "\x02"
WHITESPACE = " \t"


class TaggedRowsFormat(Format):
    """One example per row, with the columns `text_a` and `label`. In both, byte 2 separates tokens."""

    format: Literal["tagged_rows"] = "tagged_rows"

    def examples(self, source: Source, report: Report) -> Iterator[TaggedExample]:
        # The tags of a row are not one label, so they are read as a second text.
        rows = TsvFormat(columns=TsvColumns(text_b="label" if source.labelled else None))
        unlabelled = replace(source, labelled=False)
        for row in rows.examples(unlabelled, report):
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

    def examples(self, source: Source, report: Report) -> Iterator[TaggedExample]:
        for row, block in enumerate(_blocks(source, report)):
            report.rows += 1
            lines = [(place, line.split(self.separator)) for place, line in block]
            for place, fields in lines:
                if source.labelled and len(fields) < 2:
                    raise UserError(f"{place}: no tag; expected a token and its tag, separated by {self.separator!r}")
            tokens = [fields[0] for _, fields in lines]
            tags = [fields[-1] for _, fields in lines] if source.labelled else None
            yield _example(f"{source.prefix}{row}", lines[0][0], tokens, tags, source)


def _blocks(source: Source, report: Report) -> Iterator[list[tuple[str, str]]]:
    """Yield runs of lines between lines that are empty or contain only whitespace."""
    block: list[tuple[str, str]] = []
    for place, line in source.lines(report):
        if line.strip(WHITESPACE):
            block.append((place, line.rstrip(WHITESPACE)))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _example(id: str, place: str, tokens: list[str], tags: list[str] | None, source: Source) -> TaggedExample:
    if tags is None:
        return TaggedExample(id, place, tuple(tokens), None)
    if not any(tokens):
        raise UserError(f"{place}: no tokens; remove the row")
    if len(tags) != len(tokens):
        raise UserError(f"{place}: {len(tokens)} tokens and {len(tags)} tags; correct the row")
    return TaggedExample(id, place, tuple(tokens), tuple(source.labels.name(tag, place) for tag in tags))
