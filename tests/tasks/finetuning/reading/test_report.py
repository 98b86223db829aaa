"""Reports count everything and name the first places."""

from pathlib import Path
from typing import Any

import pytest
from reading_support import LABELS, read

from tasks.finetuning.reading.report import Report


def test_a_report_counts_all_and_names_the_first_places() -> None:
    report = Report(rows=1200)
    for line in range(5):
        report.skip("label '-'", f"f line {line}")
    report.correct("the offset of an answer", "f question Q1")
    report.keep("an answer that is not in its context", "f question Q2")
    assert report.examples == 1195
    assert report.lines() == [
        "1,200 rows, 1,195 examples",
        "skipped: 5 for label '-' (f line 0; f line 1; f line 2; ...)",
        "corrected: 1 for the offset of an answer (f question Q1)",
        "kept: 1 with an answer that is not in its context (f question Q2)",
    ]


@pytest.mark.parametrize(
    ("content", "format", "names", "column"),
    [
        ("text_a\ttext_b\tlabel\na\tb\tno\n", "tsv", "columns", "text_b"),
        ('{"sentence1": "a", "sentence2": "b", "label": "no"}\n', "json_lines", "keys", "sentence2"),
    ],
)
def test_a_second_text_is_read_or_reported(tmp_path: Path, content: str, format: str, names: str, column: str) -> None:
    def notes(**reading: Any) -> list[str]:
        return read(tmp_path, content, {"format": format, **reading}, LABELS).report.notes()

    assert notes() == [f"'{column}' is not read; if it is a text of a pair, name it in data.reading"]
    assert notes(**{names: {"text_b": column}}) == []
    assert notes(**{names: {"text_a": column}}) == []
