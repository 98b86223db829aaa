"""Annotated corpora: what they depend on, and access to their documents."""

from pathlib import Path

import numpy as np
import pytest
from traced_corpora import VOCABULARY, Written, block_of, write_corpus

from data_builders.annotation import store
from data_builders.annotation.annotated_corpus import AnnotatedCorpus
from data_builders.annotation.features import CAPITALIZATION
from data_builders.annotation.settings import SpanSettings
from data_builders.annotation.store import corpus_origin
from data_builders.readers.mediawiki import MediaWikiReader
from data_builders.readers.reader import RawCorpus
from data_builders.readers.text import TextReader, TitledTextReader
from ernie_paddle.text.vocabulary import Vocabulary


def test_whatever_the_documents_depend_on_changes_their_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    one.write_text("北京是首都。\n")
    other.write_text("北京是首部。\n")
    (tmp_path / "words.txt").write_text("首都 9 n\n")
    spans = SpanSettings.model_validate({"zh": {"dictionaries": [tmp_path / "words.txt"]}})
    swapped = Vocabulary({**VOCABULARY.ids, "t1": VOCABULARY.ids["t2"], "t2": VOCABULARY.ids["t1"]})
    wiki = MediaWikiReader()

    def origin(source: RawCorpus, spans: SpanSettings | None = None, vocabulary: Vocabulary = VOCABULARY) -> object:
        return corpus_origin(source, spans or SpanSettings(), [CAPITALIZATION], vocabulary)

    first = RawCorpus("a", one, TextReader(), "zh")
    origins = [
        origin(first),
        origin(RawCorpus("a", other, TextReader(), "zh")),
        origin(RawCorpus("a", one, TitledTextReader(), "zh")),
        origin(RawCorpus("a", one, TextReader(), "en")),
        origin(RawCorpus("a", one, TextReader(), "zh", "gb18030")),
        origin(RawCorpus("a", one, wiki, "zh")),
        origin(RawCorpus("a", one, wiki.in_variant("zh-tw"), "zh")),
        origin(first, spans),
        origin(first, vocabulary=swapped),
    ]
    for module, name, value in ((store, "ANNOTATION_VERSION", -1), (store, "CHARACTERS_PER_WORK_ITEM", 7)):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            origins.append(origin(first))
    (tmp_path / "words.txt").write_text("首都 8 n\n")
    origins.append(origin(first, spans))
    (tmp_path / "words.txt").write_text("首都 8 ns\n")
    origins.append(origin(first, spans))
    assert all(a != b for i, a in enumerate(origins) for b in origins[:i])
    (tmp_path / "renamed.txt").write_bytes(one.read_bytes())
    assert origin(RawCorpus("b", tmp_path / "renamed.txt", TextReader(), "zh")) == origins[0]


def test_documents_are_found_by_their_number_and_work_item(tmp_path: Path) -> None:
    """Document i has i % 3 + 1 sentences, every second one a title, and the group i // 4."""
    documents = [
        Written(
            [[100 + i, 200 + s] for s in range(i % 3 + 1)],
            title=[300 + i] * (i % 2),
            label="so" if i % 5 == 0 else None,
            group=i // 4,
            second=7 * i,
        )
        for i in range(23)
    ]
    write_corpus(tmp_path / "corpus", documents, per_work_item=5)
    corpus = AnnotatedCorpus.open(tmp_path / "corpus")
    assert corpus.name == "corpus" and len(corpus) == 23 and corpus.work_items == 5
    assert corpus.work_item_offsets.tolist() == [0, 5, 10, 15, 20, 23]
    assert corpus.sentence_counts.tolist() == [i % 3 + 1 for i in range(23)]
    assert corpus.titled.tolist() == [i % 2 == 1 for i in range(23)]
    assert corpus.groups.tolist() == [i // 4 for i in range(23)] and corpus.contents.tolist() == list(range(23))
    assert corpus.second_text_hashes.tolist() == [7 * i for i in range(23)]
    by_work_item = [document for number in range(5) for document in corpus.documents_of(number)]
    for i in range(23):
        assert corpus.same_group(i).tolist() == [other for other in range(23) if other // 4 == i // 4]
        for document in (corpus.document(i), by_work_item[i]):
            assert document.index == i and document.label == documents[i].label
            assert document.title.of("input_ids").tolist() == documents[i].title
            assert document.sentences == i % 3 + 1 and document.tokens == 2 * document.sentences
            assert document.bounds.tolist() == list(range(0, 2 * document.sentences + 1, 2))
            assert document.columns.of("input_ids").tolist() == [t for s in documents[i].sentences for t in s]


def test_a_block_keeps_the_documents_that_it_is_told_to() -> None:
    documents = [Written([[10 * i + s, 9] for s in range(i + 1)], title=[i] * i, second=i) for i in range(5)]
    kept = block_of(documents).keep(np.array([True, False, True, True, False]))
    assert len(kept) == 3 and list(kept.ids) == ["0", "2", "3"]
    assert kept.contents.tolist() == kept.groups.tolist() == kept.second_text_hashes.tolist() == [0, 2, 3]
    for place, i in enumerate((0, 2, 3)):
        document = kept.document(place, 40 + place)
        assert document.index == 40 + place and document.title.of("input_ids").tolist() == [i] * i
        assert document.columns.of("input_ids").tolist() == [t for s in documents[i].sentences for t in s]
