"""C3: lists of passages, each with its questions, each with two to four choices."""

from collections.abc import Iterator
from typing import Any, Literal

from ernie_paddle.errors import UserError
from tasks.finetuning.reading.examples import ChoiceExample
from tasks.finetuning.reading.report import Report
from tasks.finetuning.reading.source import Format, Source, item, typed
from tasks.finetuning.reading.squad import written_id

LEAST_CHOICES, MOST_CHOICES = 2, 4


class C3Format(Format):
    """A question an example; the sentences of a passage are its lines.

    Questions of files without labels carry an id, others are known by passage and question, from 0: `12-0`.
    """

    format: Literal["c3"] = "c3"

    def examples(self, source: Source, report: Report) -> Iterator[ChoiceExample]:
        for number, entry in enumerate(typed(source.document(report), list, str(source.path))):
            place = f"{source.path} passage {number}"
            parts = typed(entry, list, place)
            if len(parts) < 2:
                raise UserError(f"{place}: expected [sentences, questions, id], found {len(parts)} parts")
            sentences = [typed(sentence, str, place) for sentence in typed(parts[0], list, place)]
            for index, question in enumerate(typed(parts[1], list, place)):
                report.rows += 1
                where = f"{place} question {index}"
                record = typed(question, dict, where)
                known = "id" in record and not source.labelled
                yield ChoiceExample(
                    id=source.prefix + (written_id(record, where) if known else f"{number}-{index}"),
                    place=where,
                    context="\n".join(sentences),
                    question=item(record, "question", str, where),
                    choices=(choices := _choices(record, where)),
                    answer=_answer(record, choices, where) if source.labelled else None,
                )


def _choices(record: dict[str, Any], place: str) -> tuple[str, ...]:
    choices = tuple(typed(choice, str, f"{place}, key 'choice'") for choice in item(record, "choice", list, place))
    if not LEAST_CHOICES <= len(choices) <= MOST_CHOICES:
        raise UserError(f"{place}: {len(choices)} choices, expected {LEAST_CHOICES} to {MOST_CHOICES}; mend the file")
    return choices


def _answer(record: dict[str, Any], choices: tuple[str, ...], place: str) -> int:
    answer = item(record, "answer", str, place)
    if answer not in choices:
        raise UserError(f"{place}: answer '{answer}' is none of the choices {', '.join(choices)}; mend the file")
    return choices.index(answer)
