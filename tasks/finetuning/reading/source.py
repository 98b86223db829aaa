"""The base of all formats: the file to read, the labels that it may hold, lines and JSON."""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ernie_paddle.config import Settings
from ernie_paddle.errors import UserError
from ernie_paddle.registry import nearest
from ernie_paddle.text.cleaning import load_json
from ernie_paddle.text.encodings import SAMPLE_BYTES, not_utf8
from tasks.finetuning.reading.examples import Example
from tasks.finetuning.reading.report import Report

Value = TypeVar("Value")

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
    has several files.
    """

    path: Path
    labels: LabelSet = LabelSet()
    labelled: bool = True
    training: bool = False
    prefix: str = ""
    every_row: bool = False

    def line(self, number: int) -> str:
        """Return the place of a line, counted from 1."""
        return f"{self.path} line {number}"

    def lines(self, report: Report) -> Iterator[tuple[str, str]]:
        """Yield the place and the text of each line, without line end and byte-order mark.

        Only a line feed ends a line: the benchmarks' texts contain other characters that Python treats as line ends.
        Unpaired surrogates are replaced and counted, here and in the values of `json_lines` and `document`.

        Raises:
            UserError: the file is missing, cannot be read or is not UTF-8.
        """
        try:
            with open(self.path, "rb") as file:
                start = file.peek()
                if start.count(0) > ZEROS * len(start):
                    raise UserError(f"{self.path}: {not_utf8(start)}; convert the file to UTF-8")
                for number, raw in enumerate(file, 1):
                    place = self.line(number)
                    yield place, self._decoded(raw.rstrip(b"\r\n"), place, report, number == 1)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read: {error.strerror}") from None

    def rows(
        self, lines: Iterable[tuple[str, str]], report: Report, empty_is_row: bool = False
    ) -> Iterator[tuple[int, str, str]]:
        """Yield number (of all lines, from 0), place and text of each row. Empty lines are skipped and counted.

        Raises:
            UserError: a row follows an empty line, but every row gets a prediction.
        """
        at_end: list[str] = []  # places of empty lines that are not followed by a row so far
        for row, (place, line) in enumerate(lines):
            report.rows += 1
            if line or empty_is_row:
                if at_end:
                    raise UserError(f"{at_end[0]}: an empty line, but every row gets a prediction; fill or remove it")
                yield row, place, line
            elif self.every_row:
                at_end.append(place)
            else:
                report.skip("an empty line", place)
        for place in at_end:
            report.skip("an empty line", place)

    def json_lines(self, report: Report) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """Yield number (from 0), place and object of each row of a file with a JSON object per line.

        Raises:
            UserError: a line is not a JSON object; see also `lines`.
        """
        for row, place, line in self.rows(((place, line.strip()) for place, line in self.lines(report)), report):
            try:
                value = _loaded(line, place, report)
            except (ValueError, RecursionError) as error:
                raise UserError(f"{place}: not JSON: {error}; each line should hold one object") from None
            yield row, place, typed(value, dict, place)

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

    def _decoded(self, raw: bytes, place: str, report: Report, begins: bool) -> str:
        """Decode UTF-8. Surrogates encoded like characters are combined in pairs, or replaced if unpaired."""
        try:
            return raw.decode("utf-8-sig" if begins else "utf-8")
        except UnicodeDecodeError:
            pass
        try:
            units = raw.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass")
        except UnicodeDecodeError:
            with open(self.path, "rb") as file:
                reason = not_utf8(file.read(SAMPLE_BYTES))
            raise UserError(f"{place}: {reason}; convert the file to UTF-8") from None
        report.correct(HALF_A_CHARACTER, place)
        text = units.decode("utf-16", "replace")
        return text.removeprefix("\ufeff") if begins else text


def _loaded(text: str, place: str, report: Report) -> Any:
    value, halves = load_json(text)
    if halves:
        report.correct(HALF_A_CHARACTER, place)
    return value


class Format(Settings, ABC):
    """A file format, with the settings of a recipe's `data.reading`. A format has no state."""

    @abstractmethod
    def examples(self, source: Source, report: Report) -> Iterator[Example]:
        """Yield the examples of a file in order, and count rows, skipped rows and corrections in `report`.

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
