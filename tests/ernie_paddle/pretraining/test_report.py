"""What a run leaves behind: its log, and the page made of it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import assert_user_error, run_command

from ernie_paddle.errors import UserError
from ernie_paddle.pretraining.report import draw, write_report
from ernie_paddle.training.evaluation import best_scores
from ernie_paddle.training.log_file import (
    LOG_FILE,
    RESULT_FILE,
    drop_records_after,
    read_log,
    read_result,
    write_result,
)

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def run(write_plan: Callable[..., Path], tmp_path: Path) -> Path:
    tasks = {"knowledge_masking": {"steps": 6}, "sentence_distance": {"steps": 6}}
    done = run_command("pretrain", write_plan(plan={"tasks": tasks}), "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "best loss before" in done.stderr and re.search(r"knowledge_masking .*\(stage 1\)", done.stderr), done.stderr
    assert re.search(r"step 5/12  stage 2/2  .*tokens/s  0:\d\d:\d\d left", done.stderr), done.stderr
    return tmp_path / "run"


def test_a_run_leaves_records_events_and_a_page(run: Path, tmp_path: Path) -> None:
    records = read_log(run / LOG_FILE)
    train = [record for record in records if record["event"] == "train"]
    evaluations = [record for record in records if record["event"] == "evaluation"]
    assert [record["stage"] for record in evaluations] == [1, 2]
    assert list(evaluations[0]["tasks"]) == ["knowledge_masking"]
    assert list(evaluations[1]["tasks"]) == ["knowledge_masking", "sentence_distance"]
    assert all(0 <= record["padding_share"] < 0.5 and record["tokens"] > 0 for record in train)
    assert all(0 <= record["waiting_share"] <= 1 and record["gradient_norm"] > 0 for record in train)
    assert list((run / "tensorboard").glob("events*"))

    sets = {
        name: {"values": {"accuracy": value}, "selection_metric": "accuracy"}
        for name, value in (("dev", 0.75), ("test", 0.5))
    }
    write_result(tmp_path / "tuned", {"selected_on": "dev", "sets": sets})
    page = tmp_path / "report.html"
    done = run_command("report", run, "--compare", tmp_path / "tuned", "--out", page)
    assert done.returncode == 0, done.stderr
    html = page.read_text(encoding="utf-8")
    for words in ("Held-out scores after stage 2", "Steps of each task", "Forgetting", "75.00", "50.00"):
        assert words in html
    score = evaluations[-1]["tasks"]["sentence_distance"]["loss"]
    assert f"{score:.3f}" in html and f"{score:.3f}" in done.stdout
    assert run_command("report", run, "--out", tmp_path / "figure.png").returncode == 0
    assert (tmp_path / "figure.png").read_bytes().startswith(PNG)
    wrong = run_command("report", run, "--out", tmp_path / "page.pdf")
    assert_user_error(wrong.returncode, wrong.stderr, "page.pdf", ".html or .png")


def two_stages() -> list[dict[str, Any]]:
    """Return the records of a run of 5 steps: 3 of task a, then one of a and one of b, which has no baselines."""

    def train(step: int, stage: int, steps: dict[str, int], losses: dict[str, float], tokens: int) -> dict[str, Any]:
        tasks = {name: {"loss": loss, "accuracy": 0.5, "labels": 8} for name, loss in losses.items()}
        work = {"tokens": tokens, "seconds": tokens / 10}
        return {"event": "train", "step": step, "stage": stage, "steps": steps, "tasks": tasks, **work}

    def evaluation(step: int, stage: int, losses: dict[str, float]) -> dict[str, Any]:
        baselines = {"unigram_loss": 2.5, "majority_accuracy": 0.25, "uniform_loss": 3.25}
        tasks = {
            name: {"loss": loss, "accuracy": 0.125, "labels": 1234}
            | (baselines if name == "a" else dict.fromkeys(baselines))
            for name, loss in losses.items()
        }
        return {"event": "evaluation", "step": step, "stage": stage, "tasks": tasks}

    return [
        train(3, 1, {"a": 3}, {"a": 2.0}, 1000),
        evaluation(3, 1, {"a": 1.75}),
        train(4, 2, {"a": 1}, {"a": 1.5}, 200),
        train(5, 2, {"b": 1}, {"a": 1.25, "b": 3.0}, 300),
        evaluation(5, 2, {"a": 1.875, "b": 0.5}),
    ]


def test_a_page_s_tables_are_recounts_of_the_log(tmp_path: Path) -> None:
    (tmp_path / LOG_FILE).write_text("".join(json.dumps(record) + "\n" for record in two_stages()))
    evaluations = write_report(tmp_path, {}, tmp_path / "page.html")
    assert evaluations == [record for record in two_stages() if record["event"] == "evaluation"]
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "5 steps, 1,500 tokens, 0:02:30 of training, 10 tokens/s" in page
    rows = [re.findall(r"<t[dh]>(.*?)</t[dh]>", row) for row in re.findall(r"<tr>(.*?)</tr>", page)]
    assert rows == [
        ["task", "stage 1", "stage 2"],
        ["a", "3", "1"],
        ["b", "0", "1"],
        ["task", "loss", "unigram", "uniform", "accuracy", "majority class", "labels"],
        ["a", "1.750", "2.500", "3.250", "12.5%", "25.0%", "1,234"],
        ["task", "loss", "unigram", "uniform", "accuracy", "majority class", "labels"],
        ["a", "1.875", "2.500", "3.250", "12.5%", "25.0%", "1,234"],
        ["b", "0.500", "-", "-", "12.5%", "-", "1,234"],
        ["task", "best", "last", "difference"],
        ["a", "1.750", "1.875", "+0.125"],
        ["b", "0.500", "0.500", "+0.000"],
    ]


def test_a_panel_a_task_has_the_losses_of_the_log() -> None:
    records = two_stages()
    train, evaluations = ([record for record in records if record["event"] == kind] for kind in ("train", "evaluation"))
    panels = draw(train, evaluations).axes
    assert [panel.get_title() for panel in panels] == ["a", "b"]
    lines = [{str(line.get_label()): line.get_xydata().tolist() for line in panel.lines} for panel in panels]
    assert lines[0]["training"] == [[3, 2.0], [4, 1.5], [5, 1.25]] and lines[1]["training"] == [[5, 3.0]]
    assert lines[0]["held-out"] == [[3, 1.75], [5, 1.875]] and lines[1]["held-out"] == [[5, 0.5]]
    assert {y for _, y in lines[0]["unigram"]} == {2.5} and "unigram" not in lines[1]


def test_a_last_line_cut_short_is_ignored_and_later_records_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / LOG_FILE
    lines = [json.dumps({"event": "program", "step": step}) for step in (5, 10, 15)]
    path.write_text("\n".join(lines)[:-4])
    assert [record["step"] for record in read_log(path)] == [5, 10]
    drop_records_after(path, 7)
    assert path.read_text() == '{"event": "program", "step": 5}\n'


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"event": "program", "upd', "not JSON"),
        ("[]", "expected a mapping"),
        ("{}", "'event'"),
        ('{"event": "program"}', "'step'"),
        ('{"event": "train", "step": 5, "stage": 1}', "'steps'"),
        ('{"event": "evaluation", "step": 5, "stage": 1, "tasks": {"a": {"losr": 1}}}', "'tasks.a.loss'"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_damaged_line_of_a_log_is_named(line: str, words: str, tmp_path: Path) -> None:
    path, good = tmp_path / LOG_FILE, json.dumps({"event": "program", "step": 1})
    path.write_text(f"{good}\n{line}\n{good}\n")
    before = path.read_bytes()
    with pytest.raises(UserError, match=rf"log\.jsonl line 2: damaged .*{words}"):
        read_log(path)
    with pytest.raises(UserError, match="line 2"):
        drop_records_after(path, 7)
    assert path.read_bytes() == before


def test_a_damaged_result_is_named(tmp_path: Path) -> None:
    write_result(tmp_path, {"sets": {}, "step": 3})
    assert read_result(tmp_path) == {"sets": {}, "step": 3}
    path = tmp_path / RESULT_FILE
    path.write_text(path.read_text().replace("3", "8", 1))
    with pytest.raises(UserError, match=r"result\.json: damaged or changed .*--resume"):
        read_result(tmp_path)


def test_the_best_score_of_a_task_is_that_of_its_lowest_loss() -> None:
    losses = {1: {"a": 2.0}, 2: {"a": 1.5, "b": 0.7}, 3: {"a": 1.8, "b": 0.6}}
    records = [
        {"stage": stage, "tasks": {name: {"loss": loss} for name, loss in of_stage.items()}}
        for stage, of_stage in losses.items()
    ]
    assert best_scores(records) == {"a": (1.5, 2), "b": (0.6, 3)}
    assert best_scores(records[:1]) == {"a": (2.0, 1)} and best_scores([]) == {}
