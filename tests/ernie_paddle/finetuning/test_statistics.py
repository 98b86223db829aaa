"""Statistics over seeds, compared with numpy's, with and without degenerate runs."""

import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ernie_paddle.errors import UserError
from ernie_paddle.finetuning.statistics import (
    RunRecord,
    RunStatistics,
    compare_runs,
    statistics_table,
    write_statistics,
)
from ernie_paddle.metric import Scores

ACCURACY = [0.71, 0.55, 0.73, 0.73, 0.69]
F1 = [0.6, 0.0, 0.64, 0.66, 0.61]
TEST = [0.70, 0.52, 0.68, 0.75, 0.66]
REASON = "every row is predicted as '0'"


def run(seed: int, degenerate: bool = False) -> RunRecord:
    i = seed - 1
    dev = Scores({"accuracy": ACCURACY[i], "f1": F1[i]}, "accuracy", 200, REASON if degenerate else None)
    return RunRecord({"seed": seed}, 100 * seed, dev, {"test": Scores({"accuracy": TEST[i]}, "accuracy", 300)})


@pytest.fixture
def five() -> RunStatistics:
    """Return the results of five seeds, the second of which is degenerate."""
    return compare_runs([run(seed, seed == 2) for seed in range(1, 6)], {"dev accuracy": 0.852})


def test_statistics_are_numpys(five: RunStatistics) -> None:
    for over, rows in ((five.all, [0, 1, 2, 3, 4]), (five.sound, [0, 2, 3, 4])):
        assert over is not None
        assert over.runs == len(rows)
        for column, values in (("dev accuracy", ACCURACY), ("dev f1", F1), ("test accuracy", TEST)):
            taken = np.array(values)[rows]
            assert over.median[column] == pytest.approx(np.median(taken))
            assert over.mean[column] == pytest.approx(np.mean(taken))
            assert over.deviation is not None
            assert over.deviation[column] == pytest.approx(np.std(taken, ddof=1))
    assert five.degenerate == 1


def test_the_best_run_is_selected_on_dev_alone_and_the_first_of_equal_ones(five: RunStatistics) -> None:
    assert five.all.best == {"dev accuracy": 0.73, "dev f1": 0.64, "test accuracy": 0.68}  # seed 3, not 4


def test_a_single_run_has_no_deviation() -> None:
    statistics = compare_runs([run(1)])
    assert statistics.all.deviation is None
    assert statistics.all.median == statistics.all.mean == statistics.all.best == run(1).values()


def test_without_a_sound_run_there_are_only_statistics_of_all() -> None:
    statistics = compare_runs([run(1, True), run(2, True)])
    assert statistics.sound is None
    assert statistics.degenerate == 2


def test_a_degenerate_test_file_marks_the_run_too() -> None:
    record = RunRecord({}, 1, run(1).dev, {"test": Scores({"accuracy": 0.5}, "accuracy", 9, REASON)})
    assert record.degenerate == f"test: {REASON}"


def test_the_order_of_runs_changes_no_statistics() -> None:
    forth = compare_runs([run(seed) for seed in (1, 2, 3, 5)])
    back = compare_runs([run(seed) for seed in (5, 3, 2, 1)])
    assert forth.all.median == back.all.median
    assert forth.all.best == back.all.best
    assert forth.all.deviation == pytest.approx(back.all.deviation)


def test_json_has_every_run_and_both_statistics(five: RunStatistics, tmp_path: Path) -> None:
    write_statistics(tmp_path / "runs.json", five)
    record = json.loads((tmp_path / "runs.json").read_text())
    assert [item["settings"] for item in record["runs"]] == [{"seed": seed} for seed in range(1, 6)]
    assert [item["step"] for item in record["runs"]] == [100, 200, 300, 400, 500]
    assert [item["degenerate"] for item in record["runs"]] == [None, f"dev: {REASON}", None, None, None]
    assert record["runs"][0]["scores"]["test"]["values"] == {"accuracy": 0.70}
    assert (record["all"]["runs"], record["not_degenerate"]["runs"]) == (5, 4)
    assert record["all"]["mean"]["dev accuracy"] == five.all.mean["dev accuracy"]
    assert (record["selection_metric"], record["paper"]) == ("dev accuracy", {"dev accuracy": 0.852})


def test_tsv_has_the_same_with_all_digits(five: RunStatistics, tmp_path: Path) -> None:
    write_statistics(tmp_path / "runs.tsv", five)
    header, *lines = (line.split("\t") for line in (tmp_path / "runs.tsv").read_text().splitlines())
    rows = {line[0]: dict(zip(header, line, strict=True)) for line in lines}
    assert header == ["run", "seed", "step", "dev accuracy", "dev f1", "test accuracy", "degenerate"]
    assert (rows["2"]["seed"], rows["2"]["degenerate"]) == ("2", f"dev: {REASON}")
    assert float(rows["mean of all 5"]["dev f1"]) == five.all.mean["dev f1"]
    assert five.sound is not None
    assert float(rows["median of the 4 not degenerate"]["test accuracy"]) == five.sound.median["test accuracy"]
    assert float(rows["deviation of all 5"]["dev f1"]) == pytest.approx(np.std(F1, ddof=1))
    assert (rows["paper"]["dev accuracy"], rows["paper"]["dev f1"]) == ("0.852", "-")


def test_the_table_shows_per_cent_and_says_what_is_degenerate(five: RunStatistics) -> None:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(statistics_table("RTE", five))
    text = capture.get()
    for words in ("median of all 5", "of the 4 not degenerate", "paper", "85.20", "73.00", "dev accuracy"):
        assert words in text
    assert f"degenerate: run 2 (dev: {REASON})" in text


def test_a_published_value_that_the_runs_lack_has_its_own_column(tmp_path: Path) -> None:
    write_statistics(tmp_path / "runs.tsv", compare_runs([run(1)], {"leaderboard accuracy": 0.802}))
    header, *lines = (line.split("\t") for line in (tmp_path / "runs.tsv").read_text().splitlines())
    column = [line[header.index("leaderboard accuracy")] for line in lines]
    assert column == ["-", "-", "-", "-", "-", "0.802"]


def test_without_degenerate_runs_statistics_are_written_once(tmp_path: Path) -> None:
    write_statistics(tmp_path / "runs.tsv", compare_runs([run(1), run(3)]))
    assert "not degenerate" not in (tmp_path / "runs.tsv").read_text()


def test_grid_points_have_a_column_a_setting(tmp_path: Path) -> None:
    points = [{"learning_rate": rate, "batch": batch} for rate in (1e-5, 3e-5) for batch in (16, 32)]
    write_statistics(tmp_path / "grid.tsv", compare_runs([RunRecord(point, 1, run(1).dev) for point in points]))
    lines = (tmp_path / "grid.tsv").read_text().splitlines()
    assert lines[0].split("\t")[:4] == ["run", "learning_rate", "batch", "step"]
    assert lines[4].split("\t")[:3] == ["4", "3e-05", "32"]


def test_what_does_not_fit_together_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no runs"):
        compare_runs([])
    with pytest.raises(ValueError, match="differ"):
        compare_runs([run(1), RunRecord({"seed": 2}, 1, run(2).dev)])
    with pytest.raises(UserError, match=r"\.json or \.tsv"):
        write_statistics(tmp_path / "runs.txt", compare_runs([run(1)]))
