"""JSON lines: the classification files of CLUE."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from ernie_paddle.config import Settings
from ernie_paddle.inputs import BadRow
from tasks.finetuning.reading.examples import Example, TextExample
from tasks.finetuning.reading.report import Report
from tasks.finetuning.reading.source import Format, Source, required, typed, written_label


class Keys(Settings):
    """The keys of texts, label, id and group."""

    text_a: str = "sentence1"
    """First text; a list of texts is joined by blanks."""
    text_b: str | None = None
    """Second text of a pair."""
    label: str = "label"
    """Label."""
    id: str = "id"
    """Id, read in files without labels only; objects without it are known by their row."""
    group: str | None = None
    """What the candidates of a question have in common."""


class JsonLinesFormat(Format):
    """JSON lines, one example per line."""

    format: Literal["json_lines"] = "json_lines"
    keys: Keys = Keys()
    """Which key holds what."""

    def examples(self, source: Source, report: Report) -> Iterator[Example | BadRow]:
        keys = self.keys

        def read(row: int, place: str, record: dict[str, Any]) -> Sequence[TextExample]:
            written = written_label(record, keys.label, place) if source.labelled else None
            if written in source.labels.dropped:
                report.skip(f"label '{written}'", place)
                return ()
            example = TextExample(
                id=source.prefix + row_id(record, keys.id, row, source),
                place=place,
                text_a=_text(record, keys.text_a, place),
                text_b=None if keys.text_b is None else _text(record, keys.text_b, place),
                label=None if written is None else source.labels.value(written, place),
                group=None if keys.group is None else written_label(record, keys.group, place),
            )
            return (example,)

        return source.json_lines(report, read)


def row_id(record: dict[str, Any], key: str, row: int, source: Source) -> str:
    """Return the id of an object: its own id in files without labels, otherwise the number of its row."""
    return written_label(record, key, source.line(row + 1)) if key in record and not source.labelled else str(row)


def _text(record: dict[str, Any], key: str, place: str) -> str:
    if isinstance(record.get(key), list):
        return " ".join(typed(part, str, f"{place}, key '{key}'") for part in record[key])
    return required(record, key, str, place)
