"""Entities against Paddle's own operator and a recount that knows nothing of seqeval."""

from itertools import pairwise, product

import numpy as np
import pytest
from helpers import Scorer
from programs_support import dynamic_paddle

from ernie_paddle.errors import UserError

Texts = list[list[str]]
NAMES = ["PER", "LOC", "ORG"]
LETTERS = {"iob1": "BI", "iob2": "BI", "bioes": "BIES"}
SPELT = {"bioes": ("BIES", "BMES", "BILU", "BMEW")}


def tags_of(letters: str) -> list[str]:
    """The tags in the order in which `chunk_eval` numbers them: by name, then by letter, O last."""
    return [f"{letter}-{name}" for name, letter in product(NAMES, letters)] + ["O"]


def random_pairs(scheme: str, seed: int, texts: int = 30) -> tuple[Texts, Texts]:
    """Random tags, which obey no scheme, and predictions that are mostly the same."""
    random, tags = np.random.default_rng(seed), tags_of(LETTERS[scheme])
    gold = [random.choice(tags, length).tolist() for length in random.integers(1, 12, texts)]
    return gold, [[tag if random.random() < 0.7 else str(random.choice(tags)) for tag in text] for text in gold]


# ---- the paper's value ----


def chunk_eval(pair: tuple[Texts, Texts], scheme: str) -> dict[str, float]:
    """Paddle's count of entities."""
    numbers = {tag: number for number, tag in enumerate(tags_of(LETTERS[scheme]))}
    width, name = max(map(len, pair[0])), {"iob2": "IOB", "bioes": "IOBES"}[scheme]
    rows = [[[numbers[t] for t in text] + [numbers["O"]] * (width - len(text)) for text in side] for side in pair]
    with dynamic_paddle() as paddle:
        gold, predicted = map(paddle.to_tensor, rows)
        lengths = paddle.to_tensor([len(text) for text in pair[0]])
        counted = paddle._C_ops.chunk_eval(predicted, gold, lengths, len(NAMES), name, [])[:3]
        return {name: value.item() for name, value in zip(("precision", "recall", "f1"), counted, strict=True)}


@pytest.mark.parametrize("scheme", ["iob2", "bioes"])
def test_f1_is_that_of_the_operator_the_release_counts_with(score: Scorer, scheme: str) -> None:
    for seed in range(4):
        pair = random_pairs(scheme, seed)
        values = score("entity_f1", *pair, scheme=scheme).values
        assert values == pytest.approx(chunk_eval(pair, scheme) | {"f1_strict": values["f1_strict"]}, abs=1e-6)
        assert 0 < values["f1_strict"] != pytest.approx(values["f1"])


# ---- what the schemes allow ----


def entities(tags: list[str], scheme: str) -> set[tuple[int, int, str]]:
    """Start, end and name of each entity that a scheme allows: a run whose letters are as the scheme has them."""
    found = set()
    for start, end in ((i, j) for i in range(len(tags)) for j in range(i + 1, len(tags) + 1)):
        letters, names = "".join(tag[0] for tag in tags[start:end]), {tag[2:] for tag in tags[start:end]}
        after = tags[end] if end < len(tags) else "O"
        if "O" in letters or len(names) != 1:
            continue
        (name,) = names
        rest, followed = letters[1:], after == f"I-{name}"
        if scheme == "iob2":
            allowed = letters[0] == "B" and set(rest) <= {"I"} and not followed
        else:
            allowed = letters == "S" or (letters[0] == "B" and rest[-1:] == "E" and set(rest[:-1]) <= {"I"})
        if allowed:
            found.add((start, end, name))
    return found


@pytest.mark.parametrize(("scheme", "seed"), [(scheme, seed) for scheme in ("iob2", "bioes") for seed in range(4)])
def test_strict_f1_is_that_of_a_recount(score: Scorer, scheme: str, seed: int) -> None:
    gold, predicted = random_pairs(scheme, seed)
    sets = [(entities(a, scheme), entities(b, scheme)) for a, b in zip(gold, predicted, strict=True)]
    right, all_of_both = sum(len(a & b) for a, b in sets), sum(len(a) + len(b) for a, b in sets)
    values = score("entity_f1", gold, predicted, scheme=scheme).values
    assert values["f1_strict"] == pytest.approx(2 * right / all_of_both)


def written(found: list[tuple[int, int, str]], length: int, scheme: str) -> list[str]:
    """Tags of a text with these entities, start, end and name, in order."""
    tags = ["O"] * length
    for number, (start, end, name) in enumerate(found):
        size = end - start
        touches = number > 0 and found[number - 1][1:] == (start, name)
        letters = {
            "iob1": ("B" if touches else "I") + "I" * (size - 1),
            "iob2": "B" + "I" * (size - 1),
            "bioes": "S" if size == 1 else "B" + "I" * (size - 2) + "E",
        }[scheme]
        tags[start:end] = [f"{letter}-{name}" for letter in letters]
    return tags


def test_every_scheme_gives_the_same_entities_the_same_values(score: Scorer) -> None:
    random = np.random.default_rng(5)
    for _ in range(5):
        sides: list[list[list[tuple[int, int, str]]]] = [[], []]
        for side, _ in product(sides, range(20)):
            cuts = np.sort(random.choice(13, 7, replace=False)).tolist()
            spans = [(a, b, str(random.choice(NAMES))) for a, b in pairwise(cuts)]
            side.append([span for span in spans if random.random() < 0.7])
        matching = sum(len(set(a) & set(b)) for a, b in zip(*sides, strict=True))
        expected = 2 * matching / sum(len(spans) for side in sides for spans in side)
        for scheme in LETTERS:
            gold, predicted = ([written(spans, 12, scheme) for spans in side] for side in sides)
            values = score("entity_f1", gold, predicted, scheme=scheme).values
            assert (values["f1"], values["f1_strict"]) == pytest.approx((expected, expected)), scheme
        for letters in SPELT["bioes"]:
            spelling = str.maketrans("BIES", letters)
            respelt = [
                [[t[0].translate(spelling) + t[1:] for t in text] for text in side] for side in (gold, predicted)
            ]
            assert score("entity_f1", *respelt, scheme="bioes").values == pytest.approx(values), letters


def test_the_example_of_seqevals_documentation(score: Scorer) -> None:
    gold = [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    predicted = [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    values = score("entity_f1", gold, predicted, scheme="iob2").values
    assert values == pytest.approx({"precision": 0.5, "recall": 0.5, "f1": 0.5, "f1_strict": 0.5})


def test_an_entity_begun_with_an_inside_tag_does_not_count_strictly(score: Scorer) -> None:
    gold, predicted = [["B-PER", "I-PER", "O", "B-LOC"]], [["I-PER", "I-PER", "O", "B-LOC"]]
    values = score("entity_f1", gold, predicted, scheme="iob2").values
    assert values["f1"] == pytest.approx(1)
    assert values["f1_strict"] == pytest.approx(2 / 3)


def test_letters_without_names_are_segmentation(score: Scorer) -> None:
    values = score("entity_f1", [["B", "E", "S", "S"]], [["B", "E", "B", "E"]], scheme="bioes").values
    assert values["f1"] == pytest.approx(2 / 5)


def test_tags_of_another_scheme_are_named(score: Scorer) -> None:
    with pytest.raises(UserError, match="'S-PER' is not in the scheme iob2; known schemes: iob1, iob2, bioes"):
        score("entity_f1", [["B-PER"]], [["S-PER"]], scheme="iob2")
    with pytest.raises(
        UserError, match="'NN' is not an entity tag, such as O or B-PER; use tag_accuracy for other tags"
    ):
        score("entity_f1", [["NN"]], [["NN"]], scheme="iob2")


def test_texts_without_entities_are_marked(score: Scorer) -> None:
    scores = score("entity_f1", [["O", "O"]], [["O", "B-PER"]], scheme="iob2")
    assert scores.degenerate == "no text has an entity"


def test_every_token_needs_a_tag(score: Scorer) -> None:
    for name, options in (("entity_f1", {"scheme": "iob2"}), ("tag_accuracy", {})):
        with pytest.raises(ValueError, match=r"inconsistent numbers of samples|longer than|shorter than"):
            score(name, [["O", "B-PER"]], [["O"]], **options)


def test_tag_accuracy_is_the_share_of_tokens_of_all_texts(score: Scorer) -> None:
    """It is no mean over texts: long texts count more."""
    gold, predicted = random_pairs("iob2", seed=1)
    pairs = [pair for texts in zip(gold, predicted, strict=True) for pair in zip(*texts, strict=True)]
    scores = score("tag_accuracy", gold, predicted)
    assert scores.values == {"accuracy": sum(a == b for a, b in pairs) / len(pairs)} and scores.count == len(gold)


def test_tags_that_tell_nothing_apart_are_marked(score: Scorer) -> None:
    assert score("tag_accuracy", [["A", "B"]], [["A", "A"]]).degenerate == "every row is predicted as 'A'"
    assert score("tag_accuracy", [[], []], [[], []]).degenerate == "no text has a token"
    assert score("entity_f1", [["B-PER"]], [["O"]], scheme="iob2").degenerate == "no entity is predicted"
    assert score("entity_f1", [["B-PER"]], [["B-LOC"]], scheme="iob2").degenerate is None


def test_precision_counts_what_is_predicted_and_recall_what_is_there(score: Scorer) -> None:
    values = score("entity_f1", [["B-PER", "O", "B-LOC", "B-ORG"]], [["B-PER", "O", "O", "O"]], scheme="iob2").values
    assert values == pytest.approx({"precision": 1.0, "recall": 1 / 3, "f1": 0.5, "f1_strict": 0.5})
