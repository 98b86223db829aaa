"""Annotate documents with sentences, tokens, spans and token features: the costly pass, done once."""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np

from data_builders.annotation import chinese, english
from data_builders.annotation.characters import cases, code_points
from data_builders.annotation.document import COLUMNS, WORD_KEYS, AnnotatedBlock
from data_builders.annotation.features import AnnotatedWords, TokenFeature
from data_builders.annotation.sentences import sentences
from data_builders.annotation.tokenizing import BlockTokenizer, Tokens
from data_builders.documents import Document, Language, hash_of
from ernie_paddle.data.schema import INPUT_IDS
from ernie_paddle.data.spans import BEGIN, BI_TAGS, INSIDE, SPAN_KINDS
from ernie_paddle.text.vocabulary import Vocabulary

ANNOTATION_VERSION = 4  # must be incremented when the same documents are annotated differently


@dataclass(frozen=True)
class Annotator:
    """An annotator of documents in one language."""

    vocabulary: Vocabulary
    language: Language
    chinese_words: chinese.ChineseWords = field(default_factory=chinese.ChineseWords)
    english_spans: english.EnglishSpans = field(default_factory=english.EnglishSpans)
    features: tuple[TokenFeature, ...] = ()

    @property
    def spans(self) -> chinese.ChineseWords | english.EnglishSpans:
        """The span finder of the language."""
        return self.chinese_words if self.language == "zh" else self.english_spans

    @property
    def dtypes(self) -> dict[str, np.dtype]:
        """The dtypes of the token columns of annotated documents, by name."""
        keys = {} if self.vocabulary.lower_case else {WORD_KEYS: np.dtype(np.uint64)}
        return COLUMNS | keys | {feature.name: np.dtype(feature.column.dtype) for feature in self.features}

    def annotate(self, documents: list[Document]) -> AnnotatedBlock:
        """Annotate documents. Sentences without tokens are dropped, so that a document may have none left."""
        self.spans.entries_found.clear()
        bodies = [self._sentences(document) for document in documents]
        titles = [" ".join((document.title or "").split()) for document in documents]
        lines: list[str] = []
        for title, body in zip(titles, bodies, strict=True):
            lines.append(title)
            lines += body
        tokens, columns, line_lengths = self._columns(lines)
        line_counts = np.array([1 + len(body) for body in bodies], np.int64)
        owner = np.repeat(np.arange(len(documents)), line_counts)
        is_title = np.zeros(len(lines), bool)
        is_title[np.cumsum(line_counts) - line_counts] = True
        filled = (line_lengths > 0) & ~is_title
        contents = np.array([document.content() for document in documents], np.int64)
        groups, second_text_hashes = _pair_hashes(documents, contents, line_counts, line_lengths, tokens)
        return AnnotatedBlock(
            ids=[document.id for document in documents],
            contents=contents,
            groups=groups,
            second_text_hashes=second_text_hashes,
            labels=[document.label for document in documents],
            title_lengths=line_lengths[is_title].astype(np.int32),
            sentence_counts=np.bincount(owner[filled], minlength=len(documents)).astype(np.int64),
            sentence_lengths=line_lengths[filled].astype(np.int32),
            columns={INPUT_IDS: tokens.ids} | columns,
            entries_found=frozenset(self.spans.entries_found),
        )

    def english_sentences(self, document: Document) -> list[list[str]]:
        """Return the lower-cased words of each sentence of an English document."""
        text = "\n".join(self._sentences(document))
        words = self._english_words(text)
        starts = np.flatnonzero(words.opens_sentence).tolist()
        return [words.lower[start:end] for start, end in pairwise([*starts, len(words.lower)])]

    def words(self, text: str) -> tuple[str, ...]:
        """Return the words of a line of English text, with their case."""
        return tuple(self._english_words(text).written)

    def _english_words(self, text: str) -> english.CasedWords:
        tokens, points = self._tokenizer(text), code_points(text)
        return _english_words(text, tokens, _opens_line(_lines(tokens, points)), points)

    def _sentences(self, document: Document) -> list[str]:
        if document.label is not None:
            return document.paragraphs
        return [s for paragraph in document.paragraphs for s in sentences(paragraph, self.language)]

    def _columns(self, lines: list[str]) -> tuple[Tokens, dict[str, np.ndarray], np.ndarray]:
        """Return the tokens of the lines, their other columns, and the number of tokens of each line."""
        text = "\n".join(lines)
        tokens = self._tokenizer(text)
        points = code_points(text)
        line = _lines(tokens, points)
        opens_line = _opens_line(line)
        if not len(tokens.ids):
            columns = {name: np.empty(0, dtype) for name, dtype in self.dtypes.items() if name != INPUT_IDS}
        else:
            annotate = self._chinese if self.language == "zh" else self._english
            columns = annotate(text, points, tokens, opens_line)
            if not self.vocabulary.lower_case:
                columns[WORD_KEYS] = _keys_in_lower_case(text, tokens, columns["word_bi_tags"] == BEGIN)
        return tokens, columns, np.bincount(line, minlength=len(lines))

    def _features(self, words: AnnotatedWords, own_word: np.ndarray) -> dict[str, np.ndarray]:
        """Return the token features [tokens]; `own_word` is the number of each token's word [tokens]."""
        return {feature.name: feature.of_words(words, self.language)[own_word] for feature in self.features}

    def _chinese(self, text: str, points: np.ndarray, tokens: Tokens, opens_line: np.ndarray) -> dict[str, np.ndarray]:
        """Annotate Chinese: a word begins at the first token of a jieba word, unless that token is a `##` piece."""
        words = self.chinese_words(text)
        continues, kinds = chinese.spans_of(words.codes)
        word = np.searchsorted(words.starts, tokens.starts, side="right") - 1
        opens = opens_line.copy()
        opens[1:] |= (word[1:] != word[:-1]) & tokens.opens_word[1:]
        span = np.cumsum(~continues)[word]
        begins = opens_line.copy()
        begins[1:] |= opens[1:] & (span[1:] != span[:-1])
        first_of_word = np.flatnonzero(opens)
        own_word = np.cumsum(opens) - 1
        numbers = word[first_of_word]
        span_kinds = kinds[word[begins]][np.cumsum(begins) - 1]
        annotated = AnnotatedWords(
            text,
            points,
            tokens.starts[first_of_word],
            np.append(words.starts[1:], len(points))[numbers],
            opens_line[first_of_word],
            ~begins[first_of_word],
            span_kinds[first_of_word],
            lambda written: self.chinese_words.tags(written, words.codes[numbers]),
        )
        return {
            BI_TAGS.name: np.where(begins, BEGIN, INSIDE).astype(np.int8),
            SPAN_KINDS.name: span_kinds,
            "word_bi_tags": np.where(opens, BEGIN, INSIDE).astype(np.int8),
            "word_classes": words.classes[numbers][own_word],
            **self._features(annotated, own_word),
        }

    def _english(self, text: str, points: np.ndarray, tokens: Tokens, opens_line: np.ndarray) -> dict[str, np.ndarray]:
        """Annotate English: a span is a word, a phrase or a named entity."""
        opens = tokens.opens_word | opens_line
        words = _english_words(text, tokens, opens_line, points)
        continues, kinds = self.english_spans(words)
        word = np.cumsum(opens) - 1
        begins = opens.copy()
        begins[opens] = ~continues
        annotated = AnnotatedWords(
            text,
            points,
            words.starts,
            words.ends,
            words.opens_sentence,
            continues,
            kinds,
            lambda written: [""] * len(written),
        )
        return {
            BI_TAGS.name: np.where(begins, BEGIN, INSIDE).astype(np.int8),
            SPAN_KINDS.name: kinds[word],
            "word_bi_tags": np.where(opens, BEGIN, INSIDE).astype(np.int8),
            "word_classes": english.word_classes(words.lower)[word],
            **self._features(annotated, word),
        }

    @cached_property
    def _tokenizer(self) -> BlockTokenizer:
        return BlockTokenizer(self.vocabulary)


def _pair_hashes(
    documents: list[Document],
    contents: np.ndarray,
    line_counts: np.ndarray,
    line_lengths: np.ndarray,
    tokens: Tokens,
) -> tuple[np.ndarray, np.ndarray]:
    """Return `groups` and `second_text_hashes` of `AnnotatedBlock`."""
    groups, second_text_hashes = contents.copy(), np.zeros(len(documents), np.int64)
    line_offsets = np.concatenate([[0], np.cumsum(line_lengths)])
    title_lines = np.cumsum(line_counts) - line_counts
    for i in [i for i, document in enumerate(documents) if document.label is not None]:
        title, after = title_lines[i], title_lines[i] + line_counts[i]
        first, second, end = line_offsets[np.minimum([title + 1, title + 2, title + 3], after)]
        groups[i] = hash_of(tokens.ids[first:second].tobytes())
        second_text_hashes[i] = hash_of(tokens.ids[second:end].tobytes())
    return groups, second_text_hashes


def _keys_in_lower_case(text: str, tokens: Tokens, begins_word: np.ndarray) -> np.ndarray:
    """Return the column `word_keys` of `FlatColumns` from the words themselves [tokens]."""
    first = np.flatnonzero(begins_word)
    ends = tokens.ends[np.append(first[1:], len(begins_word)) - 1]
    words = [
        text[start:end].casefold() for start, end in zip(tokens.starts[first].tolist(), ends.tolist(), strict=True)
    ]
    hashes = {word: hash_of(word.encode()) for word in set(words)}
    keys = np.zeros(len(begins_word), np.uint64)
    keys[first] = [hashes[word] for word in words]
    return keys


def _lines(tokens: Tokens, points: np.ndarray) -> np.ndarray:
    """Return the number of each token's line [tokens]."""
    return np.cumsum(points == ord("\n"))[tokens.starts]


def _opens_line(line: np.ndarray) -> np.ndarray:
    """Return which tokens are the first of their line [tokens], from the number of each token's line."""
    return np.diff(line, prepend=-1) > 0


def _english_words(text: str, tokens: Tokens, opens_line: np.ndarray, points: np.ndarray) -> english.CasedWords:
    opens = np.flatnonzero(tokens.opens_word | opens_line)
    starts, ends = tokens.starts[opens], tokens.ends[np.append(opens[1:], len(tokens.ids)) - 1]
    return english.CasedWords(text, starts, ends, cases()(points[starts]) == 1, opens_line[opens])
