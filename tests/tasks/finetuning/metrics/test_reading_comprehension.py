"""Answers as CMRC2018's and SQuAD's scripts count them."""

import warnings
from itertools import product

import numpy as np
import pytest
from helpers import Scorer

from tasks.finetuning.metrics.reading_comprehension import (
    longest_common_f1,
    mixed_segmentation,
    shared_words_f1,
    squad_normalised,
    without_chinese_marks,
)


def random_texts(alphabet: str, count: int, seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    return ["".join(random.choice(list(alphabet), random.integers(0, 9))) for _ in range(count)]


# ---- Chinese ----


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("1949年10月", ["1949", "年", "10", "月"]),
        ("《傻钱》策略：Buy-and-Hold", ["傻", "钱", "策", "略", "buyandhold"]),
        ("涨幅达3.5%，共1,000点。", ["涨", "幅", "达", "3.5", "%", "共", "1,000", "点"]),
        (" New York的(NBA)球队 ", ["new", "york", "的", "(", "nba", ")", "球", "队"]),
        ("it's over.", ["it", "'s", "over", "."]),
        ("，。", []),
    ],
)
def test_segmentation_has_characters_and_words_but_no_marks(text: str, tokens: list[str]) -> None:
    assert mixed_segmentation(text) == tokens


def test_f1_is_of_the_longest_common_run_of_tokens() -> None:
    def plain(gold: list[str], found: list[str]) -> float:
        runs = [
            size
            for i, j in product(range(len(gold)), range(len(found)))
            for size in range(1, min(len(gold) - i, len(found) - j) + 1)
            if gold[i : i + size] == found[j : j + size]
        ]
        if not runs:
            return 0.0
        precision, recall = max(runs) / len(found), max(runs) / len(gold)
        return 2 * precision * recall / (precision + recall)

    texts = random_texts("甲乙丙，a 1", 60, seed=1)
    for gold, found in zip(texts[:30], texts[30:], strict=True):
        expected = plain(mixed_segmentation(gold), mixed_segmentation(found))
        assert longest_common_f1(gold, found) == pytest.approx(expected), (gold, found)


def test_a_question_of_the_trial_set_counted_by_hand(score: Scorer) -> None:
    answers = [
        "所谓的“傻钱”策略，其实就是买入并持有美国股票这样的普通组合",
        "其实就是买入并持有美国股票这样的普通组合",
        "买入并持有美国股票这样的普通组合",
    ]
    values = score("em_and_f1", [answers, ["78.1"]], ["就是买入并持有美国股票这样的", "78.1。"], language="zh").values
    longest = 14  # characters, all of the prediction; the shortest answer shares 12 of its 16 with it
    f1 = max(2 * longest / (longest + 20), 2 * 12 / (longest + 16))
    assert values == pytest.approx({"em": 0.5, "f1": (f1 + 1) / 2, "mean": (0.5 + (f1 + 1) / 2) / 2})


def test_the_best_of_several_answers_counts_and_marks_do_not(score: Scorer) -> None:
    assert score("em_and_f1", [["“北京”", "南京"]], ["北京。"], language="zh").values == {"em": 1, "f1": 1, "mean": 1}


def test_nothing_answered_scores_nothing(score: Scorer) -> None:
    assert score("em_and_f1", [["北京"]], [""], language="zh").values == {"em": 0, "f1": 0, "mean": 0}


# ---- English ----


def test_squads_normal_form() -> None:
    assert squad_normalised("The  U.S. Navy's, an 'A'-team") == "us navys ateam"


def test_squad_f1_counts_words_in_common_as_often_as_both_have_them() -> None:
    assert shared_words_f1("the Denver Broncos", "Denver, Denver") == pytest.approx(2 * 1 / (2 + 2))
    assert shared_words_f1("the", "a") == 1.0
    assert shared_words_f1("the", "Broncos") == 0.0


def test_each_language_is_compared_by_its_own_script(score: Scorer) -> None:
    """English ignores marks, articles and word order. Chinese counts the longest common run of characters."""
    gold, predicted = [["The big, red fox"], ["a cat"], ["dog", "hot dog"]], ["red fox, big", "the cat!", "dogs"]
    english = {"em": 1 / 3, "f1": (1 + 1 + 0) / 3, "mean": (1 / 3 + 2 / 3) / 2}
    assert score("em_and_f1", gold, predicted, language="en").values == pytest.approx(english)
    run_of_words = (2 * 2 / (5 + 4) + 2 * 1 / (2 + 3) + 0) / 3  # commas and exclamation marks are words there
    chinese = score("em_and_f1", gold, predicted, language="zh").values
    assert chinese == pytest.approx({"em": 0.0, "f1": run_of_words, "mean": run_of_words / 2})


def test_the_best_f1_of_each_question_is_averaged_over_questions(score: Scorer) -> None:
    texts = random_texts("甲乙丙", 60, seed=4)
    gold = [[text or "丁" for text in texts[i : i + 1 + i % 3]] for i in range(0, 30)]
    predicted = [answers[-1] if i % 4 == 0 else texts[30 + i] for i, answers in enumerate(gold)]
    values = score("em_and_f1", gold, predicted, language="zh").values
    f1 = np.mean(
        [max(longest_common_f1(a, text) for a in answers) for answers, text in zip(gold, predicted, strict=True)]
    )
    em = np.mean([text in answers for answers, text in zip(gold, predicted, strict=True)])
    assert values == pytest.approx({"em": em, "f1": f1, "mean": (em + f1) / 2}) and 0 < em < f1


# ---- both, beside paddlenlp ----


def test_paddlenlps_squad_metric_agrees() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what its own imports say
        from paddlenlp.metrics import squad
    texts = [*random_texts("abt he.,'-THE12", 400, seed=2), "The cat", "a cat, the", "cats and a dog", "the dog's"]
    for gold, found in product(texts[-40:], texts[:80] + texts[-40:]):
        assert float(squad_normalised(gold) == squad_normalised(found)) == squad.compute_exact(gold, found)
        assert shared_words_f1(gold, found) == pytest.approx(squad.compute_f1(gold, found)), (gold, found)
    chinese = random_texts("甲乙丙丁，。《》：·", 200, seed=3)
    for gold, found in product(chinese[:40], chinese[:80]):
        equal = without_chinese_marks(gold) == without_chinese_marks(found)
        assert equal == squad.compute_exact(gold, found)
        if mixed_segmentation(gold) and mixed_segmentation(found):
            # It takes characters in any order, of which a run is a part.
            bag = squad.compute_f1(gold, found, is_whitespace_splited=False)
            assert longest_common_f1(gold, found) <= bag + 1e-9
            assert (longest_common_f1(gold, found) == 1) == equal
