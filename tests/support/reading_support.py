"""Reading one file through the settings of a recipe."""

from pathlib import Path
from typing import Any

import pytest

from ernie_paddle.config import check_settings
from ernie_paddle.errors import UserError
from tasks.finetuning.reading.data import DataSettings, LoadedSet, read_sets

LABELS = ["no", "yes"]
QUESTION = {"id": "Q1", "question": "哪里？", "answers": [{"text": "北京", "answer_start": 0}]}


def read(
    folder: Path, content: str | bytes, reading: dict[str, Any], labels: list[str] | None = None, **keys: Any
) -> LoadedSet:
    """Read a training file of this content."""
    (folder / "train.json").write_bytes(content.encode() if isinstance(content, str) else content)
    tree = {"folder": str(folder), "train": "train.json", "reading": reading, **keys}
    (one,) = read_sets(check_settings(DataSettings, tree, "recipe.yaml"), "train", labels)
    return one


def refused(error: pytest.ExceptionInfo[UserError], words: list[str]) -> None:
    message = str(error.value)
    assert "\n" not in message
    assert [word for word in words if word not in message] == []


def squad(question: dict[str, Any], context: str = "北京是首都。") -> dict[str, Any]:
    """SQuAD's document with one question."""
    return {"data": [{"paragraphs": [{"context": context, "qas": [question]}]}]}
