"""The block tokenizer against the tokenizer of the vocabulary, on real text and on random characters."""

import random

import pytest
from helpers import released
from real_text_support import RealText

from data_builders.annotation import tokenizing
from data_builders.annotation.tokenizing import BlockTokenizer
from ernie_paddle.text.vocabulary import Vocabulary

TRICKY = "a bcZé中国，１Ａ\u0301ß\u200b\ufeff\tﬁ한日、!$\u3000豈\ud7a3İ\n\U00020001\U0001f600～\u00a0ｶﾞ_-'"


def assert_same(text: str, block_tokenizer: BlockTokenizer, vocabulary: Vocabulary) -> None:
    expected, found = vocabulary.tokenizer.encode(text, add_special_tokens=False), block_tokenizer(text)
    assert found.ids.tolist() == expected.ids, text
    assert list(zip(found.starts.tolist(), found.ends.tolist(), strict=True)) == expected.offsets, text
    assert found.opens_word.tolist() == [not token.startswith("##") for token in expected.tokens], text


def test_real_text_has_the_ids_and_offsets_of_the_tokenizer(either_text: RealText) -> None:
    block_tokenizer = BlockTokenizer(either_text.vocabulary)
    for source in either_text.sources.values():
        text = "\n".join(paragraph for document in source.documents() for paragraph in document.paragraphs)
        assert_same(text[:200_000], block_tokenizer, either_text.vocabulary)


def test_any_mixture_of_characters_has_the_ids_and_offsets_of_the_tokenizer(either_text: RealText) -> None:
    draw = random.Random(1)
    block_tokenizer = BlockTokenizer(either_text.vocabulary)
    for _ in range(1500):
        assert_same("".join(draw.choices(TRICKY, k=draw.randint(0, 12))), block_tokenizer, either_text.vocabulary)
    for _ in range(500):
        points = [draw.choice((draw.randint(1, 0xD7FF), draw.randint(0xE000, 0x1FFFF))) for _ in range(20)]
        assert_same("".join(map(chr, points)), block_tokenizer, either_text.vocabulary)


def test_released_vocabularies_have_the_ids_and_offsets_of_the_tokenizer(real_text: RealText) -> None:
    for name, language in (("vocab_zh.txt", "zh"), ("vocab_en.txt", "en")):
        vocabulary = Vocabulary.load(released(name))
        text = "\n".join(next(iter(real_text.sources[language].documents())).paragraphs)
        assert_same(text, BlockTokenizer(vocabulary), vocabulary)


def test_clearing_the_cache_changes_nothing(either_text: RealText, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizing, "MAX_CACHED", 10)
    block_tokenizer = BlockTokenizer(either_text.vocabulary)
    for document in list(either_text.sources["en"].documents())[:2]:
        for paragraph in document.paragraphs[:30]:
            assert_same(paragraph, block_tokenizer, either_text.vocabulary)
