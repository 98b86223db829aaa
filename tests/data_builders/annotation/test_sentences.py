"""Cutting paragraphs into sentences."""

import pytest

from data_builders.annotation.sentences import sentences
from data_builders.documents import Language


@pytest.mark.parametrize(
    ("language", "paragraph", "expected"),
    [
        ("zh", "你好。再见！真的？", ["你好。", "再见！", "真的？"]),
        ("zh", "他说：“来吧！”她走了。", ["他说：“来吧！”", "她走了。"]),
        ("zh", "等等……好吧", ["等等……", "好吧"]),
        ("zh", "没有句号", ["没有句号"]),
        ("en", "Dr. Smith came. He left!", ["Dr. Smith came.", "He left!"]),
        ("en", "J. R. R. Tolkien wrote it.", ["J. R. R. Tolkien wrote it."]),
        ("en", "It grew by 3.5 percent. Why?", ["It grew by 3.5 percent.", "Why?"]),
        ("en", 'He said "Go." Then he left.', ['He said "Go."', "Then he left."]),
        ("en", "In the U.S. Army it is so.", ["In the U.S. Army it is so."]),
        ("en", "   ", []),
    ],
)
def test_borders(language: Language, paragraph: str, expected: list[str]) -> None:
    assert sentences(paragraph, language) == expected


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_character_is_lost(language: Language) -> None:
    paragraph = '甲乙。丙！？“丁。”戊 (A. B.) C? "D e." f... G！ 1. H'
    joined = "".join(sentences(paragraph, language))
    assert joined.replace(" ", "") == paragraph.replace(" ", "")
