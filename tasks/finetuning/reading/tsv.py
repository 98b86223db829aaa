"""Tab-separated values: the files of GLUE, the release's converted files and others like them.

Fields are not quoted: quotation marks are part of the text.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import model_validator

from ernie_paddle.config import Settings
from ernie_paddle.errors import UserError
from ernie_paddle.registry import nearest
from tasks.finetuning.reading.examples import TextExample
from tasks.finetuning.reading.report import Report
from tasks.finetuning.reading.source import Format, Source

Column = str | int


class Columns(Settings):
    """Which column holds what: by its name in the header, or by its number from 0.

    `id` is read in files without labels only, where predictions are known by it.
    """

    text_a: Column = "text_a"
    text_b: Column | None = None
    label: Column | None = "label"
    id: Column | None = None
    group: Column | None = None


class TsvLayout(Settings):
    """Columns of a file; `fields` are the numbers of columns that it may have, any if a header names them."""

    header: bool = True
    columns: Columns = Columns()
    fields: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _known_without_header(self) -> "TsvLayout":
        if not self.header and not self.fields:
            raise ValueError("a file without header needs 'fields', its number of columns")
        if not self.header and any(isinstance(column, str) for column in _wanted(self.columns, True).values()):
            raise ValueError("a file without header has no names of columns; give numbers, from 0")
        return self


class TsvFormat(TsvLayout, Format):
    """A row an example.

    `unlabelled`: the layout of files without labels, if it is another. `rest`: the text that takes the tabs of a row
    with too many fields; without it such a row is an error. `skip_incomplete`: labelled rows that lack a field are left
    out and counted. `remove_spaces`: as the release does with Chinese, of whose files some are segmented.
    """

    format: Literal["tsv"] = "tsv"
    unlabelled: TsvLayout | None = None
    rest: Literal["text_a", "text_b"] | None = None
    skip_incomplete: bool = False
    remove_spaces: bool = False

    def examples(self, source: Source, report: Report) -> Iterator[TextExample]:
        layout = self if source.labelled else self.unlabelled or self
        lines = source.lines(report)
        table = _Table.of(layout, next(lines, None) if layout.header else None, source)
        # In a file of one column an empty line is a row whose text is empty.
        one_column = source.every_row and table.widths == (1,)
        for row, place, line in source.rows(lines, report, empty_is_row=one_column):
            fields = line.split("\t")
            if len(fields) < min(table.widths) and self.skip_incomplete and source.labelled:
                report.leave_out("too few fields", place)
            else:
                example = self._example(table.values(fields, self.rest, place), f"{row}", place, source, report)
                if example:
                    yield example

    def _example(
        self, values: dict[str, str], row: str, place: str, source: Source, report: Report
    ) -> TextExample | None:
        if source.labelled:
            if values["label"] in source.labels.dropped:
                report.leave_out(f"label '{values['label']}'", place)
                return None
            missing = next((name for name, value in values.items() if not value.strip()), None)
            if missing and self.skip_incomplete:
                report.leave_out(f"empty {missing}", place)
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
    """Where the wanted columns of a file are, and how many fields its rows may have."""

    indices: dict[str, int]
    widths: tuple[int, ...]

    @classmethod
    def of(cls, layout: TsvLayout, header: tuple[str, str] | None, source: Source) -> "_Table":
        wanted = _wanted(layout.columns, source.labelled)
        if not layout.header:
            return cls({name: int(column) for name, column in wanted.items()}, layout.fields)
        if header is None:
            raise UserError(f"{source.path}: empty file; get it again")
        place, line = header
        names = line.split("\t")
        if layout.fields and len(names) not in layout.fields:
            counts = _or(layout.fields)
            raise UserError(f"{place}: {len(names)} columns, expected {counts}; is this the benchmark's own file?")
        return cls({name: _index(column, names, place) for name, column in wanted.items()}, (len(names),))

    def values(self, fields: list[str], rest: str | None, place: str) -> dict[str, str]:
        """The wanted fields of a row by their roles."""
        extra = len(fields) - max(self.widths)
        if extra > 0 and rest:
            start = self.indices[rest]
            fields = [*fields[:start], "\t".join(fields[start : start + extra + 1]), *fields[start + extra + 1 :]]
        if len(fields) not in self.widths:
            advice = "a tab within a text?" if extra > 0 else "a line cut short?"
            raise UserError(f"{place}: {len(fields)} fields, expected {_or(self.widths)}; {advice} mend the row")
        return {role: fields[index] for role, index in self.indices.items()}


def _wanted(columns: Columns, labelled: bool) -> dict[str, Column]:
    """The columns to be read, by role."""
    unread = "id" if labelled else "label"
    return {role: column for role, column in columns if column is not None and role != unread}


def _index(column: Column, names: list[str], place: str) -> int:
    if isinstance(column, int):
        if column >= len(names):
            raise UserError(f"{place}: no column {column}; there are {len(names)}, counted from 0")
        return column
    if column not in names:
        raise UserError(
            f"{place}: no column '{column}'{nearest(column, names)}; change data.reading.columns or the file"
        )
    return names.index(column)


def _or(counts: tuple[int, ...]) -> str:
    return " or ".join(map(str, counts))
