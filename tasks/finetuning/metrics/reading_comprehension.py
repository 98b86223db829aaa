"""Metrics of extracted answers: exact match and F1, for Chinese as in CMRC2018's script, for English as in SQuAD's.

A question may have several accepted answers. The best match counts.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from ernie_paddle.metric import Metric, MetricValues

VALUES = ("em", "f1", "mean")

# The marks that CMRC2018's script removes. It lists no other ASCII marks. Its entry for the ellipsis has two characters
# and never matches.
CHINESE_MARKS = str.maketrans("", "", "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
IDEOGRAPH = re.compile("([\u4e00-\u9fa5])")
# Words as in NLTK's Treebank rules: marks and English endings are separate, but `3.5`, `1,000` and `u.s` are not split.
MARKS = r";@#$%&?!\"()\[\]{}<>‘–—―"
ENDING = r"(?:'(?:s|m|d|ll|re|ve)|n't)(?!\w)"
FULL_STOP = r"\.(?=[)\]}>\"'’]*(?:\s|$))"
WORD = re.compile(
    rf"\.{{2,}}|{ENDING}|[{MARKS}]|,(?!\d)|{FULL_STOP}|(?:(?!{ENDING})(?!{FULL_STOP})(?:[^\s{MARKS},.]|,(?=\d)|\.(?!\.)))+"
)
ARTICLE = re.compile(r"\b(a|an|the)\b")
ENGLISH_MARKS = str.maketrans("", "", string.punctuation)


class Comparison(NamedTuple):
    """The comparison of two texts in a language: the normal form for an exact match, and F1."""

    normalised: Callable[[str], str]
    f1: Callable[[str, str], float]


def em_and_f1(gold: Sequence[Sequence[str]], predicted: Sequence[str], language: str) -> MetricValues:
    """Return exact match, F1 and their mean (CMRC2018's `AVERAGE`) over questions.

    `gold` holds all accepted answers of each question, `predicted` one text for each, empty if there is no answer.
    `language` is `zh` or `en`.

    Raises:
        ValueError: a question has no accepted answer.
    """
    languages = {
        "zh": Comparison(without_chinese_marks, longest_common_f1),
        "en": Comparison(squad_normalised, shared_words_f1),
    }
    normalised, f1 = languages[language]
    matches, overlap = 0, 0.0
    for answers, text in zip(gold, predicted, strict=True):
        matches += normalised(text) in {normalised(answer) for answer in answers}
        overlap += max(f1(answer, text) for answer in answers)
    em, mean_f1 = matches / len(gold), overlap / len(gold)
    one_text = len(set(predicted)) == 1 < len({tuple(answers) for answers in gold})
    reason = f"every answer is predicted as '{predicted[0]}'" if one_text else None
    return MetricValues({"em": em, "f1": mean_f1, "mean": (em + mean_f1) / 2}, reason)


def without_chinese_marks(text: str) -> str:
    """Return the normal form of CMRC2018's script for exact matches: lower case, without its list of marks."""
    return text.lower().strip().translate(CHINESE_MARKS)


def mixed_segmentation(text: str) -> list[str]:
    """Return the tokens of CMRC2018's script: single Chinese characters, and the words in between, without marks.

    Chinese characters are U+4E00 to U+9FA5. The script finds words with NLTK's `word_tokenize`. Ours agrees with its
    Treebank rules except for rare spellings (`cannot`, quotes inside words), which only occur in English answers.
    """
    pieces = IDEOGRAPH.split(without_chinese_marks(text))
    return [token for piece in pieces for token in ([piece] if IDEOGRAPH.fullmatch(piece) else WORD.findall(piece))]


def longest_common_f1(answer: str, text: str) -> float:
    """Return F1 of CMRC2018's script, which counts the longest common run of tokens.

    It is 0.0 if no token is common, even if both texts have none.
    """
    gold, found = mixed_segmentation(answer), mixed_segmentation(text)
    matcher = SequenceMatcher(None, gold, found, autojunk=False)
    shared = matcher.find_longest_match().size
    return 2 * shared / (len(gold) + len(found)) if shared else 0.0


def squad_normalised(text: str) -> str:
    """Return SQuAD's normal form: lower case, without ASCII punctuation and articles, with single spaces."""
    return " ".join(ARTICLE.sub(" ", text.lower().translate(ENGLISH_MARKS)).split())


def shared_words_f1(answer: str, text: str) -> float:
    """Return SQuAD's F1, which counts common words with repetition. It is 1.0 if both texts have no words."""
    gold, found = squad_normalised(answer).split(), squad_normalised(text).split()
    if not gold or not found:
        return float(gold == found)
    return 2 * (Counter(gold) & Counter(found)).total() / (len(gold) + len(found))


METRICS = (Metric("em_and_f1", "texts", VALUES, "mean", em_and_f1, {"language": ("en", "zh")}),)
