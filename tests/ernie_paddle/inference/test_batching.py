"""Batches of samples through a back end, and chunks of inputs."""

from collections.abc import Mapping

import numpy as np
import pytest

from ernie_paddle.data.encoding import samples_of
from ernie_paddle.inference.batching import CHUNK_CHARACTERS, characters_of, in_chunks, run_batches
from ernie_paddle.inputs import InputRow, TextInput
from ernie_paddle.text.vocabulary import Vocabulary


@pytest.mark.parametrize("batch_tokens", [1, 40, 100, 1 << 20])
@pytest.mark.parametrize("of_tokens", [True, False])
@pytest.mark.parametrize("several", [True, False], ids=["choices", "one sequence"])
def test_scores_go_back_to_the_samples_whose_tokens_or_sequences_they_are_of(
    toy_vocabulary: Vocabulary, batch_tokens: int, of_tokens: bool, several: bool
) -> None:
    """A model that says of every token, or of every sequence, what it was given."""
    random = np.random.default_rng(batch_tokens)
    counts = random.integers(1, 4, 17) if several and not of_tokens else np.ones(17, int)
    sequences = [
        [random.integers(5, 60, random.integers(0, 9)).tolist() for _ in range(2)] for _ in range(counts.sum())
    ]
    block = samples_of(sequences, np.zeros(17), toy_vocabulary, counts if several else None)
    rows = []

    class Answers:
        def __init__(self, batch_tokens: int) -> None:
            self.batch_tokens = batch_tokens

        def run(self, feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
            ids, sentences = feed["input_ids"], feed["sentence_ids"]
            assert ids.shape == sentences.shape and not sentences[ids == toy_vocabulary.pad_id].any()
            assert (ids != toy_vocabulary.pad_id).sum() <= batch_tokens or len(ids) <= counts.max()
            rows.append(len(ids))
            outputs = [ids, sentences] if of_tokens else [ids.sum(1), sentences.sum(1)]
            return [np.stack(outputs, axis=-1)]

    given = [
        np.array(
            [
                [toy_vocabulary.cls_id, 0],
                *((i, 0) for i in first),
                [toy_vocabulary.sep_id, 0],
                *((i, 1) for i in second),
                [toy_vocabulary.sep_id, 1],
            ]
        )
        for first, second in sequences
    ]
    expected = given if of_tokens else np.split(np.array([tokens.sum(0) for tokens in given]), np.cumsum(counts)[:-1])
    found: dict[int, list[list[int]]] = {}
    by_default = run_batches(Answers(batch_tokens), block, toy_vocabulary.pad_id)
    shapes = [len(done.rows) for done in by_default]
    rows.clear()
    for done in run_batches(Answers(7), block, toy_vocabulary.pad_id, batch_tokens):
        assert len(done.rows) == shapes.pop(0)
        samples = done.by_sample(done.outputs[0])
        found |= {row: scores.tolist() for row, scores in zip(done.rows.tolist(), samples, strict=True)}
    assert [found[row] for row in range(17)] == [scores.tolist() for scores in expected]
    assert sum(rows) == counts.sum() and (len(rows) == 1) == (batch_tokens > 1000)


def test_items_are_cut_into_chunks_in_their_order_and_those_that_belong_together_are_not_parted() -> None:
    for count, size in ((0, 3), (1, 3), (3, 3), (4, 3), (10, 3)):
        chunks = list(in_chunks(range(count), size))
        assert [item for chunk in chunks for item in chunk] == list(range(count))
        assert [len(chunk) for chunk in chunks[:-1]] == [size] * (len(chunks) - 1) and len(chunks) == -(-count // size)
    pairs = list(in_chunks([1, 1, 1, 2, 2, 2, 2, 2, 3], 2, lambda item, following: item == following))
    assert pairs == [[1, 1, 1], [2, 2, 2, 2, 2], [3]]


def test_chunks_of_long_texts_are_short() -> None:
    text = "x" * (CHUNK_CHARACTERS // 2)
    assert [len(chunk) for chunk in in_chunks([text] * 5)] == [2, 2, 1]


def test_items_are_taken_as_chunks_are() -> None:
    taken: list[int] = []
    chunks = in_chunks((taken.append(number) or number for number in range(100)), 10)
    next(chunks)
    assert len(taken) == 11


def test_characters_of_all_texts_of_an_input_count() -> None:
    row = InputRow("12", "here", {"context": "abc", "choices": ["de", "f"], "number": 5, "none": None})
    assert characters_of(row) == 2 + 4 + 6
    assert characters_of(InputRow("", "", TextInput(text_a="abc"))) >= 3
