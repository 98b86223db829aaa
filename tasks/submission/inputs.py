"""The rows and questions of the benchmarks' test files, in order."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ernie_paddle.errors import UserError
from ernie_paddle.files import read_lines, read_text
from ernie_paddle.text.cleaning import load_json
from tasks.finetuning.reading.chid import BLANK
from tasks.submission.prediction_types import ExpectedRow


def glue_rows(path: Path) -> list[ExpectedRow]:
    """Read GLUE's TSV, which has no quotes: a header with `index` (`id` in QQP) as first column, then the rows."""
    lines = read_lines(path, "test file") or [""]
    header = lines[0].split("\t")
    if header[0] not in ("index", "id"):
        raise UserError(
            f"{path} line 1: the first column is '{header[0]}', expected 'index'; is this GLUE's test file?"
        )
    for number, line in enumerate(lines[1:], 2):
        if "\t" not in line:
            raise UserError(f"{path} line {number}: one field, the header has {len(header)}")
    return [ExpectedRow(line.split("\t", 1)[0]) for line in lines[1:]]


def json_rows(path: Path) -> list[ExpectedRow]:
    """Read CLUE's JSON lines. The id is the row's `id` (`index` in the diagnostics), otherwise its number from 0."""
    rows = []
    for number, (where, row) in enumerate(_objects(path)):
        id = row.get("id", row.get("index", number))
        if not isinstance(id, int | str):
            raise UserError(f"{where}: the id is {id!r}, expected a number or a text")
        rows.append(ExpectedRow(id))
    return rows


def squad_rows(path: Path) -> list[ExpectedRow]:
    """Read the questions of CMRC2018's SQuAD file: data, paragraphs, qas."""
    tree = _json(path)
    try:
        qas = [qa for article in tree["data"] for paragraph in article["paragraphs"] for qa in paragraph["qas"]]
        return [ExpectedRow(str(qa["id"])) for qa in qas]
    except (KeyError, TypeError):
        raise UserError(f"{path}: expected data, paragraphs, qas and ids, as in SQuAD 1.1") from None


def chid_rows(path: Path) -> list[ExpectedRow]:
    """Read the blanks `#idiom...#` of CHID's lines, each with the line's number of candidates."""
    rows = []
    for where, row in _objects(path):
        content, candidates = row.get("content"), row.get("candidates")
        if not isinstance(content, list) or not isinstance(candidates, list):
            raise UserError(f"{where}: expected the lists 'content' and 'candidates'")
        rows += [ExpectedRow(blank, len(candidates)) for text in content for blank in BLANK.findall(str(text))]
    return rows


def c3_rows(path: Path) -> list[ExpectedRow]:
    """Read the questions of C3, each with its number of choices. The id is `id`, otherwise the number from 0."""
    tree = _json(path)
    try:
        questions = [question for _, questions, *_ in tree for question in questions]
        return [
            ExpectedRow(question.get("id", number), len(question["choice"]))
            for number, question in enumerate(questions)
        ]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UserError(f"{path}: expected a list of [passage, [{{question, choice}}, ...], id]") from None


def _json(path: Path) -> Any:
    try:
        return load_json(read_text(path, "test file"))[0]
    except ValueError as error:
        raise UserError(f"{path}: not JSON: {error}") from None


def _objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(read_lines(path, "test file"), 1):
        where = f"{path} line {number}"
        try:
            row, _ = load_json(line)
        except ValueError:
            raise UserError(f"{where}: not JSON; expected one object per line") from None
        if not isinstance(row, dict):
            raise UserError(f"{where}: a {type(row).__name__}, expected a JSON object")
        yield where, row
