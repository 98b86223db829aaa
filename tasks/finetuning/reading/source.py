"""What every format shares: the file to be read, the labels that it may hold, lines and JSON."""

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
from ernie_paddle.text.encodings import SAMPLE, not_utf8
from tasks.finetuning.reading.examples import Example
from tasks.finetuning.reading.report import Report

Value = TypeVar("Value")

HALF_A_CHARACTER = "half a character, such as half an emoji"
ZEROS = 0.02  # share of NUL that no text in UTF-8 has
_KINDS = {str: "a text", list: "a list", dict: "an object", int: "a whole number"}


@dataclass(frozen=True)
class Labels:
    """The labels of a data set: `names` are the classes, None for scores.

    `renamed` maps labels as they stand in files to names, `dropped` are those whose rows are left out.
    """

    names: tuple[str, ...] | None = None
    renamed: tuple[tuple[str, str], ...] = ()
    dropped: frozenset[str] = frozenset()

    def name(self, written: str, place: str) -> str:
        """The class that `written` means.

        Raises:
            UserError: it is none of the recipe's.
        """
        name = dict(self.renamed).get(written, written)
        if name not in (self.names or ()):
            hint = nearest(name, list(self.names or ()))
            advice = "data.label_map renames, data.drop_labels leaves out"
            raise UserError(f"{place}: label '{written}' is not among the recipe's labels{hint} ({advice})")
        return name

    def value(self, written: str, place: str) -> str | float:
        """The class that `written` means, or the score that it is.

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
    """A file to be read.

    `labelled`: labels are wanted; `training`: it is trained on, so that what cannot be learned is left out;
    `every_row`: each row is to be answered, so that none may be left out; `prefix` begins the ids of its examples where
    several files make one set.
    """

    path: Path
    labels: Labels = Labels()
    labelled: bool = True
    training: bool = False
    prefix: str = ""
    every_row: bool = False

    def line(self, number: int) -> str:
        """The place of a line, counted from 1."""
        return f"{self.path} line {number}"

    def lines(self, report: Report) -> Iterator[tuple[str, str]]:
        """The lines of the file without their ends, each with its place; a byte-order mark is left out.

        Only a line feed ends a line: the benchmarks' texts hold other characters that Python takes for line ends.
        Halves of characters are replaced and counted, here and in the values of `json_lines` and `document`.

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
        """Yield number (of all lines, from 0), place and text of each row; empty lines are left out and counted.

        Raises:
            UserError: an empty line stands before a row, and every row is to be answered.
        """
        at_end: list[str] = []  # places of empty lines that no row has followed yet
        for row, (place, line) in enumerate(lines):
            report.rows += 1
            if line or empty_is_row:
                if at_end:
                    raise UserError(f"{at_end[0]}: an empty line, but every row gets an answer; fill it or remove it")
                yield row, place, line
            elif self.every_row:
                at_end.append(place)
            else:
                report.leave_out("an empty line", place)
        for place in at_end:
            report.leave_out("an empty line", place)

    def json_lines(self, report: Report) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """The objects of a file that has one on each line: number of the row from 0, place, object.

        Raises:
            UserError: a line is no JSON object; and as `lines`.
        """
        for row, place, line in self.rows(((place, line.strip()) for place, line in self.lines(report)), report):
            try:
                value = _loaded(line, place, report)
            except (ValueError, RecursionError) as error:
                raise UserError(f"{place}: not JSON: {error}; each line should hold one object") from None
            yield row, place, typed(value, dict, place)

    def document(self, report: Report) -> Any:
        """The value of a file that is one JSON value.

        Raises:
            UserError: the file is missing, cannot be read or is not JSON; the line is named.
        """
        try:
            text = self._decoded(self.path.read_bytes(), str(self.path), report, True)
            return _loaded(text, str(self.path), report)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read: {error.strerror}") from None
        except json.JSONDecodeError as error:
            raise UserError(f"{self.line(error.lineno)}: not JSON: {error.msg}; get the file again") from None
        except RecursionError:
            raise UserError(f"{self.path}: not JSON: nested too deeply; get the file again") from None

    def _decoded(self, raw: bytes, place: str, report: Report, begins: bool) -> str:
        """Bytes as text; halves of characters may stand in them as if they were whole ones, alone or in pairs."""
        try:
            return raw.decode("utf-8-sig" if begins else "utf-8")
        except UnicodeDecodeError:
            pass
        try:
            units = raw.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass")
        except UnicodeDecodeError:
            with open(self.path, "rb") as file:
                reason = not_utf8(file.read(SAMPLE))
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
    """How a file is read; the settings are those of a recipe's `data.reading`. A format holds no state."""

    @abstractmethod
    def examples(self, source: Source, report: Report) -> Iterator[Example]:
        """The examples of a file in its order; what is met, left out and corrected goes to `report`.

        Raises:
            UserError: the file is missing or is not in this format; the place is named.
        """


def typed(value: Any, kind: type[Value], place: str) -> Value:
    """`value`, if it is of this JSON type.

    Raises:
        UserError: it is not.
    """
    if not isinstance(value, kind) or isinstance(value, bool):
        raise UserError(f"{place}: expected {_KINDS[kind]}, found {json.dumps(value, ensure_ascii=False)[:40]}")
    return value


def item(record: dict[str, Any], key: str, kind: type[Value], place: str) -> Value:
    """The value of a key of a JSON object.

    Raises:
        UserError: the key is missing or its value is of another type.
    """
    if key not in record:
        raise UserError(f"{place}: key '{key}' is missing; the object has: {', '.join(record) or 'none'}")
    return typed(record[key], kind, f"{place}, key '{key}'")


def written_label(record: dict[str, Any], key: str, place: str) -> str:
    """A label of a JSON object as text; numbers and truth values are taken as JSON writes them.

    Raises:
        UserError: the key is missing or holds no single value.
    """
    value = record.get(key)
    if isinstance(value, int | float):
        return json.dumps(value)
    return item(record, key, str, place)
