"""Cutting paragraphs into sentences."""

import re

from data_builders.documents import Language

_ZH_SENTENCE = re.compile(r"[^。！？；…!?]*(?:[。！？；…!?]+[”’』」）》】\"')]*|$)")
_EN_BORDER = re.compile(r"[.!?…]+[\"'”’)\]]*\s+(?=[\"'“‘(\[]?[A-Z0-9])")
_EN_LAST_WORD = re.compile(r"[\w.&'-]*$")
_EN_ABBREVIATIONS = frozenset(
    "adm approx bros capt co col corp cf ca dr ed eds e.g est etc fig figs ft gen gov hon inc i.e jr lt ltd "
    "messrs mr mrs ms mt no nos op p pp prof rep rev sen sgt sr st v viz vol vols vs jan feb mar apr jun jul aug "
    "sep sept oct nov dec".split()
)


def sentences(paragraph: str, language: Language) -> list[str]:
    """The sentences of a paragraph, without blanks around them; a closing quote stays with its sentence."""
    pieces = _zh_pieces(paragraph) if language == "zh" else _en_pieces(paragraph)
    return [piece.strip() for piece in pieces if piece.strip()]


def _zh_pieces(paragraph: str) -> list[str]:
    return _ZH_SENTENCE.findall(paragraph)


def _en_pieces(paragraph: str) -> list[str]:
    """Cut after `.`, `!` or `?` before a capital or digit, but not after an initial or a common abbreviation."""
    pieces, start = [], 0
    for border in _EN_BORDER.finditer(paragraph):
        before = _EN_LAST_WORD.search(paragraph, start, border.start())
        if border.group().startswith(".") and before and _is_abbreviation(before.group()):
            continue
        pieces.append(paragraph[start : border.end()])
        start = border.end()
    return [*pieces, paragraph[start:]]


def _is_abbreviation(word: str) -> bool:
    initial = len(word) == 1 and word.isupper() and word != "I"
    return initial or word.lower() in _EN_ABBREVIATIONS or bool(re.fullmatch(r"(?:[A-Za-z]\.)+[A-Za-z]", word))
