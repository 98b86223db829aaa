"""Sentence splitting by rules.

The sentences of a paragraph are contiguous: nothing but blanks separates them.

Chinese: a sentence ends at 。！？； or …, including the closing quotes and brackets that follow. It also ends at ! or ?
outside of web addresses, and at a Latin full stop after a Chinese character. No sentence ends inside 《》 or before a
comma. Latin text within Chinese follows the English rules.

English: a sentence ends at `.`, `!`, `?` or … followed by a blank, with these exceptions:
- An abbreviation before a name, a number or a lower-case letter does not end a sentence. An abbreviation that may end a
  sentence, such as "U.S.", ends it if the next word is a common first word of sentences.
- No sentence ends before a lower-case letter, except at a full stop after an ordinary word, or before code.
- A single number or letter at the start, which numbers an item, does not end a sentence.
A bullet begins a sentence.
"""

import re
from collections.abc import Iterator

from data_builders.annotation.function_words import ENGLISH_OPENERS
from data_builders.documents import Language

# Both patterns begin with a character set, which `re` searches fast.
_ZH_CLOSING = r"”’』」）》】\"')\]"
_ZH_STOP = re.compile(rf"[。！？；…!?.．《][。！？；…!?.．]*[{_ZH_CLOSING}]*")
_ZH_ENDS = "。！？；…"
_ZH_CONTINUES = "，、：,:"
_ZH_NUMERALS = frozenset("零〇一二三四五六七八九十百")
_MAX_ZH_TITLE_LENGTH = 60
_CHINESE = re.compile(r"[\u3400-\u9fff”’）》]")
_OF_ADDRESS = re.compile(r"[A-Za-z0-9=&/]")

_BULLETS = "•‣⁃▪◦●"
_EN_STOP = re.compile(
    rf"[.!?…{_BULLETS}](?<![.!?…][.!?…])(?P<more>(?: \.){{2,3}}|[.!?…]*)"
    r"(?P<closing>(?:[\"'”’)\]»]|\[\d{1,3}\])*)"
    r"(?:\s+(?=[\"'“‘«(\[]*(?P<next>[^\W_]*)(?P<code>\.\w|[_(]|://)?(?P<dot>\.)?)"
    rf"|(?=(?P<joined>[A-Z][a-z]*)\s)|(?<=[{_BULLETS}]))"
)
_EN_CONTINUES = (",", ";", ":")
_LOOK_BACK = 80  # characters before a stop; enough for two words
_MARKER = re.compile(r"\W{0,8}(?:\d{1,4}|[A-Za-z]|[ivx]{1,6}|[IVX]{1,6})?\W{0,8}")
_SEVERAL = re.compile(r"(?:[A-Z][a-z]?\.|[a-z]\.)+[A-Za-z]{1,2}")  # U.S, a.m, Ph.D
_NUMERAL = re.compile(r"\d.*|[IVXLC]+|[A-Z]|AD")

# Abbreviations by what follows them.
# Before names, if the abbreviation is capitalised:
_TITLES = frozenset(
    "adm brig capt cmdr col cpl dr fr gen gov hon lt maj messrs mlle mme mr mrs ms mt pfc pres prof pvt rep reps rev "
    "sen sens sgt st ste supt".split()
)
# Before examples and comparisons:
_BEFORE_EXAMPLES = frozenset("cf e.g eg i.e ie viz vs".split())
# Before numbers; otherwise they end the sentence:
_BEFORE_NUMBERS = frozenset(
    "apr art aug c ca ch chap chs cir circa dec eq eqs feb fig figs jan jul jun mar no nos nov oct op p par para pp "
    "sec sect secs sep sept ser ver vol vols".split()
)
# Before anything except a common first word of sentences, where they end the sentence:
_BEFORE_ANYTHING = frozenset(
    "al approx assn ave b bldg blvd bros co corp d dept div ed eds esq est ext ft inc jr lit ltd mfg mi natl rd sq sr "
    "trans univ v".split()
)
# Before lower-case letters; otherwise they end the sentence:
_BEFORE_LOWER_CASE = frozenset(
    "abbr abbrev cm colloq def esp etc excl ex fem fl ibid incl kg km lb lbs masc max min misc mm n.b obs oz pl pron "
    "resp sing sp spp ss subsp syn temp var yr yrs".split()
)
_ABBREVIATIONS = _TITLES | _BEFORE_EXAMPLES | _BEFORE_NUMBERS | _BEFORE_ANYTHING | _BEFORE_LOWER_CASE


def sentences(paragraph: str, language: Language) -> list[str]:
    """Return the sentences of a paragraph without surrounding blanks; closing quotes stay with their sentence."""
    if language == "en":
        pieces = _en_pieces(paragraph)
    elif ". " in paragraph:
        pieces = (part for piece in _zh_pieces(paragraph) for part in _en_pieces(piece))
    else:
        pieces = _zh_pieces(paragraph)
    return [stripped for piece in pieces if (stripped := piece.strip())]


def _zh_pieces(paragraph: str) -> Iterator[str]:
    start = title_end = 0
    for stop in _ZH_STOP.finditer(paragraph):
        marks, end = stop[0], stop.end()
        if marks[0] == "《":
            title_end = max(title_end, paragraph.find("》", end, end + _MAX_ZH_TITLE_LENGTH))
        elif end > title_end and _is_zh_end(paragraph, marks, stop.start(), end):
            yield paragraph[start:end]
            start = end
    yield paragraph[start:]


def _is_zh_end(paragraph: str, marks: str, start: int, end: int) -> bool:
    """Return whether a sentence ends with the punctuation from `start` to `end`."""
    after = paragraph[end : end + 1]
    if after and after in _ZH_CONTINUES:
        return False
    if marks[0] in _ZH_ENDS:
        return True
    before = paragraph[start - 1 : start]
    if marks[0] in "!?":
        return not (_OF_ADDRESS.match(before) and _OF_ADDRESS.match(after))
    number = len(marks) == 1 and before in _ZH_NUMERALS and after in _ZH_NUMERALS
    return bool(_CHINESE.match(before)) and not (after.isascii() and after.isalnum()) and not number


def _en_pieces(paragraph: str) -> Iterator[str]:
    start = 0
    for stop in _EN_STOP.finditer(paragraph):
        if stop[0][0] in _BULLETS:
            yield paragraph[start : stop.start()]
            start = stop.start()
        elif _is_en_end(paragraph[max(start, stop.start() - _LOOK_BACK) : stop.start()], stop):
            yield paragraph[start : stop.end()]
            start = stop.end()
    yield paragraph[start:]


def _is_en_end(sentence: str, stop: re.Match[str]) -> bool:
    """Return whether a match of `_EN_STOP` ends a sentence; `sentence` holds the last characters before it."""
    more, closing, following, code, dot, joined = stop.groups()
    word = sentence[sentence.rfind(" ") + 1 :].lstrip("([{\"'“‘«*_")
    if joined:  # the blank is missing
        return joined.lower() in ENGLISH_OPENERS and len(word) > 1 and word.isalpha() and word.islower()
    if _MARKER.fullmatch(sentence) or sentence.endswith(("[", "(")) or more == " . .":
        return False
    full_stop = stop[0][0] == "." and not more
    if following[:1].islower() or stop.string.startswith(_EN_CONTINUES, stop.end()):
        return full_stop and not closing and _ends_before_lower_case(word, bool(code) or not following.islower())
    return not full_stop or _ends_before_capital(sentence, word, following, bool(dot))


def _ends_before_lower_case(word: str, code_follows: bool) -> bool:
    if word.lower() in _ABBREVIATIONS or _SEVERAL.fullmatch(word):
        return False
    word = word.rstrip("\"'”’)]")
    return len(word) > 1 and (code_follows or (word.isalpha() and word.islower() and not _MARKER.fullmatch(word)))


def _ends_before_capital(sentence: str, word: str, following: str, dot_follows: bool) -> bool:
    """Return whether a full stop after a word ends the sentence if no lower-case letter follows."""
    lower = word.lower()
    if lower in _BEFORE_EXAMPLES or (lower in _TITLES and word[0].isupper()):
        return False
    initial = len(word) == 1 and word.isupper()
    if lower in _BEFORE_NUMBERS and not initial:
        return not _NUMERAL.fullmatch(following)
    if word == "I":
        before = sentence[:-1].split()[-1:]
        return not (before and before[0][0].isupper())
    if initial or lower in _BEFORE_ANYTHING or _SEVERAL.fullmatch(word):
        return not dot_follows and following.lower() in ENGLISH_OPENERS
    return True
