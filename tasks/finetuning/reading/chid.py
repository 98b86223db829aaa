"""CHID: passages with idioms taken out, ten candidates for the blanks of a line, answers in a file of their own."""

import re
from collections.abc import Iterator
from typing import Any, Literal

from ernie_paddle.errors import UserError
from tasks.finetuning.reading.examples import ClozeExample
from tasks.finetuning.reading.report import Report
from tasks.finetuning.reading.source import Format, Source, item, typed

BLANK = re.compile(r"#idiom\d+#")


class ChidFormat(Format):
    """A blank an example. The answers to `train.json` are in `train_answer.json` beside it."""

    format: Literal["chid"] = "chid"
    answers: str = "_answer.json"  # what takes the place of `.json` in the name of the file with the answers

    def examples(self, source: Source, report: Report) -> Iterator[ClozeExample]:
        answers = self._answers(source, report) if source.labelled else None
        for row, place, record in source.json_lines(report):
            report.rows -= 1  # blanks are counted, not lines
            candidates = item(record, "candidates", list, place)
            names = tuple(typed(name, str, f"{place}, key 'candidates'") for name in candidates)
            if len(names) < 2:
                raise UserError(f"{place}: {len(names)} candidates, expected several; get the file again")
            for passage, text in enumerate(item(record, "content", list, place)):
                for blank in BLANK.finditer(typed(text, str, f"{place}, key 'content'")):
                    report.rows += 1
                    tag = blank.group()
                    yield ClozeExample(
                        id=source.prefix + tag,
                        place=f"{place} {tag}",
                        left=text[: blank.start()],
                        right=text[blank.end() :],
                        candidates=names,
                        answer=None if answers is None else _answer(answers, tag, len(names), place),
                        group=f"{source.prefix}{row}",
                        passage=passage,
                    )

    def _answers(self, source: Source, report: Report) -> dict[str, Any]:
        path = source.path.with_name(source.path.stem + self.answers)
        if not path.exists():
            raise UserError(f"{path}: answers to {source.path.name} not found; put them beside it")
        return typed(Source(path).document(report), dict, str(path))


def _answer(answers: dict[str, Any], tag: str, candidates: int, place: str) -> int:
    if tag not in answers:
        raise UserError(f"{place}: no answer to {tag}; do both files come from one archive?")
    answer = typed(answers[tag], int, f"{place}, answer to {tag}")
    if not 0 <= answer < candidates:
        raise UserError(f"{place}: answer {answer} to {tag}, but there are {candidates} candidates, from 0")
    return answer
