"""The files of a submission to gluebenchmark.com and cluebenchmarks.com."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ernie_paddle.errors import UserError
from tasks.submission.inputs import c3_rows, chid_rows, glue_rows, json_rows, squad_rows
from tasks.submission.layouts import JsonLines, JsonObject, Layout, Tsv
from tasks.submission.prediction_types import Choice, ExpectedRow, Label, Number, PredictionType, Text

PUBLIC = "_public"  # CLUE's archives unpack to `tnews_public`, which is often renamed to `tnews`


@dataclass(frozen=True)
class SubmissionFile:
    """One file of a submission.

    `task` names the file of predictions, `name` the file in the zip, and `test` the test file in the data folder.
    `rows` is the number of rows of the published test set, None if unknown. An `optional` file may always be missing.
    """

    task: str
    name: str
    test: str
    layout: Layout
    type: PredictionType
    read_test: Callable[[Path], list[ExpectedRow]]
    rows: int | None = None
    optional: bool = False

    @property
    def predictions(self) -> str:
        """The name of the file of predictions: JSON for texts, TSV otherwise."""
        return f"{self.task}.json" if isinstance(self.type, Text) else f"{self.task}.tsv"

    def expected_rows(self, data: Path) -> list[ExpectedRow]:
        """Read the rows of the test file.

        Raises:
            UserError: the file is missing, empty or has another format.
        """
        folder, _, name = self.test.rpartition("/")
        candidates = (data / self.test, data / f"{folder}{PUBLIC}" / name)
        path = next((path for path in candidates if path.is_file()), None)
        if path is None:
            raise UserError(f"{data / self.test}: not found; put the test file of {self.task} there, as downloaded")
        rows = self.read_test(path)
        if not rows:
            raise UserError(f"{path}: no rows in the test file of {self.task}")
        return rows


def _glue(task: str, test: str, rows: int, type: PredictionType) -> SubmissionFile:
    return SubmissionFile(task, f"{task}.tsv", test, Tsv(), type, glue_rows, rows)


def _clue(task: str, test: str, rows: int | None, names: tuple[str, ...], optional: bool = False) -> SubmissionFile:
    name = f"{task}_predict.json"
    return SubmissionFile(task, name, test, JsonLines(), Label(names), json_rows, rows, optional)


BINARY = ("0", "1")
ENTAILMENT = ("entailment", "not_entailment")
INFERENCE = ("entailment", "neutral", "contradiction")
TNEWS = tuple(str(code) for code in range(100, 117) if code not in (105, 111))

GLUE = (
    _glue("CoLA", "CoLA/test.tsv", 1063, Label(BINARY)),
    _glue("SST-2", "SST-2/test.tsv", 1821, Label(BINARY)),
    _glue("MRPC", "MRPC/test.tsv", 1725, Label(BINARY)),
    _glue("STS-B", "STS-B/test.tsv", 1379, Number()),
    _glue("QQP", "QQP/test.tsv", 390965, Label(BINARY)),
    _glue("MNLI-m", "MNLI/test_matched.tsv", 9796, Label(INFERENCE)),
    _glue("MNLI-mm", "MNLI/test_mismatched.tsv", 9847, Label(INFERENCE)),
    _glue("QNLI", "QNLI/test.tsv", 5463, Label(ENTAILMENT)),
    _glue("RTE", "RTE/test.tsv", 3000, Label(ENTAILMENT)),
    _glue("WNLI", "WNLI/test.tsv", 146, Label(BINARY)),
    _glue("AX", "diagnostic/diagnostic.tsv", 1104, Label(INFERENCE)),
)

# The 1.1 test sets replaced the 1.0 ones in 2021. Of the 1.0 files, only those of C3 and CHID are optional.
CLUE = (
    _clue("afqmc", "afqmc/test.json", 3861, BINARY),
    _clue("tnews10", "tnews/test1.0.json", 10000, TNEWS),
    _clue("tnews11", "tnews/test.json", 10000, TNEWS),
    _clue("iflytek", "iflytek/test.json", 2600, tuple(map(str, range(119)))),
    _clue("cmnli", "cmnli/test.json", 13880, INFERENCE),
    _clue("ocnli_50k", "ocnli/test.json", 3000, INFERENCE),
    _clue("cluewsc10", "cluewsc2020/test1.0.json", None, ("true", "false")),
    _clue("cluewsc11", "cluewsc2020/test.json", None, ("true", "false")),
    _clue("csl", "csl/test.json", 3000, BINARY),
    SubmissionFile("cmrc2018", "cmrc2018_predict.json", "cmrc2018/test.json", JsonObject(), Text(), squad_rows),
    SubmissionFile(
        "chid10", "chid10_predict.json", "chid/test1.0.json", JsonObject(), Choice(), chid_rows, optional=True
    ),
    SubmissionFile("chid11", "chid11_predict.json", "chid/test1.1.json", JsonObject(), Choice(), chid_rows),
    SubmissionFile("c310", "c310_predict.json", "c3/test1.0.json", JsonLines(), Choice(), c3_rows, optional=True),
    SubmissionFile("c311", "c311_predict.json", "c3/test1.1.json", JsonLines(), Choice(), c3_rows),
    _clue("diagnostics", "clue_diagnostics/diagnostics_test.json", 514, INFERENCE, optional=True),
)

BENCHMARKS = {"glue": GLUE, "clue": CLUE}
ZIP_NAMES = {"clue": "submit.zip"}  # if the leaderboard requires a name
