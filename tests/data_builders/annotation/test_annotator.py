"""Annotation: tokens, spans and capitalisation against a slow, obvious recount from the text."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import released
from real_text_support import RealText

from data_builders.annotation.annotator import Annotator
from data_builders.annotation.chinese import ChineseWords
from data_builders.annotation.document import COLUMNS, AnnotatedBlock, AnnotatedDocument, arrow_schema
from data_builders.annotation.features import CAPITALIZATION
from data_builders.annotation.sentences import sentences
from data_builders.documents import Document, Language
from ernie_paddle.data.spans import NAMED_ENTITY
from ernie_paddle.testing import toy_vocabulary
from ernie_paddle.text.vocabulary import Vocabulary


def annotate(text: str, language: Language, vocabulary: Vocabulary) -> AnnotatedDocument:
    return annotator_of(vocabulary, language).annotate([Document("0", [text], language, "test")]).document(0, 0)


def annotator_of(vocabulary: Vocabulary, language: Language) -> Annotator:
    return Annotator(vocabulary, language, features=(CAPITALIZATION,))


def test_the_example_sentence_of_the_release_gets_its_documented_spans() -> None:
    document = annotate("北京是中国首都", "zh", toy_vocabulary("北京是中国首都"))
    assert document.columns.of("bi_tags").tolist() == [0, 1, 0, 0, 1, 0, 1]


def test_the_released_vocabulary_gives_the_released_sample() -> None:
    vocabulary = Vocabulary.load(released("vocab_zh.txt"))
    document = annotate("北京是中国首都", "zh", vocabulary)
    bi_tags = [-1, *document.columns.of("bi_tags").tolist(), -1]
    assert " ".join(map(str, bi_tags)) == "-1 0 1 0 0 1 0 1 -1"
    assert vocabulary.to_text(document.columns.of("input_ids").tolist()) == "北京是中国首都"


def test_proper_names_are_named_entities() -> None:
    document = annotate("李明在北京大学学习", "zh", toy_vocabulary("李明在北京大学习"))
    kinds = document.columns.of("span_kinds")
    assert (kinds[:2] == NAMED_ENTITY).all() and kinds[2] != NAMED_ENTITY
    document = annotate("the cat saw New York", "en", toy_vocabulary(["the", "cat", "saw", "new", "york"]))
    assert document.columns.of("bi_tags").tolist() == [0, 0, 0, 0, 1]
    assert document.columns.of("span_kinds").tolist() == [0, 0, 0, NAMED_ENTITY, NAMED_ENTITY]


def test_capitalisation_labels_equal_the_case_of_words_in_the_raw_text(real_text: RealText) -> None:
    vocabulary = real_text.vocabulary
    tokenizer = vocabulary.tokenizer
    checked = 0
    for document in list(real_text.sources["en"].documents())[:5]:
        annotated = annotator_of(vocabulary, "en").annotate([document]).document(0, 0)
        expected: list[int] = []
        for sentence in (s for p in document.paragraphs for s in sentences(p, "en")):
            encoding = tokenizer.encode(sentence, add_special_tokens=False)
            label = -1
            for (start, _), token in zip(encoding.offsets, encoding.tokens, strict=True):
                if not token.startswith("##"):
                    letter = sentence[start]
                    label = 1 if letter.isupper() else 0 if letter.islower() else -1
                expected.append(label)
        assert annotated.columns.of("capitalization").tolist() == expected
        checked += len(expected)
    assert checked > 5000


def test_only_latin_words_of_chinese_text_have_capitalisation_labels(real_text: RealText) -> None:
    tokenizer, words = real_text.vocabulary.tokenizer, ChineseWords()
    labelled = checked = 0
    for document in list(real_text.sources["zh"].documents())[:60]:
        annotated = annotator_of(real_text.vocabulary, "zh").annotate([document]).document(0, 0)
        expected = []
        for sentence in (s for p in document.paragraphs for s in sentences(p, "zh")):
            begins = set(words(sentence).starts.tolist())
            encoding = tokenizer.encode(sentence, add_special_tokens=False)
            label = -1
            for number, ((start, _), token) in enumerate(zip(encoding.offsets, encoding.tokens, strict=True)):
                if number == 0 or (start in begins and not token.startswith("##")):
                    letter = sentence[start]
                    label = 1 if letter.isupper() else 0 if letter.islower() else -1
                expected.append(label)
        assert annotated.columns.of("capitalization").tolist() == expected
        checked += len(expected)
        labelled += len(expected) - expected.count(-1)
    assert checked > 10_000 and labelled > 5


@pytest.mark.parametrize(
    ("text", "language", "labels"),
    [
        ("The NATO treaty", "en", [1, 1, 0]),  # opening word and capitals keep their case
        ("running", "en", [0, 0]),  # pieces share the label
        ("in 1998 !", "en", [0, -1, -1]),  # digits and signs have none
        ("在NATO和in", "zh", [-1, 1, -1, 0]),  # of Chinese text the Latin words alone
    ],
)
def test_the_rule_of_capitalisation(text: str, language: Language, labels: list[int]) -> None:
    vocabulary = toy_vocabulary(["the", "nato", "treaty", "run", "##ning", "in", "1998", "!", "在", "和"])
    assert annotate(text, language, vocabulary).columns.of("capitalization").tolist() == labels


def test_titles_and_labelled_pairs_are_kept_apart_from_running_text() -> None:
    vocabulary = toy_vocabulary("北京是首都。天津不")
    plain = Document("0", ["天津不是首都。"], "zh", "t", title="北京 是首都")
    pair = Document("1", ["北京。首都", "天津。"], "zh", "t", label="clicked")
    block = Annotator(vocabulary, "zh").annotate([plain, pair])
    block = AnnotatedBlock.from_arrow(block.to_arrow(arrow_schema()))
    first, second = block.document(0, 7), block.document(1, 8)
    assert vocabulary.to_text(first.title.of("input_ids").tolist()) == "北京是首都" and first.label is None
    assert vocabulary.to_text(first.columns.of("input_ids").tolist()) == "天津不是首都。" and first.index == 7
    assert second.title.tokens == 0 and second.label == "clicked" and second.index == 8
    assert second.bounds.tolist() == [0, 5, 8], "the two texts, not their sentences"


def test_documents_do_not_influence_each_other(real_text: RealText) -> None:
    documents = list(real_text.sources["zh"].documents())[:10]
    annotator = Annotator(real_text.vocabulary, "zh")
    together = annotator.annotate(documents)
    for i, document in enumerate(documents):
        alone, same = annotator.annotate([document]).document(0, 0), together.document(i, 0)
        assert (alone.bounds == same.bounds).all()
        assert all(np.array_equal(alone.columns.of(name), same.columns.of(name)) for name in COLUMNS)


def test_a_document_without_a_token_has_no_sentences() -> None:
    block = Annotator(toy_vocabulary(["一"]), "zh").annotate(
        [Document("0", ["\u200b"], "zh", "t"), Document("1", ["一。"], "zh", "t")]
    )
    assert block.sentence_counts.tolist() == [0, 1]


@pytest.mark.parametrize("lower_case", [True, False])
def test_documents_without_any_token_have_all_columns(lower_case: bool) -> None:
    annotator = annotator_of(replace(toy_vocabulary(), lower_case=lower_case), "en")
    block = annotator.annotate([Document("0", ["\u200b"], "en", "t")])
    assert block.columns.keys() == annotator.dtypes.keys()
    assert block.to_arrow(arrow_schema(annotator.dtypes)).num_rows == 1
