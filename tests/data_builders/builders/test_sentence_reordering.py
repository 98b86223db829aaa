"""Sentence reordering over documents in which every token occurs once: runs, boundaries and classes."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from traced_corpora import VOCABULARY, Shape, TracedCorpora, TracedSample, is_run

from data_builders.builders.sentence_reordering import (
    SentenceReorderingBuilder,
    SentenceReorderingOptions,
    permutation_of,
)

ROOM = 40 - 1 - 3  # tokens of a run: [CLS] and a [SEP] for each of three segments


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> TracedCorpora:
    made, random = TracedCorpora(tmp_path_factory.mktemp("reordering")), np.random.default_rng(0)
    varied = [Shape(tuple(random.integers(2, 16, random.integers(1, 16)).tolist())) for _ in range(60)]
    made.write("varied", [*varied, Shape((12, 12, 12)), Shape((12, 12, 13)), Shape((2,) * 18)])
    made.write("even", [Shape((7,) * 5)] * 1500, per_work_item=100)  # one run of five sentences each
    return made


def samples_of(corpora: TracedCorpora, name: str) -> list[tuple[TracedSample, list[list[tuple[int, int]]]]]:
    """Return samples, and the sentences (document, number) of their segments in the order of the text."""
    builder = SentenceReorderingBuilder(40, SentenceReorderingOptions(), VOCABULARY)
    found = []
    for sample in corpora.samples(corpora.composing(builder, {name: "zh"})):
        order = permutation_of(sample.label)
        assert len(order) == len(sample.segments)
        text = [sample.segments[order.index(place)] for place in range(len(order))]
        assert is_run([token for segment in text for token in segment])
        assert all(segment[0].place == 0 for segment in text), "a segment begins where a sentence does"
        found.append((sample, [sorted({(t.document, t.sentence) for t in segment}) for segment in text]))
    return found


def test_runs_take_in_all_sentences_that_fit_and_leave_no_others_out(corpora: TracedCorpora) -> None:
    """A recount: a run takes as many sentences as fit; if fewer than three fit, the next sentence begins a run."""
    expected: list[list[tuple[int, int]]] = []
    for document, shape in enumerate(corpora.shapes["varied"]):
        lengths, first = shape.sentences, 0
        while first < len(lengths):
            fitting = [n for n in range(1, len(lengths) - first + 1) if sum(lengths[first : first + n]) <= ROOM]
            count = max(fitting, default=0)
            if count >= 3:
                expected.append([(document, first + i) for i in range(count)])
            first += count if count >= 3 else 1
    found = samples_of(corpora, "varied")
    assert sorted([place for part in parts for place in part] for _, parts in found) == sorted(expected)
    assert max(sample.length for sample, _ in found) == 40, "no room is left unused"


def test_every_class_and_every_place_of_a_boundary_comes_as_often_as_any_other(corpora: TracedCorpora) -> None:
    found = samples_of(corpora, "even")
    classes = Counter(sample.label for sample, _ in found)
    remainders = 2 * 15  # one for each split and work item; each class gets them at random
    assert max(abs(classes[label] - 1500 / 9) for label in range(9)) < 4 * (remainders / 4) ** 0.5, classes
    for count in (2, 3):
        boundaries = Counter(
            tuple(segment[0][1] for segment in sentences[1:]) for _, sentences in found if len(sentences) == count
        )
        places = list(combinations(range(1, 5), count - 1))
        share = boundaries.total() / len(places)
        assert set(boundaries) == set(places) and max(abs(n - share) for n in boundaries.values()) < 4 * share**0.5, (
            boundaries
        )


@pytest.mark.parametrize(("most", "classes"), [(2, 3), (3, 9), (4, 33)])
def test_classes_are_named_by_the_order_of_the_segments(most: int, classes: int) -> None:
    labels = SentenceReorderingBuilder(40, SentenceReorderingOptions(most_segments=most), VOCABULARY).labels
    assert len(set(labels)) == classes and labels[:3] == ("1", "1 2", "2 1")
    assert most < 3 or labels[3:9] == ("1 2 3", "1 3 2", "2 1 3", "2 3 1", "3 1 2", "3 2 1")
