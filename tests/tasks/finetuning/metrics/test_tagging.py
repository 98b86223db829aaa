"""Entities against a recount that knows nothing of seqeval."""

from collections.abc import Callable

import numpy as np
import pytest

from ernie_paddle.errors import UserError
from ernie_paddle.metric import Scores

Score = Callable[..., Scores]
TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def entities(tags: list[str], lenient: bool) -> set[tuple[int, int, str]]:
    """Start, end and kind of each entity of a text."""
    found = set()
    for start, tag in enumerate(tags):
        kind = tag[2:]
        goes_on = start > 0 and tag[:1] == "I" and tags[start - 1][2:] == kind
        if not (tag[:1] == "B" or (lenient and tag[:1] == "I" and not goes_on)):
            continue
        end = start + 1
        while end < len(tags) and tags[end] == f"I-{kind}":
            end += 1
        found.add((start, end, kind))
    return found


def f1_of(gold: list[list[str]], predicted: list[list[str]], lenient: bool) -> tuple[float, float, float]:
    sets = [(entities(a, lenient), entities(b, lenient)) for a, b in zip(gold, predicted, strict=True)]
    right = sum(len(a & b) for a, b in sets)
    in_gold, found = (sum(len(pair[side]) for pair in sets) for side in (0, 1))
    return right / found, right / in_gold, 2 * right / (in_gold + found)


@pytest.mark.parametrize("seed", range(8))
def test_figures_are_those_of_a_recount(score: Score, seed: int) -> None:
    random = np.random.default_rng(seed)
    gold = [random.choice(TAGS, length).tolist() for length in random.integers(1, 12, 30)]
    predicted = [[tag if random.random() < 0.7 else str(random.choice(TAGS)) for tag in tags] for tags in gold]
    figures = score("entity_f1", gold, predicted).figures
    strict = (figures["precision"], figures["recall"], figures["f1"])
    assert strict == pytest.approx(f1_of(gold, predicted, lenient=False))
    assert figures["f1_lenient"] == pytest.approx(f1_of(gold, predicted, lenient=True)[2])


def test_the_example_of_seqevals_documentation(score: Score) -> None:
    gold = [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    predicted = [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    assert score("entity_f1", gold, predicted).figures == pytest.approx(
        {"precision": 0.5, "recall": 0.5, "f1": 0.5, "f1_lenient": 0.5}
    )


def test_an_entity_begun_with_an_inside_tag_counts_only_leniently(score: Score) -> None:
    figures = score("entity_f1", [["B-PER", "I-PER", "O", "B-LOC"]], [["I-PER", "I-PER", "O", "B-LOC"]]).figures
    assert figures["f1"] == pytest.approx(2 / 3)
    assert figures["f1_lenient"] == pytest.approx(1)


def test_tags_of_another_form_are_named(score: Score) -> None:
    with pytest.raises(UserError, match="tag 'S-PER': tags are O, B-name and I-name"):
        score("entity_f1", [["B-PER"]], [["S-PER"]])


def test_texts_without_entities_are_marked(score: Score) -> None:
    assert score("entity_f1", [["O", "O"]], [["O", "B-PER"]]).degenerate == "no text has an entity"


def test_every_token_needs_a_tag(score: Score) -> None:
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        score("entity_f1", [["O", "B-PER"]], [["O"]])
