"""SQuAD's JSON: CMRC2018, DRCD, and the converted files of DuReader."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from ernie_paddle.inputs import BadRow
from tasks.finetuning.reading.examples import Answer, Example, QuestionExample
from tasks.finetuning.reading.report import Report
from tasks.finetuning.reading.source import Format, Source, required, typed

NOT_FOUND = "an answer that is not in its context"


class SquadFormat(Format):
    """One example per question. Contexts are not changed, so that the answers' offsets stay valid.

    If an answer is not at its offset, the nearest occurrence is used and counted as a correction. The `start` of an
    answer that does not occur is None: its words still count in scoring. A question with only such answers is skipped
    in training, and counted otherwise. A question without any answer is skipped in labelled files.
    """

    format: Literal["squad"] = "squad"

    def examples(self, source: Source, report: Report) -> Iterator[Example | BadRow]:
        def read(row: int, place: str, content: tuple[str, dict[str, Any]]) -> Sequence[QuestionExample]:
            context, question = content
            number = written_id(question, place)
            place = f"{source.path} question {number}"
            answers = _answers(question, context, place, report) if source.labelled else ()
            if source.labelled and not answers:
                report.skip("no answer", place)
                return ()
            if source.training and all(answer.start is None for answer in answers):
                report.skip(NOT_FOUND, place)
                return ()
            if any(answer.start is None for answer in answers):
                report.keep(NOT_FOUND, place)
            text = required(question, "question", str, place)
            return (QuestionExample(source.prefix + number, place, text, context, answers),)

        for row, content in enumerate(_questions(source, report)):
            report.rows += 1
            yield from source.attempt(row, str(source.path), content, report, read)


def written_id(record: dict[str, Any], place: str) -> str:
    """Return the `id` of a JSON object, a text or a whole number."""
    value = record.get("id")
    return str(value) if isinstance(value, int) else required(record, "id", str, place)


def _questions(source: Source, report: Report) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the context and the object of each question of a file."""
    root = typed(source.document(report), dict, str(source.path))
    for number, article in enumerate(required(root, "data", list, str(source.path))):
        place = f"{source.path} data[{number}]"
        for index, paragraph in enumerate(required(typed(article, dict, place), "paragraphs", list, place)):
            where = f"{place}.paragraphs[{index}]"
            context = required(typed(paragraph, dict, where), "context", str, where)
            for question in required(paragraph, "qas", list, where):
                yield context, typed(question, dict, where)


def _answers(question: dict[str, Any], context: str, place: str, report: Report) -> tuple[Answer, ...]:
    answers = []
    for record in required(question, "answers", list, place):
        text = required(typed(record, dict, place), "text", str, place)
        offset = required(record, "answer_start", int, place)
        if text.strip():
            answers.append(_located(text, offset, context, place, report))
    return tuple(answers)


def _located(text: str, offset: int, context: str, place: str, report: Report) -> Answer:
    """Return an answer with its offset in the context, corrected if necessary."""
    if offset >= 0 and context.startswith(text, offset):
        return Answer(text, offset)
    for candidate in (text, text.strip()):
        starts = occurrences(candidate, context)
        if starts:
            report.correct("the offset of an answer", place)
            return Answer(candidate, min(starts, key=lambda start: abs(start - offset)))
    return Answer(text.strip(), None)


def occurrences(part: str, text: str) -> list[int]:
    """Return the offsets at which `part`, which must not be empty, begins in `text`."""
    return [start for start in range(len(text) - len(part) + 1) if text.startswith(part, start)]
