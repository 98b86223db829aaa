"""Token-document relation against a recount by brute force, from the raw text of real documents."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from real_text_support import RealText

from data_builders.annotation.annotator import Annotator
from data_builders.annotation.chinese import ChineseWords
from data_builders.annotation.document import AnnotatedDocument
from data_builders.annotation.sentences import sentences
from data_builders.builders.builder import Pool
from data_builders.builders.token_document_relation import TokenDocumentRelationBuilder, TokenDocumentRelationOptions
from data_builders.documents import Document, Language
from ernie_paddle.data.shards import SPLITS, SampleTable
from ernie_paddle.text.vocabulary import Vocabulary

WORDS = ChineseWords()
NOTHING = np.random.default_rng(0)


def composed(
    documents: list[AnnotatedDocument], vocabulary: Vocabulary, **options: str
) -> list[tuple[list[int], list[int]]]:
    """Return the labels of all tokens of each document, and the ends of its segments; both empty without a sample."""
    builder = TokenDocumentRelationBuilder(64, TokenDocumentRelationOptions(**options), vocabulary)  # type: ignore[arg-type]
    drafts = builder.compose(documents, Pool([]), NOTHING, Counter())
    found = []
    for document in documents:
        first, last = document.columns.start, document.columns.end
        own = [draft for draft in drafts if first <= draft.segments[0].start < last]
        labels = [label for draft in own for label in draft.columns["token_document"].tolist()]
        found.append((labels, [draft.segments[0].end - first for draft in own]))
    return found


def words_of(document: Document, real_text: RealText, language: Language) -> Iterator[tuple[str, list[int]]]:
    """Yield the raw text and the token ids of every word of a document."""
    tokenizer = real_text.vocabulary.tokenizer
    for sentence in (s for p in document.paragraphs for s in sentences(p, language)):
        begins = set(WORDS(sentence).starts.tolist())
        encoding = tokenizer.encode(sentence, add_special_tokens=False)
        tokens = list(zip(encoding.ids, encoding.tokens, encoding.offsets, strict=True))
        opens = [
            i
            for i, (_, token, (start, _)) in enumerate(tokens)
            if i == 0 or (not token.startswith("##") and (language == "en" or start in begins))
        ]
        for first, after in zip(opens, [*opens[1:], len(tokens)], strict=True):
            text = sentence[tokens[first][2][0] : tokens[after - 1][2][1]]
            yield text, [token[0] for token in tokens[first:after]]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_labels_equal_a_recount_by_brute_force(either_text: RealText, language: Language) -> None:
    checked = ones = 0
    documents = list(either_text.sources[language].documents())[:15]
    block = Annotator(either_text.vocabulary, language).annotate(documents)
    together = [block.document(number, number) for number in range(len(documents))]
    results = composed(together, either_text.vocabulary)
    for document, annotated, (labels, ends) in zip(documents, together, results, strict=True):
        if not labels:
            assert annotated.tokens <= 62
            continue
        words, place = [], 0
        for text, ids in words_of(document, either_text, language):
            segment = next(i for i, end in enumerate(ends) if place < end)
            word = tuple(ids) if either_text.vocabulary.lower_case else text.lower()
            words.append((text, word, len(ids), segment))
            place += len(ids)
        assert place == annotated.tokens == len(labels)
        expected: list[int] = []
        for text, word, pieces, segment in words:
            elsewhere = any(other == word and place != segment for _, other, _, place in words)
            expected += [int(elsewhere) if any(map(str.isalnum, text)) else -1] * pieces
        assert labels == expected
        checked += len(labels)
        ones += labels.count(1)
    assert checked > 5000 and 0.1 * checked < ones < 0.9 * checked


def test_options_select_the_words_with_labels(real_text: RealText) -> None:
    document = next(iter(real_text.sources["en"].documents()))
    annotated = Annotator(real_text.vocabulary, "en").annotate([document]).document(0, 0)
    [(everything, _)] = composed([annotated], real_text.vocabulary, punctuation="label")
    assert -1 not in everything
    [(usual, _)] = composed([annotated], real_text.vocabulary)
    [(rare, _)] = composed([annotated], real_text.vocabulary, stop_words="ignore")
    [(firsts, _)] = composed([annotated], real_text.vocabulary, sub_words="first")
    tokens = [real_text.vocabulary.tokens[i] for i in annotated.columns.of("input_ids").tolist()]
    seen = 0
    for place, token in enumerate(tokens[:-1]):
        if token in ("the", "of", "and", "with") and not tokens[place + 1].startswith("##"):
            assert usual[place] != -1 and rare[place] == -1
            seen += 1
        assert firsts[place] == (-1 if token.startswith("##") else usual[place])
    assert seen > 20


def test_shards_have_labels_except_at_special_tokens(real_text: RealText) -> None:
    for split in SPLITS:
        table = SampleTable.open(real_text.shards / "token_document_relation", split)
        block = table.take(np.arange(len(table)))
        special = np.isin(block.columns["input_ids"], [real_text.vocabulary.cls_id, real_text.vocabulary.sep_id])
        assert (block.columns["token_document"][special] == -1).all()
        assert set(block.columns["token_document"].tolist()) == {-1, 0, 1}
