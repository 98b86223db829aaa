"""The base of all formats: the file to read, the labels that it may hold, lines and JSON."""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ernie_paddle.config import Settings
from ernie_paddle.errors import UserError
from ernie_paddle.inputs import BadRow
from ernie_paddle.registry import nearest
from ernie_paddle.text.cleaning import decode, load_json
from ernie_paddle.text.encodings import SAMPLE_BYTES, not_utf8
from tasks.finetuning.reading.examples import Example
from tasks.finetuning.reading.report import Report

Value = TypeVar("Value")
Content = TypeVar("Content")

HALF_A_CHARACTER = "half a character, such as half an emoji"
ZEROS = 0.02  # a text in UTF-8 has a smaller share of NUL bytes
TYPE_NAMES = {str: "a text", list: "a list", dict: "an object", int: "a whole number"}


@dataclass(frozen=True)
class LabelSet:
    """The labels of a data set: `names` are the classes, None for scores.

    `renamed` maps labels as written in files to names. Rows with a `dropped` label are skipped.
    """

    names: tuple[str, ...] | None = None
    renamed: tuple[tuple[str, str], ...] = ()
    dropped: frozenset[str] = frozenset()

    def name(self, written: str, place: str) -> str:
        """Return the class written as `written`.

        Raises:
            UserError: it is not among the recipe's classes.
        """
        name = dict(self.renamed).get(written, written)
        if name not in (self.names or ()):
            hint = nearest(name, list(self.names or ()))
            advice = "rename it with data.label_map, or skip its rows with data.drop_labels"
            raise UserError(f"{place}: label '{written}' is not among the recipe's labels{hint} ({advice})")
        return name

    def value(self, written: str, place: str) -> str | float:
        """Return the class or the score written as `written`.

        Raises:
            UserError: it is neither.
        """
        if self.names is not None:
            return self.name(written, place)
        try:
            score = float(written)
        except ValueError:
            score = math.nan
        if not math.isfinite(score):
            raise UserError(f"{place}: label '{written}' is not a number; the recipe's task is regression")
        return score


@dataclass(frozen=True)
class Source:
    """A file to read.

    With `labelled`, its labels are read. With `training`, examples that cannot be learned are skipped. With
    `every_row`, each row gets a prediction, so no row may be skipped. `prefix` begins the ids of its examples if a set
    has several files. With `skip_bad`, rows that cannot be read become `BadRow`s.
    """

    path: Path
    labels: LabelSet = LabelSet()
    labelled: bool = True
    training: bool = False
    prefix: str = ""
    every_row: bool = False
    skip_bad: bool = False

    def line(self, number: int) -> str:
        """Return the place of a line, counted from 1."""
        return f"{self.path} line {number}"

    def lines(self, report: Report) -> Iterator[tuple[str, str | UserError]]:
        """Yield the place and the text of each line, without line end and byte-order mark.

        Only a line feed ends a line: the benchmarks' texts contain other characters that Python treats as line ends.
        Unpaired surrogates are replaced and counted, here and in the values of `json_lines` and `document`.

        Raises:
            UserError: the file is missing, cannot be read or is not UTF-8. With `skip_bad`, a line that is not UTF-8
                yields its error instead.
        """
        try:
            with open(self.path, "rb") as file:
                start = file.peek()
                if start.count(0) > ZEROS * len(start):
                    raise UserError(f"{self.path}: {not_utf8(start)}; convert the file to UTF-8")
                for number, raw in enumerate(file, 1):
                    place = self.line(number)
                    yield place, self._line(raw.rstrip(b"\r\n"), place, report, number == 1)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read: {error.strerror}") from None

    def rows(
        self, lines: Iterable[tuple[str, str | UserError]], report: Report, empty_is_row: bool = False
    ) -> Iterator[tuple[int, str, str | UserError]]:
        """Yield number (of all lines, from 0), place and text of each row. Empty lines are skipped and counted.

        Raises:
            UserError: a row follows an empty line, but every row gets a prediction. With `skip_bad`, the empty line
                yields this error instead.
        """
        at_end: list[tuple[int, str]] = []  # empty lines that are not followed by a row so far
        for row, (place, line) in enumerate(lines):
            report.rows += 1
            if line or empty_is_row:
                for earlier, where in at_end:
                    error = UserError(f"{where}: an empty line, but every row gets a prediction; fill or remove it")
                    if not self.skip_bad:
                        raise error
                    yield earlier, where, error
                at_end.clear()
                yield row, place, line
            elif self.every_row:
                at_end.append((row, place))
            else:
                report.skip("an empty line", place)
        for _, place in at_end:
            report.skip("an empty line", place)

    def attempt(
        self,
        row: int,
        place: str,
        content: Content | UserError,
        report: Report,
        read: Callable[[int, str, Content], Iterable[Example]],
    ) -> Iterator[Example | BadRow]:
        """Yield the examples that `read` makes of a row's number, place and content.

        Raises:
            UserError: the content is an error, or `read` raised it. With `skip_bad`, the row is counted as bad, and
                yields a `BadRow`.
        """
        try:
            if isinstance(content, UserError):
                raise content
            examples = list(read(row, place, content))
        except UserError as error:
            if not self.skip_bad:
                raise
            report.bad += 1
            yield BadRow(f"{self.prefix}{row}", str(error))
        else:
            yield from examples

    def json_lines(
        self, report: Report, read: Callable[[int, str, dict[str, Any]], Iterable[Example]]
    ) -> Iterator[Example | BadRow]:
        """Yield the examples that `read` makes of the rows of a file with a JSON object per line.

        `read` gets the number of the row, from 0, its place and its object.

        Raises:
            UserError: a line is not a JSON object; see also `lines` and `attempt`.
        """

        def read_line(row: int, place: str, line: str) -> Iterable[Example]:
            try:
                value = _loaded(line, place, report)
            except (ValueError, RecursionError) as error:
                raise UserError(f"{place}: not JSON: {error}; each line should hold one object") from None
            return read(row, place, typed(value, dict, place))

        stripped = ((place, line.strip() if isinstance(line, str) else line) for place, line in self.lines(report))
        for row, place, line in self.rows(stripped, report):
            yield from self.attempt(row, place, line, report, read_line)

    def document(self, report: Report) -> Any:
        """Return the value of a file that is one JSON value.

        Raises:
            UserError: the file is missing, cannot be read or is not JSON. The message names the line.
        """
        try:
            text = self._decoded(self.path.read_bytes(), str(self.path), report, True)
            return _loaded(text, str(self.path), report)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read: {error.strerror}") from None
        except json.JSONDecodeError as error:
            raise UserError(f"{self.line(error.lineno)}: not JSON: {error.msg}; download the file again") from None
        except RecursionError:
            raise UserError(f"{self.path}: not JSON: nested too deeply; download the file again") from None

    def _line(self, raw: bytes, place: str, report: Report, begins: bool) -> str | UserError:
        try:
            return self._decoded(raw, place, report, begins)
        except UserError as error:
            if not self.skip_bad:
                raise
            return error

    def _decoded(self, raw: bytes, place: str, report: Report, begins: bool) -> str:
        """Decode UTF-8, and count half characters."""
        try:
            text, halves = decode(raw, begins)
        except UnicodeDecodeError:
            raise UserError(f"{place}: {not_utf8(self._beginning() or raw)}; convert the file to UTF-8") from None
        if halves:
            report.correct(HALF_A_CHARACTER, place)
        return text

    def _beginning(self) -> bytes:
        """Return the first bytes of the file, none of a pipe, whose bytes can be read only once."""
        if not self.path.is_file():
            return b""
        with open(self.path, "rb") as file:
            return file.read(SAMPLE_BYTES)


def _loaded(text: str, place: str, report: Report) -> Any:
    value, halves = load_json(text)
    if halves:
        report.correct(HALF_A_CHARACTER, place)
    return value


class Format(Settings, ABC):
    """A file format, with the settings of a recipe's `data.reading`. A format has no state."""

    @abstractmethod
    def examples(self, source: Source, report: Report) -> Iterator[Example | BadRow]:
        """Yield the examples of a file in order, and count rows, skipped rows and corrections in `report`.

        Rows are read with `Source.attempt`, which may leave a `BadRow` in the place of one.

        Raises:
            UserError: the file is missing or not in this format. The message names the place.
        """


def typed(value: Any, kind: type[Value], place: str) -> Value:
    """Return `value`.

    Raises:
        UserError: it does not have this JSON type.
    """
    if not isinstance(value, kind) or isinstance(value, bool):
        raise UserError(f"{place}: expected {TYPE_NAMES[kind]}, found {json.dumps(value, ensure_ascii=False)[:40]}")
    return value


def required(record: dict[str, Any], key: str, kind: type[Value], place: str) -> Value:
    """Return the value of a key of a JSON object.

    Raises:
        UserError: the key is missing, or its value has another type.
    """
    if key not in record:
        raise UserError(f"{place}: key '{key}' is missing; the object has: {', '.join(record) or 'none'}")
    return typed(record[key], kind, f"{place}, key '{key}'")


def written_label(record: dict[str, Any], key: str, place: str) -> str:
    """Return a label of a JSON object as text. Numbers and booleans are returned as written in JSON.

    Raises:
        UserError: the key is missing, or its value is a list or an object.
    """
    value = record.get(key)
    if isinstance(value, int | float):
        return json.dumps(value)
    return required(record, key, str, place)
