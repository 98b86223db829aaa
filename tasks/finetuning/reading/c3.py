"""C3: a list of passages with questions, each of which has two to four choices."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from ernie_paddle.errors import UserError
from ernie_paddle.inputs import BadRow
from tasks.finetuning.reading.examples import ChoiceExample, Example
from tasks.finetuning.reading.report import Report
from tasks.finetuning.reading.source import Format, Source, required, typed
from tasks.finetuning.reading.squad import written_id

LEAST_CHOICES, MOST_CHOICES = 2, 4


class C3Format(Format):
    """One example per question. The sentences of a passage become its lines.

    Questions in files without labels have an id. The id of others is passage and question, counted from 0: `12-0`.
    """

    format: Literal["c3"] = "c3"

    def examples(self, source: Source, report: Report) -> Iterator[Example | BadRow]:
        def read(row: int, place: str, content: tuple[str, str, Any]) -> Sequence[ChoiceExample]:
            number, context, question = content
            record = typed(question, dict, place)
            has_id = "id" in record and not source.labelled
            choices = _choices(record, place)
            example = ChoiceExample(
                id=source.prefix + (written_id(record, place) if has_id else number),
                place=place,
                context=context,
                question=required(record, "question", str, place),
                choices=choices,
                answer=_answer(record, choices, place) if source.labelled else None,
            )
            return (example,)

        for row, (place, content) in enumerate(_questions(source, report)):
            report.rows += 1
            yield from source.attempt(row, place, content, report, read)


def _questions(source: Source, report: Report) -> Iterator[tuple[str, tuple[str, str, Any]]]:
    """Yield the place of each question of a file, and its number, passage and object."""
    for number, passage in enumerate(typed(source.document(report), list, str(source.path))):
        place = f"{source.path} passage {number}"
        parts = typed(passage, list, place)
        if len(parts) < 2:
            raise UserError(f"{place}: expected [sentences, questions, id], found {len(parts)} parts")
        context = "\n".join(typed(sentence, str, place) for sentence in typed(parts[0], list, place))
        for index, question in enumerate(typed(parts[1], list, place)):
            yield f"{place} question {index}", (f"{number}-{index}", context, question)


def _choices(record: dict[str, Any], place: str) -> tuple[str, ...]:
    choices = tuple(typed(choice, str, f"{place}, key 'choice'") for choice in required(record, "choice", list, place))
    if not LEAST_CHOICES <= len(choices) <= MOST_CHOICES:
        raise UserError(
            f"{place}: {len(choices)} choices, expected {LEAST_CHOICES} to {MOST_CHOICES}; correct the file"
        )
    return choices


def _answer(record: dict[str, Any], choices: tuple[str, ...], place: str) -> int:
    answer = required(record, "answer", str, place)
    if answer not in choices:
        raise UserError(f"{place}: answer '{answer}' is not among the choices {', '.join(choices)}; correct the file")
    return choices.index(answer)
