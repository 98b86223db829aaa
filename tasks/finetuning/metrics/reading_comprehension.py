"""Metrics of answers taken from a text: exact match and F1, Chinese as CMRC2018's script has them, English as SQuAD's.

A question may have several accepted answers; the best match counts.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from ernie_paddle.metric import Measured, Metric

FIGURES = ("em", "f1", "mean")

# The marks that CMRC2018's script leaves out. It lists no other ASCII mark, and its entry for the ellipsis, two
# characters, never matches one.
CHINESE_MARKS = str.maketrans("", "", "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
IDEOGRAPH = re.compile("([\u4e00-\u9fa5])")
# Words as NLTK's Treebank rules cut them: marks and English endings apart from words, but not `3.5`, `1,000` or `u.s`.
MARKS = r";@#$%&?!\"()\[\]{}<>‘–—―"
ENDING = r"(?:'(?:s|m|d|ll|re|ve)|n't)(?!\w)"
FULL_STOP = r"\.(?=[)\]}>\"'’]*(?:\s|$))"
WORD = re.compile(
    rf"\.{{2,}}|{ENDING}|[{MARKS}]|,(?!\d)|{FULL_STOP}|(?:(?!{ENDING})(?!{FULL_STOP})(?:[^\s{MARKS},.]|,(?=\d)|\.(?!\.)))+"
)
ARTICLE = re.compile(r"\b(a|an|the)\b")
ENGLISH_MARKS = str.maketrans("", "", string.punctuation)


class Language(NamedTuple):
    """How a language's texts are compared: what must be equal for a match, and F1 of a gold and a predicted text."""

    normalised: Callable[[str], str]
    f1: Callable[[str, str], float]


def em_and_f1(gold: Sequence[Sequence[str]], predicted: Sequence[str], language: str) -> Measured:
    """Exact match, F1 and the mean of the two (CMRC2018's `AVERAGE`) over questions.

    `gold` has all accepted answers of each question, `predicted` one text each, empty where the model has none;
    `language` is `zh` or `en`.

    Raises:
        ValueError: a question has no accepted answer.
    """
    languages = {
        "zh": Language(without_chinese_marks, longest_common_f1),
        "en": Language(squad_normalised, shared_words_f1),
    }
    normalised, f1 = languages[language]
    matches, overlap = 0, 0.0
    for answers, text in zip(gold, predicted, strict=True):
        matches += normalised(text) in {normalised(answer) for answer in answers}
        overlap += max(f1(answer, text) for answer in answers)
    em, mean_f1 = matches / len(gold), overlap / len(gold)
    one_text = len(set(predicted)) == 1 < len({tuple(answers) for answers in gold})
    reason = f"every answer is predicted as '{predicted[0]}'" if one_text else None
    return Measured({"em": em, "f1": mean_f1, "mean": (em + mean_f1) / 2}, reason)


def without_chinese_marks(text: str) -> str:
    """What CMRC2018's script compares for an exact match: lower case, without its list of marks."""
    return text.lower().strip().translate(CHINESE_MARKS)


def mixed_segmentation(text: str) -> list[str]:
    """The tokens of CMRC2018's script: each Chinese character is one, other runs are cut into words; no marks.

    Chinese characters are U+4E00 to U+9FA5. The script cuts runs with NLTK's `word_tokenize`; ours agrees with its
    Treebank rules but for rare spellings (`cannot`, quotes inside words), which only matter in English answers.
    """
    pieces = IDEOGRAPH.split(without_chinese_marks(text))
    return [token for piece in pieces for token in ([piece] if IDEOGRAPH.fullmatch(piece) else WORD.findall(piece))]


def longest_common_f1(answer: str, text: str) -> float:
    """F1 of CMRC2018's script: what is shared is the longest run of tokens that both texts have.

    0.0 where nothing is shared, even if both have no token.
    """
    gold, found = mixed_segmentation(answer), mixed_segmentation(text)
    matcher = SequenceMatcher(None, gold, found, autojunk=False)
    shared = matcher.find_longest_match().size
    return 2 * shared / (len(gold) + len(found)) if shared else 0.0


def squad_normalised(text: str) -> str:
    """SQuAD's normal form: lower case, no ASCII punctuation, no articles, single blanks."""
    return " ".join(ARTICLE.sub(" ", text.lower().translate(ENGLISH_MARKS)).split())


def shared_words_f1(answer: str, text: str) -> float:
    """SQuAD's F1: words in common, each as often as both texts have it; without words, 1.0 if both have none."""
    gold, found = squad_normalised(answer).split(), squad_normalised(text).split()
    if not gold or not found:
        return float(gold == found)
    return 2 * (Counter(gold) & Counter(found)).total() / (len(gold) + len(found))


METRICS = (Metric("em_and_f1", "texts", FIGURES, "mean", em_and_f1, {"language": ("en", "zh")}),)
