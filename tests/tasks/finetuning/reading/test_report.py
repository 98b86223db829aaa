"""Reports count everything and name the first places."""

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
