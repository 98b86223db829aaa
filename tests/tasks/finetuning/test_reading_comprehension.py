"""Questions about texts in windows: what a window is trained to answer, and which window's answer counts."""

from itertools import product

import numpy as np
import pytest

from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import Encoded, Signature
from ernie_paddle.testing import toy_vocabulary
from tasks.finetuning.reading.examples import Answer, QuestionExample
from tasks.finetuning.reading_comprehension import (
    ReadingComprehension,
    ReadingOptions,
    best_spans,
    window_begins,
    windows_of_most_context,
)

LETTERS = "abcdefghijklmnopqrstuvwxyz甲乙丙丁戊己庚辛。，"
VOCABULARY = toy_vocabulary([*LETTERS, *(f"##{c}" for c in LETTERS)])
TASK = ReadingComprehension()


def signature(length: int, **options: int) -> Signature:
    return Signature(task=TASK.name, max_length=length, options=options)


def test_windows_reach_every_token() -> None:
    for tokens, room, stride in product(range(0, 40), (8, 13), (3, 8)):
        begins = window_begins(tokens, room, stride)
        covered = {i for begin in begins for i in range(begin, min(begin + room, tokens))}
        assert covered == set(range(tokens)) and begins[0] == 0
        assert len(begins) == 1 or begins[-2] + room < tokens


def test_an_answer_near_a_boundary_is_found_in_the_window_that_shows_most_around_it() -> None:
    context = "甲乙丙丁戊己庚辛" * 4
    short = signature(16, stride=4, max_question_length=2, max_answer_length=8)
    for start in range(len(context) - 3):
        example = QuestionExample("q", "", "甲乙", context, (Answer(context[start : start + 3], start),))
        encoded = TASK.encode([example], VOCABULARY, short)
        labels, ends = encoded.samples.sample_columns["label"], np.cumsum(encoded.samples.lengths)
        whole = [row for row, (first, _) in enumerate(labels) if first]
        assert whole and (labels[labels[:, 0] == 0] == 0).all()
        scores = []
        for row, (first, last) in enumerate(labels):
            table = np.zeros((encoded.samples.lengths[row], 2))
            table[first, 0] = table[last, 1] = 1 + (row in whole)
            scores.append(table)
            if row in whole:
                ids = encoded.samples.columns["input_ids"][ends[row] - len(table) :][first : last + 1]
                assert "".join(VOCABULARY.tokens[i] for i in ids) == context[start : start + 3]
        assert TASK.predictions([example], encoded, scores, short)[0].value == context[start : start + 3]


# ---- most context ----


def test_each_token_belongs_to_the_window_with_most_context_by_a_plain_recount() -> None:
    for tokens, room, stride in product((0, 1, 8, 9, 20, 37), (8, 13), (1, 3, 8)):
        begins = window_begins(tokens, room, stride)
        best = windows_of_most_context(begins, room, tokens)
        assert len(best) == tokens
        for token in range(tokens):
            context = {}
            for number, begin in enumerate(begins):
                last = min(begin + room, tokens) - 1
                if begin <= token <= last:
                    context[number] = min(token - begin, last - token) + 0.01 * (last - begin + 1)
            assert best[token] == min(number for number, most in context.items() if most == max(context.values()))


def scores_at(encoded: Encoded, wanted: dict[int, tuple[int, int, float]]) -> list[np.ndarray]:
    """Return scores that are highest at the given first and last token of each window, zero elsewhere."""
    tables = [np.zeros((length, 2)) for length in encoded.samples.lengths]
    for number, (first, last, score) in wanted.items():
        window = encoded.details[number]
        tables[number][window.begin + first, 0] = tables[number][window.begin + last, 1] = score
    return tables


def test_a_part_at_the_edge_of_a_window_is_left_to_the_window_that_shows_more() -> None:
    context = "甲乙丙丁戊己庚辛" * 2
    short = signature(15, stride=5, max_question_length=2, max_answer_length=3)
    example = QuestionExample("q", "", "甲乙", context, ())
    encoded = TASK.encode([example], VOCABULARY, short)
    assert [len(window.offsets) for window in encoded.details] == [10, 10, 6]
    # The first window is surest that it begins at its last token, which the second shows between 4 and 5 others.
    for answer in (8, 9):
        scores = scores_at(encoded, {1: (answer - 5, answer - 5, 1.0)})
        scores[0][encoded.details[0].begin + 9, 0] = 99.0
        assert TASK.predictions([example], encoded, scores, short)[0].value == context[answer]
    scores = scores_at(encoded, {0: (6, 8, 9.0), 1: (1, 2, 8.0)})  # it may end where another window shows more
    assert TASK.predictions([example], encoded, scores, short)[0].value == context[6:9]


def test_the_best_part_is_that_of_all_pairs_which_may_begin_there() -> None:
    random = np.random.default_rng(2)
    scores, may_begin = random.normal(size=(12, 2)), random.random(12) < 0.5
    options = ReadingOptions(max_answer_length=4, best_answers=12)
    pairs = [(i, j) for i in range(12) for j in range(i, min(i + 4, 12)) if may_begin[i]]
    expected = max((scores[i, 0] + scores[j, 1], i, j) for i, j in pairs)
    assert max(best_spans(scores, may_begin, options)) == pytest.approx(expected)


@pytest.mark.parametrize(("tried", "longest"), [(1, 1), (1, 4), (3, 2), (5, 20), (40, 3)])
def test_so_many_of_the_best_beginnings_are_tried_each_to_its_best_end_within_the_length(
    tried: int, longest: int
) -> None:
    random = np.random.default_rng(tried)
    for _ in range(20):
        scores, may_begin = random.normal(size=(15, 2)), random.random(15) < 0.6
        found = best_spans(scores, may_begin, ReadingOptions(max_answer_length=longest, best_answers=tried))
        firsts = sorted(np.flatnonzero(may_begin).tolist(), key=lambda i: -scores[i, 0])[:tried]
        ends = {i: range(i, min(i + longest, 15)) for i in firsts}
        best = {i: max(ends[i], key=lambda j: scores[j, 1]) for i in firsts}
        assert [(i, j) for _, i, j in found] == list(best.items())
        assert [score for score, _, _ in found] == pytest.approx([scores[i, 0] + scores[j, 1] for i, j in best.items()])


def test_lengths_are_those_of_paddlenlps_example_unless_they_are_given() -> None:
    assert ReadingOptions().model_dump() == {
        "stride": 128,
        "max_question_length": 64,
        "max_answer_length": 50,
        "best_answers": 20,
    }


def test_a_window_is_filled_and_the_next_begins_a_stride_later() -> None:
    """`[CLS] question [SEP] window [SEP]`, 12 tokens at most, the question cut to 2."""
    context = "甲乙丙丁戊己庚辛甲乙丙丁戊己庚辛丙"
    example = QuestionExample("q", "", "丙丁戊", context, ())
    encoded = TASK.encode([example], VOCABULARY, signature(12, stride=4, max_question_length=2))
    texts = np.split(encoded.samples.columns["input_ids"], np.cumsum(encoded.samples.lengths)[:-1])
    windows = [context[0:7], context[4:11], context[8:15], context[12:17]]
    assert ["".join(VOCABULARY.tokens[int(i)] for i in ids) for ids in texts] == [
        f"[CLS]丙丁[SEP]{window}[SEP]" for window in windows
    ]
    sentences = np.split(encoded.samples.columns["sentence_ids"], np.cumsum(encoded.samples.lengths)[:-1])
    assert [ids.tolist() for ids in sentences] == [[0] * 4 + [1] * (len(window) + 1) for window in windows]


def test_a_window_is_trained_on_the_first_answer_that_the_text_holds_if_it_has_the_whole_of_it() -> None:
    context = "甲乙丙丁戊己庚辛甲乙"
    answers = (Answer("不在", None), Answer("庚辛甲", 6), Answer("甲", 0))
    example = QuestionExample("q", "", "丙", context, answers)
    encoded = TASK.encode([example], VOCABULARY, signature(12, stride=2, max_question_length=1))
    assert [window.begin for window in encoded.details] == [3, 3]  # windows of eight tokens, from 0 and from 2
    assert encoded.samples.sample_columns["label"].tolist() == [[0, 0], [3 + 4, 3 + 6]]
    assert TASK.gold(example) == ("不在", "庚辛甲", "甲") and TASK.gold(QuestionExample("q", "", "丙", "", ())) is None


def test_every_text_has_an_answer_even_where_all_sure_ends_stand_before_all_sure_beginnings() -> None:
    short = signature(30, stride=8, max_question_length=2, max_answer_length=3, best_answers=2)
    example = QuestionExample("q", "", "甲乙", "甲乙丙丁戊己庚辛" * 2, ())
    encoded = TASK.encode([example], VOCABULARY, short)
    (table,) = scores_at(encoded, {})
    begin = encoded.details[0].begin
    table[begin : begin + 3, 1], table[begin + 9 : begin + 12, 0] = 5.0, 5.0
    assert TASK.predictions([example], encoded, [table], short)[0].value == example.context[9]


# ---- texts as they come ----


def test_blanks_letters_and_overlong_questions_leave_offsets_right() -> None:
    """Answers are cut from the text as it stands: full width, upper case, blanks and line feeds included."""
    context = " 甲\u3000乙ABc  丙\n丁。\u200b戊 "
    room = signature(40, stride=8, max_question_length=3, max_answer_length=20)
    for text in ("甲", "甲\u3000乙", "ABc", "乙ABc  丙\n丁", "。\u200b戊"):
        example = QuestionExample("q", "", "甲乙丙丁戊己", context, (Answer(text, context.index(text)),))
        encoded = TASK.encode([example], VOCABULARY, room)
        first, last = encoded.samples.sample_columns["label"][0]
        begin = encoded.details[0].begin
        assert begin == 3 + 2  # the question is cut
        scores = scores_at(encoded, {0: (first - begin, last - begin, 5.0)})
        assert TASK.predictions([example], encoded, scores, room)[0].value == text


def test_a_text_without_a_token_is_answered_by_nothing() -> None:
    example, room = QuestionExample("q", "", "甲", " \u200b", ()), signature(140, stride=8)
    encoded = TASK.encode([example], VOCABULARY, room)
    assert TASK.predictions([example], encoded, scores_at(encoded, {}), room)[0].value == ""


def test_a_stride_that_skips_tokens_is_refused() -> None:
    wrong = signature(100, stride=60, max_question_length=64)
    with pytest.raises(UserError, match="stride 60: more than the 33 tokens"):
        TASK.encode([], VOCABULARY, wrong)


def test_a_length_that_questions_fill_is_refused_for_that_reason() -> None:
    with pytest.raises(UserError, match=r"^signature.max_length 67: .* question of up to 64 .* max_length to 195"):
        TASK.check_signature(signature(67))
    for length, options in ((195, {}), (68, {"stride": 1})):
        TASK.check_signature(signature(length, **options))
    with pytest.raises(UserError, match="stride 2: more than the 1 tokens"):
        TASK.check_signature(signature(68, stride=2))
