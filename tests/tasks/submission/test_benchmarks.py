"""The files of the leaderboards by name, with their labels and sizes, as their sites and data sets have them."""

from pathlib import Path
from typing import Any

import pytest
from recipe_support import RECIPES, load_recipe

from tasks.submission.benchmarks import BENCHMARKS, CLUE, GLUE, ZIP_NAMES
from tasks.submission.inputs import c3_rows, chid_rows, glue_rows, json_rows, squad_rows
from tasks.submission.layouts import JsonLines, JsonObject, Tsv
from tasks.submission.prediction_types import Choice, ExpectedRow, Label, Number, Text

# Task, test file, rows of the published test set, labels (gluebenchmark.com).
OF_GLUE = """
CoLA     CoLA/test.tsv                 1063     0 1
SST-2    SST-2/test.tsv                1821     0 1
MRPC     MRPC/test.tsv                 1725     0 1
STS-B    STS-B/test.tsv                1379
QQP      QQP/test.tsv                  390965   0 1
MNLI-m   MNLI/test_matched.tsv         9796     entailment neutral contradiction
MNLI-mm  MNLI/test_mismatched.tsv      9847     entailment neutral contradiction
QNLI     QNLI/test.tsv                 5463     entailment not_entailment
RTE      RTE/test.tsv                  3000     entailment not_entailment
WNLI     WNLI/test.tsv                 146      0 1
AX       diagnostic/diagnostic.tsv     1104     entailment neutral contradiction
"""
# Task, test file, rows where they are published, labels (CLUE's README); 105 and 111 are no codes of TNEWS.
OF_CLUE = """
afqmc        afqmc/test.json                          3861   0 1
tnews10      tnews/test1.0.json                       10000  100 101 102 103 104 106 107 108 109 110 112 113 114 115 116
tnews11      tnews/test.json                          10000  100 101 102 103 104 106 107 108 109 110 112 113 114 115 116
iflytek      iflytek/test.json                        2600   0..118
cmnli        cmnli/test.json                          13880  entailment neutral contradiction
ocnli_50k    ocnli/test.json                          3000   entailment neutral contradiction
cluewsc10    cluewsc2020/test1.0.json                 -      true false
cluewsc11    cluewsc2020/test.json                    -      true false
csl          csl/test.json                            3000   0 1
cmrc2018     cmrc2018/test.json                       -      text
chid10       chid/test1.0.json                        -      choice
chid11       chid/test1.1.json                        -      choice
c310         c3/test1.0.json                          -      choice
c311         c3/test1.1.json                          -      choice
diagnostics  clue_diagnostics/diagnostics_test.json   514    entailment neutral contradiction
"""


def rows_of(table: str) -> list[list[str]]:
    return [line.split() for line in table.strip().splitlines()]


def test_files_labels_and_sizes_of_glue() -> None:
    assert [file.task for file in GLUE] == [task for task, *_ in rows_of(OF_GLUE)]
    for file, (task, test, rows, *labels) in zip(GLUE, rows_of(OF_GLUE), strict=True):
        assert (file.name, file.test, file.rows) == (f"{task}.tsv", test, int(rows))
        assert isinstance(file.layout, Tsv) and file.read_test is glue_rows and not file.optional
        assert file.predictions == f"{task}.tsv"
        if task == "STS-B":
            assert file.type == Number(5.0)
        else:
            assert isinstance(file.type, Label) and sorted(file.type.names) == sorted(labels), task


def test_files_labels_and_sizes_of_clue() -> None:
    assert [file.task for file in CLUE] == [task for task, *_ in rows_of(OF_CLUE)]
    assert {file.task for file in CLUE if file.optional} == {"chid10", "c310", "diagnostics"}
    layouts: dict[str, Any] = {"chid": (JsonObject, chid_rows), "c3": (JsonLines, c3_rows)}
    for file, (task, test, rows, *labels) in zip(CLUE, rows_of(OF_CLUE), strict=True):
        assert (file.name, file.test) == (f"{task}_predict.json", test)
        assert file.rows == (None if rows == "-" else int(rows))
        assert file.predictions == ("cmrc2018.json" if task == "cmrc2018" else f"{task}.tsv")
        if labels in (["text"], ["choice"]):
            assert isinstance(file.type, Text if labels == ["text"] else Choice), task
            layout, read = layouts.get(task[:-2], (JsonObject, squad_rows))
            assert isinstance(file.layout, layout) and file.read_test is read, task
            continue
        expected = [str(code) for code in range(119)] if task == "iflytek" else labels
        assert isinstance(file.type, Label) and sorted(file.type.names) == sorted(expected), task
        assert isinstance(file.layout, JsonLines) and file.read_test is json_rows


def test_clue_takes_one_name_of_zip() -> None:
    assert ZIP_NAMES == {"clue": "submit.zip"} and list(BENCHMARKS) == ["glue", "clue"]


@pytest.mark.parametrize(
    "path", sorted(RECIPES.glob("glue/*.yaml")) + sorted(RECIPES.glob("clue/*.yaml")), ids=lambda p: p.stem
)
def test_what_a_recipe_predicts_is_what_its_leaderboard_takes(path: Path) -> None:
    """The files that a recipe's test sets are submitted as, their labels, and the test files that both read."""
    recipe = load_recipe(path)
    files = {file.task: file for file in BENCHMARKS[path.parent.name]}
    tests = recipe.data.sets("test")
    assert recipe.settings.submission.keys() == tests.keys()
    for name, task in recipe.settings.submission.items():
        file = files[task]
        assert file.test == f"{recipe.data.folder.name}/{tests[name][0]}"
        assert isinstance(file.type, Label) == (recipe.signature.labels is not None)
        if isinstance(file.type, Label):
            assert sorted(file.type.names) == sorted(recipe.signature.labels or ())


def test_every_file_of_the_leaderboards_but_the_older_ones_has_a_recipe() -> None:
    submitted = {task for path in RECIPES.glob("*/*.yaml") for task in load_recipe(path).settings.submission.values()}
    assert submitted == {file.task for files in BENCHMARKS.values() for file in files} - {"chid10", "c310"}


# ---- what may be answered ----


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        ("2.5", "2.500"),
        ("0", "0.000"),
        ("-0.01", "0.000"),
        ("5", "5.000"),
        ("5.0004", "5.000"),
        ("4.99951", "5.000"),
        ("1e0", "1.000"),
    ],
)
def test_scores_have_three_decimals_between_0_and_5(predicted: str, expected: str) -> None:
    assert Number().leaderboard_value(predicted) == expected
    assert Number().error(expected, ExpectedRow(0)) is None


@pytest.mark.parametrize("value", ["-0.001", "5.001", "nan", "inf", "", "high", None])
def test_other_scores_are_refused(value: Any) -> None:
    assert Number().error(value, ExpectedRow(0)) == f"{value!r} is not a number from 0 to 5"
    if isinstance(value, str) and value in ("nan", "inf", "", "high"):
        with pytest.raises(ValueError, match="is not a number"):
            Number().leaderboard_value(value)


def test_choices_are_numbers_of_the_candidates_of_their_question() -> None:
    for candidates in (2, 4, 10):
        fitting = [value for value in range(-2, 12) if Choice().error(value, ExpectedRow(0, candidates)) is None]
        assert fitting == list(range(candidates))
    assert Choice().leaderboard_value("07") == 7 and type(Choice().leaderboard_value("3")) is int
    for value in (True, 1.0, "1", None):
        assert Choice().error(value, ExpectedRow(0, 4)) == f"{value!r} is not the number of a candidate, 0 to 3"
    for predicted in ("-1", "1.0", "", "²", "١", "a"):
        with pytest.raises(ValueError, match="is not the number"):
            Choice().leaderboard_value(predicted)


def test_labels_are_listed_up_to_twenty() -> None:
    for count in (20, 21):
        names = tuple(map(str, range(count)))
        assert all(Label(names).error(name, ExpectedRow(0)) is None for name in names)
        listed = ", ".join(names) if count == 20 else "0 to 20"
        for value in ("", str(count), 0, None):
            assert Label(names).error(value, ExpectedRow(0)) == f"{value!r} is not a label; labels are texts: {listed}"


def test_texts_may_be_empty_but_nothing_else() -> None:
    assert Text().error("", ExpectedRow("q")) is None and Text().leaderboard_value(" a ") == " a "
    assert Text().error(None, ExpectedRow("q")) == "None is not a text"
