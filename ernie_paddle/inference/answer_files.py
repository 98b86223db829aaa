"""Answers as files: a row an example in its order, or a JSON object of texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ernie_paddle.files import as_json, written_whole
from ernie_paddle.kind import Answer, Signature


def write_answers(path: Path, examples: Sequence[Any], answers: Sequence[Answer], signature: Signature) -> Path:
    """Write `<path>.json`, {id: text}, where answers are texts of their own, else `<path>.tsv`; which one is returned.

    The table's columns are `index`, `prediction` and the score of each label or choice, if answers have scores.
    """
    target = path.with_name(path.name + answer_suffix(answers, signature))
    with written_whole(target) as file:
        file.write(answers_as_text(examples, answers, signature))
    return target


def answer_suffix(answers: Sequence[Answer], signature: Signature) -> str:
    """`.json` where answers are texts of their own, else `.tsv`."""
    texts = signature.labels is None and all(isinstance(answer.value, str) for answer in answers)
    return ".json" if texts else ".tsv"


def answers_as_text(examples: Sequence[Any], answers: Sequence[Answer], signature: Signature) -> str:
    """What `write_answers` writes."""
    if answer_suffix(answers, signature) == ".json":
        texts = {example.id: answer.value for example, answer in zip(examples, answers, strict=True)}
        return as_json(texts, indent=2) + "\n"
    return "".join(f"{line}\n" for line in answer_lines(examples, answers, signature))


def answer_lines(examples: Sequence[Any], answers: Sequence[Answer], signature: Signature) -> list[str]:
    """Answers as lines of a table, its header first."""
    widest = max((len(answer.scores) for answer in answers), default=0)
    named = signature.labels if widest and signature.labels else [f"choice {i}" for i in range(widest)]
    lines = ["\t".join(["index", "prediction", *named])]
    for example, answer in zip(examples, answers, strict=True):
        shown = [f"{score:.6f}" for score in answer.scores]
        lines.append("\t".join([str(example.id), answer_text(answer.value), *shown, *[""] * (widest - len(shown))]))
    return lines


def answer_text(value: Any) -> str:
    """An answer in one field: tags with blanks between them, numbers in full."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else " ".join(map(str, value)) if isinstance(value, Sequence) else str(value)
