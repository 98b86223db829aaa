"""SQuAD's JSON: CMRC2018, DRCD and DuReader's converted files."""

from collections.abc import Iterator
from typing import Any, Literal

from tasks.finetuning.reading.examples import Answer, QuestionExample
from tasks.finetuning.reading.report import Report
from tasks.finetuning.reading.source import Format, Source, item, typed

NOT_FOUND = "an answer that is not in its context"


class SquadFormat(Format):
    """A question an example; contexts are left as they are, so that the answers' offsets hold.

    An answer that is not at its offset is looked for: the nearest occurrence is taken and counted. Of those found
    nowhere `start` is None, since their words still count in scoring, and the question is counted. A question that has
    no other answer is left out of training, one without any answer is left out wherever labels are wanted.
    """

    format: Literal["squad"] = "squad"

    def examples(self, source: Source, report: Report) -> Iterator[QuestionExample]:
        for context, question in _questions(source, report):
            report.rows += 1
            number = written_id(question, str(source.path))
            place = f"{source.path} question {number}"
            answers = _answers(question, context, place, report) if source.labelled else ()
            if source.labelled and not answers:
                report.leave_out("no answer", place)
            elif source.training and all(answer.start is None for answer in answers):
                report.leave_out(NOT_FOUND, place)
            else:
                if any(answer.start is None for answer in answers):
                    report.keep(NOT_FOUND, place)
                text = item(question, "question", str, place)
                yield QuestionExample(source.prefix + number, place, text, context, answers)


def written_id(record: dict[str, Any], place: str) -> str:
    """The `id` of a JSON object, a text or a whole number."""
    value = record.get("id")
    return str(value) if isinstance(value, int) else item(record, "id", str, place)


def _questions(source: Source, report: Report) -> Iterator[tuple[str, dict[str, Any]]]:
    """The contexts and questions of a file."""
    root = typed(source.document(report), dict, str(source.path))
    for number, article in enumerate(item(root, "data", list, str(source.path))):
        place = f"{source.path} data[{number}]"
        for index, paragraph in enumerate(item(typed(article, dict, place), "paragraphs", list, place)):
            where = f"{place}.paragraphs[{index}]"
            context = item(typed(paragraph, dict, where), "context", str, where)
            for question in item(paragraph, "qas", list, where):
                yield context, typed(question, dict, where)


def _answers(question: dict[str, Any], context: str, place: str, report: Report) -> tuple[Answer, ...]:
    answers = []
    for record in item(question, "answers", list, place):
        text = item(typed(record, dict, place), "text", str, place)
        given = item(record, "answer_start", int, place)
        if text.strip():
            answers.append(_located(text, given, context, place, report))
    return tuple(answers)


def _located(text: str, given: int, context: str, place: str, report: Report) -> Answer:
    if given >= 0 and context.startswith(text, given):
        return Answer(text, given)
    for candidate in (text, text.strip()):
        starts = occurrences(candidate, context)
        if starts:
            report.correct("the offset of an answer", place)
            return Answer(candidate, min(starts, key=lambda start: abs(start - given)))
    return Answer(text.strip(), None)


def occurrences(part: str, text: str) -> list[int]:
    """The offsets at which `part`, which is not empty, begins in `text`."""
    return [start for start in range(len(text) - len(part) + 1) if text.startswith(part, start)]
