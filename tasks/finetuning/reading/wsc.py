"""CLUEWSC2020: a text with a noun and a pronoun, given as words and offsets."""

from collections.abc import Iterator
from typing import Any, Literal

from ernie_paddle.errors import UserError
from tasks.finetuning.reading.examples import ReferenceExample, Span
from tasks.finetuning.reading.json_lines import row_id
from tasks.finetuning.reading.report import Report
from tasks.finetuning.reading.source import Format, Source, item, written_label
from tasks.finetuning.reading.squad import occurrences


class WscFormat(Format):
    """A line an example. A word that is not at its offset is looked for; if it is there once, this is counted."""

    format: Literal["wsc"] = "wsc"
    id: str = "id"  # key of the id in files without labels

    def examples(self, source: Source, report: Report) -> Iterator[ReferenceExample]:
        for row, place, record in source.json_lines(report):
            text = item(record, "text", str, place)
            target = item(record, "target", dict, place)
            written = written_label(record, "label", place) if source.labelled else None
            if written in source.labels.dropped:
                report.leave_out(f"label '{written}'", place)
                continue
            yield ReferenceExample(
                id=source.prefix + row_id(record, self.id, row, source),
                place=place,
                text=text,
                noun=_span(target, "span1", text, place, report),
                pronoun=_span(target, "span2", text, place, report),
                label=None if written is None else source.labels.name(written, place),
            )


def _span(target: dict[str, Any], name: str, text: str, place: str, report: Report) -> Span:
    part = item(target, f"{name}_text", str, place)
    given = item(target, f"{name}_index", int, place)
    if part and given >= 0 and text.startswith(part, given):
        return Span(part, given)
    starts = occurrences(part, text) if part else []
    if len(starts) != 1:
        found = f"is there {len(starts)} times" if starts else "is not in the text"
        raise UserError(f"{place}: {name}_text '{part}' is not at {name}_index {given} and {found}; mend the row")
    report.correct("the offset of a word", place)
    return Span(part, starts[0])
