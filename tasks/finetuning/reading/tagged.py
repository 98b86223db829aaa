"""Tokens with tags: the release's rows of two columns, and CoNLL's columns."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from ernie_paddle.errors import UserError
from tasks.finetuning.reading.examples import TaggedExample
from tasks.finetuning.reading.report import Report
from tasks.finetuning.reading.source import Format, Source
from tasks.finetuning.reading.tsv import Columns, TsvFormat

SEPARATOR = "\x02"
BLANKS = " \t"


class TaggedRowsFormat(Format):
    """A row an example: the columns `text_a` and `label`, in both of which byte 2 stands between tokens."""

    format: Literal["tagged_rows"] = "tagged_rows"

    def examples(self, source: Source, report: Report) -> Iterator[TaggedExample]:
        # The tags of a row are a label that has no name of its own: taken as a second text.
        rows = TsvFormat(columns=Columns(text_b="label" if source.labelled else None))
        unlabelled = replace(source, labelled=False)
        for row in rows.examples(unlabelled, report):
            tokens = row.text_a.split(SEPARATOR) if row.text_a else []
            tags = None if row.text_b is None else row.text_b.split(SEPARATOR)
            yield _example(row.id, row.place, tokens, tags, source)


class TaggedColumnsFormat(Format):
    """A line a token; the first column is the token, the last one its tag.

    Lines that are empty or hold blanks alone stand between examples. Blanks at the end of a line are left out.
    """

    format: Literal["tagged_columns"] = "tagged_columns"
    separator: Literal["\t", " "] = "\t"

    def examples(self, source: Source, report: Report) -> Iterator[TaggedExample]:
        for row, block in enumerate(_blocks(source, report)):
            report.rows += 1
            lines = [(place, line.split(self.separator)) for place, line in block]
            for place, fields in lines:
                if source.labelled and len(fields) < 2:
                    raise UserError(f"{place}: no tag; expected a token and its tag, with {self.separator!r} between")
            tokens = [fields[0] for _, fields in lines]
            tags = [fields[-1] for _, fields in lines] if source.labelled else None
            yield _example(f"{source.prefix}{row}", lines[0][0], tokens, tags, source)


def _blocks(source: Source, report: Report) -> Iterator[list[tuple[str, str]]]:
    """Runs of lines between those that hold nothing but blanks and tabs."""
    block: list[tuple[str, str]] = []
    for place, line in source.lines(report):
        if line.strip(BLANKS):
            block.append((place, line.rstrip(BLANKS)))
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
        raise UserError(f"{place}: {len(tokens)} tokens and {len(tags)} tags; mend the row")
    return TaggedExample(id, place, tuple(tokens), tuple(source.labels.name(tag, place) for tag in tags))
