"""Inputs of every task as examples, and predictions in words."""

from typing import Any

import numpy as np
import pytest
from seqeval.metrics.sequence_labeling import get_entities

from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import Prediction
from ernie_paddle.registry import load_plugins
from tasks.finetuning.classification import LabelPrediction
from tasks.finetuning.multiple_choice import ChoicePrediction
from tasks.finetuning.reading.examples import (
    ChoiceExample,
    ClozeExample,
    QuestionExample,
    ReferenceExample,
    Span,
    TaggedExample,
    TextExample,
)
from tasks.finetuning.reading_comprehension import AnswerPrediction, CandidateAnswer, n_best
from tasks.finetuning.regression import NumberPrediction
from tasks.finetuning.schemes import entity_ranges, in_bioes
from tasks.finetuning.sequence_labelling import Entity, TagsPrediction, words_of

TASKS = load_plugins().finetuning_tasks
CLOZE = {"text": "去#idiom1#又#idiom2#吧", "candidates": ["百尺竿头", "随波逐流"]}
WSC = {"text": "甲见乙，甲笑", "noun": "乙", "pronoun": "甲"}

EXAMPLES: list[tuple[str, Any, Any]] = [
    ("classification", "a text", TextExample("7", "here", "a text", None, None)),
    ("regression", ("a", "b"), TextExample("7", "here", "a", "b", None)),
    ("sequence_labelling", ["北", "京", "2008"], TaggedExample("7", "here", ("北", "京", "2008"), None)),
    (
        "sequence_labelling",
        "He's in 北京。",
        TaggedExample("7", "here", ("He", "'", "s", "in", "北", "京", "。"), None),
    ),
    ("sequence_labelling", {"tokens": ["a b"]}, TaggedExample("7", "here", ("a b",), None)),
    ("reading_comprehension", ("q", "c"), QuestionExample("7", "here", "q", "c", ())),
    ("multiple_choice", ("c", "q", ["a", "b"]), ChoiceExample("7", "here", "c", "q", ("a", "b"), None)),
    (
        "cloze",
        {**CLOZE, "blank": "#idiom2#", "group": "g"},
        ClozeExample("7", "here", "去#idiom1#又", "吧", ("百尺竿头", "随波逐流"), None, "g", 0),
    ),
    (
        "pronoun_resolution",
        {**WSC, "pronoun_start": 4},
        ReferenceExample("7", "here", "甲见乙，甲笑", Span("乙", 2), Span("甲", 4), None),
    ),
]


def example_of(task: str, given: Any) -> Any:
    finetuning_task = TASKS.get(task)
    return finetuning_task.example(finetuning_task.Input.of(given, "here"), "7", "here")


@pytest.mark.parametrize(("task", "given", "expected"), EXAMPLES)
def test_inputs_become_examples(task: str, given: Any, expected: Any) -> None:
    assert example_of(task, given) == expected


@pytest.mark.parametrize(
    ("task", "given", "message"),
    [
        ("multiple_choice", ("c", "q", ["a"]), "here: 1 choices, expected 2 or more"),
        ("cloze", ("text", ["a", "b"]), "here: a blank, as #idiom000001#, occurs 0 times in the text"),
        ("cloze", CLOZE, "here: a blank, as #idiom000001#, occurs 2 times in the text, expected once; name one"),
        ("cloze", {**CLOZE, "blank": "#idiom3#"}, "here: the blank #idiom3# occurs 0 times"),
        ("cloze", {**CLOZE, "candidates": ["a"]}, "here: 1 choices"),
        ("pronoun_resolution", WSC, "here: pronoun '甲' occurs 2 times in the text; give its offset"),
        ("pronoun_resolution", {**WSC, "pronoun": "丙"}, "here: pronoun '丙' occurs 0 times in the text$"),
        ("pronoun_resolution", {**WSC, "pronoun_start": 3}, "here: pronoun '甲' is not at offset 3"),
        ("pronoun_resolution", {**WSC, "noun": ""}, "here: noun '' occurs 0 times"),
        ("sequence_labelling", {"text": "a", "tokens": ["a"]}, "here: .*give either text or tokens"),
        ("sequence_labelling", {}, "here: .*give either text or tokens"),
    ],
)
def test_inputs_that_contradict_themselves_are_named(task: str, given: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        example_of(task, given)


def test_blanks_belong_together_if_they_are_of_one_group() -> None:
    cloze, named = TASKS.get("cloze"), {**CLOZE, "blank": "#idiom1#"}
    with_group = [example_of("cloze", {**named, "group": group}) for group in "aab"]
    alone = [cloze.example(cloze.Input.of(named, ""), id, "") for id in "12"]
    assert [cloze.belongs_together(*with_group[i : i + 2]) for i in (0, 1)] == [True, False]
    assert not cloze.belongs_together(*alone)


def test_words_of_a_text_are_those_of_the_tokenizer() -> None:
    assert words_of("  Naïve café—$5.00 北京2008\t") == ("Naïve", "café", "—", "$", "5", ".", "00", "北", "京", "2008")
    assert words_of("") == ()


@pytest.mark.parametrize("letters", ["BIO", "BIESO", "BIEO"])
def test_entities_are_those_of_seqeval(letters: str) -> None:
    random = np.random.default_rng(len(letters))
    for _ in range(300):
        places, names = random.choice(list(letters), 12), random.choice(["X", "Y"], 12)
        tags = ["O" if place == "O" else f"{place}-{name}" for place, name in zip(places, names, strict=True)]
        expected = [(name, first, last + 1) for name, first, last in get_entities(in_bioes(tags))]
        assert entity_ranges(tags) == expected


# ---- in words ----


def test_predictions_are_in_words() -> None:
    label = LabelPrediction("no", (0.75, 0.25), ("no", "yes"))
    assert (label.label, label.probability, label.probabilities) == ("no", 0.75, {"no": 0.75, "yes": 0.25})
    choice = ChoicePrediction(1, (0.4, 0.6), ("here", "there"))
    assert (choice.number, choice.choice, choice.probability) == (1, "there", 0.6)
    assert NumberPrediction(2.5).number == 2.5 and NumberPrediction(2.5).as_record() == {"prediction": 2.5}
    tags = TagsPrediction(("O", "B-X", "I-X"), (), ("in", "New", "York"), (0.9, 0.8, 0.7))
    assert tags.tags == ("O", "B-X", "I-X") and tags.entities == [Entity("X", ("New", "York"), 1)]
    assert tags.as_record()["entities"] == [{"name": "X", "tokens": ("New", "York"), "first": 1}]
    assert TagsPrediction(("NN",), (), ("a",), (1.0,)).entities == []
    answer = AnswerPrediction("b", (), (CandidateAnswer("b", 0.6, 1, 2), CandidateAnswer("a", 0.4, 0, 1)))
    assert (answer.text, answer.probability) == ("b", 0.6) and AnswerPrediction("").probability == 0
    assert [one["text"] for one in answer.as_record()["n_best"]] == ["b", "a"]
    assert Prediction("x").as_record() == {"prediction": "x"}


def test_the_best_answers_have_different_texts_and_their_softmax() -> None:
    context, random = "abcab", np.random.default_rng(0)
    for _ in range(50):
        spans = [(float(score), *sorted(random.integers(0, 5, 2).tolist())) for score in random.normal(size=8)]
        spans = [(score, start, end + 1) for score, start, end in spans]
        found = n_best(context, spans, 3)
        best: dict[str, float] = {}
        for score, start, end in spans:
            best[context[start:end]] = max(score, best.get(context[start:end], -np.inf))
        ranked = sorted(best, key=lambda text: -best[text])[:3]
        powers = np.exp([best[text] for text in ranked])
        assert [one.text for one in found] == ranked == [context[one.start : one.end] for one in found]
        np.testing.assert_allclose([one.probability for one in found], powers / powers.sum())
    assert n_best(context, [], 3) == ()
