"""How predictions stand in a file: GLUE's TSV, CLUE's JSON lines, one JSON object. Each is read back as it is written.

Reading gives the entries and what is wrong with the form of the file, in lines that name the row.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from ernie_paddle.files import lines_of
from tasks.submission.answers import Item


class Entry(NamedTuple):
    """A prediction of a file: where it stands (`line 3`), the id given for it and its value, or what is wrong there."""

    place: str
    id: Any
    value: Any
    problem: str | None = None


@dataclass
class Content:
    """The predictions of a file, and what is wrong with its form as a whole.

    `keyed` ones are found by their id, others by their order.
    """

    keyed: bool
    entries: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Layout(Protocol):
    """One form of file."""

    def write(self, rows: Iterable[tuple[Item, Any]]) -> str:
        """The text of a file with these items and their official values."""

    def read(self, text: str) -> Content:
        """The predictions of a file."""


class Tsv:
    """A header `index<TAB>prediction`, then a row an item."""

    HEADER = ("index", "prediction")

    def write(self, rows: Iterable[tuple[Item, Any]]) -> str:
        return "".join(f"{id}\t{value}\n" for id, value in (self.HEADER, *((item.id, value) for item, value in rows)))

    def read(self, text: str) -> Content:
        header, *lines = lines_of(text) or [""]
        content = Content(keyed=False)
        if tuple(header.split("\t")) != self.HEADER:
            wanted = "\t".join(self.HEADER)
            content.problems.append(f"line 1: the header is {header!r}, not {wanted!r}")
        for number, line in enumerate(lines, 2):
            fields = line.split("\t")
            wrong = None if len(fields) == len(self.HEADER) else f"{len(fields)} fields, not {len(self.HEADER)}"
            content.entries.append(Entry(f"line {number}", fields[0], fields[-1], wrong))
        return content


class JsonLines:
    """An object a line, `{"id": ..., "label": ...}`; further keys are let pass, as CLUE's baselines write some."""

    def write(self, rows: Iterable[tuple[Item, Any]]) -> str:
        lines = (json.dumps({"id": item.id, "label": value}, ensure_ascii=False) for item, value in rows)
        return "".join(f"{line}\n" for line in lines)

    def read(self, text: str) -> Content:
        content = Content(keyed=False)
        for number, line in enumerate(lines_of(text), 1):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            right = isinstance(row, dict) and {"id", "label"} <= set(row)
            given = (
                (row["id"], row["label"]) if right else (None, None, "no JSON object with the keys 'id' and 'label'")
            )
            content.entries.append(Entry(f"line {number}", *given))
        return content


class JsonObject:
    """One object, `{id: value, ...}`."""

    def write(self, rows: Iterable[tuple[Item, Any]]) -> str:
        return json.dumps({str(item.id): value for item, value in rows}, ensure_ascii=False, indent=1) + "\n"

    def read(self, text: str) -> Content:
        content = Content(keyed=True)
        try:
            pairs = json.loads(text, object_pairs_hook=list)  # a dict would hide an id that stands twice
        except (ValueError, RecursionError) as error:
            content.problems.append(f"not JSON: {error}")
            return content
        if not text.lstrip().startswith("{"):
            content.problems.append("not one JSON object")
            return content
        content.entries += [Entry(f"{id!r}", id, value) for id, value in pairs]
        return content
