"""From documents to annotated documents: sentences, tokens, spans, capitalisation; the one costly pass."""

from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from tokenizers import Tokenizer

from data_builders.annotation.document import COLUMNS, AnnotatedBlock
from data_builders.annotation.sentences import sentences
from data_builders.annotation.spans import chinese_spans, english_entities, english_word_classes
from data_builders.documents import Document, Language
from ernie_paddle.data.samples import BEGIN, IGNORED, INSIDE, NAMED_ENTITY, WORD
from ernie_paddle.text.vocabulary import CONTINUATION, Vocabulary

VERSION = 2


@dataclass(frozen=True)
class Annotator:
    """Annotates documents of one language with one vocabulary (lower-cased)."""

    vocabulary: Vocabulary
    language: Language

    def annotate(self, documents: list[Document]) -> AnnotatedBlock:
        """Annotate documents; sentences without a token are left out, documents may end up without any."""
        texts = [[s for p in document.paragraphs for s in sentences(p, self.language)] for document in documents]
        counts = np.array([len(document) for document in texts], np.int64)
        text = _Tokens.of(list(chain.from_iterable(texts)), self._tokenizer, self._continues_word)
        columns = _chinese(text) if self.language == "zh" else _english(text)
        filled = text.sentence_lengths > 0
        owners = np.repeat(np.arange(len(documents)), counts)[filled]
        return AnnotatedBlock(
            ids=[document.id for document in documents],
            contents=np.array([document.content() for document in documents], np.int64),
            sentence_counts=np.bincount(owners, minlength=len(documents)).astype(np.int64),
            sentence_lengths=text.sentence_lengths[filled].astype(np.int32),
            columns={"input_ids": text.ids} | columns,
        )

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return self.vocabulary.tokenizer()

    @cached_property
    def _continues_word(self) -> np.ndarray:
        """Is the token with this id a piece inside a word [vocabulary]."""
        table = np.zeros(self.vocabulary.size, bool)
        pieces = [i for token, i in self.vocabulary.ids.items() if token.startswith(CONTINUATION) and len(token) > 2]
        table[pieces] = True
        return table


@dataclass(frozen=True)
class _Tokens:
    """Tokens of many sentences, laid end to end as `text`.

    ids, starts, ends: per token, the last two in characters of `text`; opens_word: no piece inside a word.
    sentence_lengths: tokens per sentence.
    """

    text: str
    sentences: list[str]
    sentence_lengths: np.ndarray
    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    opens_word: np.ndarray

    @classmethod
    def of(cls, pieces: list[str], tokenizer: Tokenizer, continues_word: np.ndarray) -> "_Tokens":
        encodings = tokenizer.encode_batch(pieces, add_special_tokens=False)
        lengths = np.fromiter(map(len, encodings), np.int64, len(encodings))
        total = int(lengths.sum())
        ids = np.fromiter(chain.from_iterable(e.ids for e in encodings), np.int32, total)
        offsets = chain.from_iterable(chain.from_iterable(e.offsets for e in encodings))
        spans = np.fromiter(offsets, np.int64, 2 * total).reshape(total, 2)
        characters = np.fromiter(map(len, pieces), np.int64, len(pieces))
        spans += np.repeat(np.cumsum(characters) - characters, lengths)[:, None]
        return cls("".join(pieces), pieces, lengths, ids, spans[:, 0], spans[:, 1], ~continues_word[ids])

    @property
    def opens_sentence(self) -> np.ndarray:
        result = np.zeros(len(self.ids), bool)
        filled = self.sentence_lengths[self.sentence_lengths > 0]
        result[np.cumsum(filled) - filled] = True
        return result


def _chinese(text: _Tokens) -> dict[str, np.ndarray]:
    """A span begins where a token is the first of its jieba word and opens a word of the tokenizer."""
    spans = chinese_spans(text.sentences)
    word_of_character = np.repeat(np.arange(len(spans.lengths)), spans.lengths)
    word = word_of_character[text.starts]
    begins = text.opens_sentence
    begins[1:] |= (word[1:] != word[:-1]) & text.opens_word[1:]
    codes = np.where(begins, BEGIN, INSIDE).astype(np.int8)
    return {
        "span_codes": codes,
        "span_kinds": _of_first_token(spans.kinds[word], begins),
        "capitalization": np.full(len(word), IGNORED, np.int8),
        "word_codes": codes,
        "word_classes": _of_first_token(spans.classes[word], begins),
    }


def _english(text: _Tokens) -> dict[str, np.ndarray]:
    """A span is a word, or several that make a named entity.

    A word is capitalised when its first character is an upper-case letter (title case counts); when that
    character has no case (digits, signs, other scripts) the word has no label. The pieces of a word share its
    label, a word that opens a sentence keeps its own, and text in capitals counts as capitalised.
    """
    opens = np.flatnonzero(text.opens_word)
    if not len(opens):
        names = (name for name in COLUMNS if name != "input_ids")
        return {name: np.empty(0, np.int8) for name in names}
    starts = text.starts[opens]
    ends = text.ends[np.append(opens[1:], len(text.ids)) - 1]
    cases = _cases(text.text)[starts]
    continues = english_entities(text.text, starts, ends, cases == 1, text.opens_sentence[opens])
    entity = continues.copy()
    entity[:-1] |= continues[1:]
    begins = np.zeros(len(text.ids), bool)
    begins[opens[~continues]] = True
    word = np.cumsum(text.opens_word) - 1
    return {
        "span_codes": np.where(begins, BEGIN, INSIDE).astype(np.int8),
        "span_kinds": np.where(entity, NAMED_ENTITY, WORD).astype(np.int8)[word],
        "capitalization": cases[word],
        "word_codes": np.where(text.opens_word, BEGIN, INSIDE).astype(np.int8),
        "word_classes": english_word_classes(text.text, starts, ends)[word],
    }


def _cases(text: str) -> np.ndarray:
    """For each character 1 (upper or title case), 0 (lower case) or -1 (no case)."""
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    kinds, which = np.unique(points, return_inverse=True)
    letters = [chr(point) for point in kinds]
    case = [1 if c.isupper() or c.istitle() else 0 if c.islower() else IGNORED for c in letters]
    return np.array(case, np.int8)[which]


def _of_first_token(values: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """Give every token of a span the value of the span's first token."""
    return values[np.flatnonzero(begins)[np.cumsum(begins) - 1]] if len(values) else values
