"""Tab-separated values: the files of GLUE, the release's converted files, and similar ones.

Fields are not quoted: quotation marks are part of the text.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import model_validator

from ernie_paddle.config import Settings
from ernie_paddle.errors import UserError
from ernie_paddle.inputs import BadRow
from ernie_paddle.registry import nearest
from tasks.finetuning.reading.examples import Example, TextExample
from tasks.finetuning.reading.report import Report
from tasks.finetuning.reading.source import Format, Source

ColumnKey = str | int


class TsvColumns(Settings):
    """The columns of texts, label, id and group: names in the header, or numbers from 0."""

    text_a: ColumnKey = "text_a"
    """First text."""
    text_b: ColumnKey | None = None
    """Second text of a pair."""
    label: ColumnKey | None = "label"
    """Label."""
    id: ColumnKey | None = None
    """Id, read in files without labels only; predictions are known by it."""
    group: ColumnKey | None = None
    """What the candidates of a question have in common."""


class TsvLayout(Settings):
    """The header and the columns of a file."""

    header: bool = True
    """Whether the first line names the columns."""
    columns: TsvColumns = TsvColumns()
    """Columns by name, or by number from 0."""
    fields: tuple[int, ...] = ()
    """Numbers of columns that a file may have; any if a header names them."""

    @model_validator(mode="after")
    def _known_without_header(self) -> "TsvLayout":
        if not self.header and not self.fields:
            raise ValueError("a file without header needs 'fields', the number of its columns")
        if not self.header and any(isinstance(column, str) for column in _columns_to_read(self.columns, True).values()):
            raise ValueError("a file without header has no column names; give numbers, from 0")
        return self


class TsvFormat(TsvLayout, Format):
    """Tab-separated values, one example per row. Fields are not quoted."""

    format: Literal["tsv"] = "tsv"
    unlabelled: TsvLayout | None = None
    """Layout of files without labels, if it is another."""
    rest: Literal["text_a", "text_b"] | None = None
    """Text that takes the tabs of a row with too many fields; `null`: such a row is an error."""
    skip_incomplete: bool = False
    """Leave out and count labelled rows that lack a field."""
    remove_spaces: bool = False
    """Remove the blanks of segmented Chinese, as the release does."""

    def examples(self, source: Source, report: Report) -> Iterator[Example | BadRow]:
        layout = self if source.labelled else self.unlabelled or self
        lines = source.lines(report)
        table = _Table.of(layout, next(lines, None) if layout.header else None, source)
        # In a file with one column, an empty line is a row with an empty text.
        one_column = source.every_row and table.widths == (1,)

        def read(row: int, place: str, line: str) -> Sequence[TextExample]:
            fields = line.split("\t")
            if len(fields) < min(table.widths) and self.skip_incomplete and source.labelled:
                report.skip("too few fields", place)
                return ()
            example = self._example(table.values(fields, self.rest, place), f"{row}", place, source, report)
            return (example,) if example else ()

        for row, place, line in source.rows(lines, report, empty_is_row=one_column):
            yield from source.attempt(row, place, line, report, read)

    def _example(
        self, values: dict[str, str], row: str, place: str, source: Source, report: Report
    ) -> TextExample | None:
        if source.labelled:
            if values["label"] in source.labels.dropped:
                report.skip(f"label '{values['label']}'", place)
                return None
            missing = next((name for name, value in values.items() if not value.strip()), None)
            if missing and self.skip_incomplete:
                report.skip(f"empty {missing}", place)
                return None
        texts = {name: values.get(name) for name in ("text_a", "text_b")}
        if self.remove_spaces:
            texts = {name: text and text.replace(" ", "") for name, text in texts.items()}
        return TextExample(
            id=source.prefix + values.get("id", row),
            place=place,
            text_a=texts["text_a"] or "",
            text_b=texts["text_b"],
            label=source.labels.value(values["label"], place) if source.labelled else None,
            group=values.get("group"),
        )


@dataclass(frozen=True)
class _Table:
    """The indices of the columns to read by role, and the allowed numbers of fields in a row."""

    indices: dict[str, int]
    widths: tuple[int, ...]

    @classmethod
    def of(cls, layout: TsvLayout, header: tuple[str, str | UserError] | None, source: Source) -> "_Table":
        columns = _columns_to_read(layout.columns, source.labelled)
        if not layout.header:
            return cls({role: int(column) for role, column in columns.items()}, layout.fields)
        if header is None:
            raise UserError(f"{source.path}: empty file; download it again")
        place, line = header
        if isinstance(line, UserError):
            raise line
        names = line.split("\t")
        if layout.fields and len(names) not in layout.fields:
            counts = _or(layout.fields)
            raise UserError(f"{place}: {len(names)} columns, expected {counts}; is this the benchmark's own file?")
        return cls({role: _index(column, names, place) for role, column in columns.items()}, (len(names),))

    def values(self, fields: list[str], rest: str | None, place: str) -> dict[str, str]:
        """Return the fields of a row by role."""
        extra = len(fields) - max(self.widths)
        if extra > 0 and rest:
            start = self.indices[rest]
            fields = [*fields[:start], "\t".join(fields[start : start + extra + 1]), *fields[start + extra + 1 :]]
        if len(fields) not in self.widths:
            cause = "a tab inside a text?" if extra > 0 else "a truncated line?"
            raise UserError(f"{place}: {len(fields)} fields, expected {_or(self.widths)} ({cause}); correct the row")
        return {role: fields[index] for role, index in self.indices.items()}


def _columns_to_read(columns: TsvColumns, labelled: bool) -> dict[str, ColumnKey]:
    """Return the columns to read by role."""
    unread = "id" if labelled else "label"
    return {role: column for role, column in columns if column is not None and role != unread}


def _index(column: ColumnKey, names: list[str], place: str) -> int:
    if isinstance(column, int):
        if column >= len(names):
            raise UserError(f"{place}: no column {column}; columns are 0 to {len(names) - 1}")
        return column
    if column not in names:
        raise UserError(
            f"{place}: no column '{column}'{nearest(column, names)}; change data.reading.columns or the file"
        )
    return names.index(column)


def _or(counts: tuple[int, ...]) -> str:
    return " or ".join(map(str, counts))
