"""What a user gives a model: texts, pairs and mappings, from Python or from the rows of a file."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from ernie_paddle.arguments import STANDARD_INPUT
from ernie_paddle.config import Settings, check_settings
from ernie_paddle.errors import UserError
from ernie_paddle.text.cleaning import clean, decode, load_json
from ernie_paddle.text.encodings import not_utf8

GivenInput = TypeVar("GivenInput", bound="TaskInput")
RowLayout = Literal["text", "tsv", "jsonl"]
ERRORS_SHOWN = 10  # of bad rows
UNREAD_KEYS = ("id", "label")  # inputs may also be rows of a labelled file


class TaskInput(Settings):
    """The input of a prediction: the fields of an example without its label. Each fine-tuning task has a subclass."""

    @classmethod
    def of(cls: type[GivenInput], given: Any, where: str) -> GivenInput:
        """Return what a user gave: a mapping of fields, a sequence of fields in order, or a text, the first field.

        The keys `id` and `label` are not read. Lone surrogates are replaced.

        Raises:
            UserError: a field is missing, unknown or of another type. The message begins with `where`.
        """
        if isinstance(given, cls):
            return given
        fields = list(cls.model_fields)
        if isinstance(given, str):
            given = (given,)
        if isinstance(given, Mapping):
            tree = {name: value for name, value in given.items() if name in fields or name not in UNREAD_KEYS}
        elif isinstance(given, Sequence) and len(given) <= len(fields):
            tree = dict(zip(fields, given, strict=False))
        else:
            raise UserError(f"{where}: expected a text, or up to {len(fields)} fields: {', '.join(fields)}")
        return check_settings(cls, clean(tree)[0], where)


class TextInput(TaskInput):
    """A text or a pair of texts."""

    text_a: str
    """First text."""
    text_b: str | None = None
    """Second text of a pair."""


@dataclass(frozen=True)
class InputRow:
    """A row of a file: the id of its output, its place for errors, and what the user gave."""

    id: str
    place: str
    given: Any


@dataclass(frozen=True)
class BadRow:
    """A row that could not be read, in the place of its example: its id, and the error, which names file and line."""

    id: str
    error: str


@dataclass
class BadRows:
    """The number of bad rows so far, and the errors of the first ones."""

    count: int = 0
    errors: list[str] = field(default_factory=list)

    def add(self, row: BadRow) -> None:
        self.count += 1
        if len(self.errors) < ERRORS_SHOWN:
            self.errors.append(row.error)

    def notes(self) -> list[str]:
        """Return the first errors, and a line with the number of rows."""
        return [*self.errors, f"{self.count:,} bad rows were left out"] if self.count else []


def input_rows(given: Sequence[Any]) -> Iterator[InputRow]:
    """Return the inputs of a call from Python as rows."""
    return (InputRow(str(number), f"input {number}", one) for number, one in enumerate(given))


def read_rows(path: Path, layout: RowLayout, skip_bad: bool = False) -> Iterator[InputRow | BadRow]:
    """Yield the rows of a file as they are read. Their ids are their numbers from 0, or those of a key `id`.

    `text` has a text in each line. `tsv` begins with the names of its columns; a name that occurs several times is a
    list, whose last entries may be empty. `jsonl` has a JSON text, list or object in each line.

    Raises:
        UserError: the file or one of its rows cannot be read. With `skip_bad`, the row yields a `BadRow` instead.
    """
    lines = _lines(path)
    parse: Callable[[str], Any] = _parse_json if layout == "jsonl" else str
    if layout == "tsv":
        place, header = next(lines, (str(path), b""))
        try:
            parse = _TsvParser(_decoded(header, begins=True).split("\t"))
        except ValueError as error:
            raise UserError(f"{place}: {error}") from None
    for number, (place, raw) in enumerate(lines):
        try:
            given = parse(_decoded(raw, begins=number == 0 and layout != "tsv"))
        except ValueError as error:
            if not skip_bad:
                raise UserError(f"{place}: {error}") from None
            yield BadRow(str(number), f"{place}: {error}")
        else:
            own_id = given.get("id") if isinstance(given, Mapping) else None
            yield InputRow(str(number if own_id is None else own_id), place, given)


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the place and the bytes of each line, which only a line feed ends."""
    name = "standard input" if path == STANDARD_INPUT else str(path)
    try:
        with open(path, "rb") as file:
            for number, raw in enumerate(file, 1):
                yield f"{name} line {number}", raw.rstrip(b"\r\n")
    except OSError as error:
        raise UserError(f"{name}: cannot be read: {error.strerror}") from None


def _decoded(raw: bytes, begins: bool) -> str:
    try:
        return decode(raw, begins)[0]
    except UnicodeDecodeError:
        raise ValueError(f"{not_utf8(raw)}; convert it to UTF-8") from None


def _parse_json(line: str) -> Any:
    try:
        value, _ = load_json(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}; each line should hold a text, a list or an object") from None
    if not isinstance(value, str | list | dict):
        raise ValueError(f"expected a text, a list or an object, found {json.dumps(value)}")
    return value


class _TsvParser:
    """Parses rows with these columns into mappings."""

    def __init__(self, names: Sequence[str]):
        if not all(names):
            raise ValueError("expected the names of the columns")
        self._names = names
        self._repeated = {name for name in names if names.count(name) > 1}

    def __call__(self, line: str) -> dict[str, Any]:
        fields = line.split("\t")
        if len(fields) != len(self._names):
            raise ValueError(f"{len(fields)} fields, the header has {len(self._names)}")
        values: dict[str, Any] = defaultdict(list)
        for name, value in zip(self._names, fields, strict=True):
            if name in self._repeated:
                values[name].append(value)
            else:
                values[name] = value
        for name in self._repeated:
            while values[name] and not values[name][-1]:
                values[name].pop()
        return values
