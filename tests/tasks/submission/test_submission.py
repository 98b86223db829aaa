"""Predictions on test files of the original formats become what the leaderboards take, and mistakes are named."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from submission_support import (
    CLUE_IDS,
    GLUE_LABELS,
    ROWS,
    write,
    write_clue_data,
    write_clue_predictions,
    write_glue_data,
    write_glue_predictions,
    write_predictions,
)

from ernie_paddle.cli import main
from tasks.submission import checking
from tasks.submission.benchmarks import BENCHMARKS
from tasks.submission.layouts import Tsv

GLUE_NAMES = "CoLA SST-2 MRPC STS-B QQP MNLI-m MNLI-mm QNLI RTE WNLI AX"
CLUE_NAMES = "afqmc tnews10 tnews11 iflytek cmnli ocnli_50k cluewsc10 cluewsc11 csl cmrc2018 chid11 c311 diagnostics"
Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command over `tmp_path`; its stderr, empty if it succeeded, or an assertion about its exit code."""

    def run(benchmark: str, *arguments: object) -> str:
        capsys.readouterr()
        given = [str(argument) for argument in arguments] or [
            str(tmp_path / "predictions"),
            "--out",
            str(tmp_path / "out.zip"),
        ]
        try:
            main(["submission", benchmark, *given, "--data", str(tmp_path / "data")])
            code = 0
        except SystemExit as stop:
            code = int(str(stop.code))
        error = capsys.readouterr().err
        assert code == (2 if error else 0), error
        return error

    return run


@pytest.fixture
def glue(tmp_path: Path) -> Path:
    write_glue_data(tmp_path / "data")
    write_glue_predictions(tmp_path / "predictions")
    return tmp_path


@pytest.fixture
def clue(tmp_path: Path) -> Path:
    write_clue_data(tmp_path / "data")
    write_clue_predictions(tmp_path / "predictions")
    return tmp_path


def contents(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def rezip(path: Path, **changes: str | bytes | None) -> None:
    """Write a zip anew with some files changed; `None` takes one out."""
    files: dict[str, str | bytes | None] = {**contents(path), **changes}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            if content is not None:
                archive.writestr(name, content)


# ---- what is written ----


def test_glue_gets_a_tsv_a_task_with_the_header_and_labels_of_the_leaderboard(run: Run, glue: Path) -> None:
    assert run("glue") == ""
    files = contents(glue / "out.zip")
    assert set(files) == {f"{name}.tsv" for name in GLUE_NAMES.split()}
    for name, text in files.items():
        header, *rows = text.splitlines()
        assert header == "index\tprediction"
        labels = GLUE_LABELS[name.removesuffix(".tsv")]
        wanted = ["0.000", "2.346", "5.000", "0.000", "1.000"] if name == "STS-B.tsv" else labels
        assert rows == [f"{i}\t{wanted[i % len(wanted)]}" for i in range(ROWS)]


def test_clue_gets_json_lines_and_objects_with_the_ids_of_the_test_files(run: Run, clue: Path) -> None:
    assert run("clue") == ""
    files = contents(clue / "out.zip")
    assert set(files) == {f"{name}_predict.json" for name in CLUE_NAMES.split()}
    tnews = [json.loads(line) for line in files["tnews10_predict.json"].splitlines()]
    assert tnews == [{"id": i, "label": ["100", "116", "104"][i % 3]} for i in range(ROWS)]
    for task, ids in CLUE_IDS.items():
        assert [json.loads(line)["id"] for line in files[f"{task}_predict.json"].splitlines()] == ids
    assert json.loads(files["cluewsc11_predict.json"].splitlines()[1]) == {"id": 1, "label": "true"}
    assert [json.loads(line) for line in files["c311_predict.json"].splitlines()] == [
        {"id": id, "label": label} for id, label in enumerate([1, 3, 0])
    ]
    chid = {"#idiom623377#": 0, "#idiom623378#": 9, "#idiom623379#": 3, "#idiom623380#": 1}
    assert json.loads(files["chid11_predict.json"]) == chid
    predicted = json.loads(files["cmrc2018_predict.json"])
    assert predicted == json.loads((clue / "predictions/cmrc2018.json").read_text())
    assert "“提康德罗加”" in files["cmrc2018_predict.json"]


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_what_is_written_passes_the_check_and_is_the_same_again(
    run: Run, benchmark: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(benchmark)
    run(benchmark)
    before = (folder / "out.zip").read_bytes()
    assert run(benchmark, "--check", folder / "out.zip") == ""
    run(benchmark)
    assert (folder / "out.zip").read_bytes() == before


def test_data_folders_may_be_named_with_or_without_public(run: Run, clue: Path) -> None:
    for folder in (clue / "data").iterdir():
        folder.rename(folder.with_name(folder.name.removesuffix("_public")))
    assert run("clue") == ""


def test_the_table_says_where_the_test_set_is_not_the_published_one(
    glue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(
        ["submission", "glue", str(glue / "predictions"), "--data", str(glue / "data"), "--out", str(glue / "out.zip")]
    )
    out = capsys.readouterr().out
    assert "390,965" in out
    assert "differs from the published test set" in out


def test_a_zip_of_another_name_than_clue_takes_is_said(clue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, said in (("submission.zip", True), ("submit.zip", False)):
        out = str(clue / name)
        main(["submission", "clue", str(clue / "predictions"), "--data", str(clue / "data"), "--out", out])
        assert ("only accepts the name submit.zip" in capsys.readouterr().out) == said


# ---- missing tasks ----


def test_missing_predictions_are_listed_beside_files_of_other_names(run: Run, glue: Path) -> None:
    (glue / "predictions/MNLI-m.tsv").rename(glue / "predictions/MNLI.tsv")
    (glue / "predictions/RTE.tsv").rename(glue / "predictions/rte.json")
    (glue / "predictions/notes.txt").touch()
    error = run("glue")
    assert "missing predictions: MNLI-m.tsv, RTE.tsv; unused: MNLI.tsv, rte.json; use --partial" in error
    assert not (glue / "out.zip").exists()


def test_a_partial_submission_has_the_others(run: Run, glue: Path) -> None:
    (glue / "predictions/RTE.tsv").unlink()
    arguments = [glue / "predictions", "--out", glue / "out.zip", "--partial"]
    assert run("glue", *arguments) == ""
    assert "RTE.tsv" not in contents(glue / "out.zip")
    assert run("glue", "--check", glue / "out.zip", "--partial") == ""
    assert "RTE.tsv: missing" in run("glue", "--check", glue / "out.zip")
    for path in (glue / "predictions").iterdir():
        path.unlink()
    assert "missing predictions: CoLA.tsv, SST-2.tsv" in run("glue", *arguments)


def test_optional_files_may_be_left_out_but_not_one_of_two_test_sets(run: Run, clue: Path) -> None:
    (clue / "predictions/diagnostics.tsv").unlink()
    assert run("clue") == ""
    (clue / "predictions/cluewsc10.tsv").unlink()
    assert "missing predictions: cluewsc10.tsv" in run("clue")


# ---- mistakes in predictions ----


@pytest.mark.parametrize(
    ("benchmark", "name", "text", "message"),
    [
        ("glue", "CoLA.tsv", "0\t1\n1\t0\n", "2 predictions, the test file has 5 rows"),
        ("glue", "CoLA.tsv", "0\t1\n2\t0\n1\t1\n3\t0\n4\t0\n", "line 3: the index is '2', the test file has '1'"),
        (
            "glue",
            "RTE.tsv",
            "0\t1\n" + "\n".join(f"{i}\tentailment" for i in range(1, 5)),
            "line 2: '1' is not a label",
        ),
        (
            "glue",
            "AX.tsv",
            "0\tneutral\tx\n" + "\n".join(f"{i}\tneutral" for i in range(1, 5)),
            "line 2: 3 fields, expected 2",
        ),
        ("glue", "STS-B.tsv", "0\tnan\n" + "\n".join(f"{i}\t1" for i in range(1, 5)), "line 2: 'nan' is not a number"),
        ("clue", "tnews11.tsv", "".join(f"{i}\t105\n" for i in range(5)), "line 6: '105' is not a label"),
        ("clue", "iflytek.tsv", "".join(f"{i}\t119\n" for i in range(5)), "labels are texts: 0 to 118"),
        ("clue", "c311.tsv", "0\t2\n1\t3\n2\t0\n", "line 2: 2 is not the number of a candidate, 0 to 1"),
        ("clue", "c311.tsv", "0\t女\n1\t3\n2\t0\n", "line 2: '女' is not the number of a candidate"),
    ],
)
def test_mistakes_in_predictions_name_file_and_line_and_nothing_is_written(
    run: Run, request: pytest.FixtureRequest, benchmark: str, name: str, text: str, message: str
) -> None:
    folder: Path = request.getfixturevalue(benchmark)
    write(folder / "predictions" / name, "index\tprediction\n" + text)
    error = run(benchmark)
    assert f"{folder / 'predictions' / name} " in error
    assert message in error
    assert "no zip was written" in error.splitlines()[-1]
    assert not (folder / "out.zip").exists()


def test_answers_for_other_questions_are_named(run: Run, clue: Path) -> None:
    write(
        clue / "predictions/cmrc2018.json",
        '{"TEST_0_QUERY_0": "a", "TEST_0_QUERY_0": "b", "DEV_1": "c", "TEST_0_QUERY_2": 3}',
    )
    error = run("clue")
    for message in (
        "'TEST_0_QUERY_0': occurs twice",
        "'DEV_1': the test file has no such id",
        "'TEST_0_QUERY_2': 3 is not a text",
        "'TEST_0_QUERY_1': no prediction",
    ):
        assert message in error


def test_a_wrong_header_is_named(run: Run, glue: Path) -> None:
    write(glue / "predictions/WNLI.tsv", "".join(f"{i}\t1\n" for i in range(ROWS)))
    assert r"WNLI.tsv line 1: the header is '0\t1', expected 'index\tprediction'" in run("glue")


# ---- mistakes in a zip ----


def test_everything_wrong_in_a_zip_is_said_at_once(run: Run, glue: Path) -> None:
    run("glue")
    good = contents(glue / "out.zip")
    rezip(
        glue / "out.zip",
        **{
            "CoLA.tsv": good["CoLA.tsv"].replace("index", "id"),
            "SST-2.tsv": good["SST-2.tsv"] + "5\t1\n",
            "MRPC.tsv": good["MRPC.tsv"].replace("3\t0", "3\t0.0"),
            "STS-B.tsv": good["STS-B.tsv"].replace("5.000", "5.100"),
            "QNLI.tsv": good["QNLI.tsv"].replace("2\t", "7\t"),
            "AX.tsv": b"index\tprediction\n\xff",
            "WNLI.tsv": None,
            "submit/WNLI.tsv": good["WNLI.tsv"],
            "notes.txt": "mine",
        },
    )
    lines = run("glue", "--check", glue / "out.zip").splitlines()
    for line in (
        r"CoLA.tsv line 1: the header is 'id\tprediction', expected 'index\tprediction'",
        "SST-2.tsv 6 predictions, the test file has 5 rows",
        "MRPC.tsv line 5: '0.0' is not a label; labels are texts: 0, 1",
        "STS-B.tsv line 4: '5.100' is not a number from 0 to 5",
        "QNLI.tsv line 4: the index is '7', the test file has '2'",
        "WNLI.tsv: missing",
        "submit/WNLI.tsv: move it from its folder to the top of the zip",
        "notes.txt: unknown name",
    ):
        assert line in lines
    assert any(line.startswith("AX.tsv: not UTF-8") for line in lines)
    assert len(lines) == 10
    assert lines[-1].endswith("errors are listed above")


def test_a_file_that_unpacks_to_more_than_any_submission_has_is_not_read(
    run: Run, glue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 390_965 * len("390964\t1\n") < checking.MOST_BYTES  # QQP
    run("glue")
    size = len(contents(glue / "out.zip")["MRPC.tsv"])
    monkeypatch.setattr(checking, "MOST_BYTES", size)
    rezip(glue / "out.zip", **{"CoLA.tsv": "x" * (size + 1)})
    lines = [line for line in run("glue", "--check", glue / "out.zip").splitlines() if "bytes" in line]
    assert f"CoLA.tsv: more than {size} bytes" in lines and not [line for line in lines if "MRPC" in line]


def test_a_name_that_stands_twice_is_named(run: Run, glue: Path) -> None:
    run("glue")
    with zipfile.ZipFile(glue / "out.zip", "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("CoLA.tsv", "index\tprediction\n")
    assert "CoLA.tsv: occurs 2 times in the zip" in run("glue", "--check", glue / "out.zip")


def test_a_zip_that_its_own_check_refuses_is_not_written(run: Run, glue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_all = Tsv.write
    monkeypatch.setattr(Tsv, "write", lambda self, rows: write_all(self, rows[:-1]))
    assert "CoLA.tsv 4 predictions, the test file has 5 rows" in run("glue")
    assert not (glue / "out.zip").exists()


def test_mistakes_in_json_are_named(run: Run, clue: Path) -> None:
    run("clue")
    good = contents(clue / "out.zip")
    rezip(
        clue / "out.zip",
        **{
            "afqmc_predict.json": good["afqmc_predict.json"].replace('"0"', "0", 1),
            "csl_predict.json": good["csl_predict.json"].replace("label", "pred", 1),
            "chid11_predict.json": good["chid11_predict.json"].replace("9", "10"),
            "c311_predict.json": "[" + good["c311_predict.json"],
            "cmrc2018_predict.json": "[]",
        },
    )
    error = run("clue", "--check", clue / "out.zip")
    for message in (
        "afqmc_predict.json line 1: 0 is not a label; labels are texts: 0, 1",
        "csl_predict.json line 1: expected a JSON object with the keys 'id' and 'label'",
        "10 is not the number of a candidate, 0 to 9",
        "c311_predict.json line 1: expected a JSON object",
        "cmrc2018_predict.json not one JSON object",
    ):
        assert message in error


def test_many_mistakes_are_counted_not_listed(run: Run, glue: Path) -> None:
    header = (glue / "data/QQP/test.tsv").read_text().splitlines()[0]
    write(glue / "data/QQP/test.tsv", "\n".join([header, *(f"{i}\ta\tb" for i in range(1000))]) + "\n")
    write_predictions(glue / "predictions", "QQP", list(range(1000)), ["duplicate"])
    lines = [line for line in run("glue").splitlines() if "QQP" in line]
    assert len(lines) == 21
    assert lines[-1].endswith("QQP.tsv: and 980 more")


def test_a_file_that_is_no_zip_and_a_damaged_one_are_named(run: Run, glue: Path) -> None:
    write(glue / "out.zip", "no zip")
    assert "cannot be read as a zip" in run("glue", "--check", glue / "out.zip")
    run("glue")
    buffer = io.BytesIO((glue / "out.zip").read_bytes())
    damaged = bytearray(buffer.getvalue())
    damaged[45] ^= 0xFF  # within the first file
    (glue / "out.zip").write_bytes(damaged)
    assert "CoLA.tsv: cannot be unpacked" in run("glue", "--check", glue / "out.zip")


# ---- mistakes in data and options ----


@pytest.mark.parametrize(
    ("benchmark", "name", "text", "message"),
    [
        (
            "glue",
            "QNLI/test.tsv",
            "question\tsentence\na\tb\n",
            "line 1: the first column is 'question', expected 'index'",
        ),
        ("glue", "QNLI/test.tsv", "index\tquestion\n", "no rows in the test file of QNLI"),
        ("glue", "QNLI/test.tsv", "index\tquestion\n0\ta\n1\n", "line 3: one field, the header has 2"),
        ("clue", "csl_public/test.json", '{"id": 1}\n[]\n', "line 2: a list, expected a JSON object"),
        ("clue", "csl_public/test.json", '{"id": 1}\n\n', "line 2: not JSON"),
        ("clue", "csl_public/test.json", '{"id": [1]}\n', "line 1: the id is [1], expected"),
        (
            "clue",
            "chid_public/test1.1.json",
            '{"content": "x"}\n',
            "line 1: expected the lists 'content' and 'candidates'",
        ),
        ("glue", "QNLI/test.tsv", "", "line 1: the first column is '', expected 'index'"),
        (
            "clue",
            "chid_public/test1.1.json",
            '{"candidates": ["x"]}\n',
            "line 1: expected the lists 'content' and 'candidates'",
        ),
        (
            "clue",
            "chid_public/test1.1.json",
            '{"content": ["x"]}\n',
            "line 1: expected the lists 'content' and 'candidates'",
        ),
        ("clue", "cmrc2018_public/test.json", '{"data": [{}]}', "expected data, paragraphs, qas and ids"),
        ("clue", "cmrc2018_public/test.json", '{"data": 3}', "expected data, paragraphs, qas and ids"),
        ("clue", "cmrc2018_public/test.json", "{", "not JSON"),
        ("clue", "c3_public/test1.1.json", '[["a"]]', "expected a list of [passage"),
        ("clue", "c3_public/test1.1.json", '[["a", ["b"], 0]]', "expected a list of [passage"),
        ("clue", "c3_public/test1.1.json", '[["a", [{"question": "b"}], 0]]', "expected a list of [passage"),
        ("clue", "c3_public/test1.1.json", "3", "expected a list of [passage"),
    ],
)
def test_test_files_of_another_form_are_named(
    run: Run, request: pytest.FixtureRequest, benchmark: str, name: str, text: str, message: str
) -> None:
    folder: Path = request.getfixturevalue(benchmark)
    write(folder / "data" / name, text)
    error = run(benchmark)
    assert f"{folder / 'data' / name}" in error
    assert message in error
    assert len(error.splitlines()) == 1


def test_a_test_file_that_is_not_there_is_asked_for(run: Run, clue: Path) -> None:
    (clue / "data/tnews_public/test1.0.json").unlink()
    assert f"{clue / 'data/tnews/test1.0.json'}: not found; put the test file of tnews10 there" in run("clue")


def test_options_that_do_not_fit_are_refused(run: Run, glue: Path) -> None:
    assert "give a folder with predictions and --out" in run("glue", glue / "predictions")
    assert "--check takes neither" in run("glue", "--check", glue / "out.zip", "--out", glue / "out.zip")
    assert "name a folder with predictions" in run("glue", glue / "none", "--out", glue / "out.zip")
    assert "out.zip: not found" in run("glue", "--check", glue / "out.zip")
