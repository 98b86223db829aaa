"""Tagging schemes: which one labels and tags are of, and what the later pieces of a word are tagged."""

import pytest

from ernie_paddle.errors import UserError
from tasks.finetuning.schemes import is_iob1, scheme_of, tags_inside_words

BIO = ("B-PER", "I-PER", "B-LOC", "I-LOC", "O")


@pytest.mark.parametrize(
    ("labels", "text", "scheme"),
    [
        (BIO, "O B-PER I-PER O", "iob2"),
        (BIO, "O O", "iob2"),
        (BIO, "O I-PER I-PER B-PER O I-LOC", "iob1"),
        (BIO, "I-PER I-LOC", "iob1"),
        (BIO, "I-PER O B-PER", "iob2"),  # of neither: as most data sets are
        (("I-PER", "O"), "O O", "iob1"),
        (("B-PER", "E-PER", "O"), "B-PER E-PER", "bioes"),
        (("B-PER", "I-PER", "L-PER", "U-PER", "O"), "U-PER", "bioes"),
        (("B-PER", "M-PER", "E-PER", "S-PER", "O"), "S-PER", "bioes"),
        (("B", "M", "E", "S"), "S S", "bioes"),
        (("B", "I"), "B I", "iob2"),
    ],
)
def test_the_scheme_is_told_by_the_labels_and_for_iob1_by_the_tags(
    labels: tuple[str, ...], text: str, scheme: str
) -> None:
    assert scheme_of(labels, [text.split()], "") == scheme


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (("NN", "VV"), "x: 'NN' is not an entity tag"),
        (("B-PER", "X-PER", "O"), "'X-PER' is not an entity tag"),
        (("B-", "O"), "'B-' is not an entity tag"),
        (("I-PER", "E-PER", "O"), "no tag marks the beginning of an entity"),
        (("O",), "no tag marks the beginning"),
    ],
)
def test_labels_of_no_scheme_are_refused(labels: tuple[str, ...], words: str) -> None:
    with pytest.raises(UserError, match=words):
        scheme_of(labels, [], "x")


def test_iob1_is_told_across_texts_and_not_from_one_text_to_the_next() -> None:
    assert is_iob1([["B-PER"], ["I-PER"]]) is False  # a B at the beginning of a text follows nothing
    assert is_iob1([["O", "I-PER"], ["I-PER", "B-PER"]]) is True


@pytest.mark.parametrize(
    ("labels", "inside"),
    [
        (BIO, ("I-PER", "I-PER", "I-LOC", "I-LOC", "O")),  # as the release has them
        (("B-PER", "E-PER", "O"), (None, "E-PER", "O")),
        (("B-X", "I-X", "E-X", "S-X", "S-Y", "O"), ("I-X", "I-X", "E-X", "I-X", None, "O")),
        (("B-X", "M-X", "E-X", "W-X"), ("M-X", "M-X", "E-X", "M-X")),
        (("B", "I", "O"), ("I", "I", "O")),
        (("B", "I", "NN"), ("B", "I", "NN")),  # not all of a scheme: other tags
    ],
)
def test_later_pieces_are_inside_the_entity_that_a_word_begins(
    labels: tuple[str, ...], inside: tuple[str | None, ...]
) -> None:
    assert tuple(tags_inside_words(labels)[label] for label in labels) == inside
