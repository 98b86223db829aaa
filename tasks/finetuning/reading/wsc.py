"""CLUEWSC2020: texts with a noun and a pronoun, given as words and offsets."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from ernie_paddle.errors import UserError
from ernie_paddle.inputs import BadRow
from tasks.finetuning.reading.examples import Example, ReferenceExample, Span
from tasks.finetuning.reading.json_lines import row_id
from tasks.finetuning.reading.report import Report
from tasks.finetuning.reading.source import Format, Source, required, written_label
from tasks.finetuning.reading.squad import occurrences


class WscFormat(Format):
    """One example per line. The offset of a word is corrected, and counted, if the word occurs only once elsewhere."""

    format: Literal["wsc"] = "wsc"
    id: str = "id"
    """Key of the id in files without labels."""

    def examples(self, source: Source, report: Report) -> Iterator[Example | BadRow]:
        def read(row: int, place: str, record: dict[str, Any]) -> Sequence[ReferenceExample]:
            text = required(record, "text", str, place)
            target = required(record, "target", dict, place)
            written = written_label(record, "label", place) if source.labelled else None
            if written in source.labels.dropped:
                report.skip(f"label '{written}'", place)
                return ()
            example = ReferenceExample(
                id=source.prefix + row_id(record, self.id, row, source),
                place=place,
                text=text,
                noun=_span(target, "span1", text, place, report),
                pronoun=_span(target, "span2", text, place, report),
                label=None if written is None else source.labels.name(written, place),
            )
            return (example,)

        return source.json_lines(report, read)


def _span(target: dict[str, Any], name: str, text: str, place: str, report: Report) -> Span:
    part = required(target, f"{name}_text", str, place)
    offset = required(target, f"{name}_index", int, place)
    if part and offset >= 0 and text.startswith(part, offset):
        return Span(part, offset)
    starts = occurrences(part, text) if part else []
    if len(starts) != 1:
        occurs = f"occurs {len(starts)} times" if starts else "does not occur in the text"
        raise UserError(f"{place}: {name}_text '{part}' is not at {name}_index {offset} and {occurs}; correct the row")
    report.correct("the offset of a word", place)
    return Span(part, starts[0])
