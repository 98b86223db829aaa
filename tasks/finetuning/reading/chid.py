"""CHID: passages with blanks, ten candidate idioms for the blanks of a line, and answers in a separate file."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from ernie_paddle.errors import UserError
from ernie_paddle.inputs import BadRow
from tasks.finetuning.reading.examples import ClozeExample, Example
from tasks.finetuning.reading.report import Report
from tasks.finetuning.reading.source import Format, Source, required, typed

BLANK = re.compile(r"#idiom\d+#")  # the tag of a blank in a passage


class ChidFormat(Format):
    """One example per blank. The answers to `train.json` are in `train_answer.json` beside it."""

    format: Literal["chid"] = "chid"
    answers: str = "_answer.json"
    """Takes the place of `.json` in the name of the file with the answers."""

    def examples(self, source: Source, report: Report) -> Iterator[Example | BadRow]:
        answers = self._answers(source, report) if source.labelled else None

        def read(row: int, place: str, record: dict[str, Any]) -> Sequence[ClozeExample]:
            candidates = required(record, "candidates", list, place)
            names = tuple(typed(name, str, f"{place}, key 'candidates'") for name in candidates)
            if len(names) < 2:
                raise UserError(f"{place}: {len(names)} candidates, expected 2 or more; download the file again")
            examples = [
                ClozeExample(
                    id=source.prefix + (tag := blank.group()),
                    place=f"{place} {tag}",
                    left=text[: blank.start()],
                    right=text[blank.end() :],
                    candidates=names,
                    answer=None if answers is None else _answer(answers, tag, len(names), place),
                    group=f"{source.prefix}{row}",
                    passage=passage,
                )
                for passage, text in enumerate(required(record, "content", list, place))
                for blank in BLANK.finditer(typed(text, str, f"{place}, key 'content'"))
            ]
            report.rows += len(examples) - 1  # count blanks instead of lines
            return examples

        return source.json_lines(report, read)

    def _answers(self, source: Source, report: Report) -> dict[str, Any]:
        path = source.path.with_name(source.path.stem + self.answers)
        if not path.exists():
            raise UserError(f"{path}: not found; put the answers to {source.path.name} beside it")
        return typed(Source(path).document(report), dict, str(path))


def _answer(answers: dict[str, Any], tag: str, candidates: int, place: str) -> int:
    if tag not in answers:
        raise UserError(f"{place}: no answer to {tag}; are both files from the same archive?")
    answer = typed(answers[tag], int, f"{place}, answer to {tag}")
    if not 0 <= answer < candidates:
        raise UserError(f"{place}: answer {answer} to {tag}, expected 0 to {candidates - 1}")
    return answer
