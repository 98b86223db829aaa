"""Sentence distance over documents in which every token occurs once: which segment A each label allows for B."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from traced_corpora import VOCABULARY, Shape, TracedCorpora, TracedSample, is_run

from data_builders.builders.builder import balanced_labels
from data_builders.builders.sentence_distance import (
    SentenceDistanceBuilder,
    SentenceDistanceOptions,
    count_distant,
    distant_chunk,
)
from data_builders.composing import WorkItem
from ernie_paddle.keyed_random import generator

LIMIT = 14  # tokens of A and of B: (31 - 3) // 2


def shapes(seed: int, count: int = 40) -> list[Shape]:
    """Documents of 1 to 14 sentences, of which the last is short and some are longer than half a sample."""
    random = np.random.default_rng(seed)
    return [
        Shape((*random.integers(3, 22, random.integers(0, 14)).tolist(), int(random.integers(1, 4))))
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> TracedCorpora:
    made = TracedCorpora(tmp_path_factory.mktemp("distance"))
    for seed, name in enumerate(("own", "kin", "foreign")):
        made.write(name, shapes(seed))
    return made


@pytest.fixture(scope="module")
def samples(corpora: TracedCorpora) -> list[TracedSample]:
    builder = SentenceDistanceBuilder(31, SentenceDistanceOptions(), VOCABULARY)
    return corpora.samples(corpora.composing(builder, {"own": "zh", "kin": "zh"}))


def chunks(shape: Shape) -> list[tuple[int, int]]:
    """Cut chunks by definition: sentences are joined while they fit; one that is too long is a chunk by itself."""
    found: list[tuple[int, int]] = []
    start = end = 0
    for length in shape.sentences:
        if end > start and end + length - start > LIMIT:
            found.append((start, end))
            start = end
        end += length
    return [*found, (start, end)]


def test_each_chunk_but_the_first_is_b_once_and_a_is_what_the_label_says(
    corpora: TracedCorpora, samples: list[TracedSample]
) -> None:
    seconds: Counter[tuple[int, int]] = Counter()
    left: dict[int, set[int]] = {0: set(), 1: set(), 2: set()}  # chunks after A
    moved, variance = 0.0, 0.0  # of the A of other documents, from the middle of those that may be taken
    for label, (first, second), length in samples:
        assert is_run(first) and is_run(second) and length <= 31
        own, other = chunks(corpora.shapes["own"][second[0].document]), chunks(corpora.shapes["own"][first[0].document])
        b = [start for start, _ in own].index(second[0].of_document)
        a = [end for _, end in other].index(first[-1].of_document + 1)
        assert len(second) == min(own[b][1] - own[b][0], LIMIT)
        assert len(first) == min(other[a][1] - other[a][0], LIMIT)
        same = first[0].document == second[0].document
        assert (same and a == b - 1, same and a not in (b - 1, b, b + 1), not same)[label]
        assert a < len(other) - 1, "a document's last chunk, often a short one, is never A"
        seconds[second[0].document, b] += 1
        left[label].add(len(other) - 1 - a)
        if label == 2:
            moved += a - (len(other) - 2) / 2
            variance += ((len(other) - 1) ** 2 - 1) / 12
    assert all(min(found) == 1 for found in left.values()), "the last but one serves under every label"
    assert abs(moved) < 4 * variance**0.5, "each of them is taken as often as any other"
    expected = {
        (document, b)
        for document, shape in enumerate(corpora.shapes["own"])
        for b in range(1, len(chunks(shape)))
        if set(range(len(chunks(shape)) - 1)) - {b - 1, b, b + 1}  # another label must be possible
    }
    assert seconds == Counter(expected) and len(expected) > 100
    assert max(length for *_, length in samples) == 31, "no room is left unused"


def test_the_label_is_sampled_before_b_is_looked_at(samples: list[TracedSample]) -> None:
    """B's length and place in the document have the same mean under every label, within three standard errors."""
    for measured in (lambda second: len(second), lambda second: second[0].of_document):
        values = [np.array([measured(s[1]) for label, s, _ in samples if label == wanted]) for wanted in range(3)]
        spread = np.concatenate(values).std()
        for one, other in ((0, 1), (0, 2), (1, 2)):
            error = spread * np.sqrt(1 / len(values[one]) + 1 / len(values[other]))
            assert abs(values[one].mean() - values[other].mean()) < 3 * error


def test_another_document_is_of_the_own_corpus_and_split_unless_the_language_is_asked_for(
    corpora: TracedCorpora,
) -> None:
    for reach, expected in (("corpus", {"own"}), ("language", {"own", "kin"})):
        builder = SentenceDistanceBuilder(31, SentenceDistanceOptions(different_documents=reach), VOCABULARY)  # type: ignore[arg-type]
        composing = corpora.composing(builder, {"own": "zh", "foreign": "en", "kin": "zh"})
        sides = {split: corpora.samples(composing, split) for split in ("train", "validation")}
        firsts = {
            split: {(s[0][0].corpus, s[0][0].document) for label, s, _ in found if label == 2}
            for split, found in sides.items()
        }
        assert {corpus for found in firsts.values() for corpus, _ in found} == expected
        assert not firsts["train"] & firsts["validation"]
        own = {split: {s[1][0].document for _, s, _ in found} for split, found in sides.items()}
        assert not any(document in own["validation"] for corpus, document in firsts["train"] if corpus == "own")


def test_chunks_are_as_long_as_asked_for_and_documents_without_a_sample_are_counted(tmp_path: Path) -> None:
    made = TracedCorpora(tmp_path)
    made.write("two", [Shape((3,) * 20), Shape((3,) * 20), Shape((3,) * 4), Shape((20,))])
    made.write("one", [Shape((3,) * 30)])
    for asked, longest in ((None, 14), (6, 6), (9, 9), (40, 14)):
        builder = SentenceDistanceBuilder(31, SentenceDistanceOptions(chunk_tokens=asked), VOCABULARY)
        found = made.samples(made.composing(builder, {"two": "zh"}, share=1e-9))
        lengths = [len(segment) for sample in found for segment in sample.segments]
        assert lengths and max(lengths) == longest // 3 * 3
    dropped = [
        made.composing(
            SentenceDistanceBuilder(31, SentenceDistanceOptions(chunk_tokens=6), VOCABULARY), {name: "zh"}, share=1e-9
        )(WorkItem(0, 0))
        for name in ("two", "one")
    ]
    assert dropped[0].dropped == {"fewer than 3 chunks of 6 tokens": 2}
    assert dropped[1].dropped == {"no other document with enough chunks": 1}
    assert not len(dropped[1].blocks["train"])


def test_distant_chunks_are_all_but_the_neighbours_and_the_last_with_equal_chances() -> None:
    for count in range(3, 9):
        for second in range(1, count):
            expected = [a for a in range(count - 1) if abs(a - second) > 1]
            assert count_distant(second, count) == len(expected)
            draws = (
                Counter(distant_chunk(second, count, (i + 0.5) / 420) for i in range(420))
                if expected
                else Counter[int]()
            )
            assert draws == {a: 420 // len(expected) for a in expected}


def test_classes_are_balanced_and_no_class_gets_more_of_the_remainders() -> None:
    """Every work item leaves a remainder; over many work items, no class gets more, and no order tells the place."""
    of_class, first_place = Counter[int](), Counter[int]()
    for number in range(3000):
        labels = balanced_labels(7, 5, generator("remainders", number)).tolist()
        counts = Counter(labels)
        assert sorted(counts.values()) == [1, 1, 1, 2, 2]
        of_class.update(label for label in counts if counts[label] == 2)
        first_place[labels[0]] += 1
    for found, share in ((of_class, 2 / 5), (first_place, 1 / 5)):
        error = (3000 * share * (1 - share)) ** 0.5
        assert all(abs(found[label] - 3000 * share) < 4 * error for label in range(5)), found
    assert balanced_labels(0, 3, generator(1)).tolist() == []
