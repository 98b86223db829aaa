"""Token features: facts about words that become columns of samples."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_builders.annotation.annotator import Annotator
from data_builders.annotation.features import CAPITALIZATION, AnnotatedWords, TokenFeature
from data_builders.build import build
from data_builders.builders.knowledge_masking import KnowledgeMaskingBuilder
from data_builders.corpora_config import BuildSettings
from data_builders.documents import Document, Language
from data_builders.workers import Processes
from ernie_paddle.config import check_settings
from ernie_paddle.data.schema import Column
from ernie_paddle.data.shards import Manifest, SampleTable
from ernie_paddle.data.spans import SPANS
from ernie_paddle.errors import UserError
from ernie_paddle.registry import load_plugins
from ernie_paddle.testing import toy_vocabulary

LENGTH = Column("word_length", "token", dtype="int16")


def lengths_of(words: AnnotatedWords) -> np.ndarray:
    return np.array([len(word) for word in words.written])


WORD_LENGTH = TokenFeature(LENGTH, lengths_of)


def seen(text: str, language: Language) -> AnnotatedWords:
    """Return the words of a text as a token feature gets them."""
    found: list[AnnotatedWords] = []
    signs = sorted({*text.lower(), *text.lower().split()} - {" "})
    vocabulary = toy_vocabulary(signs)

    def keep(words: AnnotatedWords) -> np.ndarray:
        found.append(words)
        return np.zeros(len(words.starts), np.int8)

    feature = TokenFeature(Column("kept", "token"), keep)
    Annotator(vocabulary, language, features=(feature,)).annotate([Document("0", [text], language, "test")])
    return found[0]


def test_chinese_words_have_jiebas_tags_and_our_names() -> None:
    """Numbers that our rules join have the tag `m`; a name that our rules reject as a person has `x`."""
    words = seen("李明在1998年买了三个苹果。乌龟", "zh")
    tags = dict(zip(words.written, words.tags, strict=True))
    assert tags == {
        "李明": "nr",
        "在": "p",
        "1998年": "m",
        "买": "v",
        "了": "ul",
        "三": "m",
        "个": "q",
        "苹果": "n",
        "。": "x",
        "乌龟": "x",
    }
    assert words.opens_sentence.tolist() == [True, *[False] * 8, True]


def test_english_words_have_their_place_and_span_but_no_tag() -> None:
    words = seen("we saw New York", "en")
    assert words.written == ["we", "saw", "New", "York"] and words.tags == [""] * 4
    assert words.continues_span.tolist() == [False, False, False, True]
    assert words.span_kinds[2] == words.span_kinds[3] != words.span_kinds[0]
    assert [words.text[start] for start in words.starts] == ["w", "s", "N", "Y"]
    assert CAPITALIZATION.of_words(words, "en").tolist() == [0, 0, 1, 1]


def test_all_pieces_of_a_word_have_its_value() -> None:
    vocabulary = toy_vocabulary(["play", "##ing", "we"])
    document = Document("0", ["We playing"], "en", "test")
    block = Annotator(vocabulary, "en", features=(WORD_LENGTH, CAPITALIZATION)).annotate([document])
    assert block.columns["word_length"].tolist() == [2, 7, 7]
    assert block.columns["word_length"].dtype == np.int16
    assert block.columns["capitalization"].tolist() == [1, 0, 0]


def test_words_of_other_languages_have_no_value() -> None:
    feature = TokenFeature(LENGTH, lengths_of, languages=("zh",))
    words = seen("we saw", "en")
    assert feature.of_words(words, "en").tolist() == [-1, -1] and feature.of_words(words, "zh").tolist() == [2, 3]


@pytest.mark.parametrize(
    "values",
    [
        lambda words: [0],
        lambda words: np.full(len(words.starts), 2),
        lambda words: np.full(len(words.starts), -2),
        lambda words: np.full(len(words.starts), 0.5),
        lambda words: np.full(len(words.starts), np.nan),
        lambda words: np.zeros((len(words.starts), 2)),
    ],
)
def test_values_that_are_not_a_class_id_for_each_word_are_refused(values: Callable[[AnnotatedWords], Any]) -> None:
    feature = TokenFeature(Column("mine", "token", ("no", "yes")), values)
    with pytest.raises(UserError, match="token feature 'mine': expected 2 values from -1 to 1"):
        feature.of_words(seen("we saw", "en"), "en")


@pytest.mark.parametrize("name", ["label", "id", "word_classes", "word_bi_tags", "word_keys", "bi_tags"])
def test_a_feature_may_not_take_the_name_of_a_field_of_annotations(name: str) -> None:
    with pytest.raises(ValueError, match=f"token feature '{name}': the name is taken"):
        TokenFeature(Column(name, "token"), lengths_of)


def test_a_feature_is_of_tokens() -> None:
    with pytest.raises(ValueError, match="'a': its column is of the sentence level"):
        TokenFeature(Column("a", "sentence"), lengths_of)


def test_samples_carry_the_features_of_their_builder_and_their_config(tmp_path: Path) -> None:
    """A feature that another task adds changes the annotation, but not the samples of the first."""
    (tmp_path / "text.txt").write_text("\n\n".join(f"We saw {i} New things." for i in range(80)))
    toy_vocabulary(["we", "saw", "new", "things", ".", *map(str, range(80))]).save(tmp_path / "vocab.txt")
    registry = load_plugins()
    registry.token_features.add(WORD_LENGTH.name, WORD_LENGTH)
    tree: dict[str, Any] = {
        "vocab": str(tmp_path / "vocab.txt"),
        "max_length": 16,
        "validation_share": 0.2,
        "corpora": {"text": {"path": str(tmp_path / "text.txt"), "format": "text", "language": "en"}},
        "tasks": {"knowledge_masking": {"corpora": ["text"]}},
    }

    def built() -> dict[str, int]:
        build(check_settings(BuildSettings, tree, "test"), tmp_path / "out", Processes(1), registry)
        return {str(path): path.stat().st_mtime_ns for path in (tmp_path / "out/knowledge_masking").rglob("*.arrow")}

    before = built()
    tree["tasks"]["capitalization"] = {"corpora": ["text"], "features": ["word_length"]}
    assert built() == before != {}
    names = {
        task: set(SampleTable.open(tmp_path / "out" / task, "train").take(np.arange(3)).columns)
        for task in tree["tasks"]
    }
    assert names["capitalization"] == names["knowledge_masking"] | {"word_length"}
    samples = SampleTable.open(tmp_path / "out/capitalization", "train").take(np.arange(1))
    kept = samples.columns["word_length"].tolist()
    assert kept[0] == kept[-1] == -1 and kept[1:3] == [2, 3]
    tree["tasks"]["knowledge_masking"]["features"] = ["word_lengths"]
    with pytest.raises(UserError, match=r"tasks\.knowledge_masking\.features: unknown token feature.*word_length"):
        built()


def test_renamed_classes_are_in_the_samples_of_the_next_build(tmp_path: Path) -> None:
    """Without a new version: the values are the same, but the task would refuse the names."""
    (tmp_path / "text.txt").write_text("\n\n".join(f"We saw {i} New things." for i in range(40)))
    toy_vocabulary(["we", "saw", "new", "things", ".", *map(str, range(40))]).save(tmp_path / "vocab.txt")
    tree = {
        "vocab": str(tmp_path / "vocab.txt"),
        "max_length": 16,
        "validation_share": 0.2,
        "corpora": {"text": {"path": str(tmp_path / "text.txt"), "format": "text", "language": "en"}},
        "tasks": {"knowledge_masking": {"corpora": ["text"], "features": ["mine"]}},
    }
    for labels in (("low", "high"), ("small", "large")):
        registry = load_plugins()
        registry.token_features.add("mine", TokenFeature(Column("mine", "token", labels), CAPITALIZATION.values))
        build(check_settings(BuildSettings, tree, "test"), tmp_path / "out", Processes(1), registry)
        declared = Manifest.load(tmp_path / "out/knowledge_masking").column("mine")
        assert declared is not None and declared.labels == labels


def test_a_builder_may_not_fill_a_column_of_the_annotation(tmp_path: Path) -> None:
    """It is told before anything is annotated."""
    (tmp_path / "text.txt").write_text("we saw")
    toy_vocabulary(["we", "saw"]).save(tmp_path / "vocab.txt")
    tree = {
        "vocab": str(tmp_path / "vocab.txt"),
        "max_length": 16,
        "corpora": {"text": {"path": str(tmp_path / "text.txt"), "format": "text", "language": "en"}},
        "tasks": {"filling": {"corpora": ["text"]}},
    }
    for column in (SPANS[0], CAPITALIZATION.column, LENGTH):
        filling = type("Filling", (KnowledgeMaskingBuilder,), {"name": "filling", "columns": (column,)})
        filling.features = (CAPITALIZATION.name, WORD_LENGTH.name)
        registry = load_plugins()
        registry.token_features.add(WORD_LENGTH.name, WORD_LENGTH)
        registry.sample_builders.add("filling", filling)
        with pytest.raises(UserError, match=f"sample builder 'filling': column '{column.name}' is declared twice"):
            build(check_settings(BuildSettings, tree, "test"), tmp_path / "out", Processes(1), registry)
    assert not (tmp_path / "out").exists()
