"""From examples to samples, and from scores to predictions."""

from itertools import permutations, product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from small_models import vocabulary_of

from ernie_paddle.data.batch import Batch
from ernie_paddle.data.encoding import cut_pair
from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import Signature
from ernie_paddle.registry import load_plugins
from tasks.finetuning.classification import Classification
from tasks.finetuning.cloze import Cloze, each_once, window
from tasks.finetuning.multiple_choice import MultipleChoice, fitted, softmax
from tasks.finetuning.pronoun_resolution import marked
from tasks.finetuning.reading.data import Split
from tasks.finetuning.reading.examples import (
    ChoiceExample,
    ClozeExample,
    QuestionExample,
    ReferenceExample,
    Span,
    TaggedExample,
    TextExample,
)
from tasks.finetuning.regression import Regression

LETTERS = "abcdefghijklmnopqrstuvwxyz甲乙丙丁戊己庚辛。，"
VOCABULARY = vocabulary_of(LETTERS)


def signature(task: str, length: int, labels: tuple[str, ...] | None = None, **options: int) -> Signature:
    return Signature(task=task, max_length=length, labels=labels, options=options)


# ---- texts and pairs ----


def test_a_pair_is_cut_as_the_release_pops_tokens() -> None:
    for first, second, room in product(range(9), range(9), range(1, 14)):
        a, b = first, second
        while a + b > room:
            a, b = (a - 1, b) if a > b else (a, b - 1)
        assert cut_pair(first, second, room) == (a, b)


def test_texts_stand_between_special_tokens_with_their_sentence_ids() -> None:
    examples = [TextExample("0", "", "甲乙", "丙丁戊", "y"), TextExample("1", "", "甲乙丙丁戊己", None, None)]
    encoded = Classification().encode(examples, VOCABULARY, signature("classification", 7, ("x", "y"))).samples
    text = [VOCABULARY.tokens[i] for i in encoded.columns["input_ids"]]
    assert text == [*"[CLS] 甲 乙 [SEP] 丙 丁 [SEP]".split(), *"[CLS] 甲 乙 丙 丁 戊 [SEP]".split()]
    assert encoded.columns["sentence_ids"].tolist() == [0, 0, 0, 0, 1, 1, 1, *[0] * 7]
    assert encoded.sample_columns["label"].tolist() == [1, -1] and encoded.lengths.tolist() == [7, 7]


def test_a_second_text_without_a_token_is_as_none() -> None:
    """The release does the same: it then has no second separator."""
    examples = [TextExample("0", "", "甲乙丙丁戊", text, None) for text in (None, "", " \u200b")]
    encoded = Classification().encode(examples, VOCABULARY, signature("classification", 6, ("x", "y"))).samples
    assert encoded.lengths.tolist() == [6, 6, 6]
    assert len({tuple(row) for row in encoded.columns["input_ids"].reshape(3, 6).tolist()}) == 1


def test_both_words_of_a_reference_are_marked_wherever_they_stand() -> None:
    text = "甲见乙，她笑"
    noun, pronoun = Span("甲", 0), Span("她", 4)
    assert marked(ReferenceExample("0", "", text, noun, pronoun, None)) == "_甲_见乙，[她]笑"
    assert marked(ReferenceExample("0", "", text, Span("笑", 5), Span("甲", 0), None)) == "[甲]见乙，她_笑_"


@pytest.mark.parametrize("split", ["train", "dev", "test"])
@pytest.mark.parametrize(("rows", "said"), [(1, False), (2, False), (3, True)])
def test_more_rows_than_there_are_is_said(split: Split, rows: int, said: bool, tmp_path: Path) -> None:
    (tmp_path / "few.tsv").write_text("text_a\tlabel\n甲\tx\n乙\ty\n")
    data = {"folder": str(tmp_path), split: "few.tsv", f"{split}_rows": rows}
    (found,) = Classification().read(data, split, signature("classification", 7, ("x", "y")))
    assert len(found.examples) == min(rows, 2)
    said_notes = [note for note in found.notes if note.startswith(f"data.{split}_rows is")]
    assert len(said_notes) == said


@pytest.mark.parametrize("choice", ["first", "spread"])
@pytest.mark.parametrize("rows", [1, 4, 6, 8, 9])
def test_labels_that_a_number_of_rows_leaves_out_are_named(choice: str, rows: int, tmp_path: Path) -> None:
    labels = [*"xxxxyyzz"]  # a file that is sorted by label
    (tmp_path / "sorted.tsv").write_text("text_a\tlabel\n" + "".join(f"甲\t{label}\n" for label in labels))
    data = {"folder": str(tmp_path), "train": "sorted.tsv", "train_rows": rows, "row_choice": choice}
    (found,) = Classification().read(data, "train", signature("classification", 7, ("w", "x", "y", "z")))
    missing = sorted(set(labels) - {example.label for example in found.examples})
    said_notes = [note for note in found.notes if "leaves out" in note]
    advice = "; data.row_choice: spread takes rows from all parts" if choice == "first" else ""
    assert said_notes == ([f"data.train_rows leaves out whole labels: {', '.join(missing)}{advice}"] if missing else [])
    assert bool(missing) == (rows < 7 if choice == "first" else rows == 1)


NOTHING = Span("", 0)
EMPTY = {  # an example of each type of input without any text in it, unlabelled
    "classification": TextExample("0", "", "", "", None),
    "regression": TextExample("0", "", "", None, None),
    "sequence_labelling": TaggedExample("0", "", (), None),
    "reading_comprehension": QuestionExample("0", "", "", "", ()),
    "multiple_choice": ChoiceExample("0", "", "", "", ("", ""), None),
    "cloze": ClozeExample("#idiom1#", "", "", "", ("", ""), None, "0", 0),
    "pronoun_resolution": ReferenceExample("0", "", "", NOTHING, NOTHING, None),
}


@pytest.mark.parametrize("task", load_plugins().finetuning_tasks.names())
def test_an_example_without_text_gets_a_prediction(task: str) -> None:
    finetuning_task = load_plugins().finetuning_tasks.get(task)
    labels = ("x", "y") if task in ("classification", "sequence_labelling", "pronoun_resolution") else None
    examples, described = [EMPTY[task]] * 2, signature(task, 256, labels)
    encoded = finetuning_task.encode(examples, VOCABULARY, described)
    token_level = finetuning_task.objective(described).level == "token"
    sequences = [2] * 2 if task in ("multiple_choice", "cloze") else [1] * 2
    rows = encoded.samples.lengths.tolist() if token_level else sequences
    predictions = finetuning_task.predictions(
        examples, encoded, [np.zeros((count, 2), np.float32) for count in rows], described
    )
    assert len(predictions) == 2
    assert predictions[0].value == {"sequence_labelling": (), "reading_comprehension": ""}.get(
        task, predictions[0].value
    )


FORMATS = {
    "classification": ["tsv", "json_lines"],
    "regression": ["tsv", "json_lines"],
    "sequence_labelling": ["tagged_rows", "tagged_columns"],
    "reading_comprehension": ["squad"],
    "multiple_choice": ["c3"],
    "cloze": ["chid"],
    "pronoun_resolution": ["wsc"],
}
ALL_FORMATS = sorted({name for names in FORMATS.values() for name in names})


@pytest.mark.parametrize("task", FORMATS)
def test_a_task_reads_its_formats_and_names_them_where_it_is_given_another(task: str) -> None:
    finetuning_task = load_plugins().finetuning_tasks.get(task)
    assert finetuning_task.usual_data == {"reading": {"format": FORMATS[task][0]}}
    for name in ALL_FORMATS:
        data = {"train": "a", "reading": {"format": name}}
        if name in FORMATS[task]:
            finetuning_task.check_data(data, "data")
        else:
            known = ", ".join(FORMATS[task])
            with pytest.raises(UserError, match=f"data.reading.format: {task} cannot read '{name}'; known: {known}"):
                finetuning_task.check_data(data, "data")


def test_a_regression_predicts_its_number_and_is_scored_by_numbers() -> None:
    examples = [TextExample(str(i), "", "甲", None, label) for i, label in enumerate((0.0, 2.5, 5.0))]
    regression, described = Regression(), signature("regression", 8)
    unlabelled = TextExample("3", "", "甲", None, None)
    labels = regression.encode([*examples, unlabelled], VOCABULARY, described).samples.sample_columns["label"]
    assert labels.tolist() == [0.0, 2.5, 5.0, 0.0]
    scores = [np.array([[number]], np.float32) for number in (1.5, 2.0, 4.0)]
    predictions = regression.predictions(examples, SimpleNamespace(), scores, described)  # type: ignore[arg-type]
    assert [(prediction.value, prediction.scores) for prediction in predictions] == [(1.5, ()), (2.0, ()), (4.0, ())]
    found = regression.score(load_plugins().metrics.get("pearson_and_spearman"), {}, examples, predictions, described)
    assert found.values["pearson"] == pytest.approx(np.corrcoef([0, 2.5, 5], [1.5, 2, 4])[0, 1])


# ---- choices ----


def test_choices_are_the_sequences_of_one_sample() -> None:
    examples = [
        ChoiceExample("0", "", "甲乙丙丁", "戊", ("己", "庚庚"), 1),
        ChoiceExample("1", "", "甲", "戊", ("己", "庚", "辛"), None),
    ]
    encoded = MultipleChoice().encode(examples, VOCABULARY, signature("multiple_choice", 8)).samples
    batch = Batch.of(encoded, np.arange(2))
    assert batch.sequences.tolist() == [2, 3] and encoded.lengths.tolist() == [16, 21]
    assert batch.lengths.tolist() == [8, 8, 7, 7, 7]
    first = [VOCABULARY.tokens[i] for i in encoded.columns["input_ids"][:8]]
    assert first == "[CLS] 甲 乙 [SEP] 戊 [SEP] 己 [SEP]".split()
    assert encoded.columns["sentence_ids"][:8].tolist() == [0] * 4 + [1] * 4
    assert encoded.sample_columns["label"].tolist() == [1, -1]
    scores = [np.array([[0.1], [3.0]]), np.array([[2.0], [1.0], [0.0]])]
    predictions = MultipleChoice().predictions(examples, SimpleNamespace(), scores, signature("multiple_choice", 8))  # type: ignore[arg-type]
    assert [prediction.value for prediction in predictions] == [1, 0] and sum(predictions[1].scores) == pytest.approx(1)


def test_probabilities_of_choices_hold_for_scores_of_any_size() -> None:
    for shift in (-1000.0, 0.0, 1000.0):
        assert softmax(np.float32([shift, shift + np.log(3)])) == pytest.approx([1 / 4, 3 / 4], rel=1e-3)


def test_the_text_gives_way_to_question_and_choice() -> None:
    """Tokens are removed one by one from the first text that has any, until all texts fit."""
    for lengths in product((0, 1, 5, 9), repeat=3):
        kept = fitted([list(range(length)) for length in lengths], max_length=12)
        expected = list(lengths)
        while sum(expected) > 12 - 4:  # special tokens
            expected[next(i for i, length in enumerate(expected) if length)] -= 1
        assert [list(part) for part in kept] == [list(range(length)) for length in expected]


def test_idioms_are_chosen_once_each_the_surest_first() -> None:
    assert each_once([np.array([3.0, 2.0]), np.array([4.0, 1.0])]) == [1, 0]
    random = np.random.default_rng(0)
    for blanks in (1, 3, 5):
        scores = random.normal(size=(blanks, 5))
        chosen = each_once(list(scores))
        assert len(set(chosen)) == blanks
        best = max(range(blanks), key=lambda i: scores[i].max())
        assert chosen[best] == scores[best].argmax()
    assert sorted(each_once(list(random.normal(size=(3, 2))))) in ([0, 0, 1], [0, 1, 1])
    assert all(len(set(order)) == 2 for order in permutations(each_once([np.array([0.0, -5]), np.array([0.0, -9])])))


def blank(tag: int, group: str, answer: int | None = None) -> ClozeExample:
    return ClozeExample(f"#idiom{tag:06d}#", "", "甲乙", "丙", ("戊己庚辛", "丁丁丁丁", "己己己己"), answer, group, 0)


def test_blanks_that_share_candidates_are_predicted_together_and_others_apart() -> None:
    """Every blank scores the first candidate highest; blanks of a group need not be neighbours."""
    groups, sureness = ["p", "q", "p", "q", "p", "r"], [2.0, 5.0, 3.0, 4.0, 1.0, 0.5]
    examples = [blank(number, group) for number, group in enumerate(groups)]
    scores = [np.array([[sure], [sure / 2], [0.0]], np.float32) for sure in sureness]
    predictions = Cloze().predictions(examples, SimpleNamespace(), scores, signature("cloze", 20))  # type: ignore[arg-type]
    assert [prediction.value for prediction in predictions] == [1, 0, 0, 1, 2, 0]
    for prediction, found in zip(predictions, scores, strict=True):
        assert prediction.scores == pytest.approx((np.exp(found) / np.exp(found).sum())[:, 0].tolist())


def test_a_window_around_the_blank_uses_all_its_room() -> None:
    for left, right, room in product(range(0, 30, 3), range(0, 30, 3), (5, 10, 21)):
        before, after = window(left, right, room)
        assert before <= left and after <= right and before + after == min(left + right, room)
        assert abs(before - after) <= 1 or before == left or after == right


def test_no_sample_of_a_cloze_is_too_long() -> None:
    for length, left, right, idiom in product((8, 9, 12, 20), (0, 3, 30), (0, 3, 30), (1, 4, 11)):
        candidates = ("甲" * idiom, "乙丙丁戊")
        example = ClozeExample("#idiom000002#", "", "己" * left, "庚" * right, candidates, 1, "0", 0)
        encoded = Cloze().encode([example], VOCABULARY, signature("cloze", length)).samples
        lengths = Batch.of(encoded, np.arange(1)).lengths.tolist()
        assert lengths == [min(length, left + right + 4 + size) for size in (idiom, 4)]


def test_the_blank_is_marked_and_others_are_masked() -> None:
    example = ClozeExample("#idiom000002#", "", "甲乙#idiom000001#丙", "丁", ("abcd", "戊己庚辛"), 1, "0", 0)
    encoded = Cloze().encode([example], VOCABULARY, signature("cloze", 20)).samples
    text = [VOCABULARY.tokens[i] for i in encoded.columns["input_ids"]]
    assert set(encoded.columns["sentence_ids"].tolist()) == {0}
    second = text[text.index("[SEP]", text.index("[SEP]") + 1) + 1 :]
    assert second == ["[CLS]", *"戊己庚辛", "[SEP]", "甲", "乙", *["[MASK]"] * 4, "丙", "[unused1]", "丁", "[SEP]"]
