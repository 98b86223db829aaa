"""What a run leaves behind: its log, and the page made of it."""

import json
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import Run, assert_user_error, run_command

from ernie_paddle.errors import UserError
from ernie_paddle.pretraining.report import draw, write_report
from ernie_paddle.training.log_file import (
    LOG_FILE,
    RESULT_FILE,
    drop_records_after,
    read_log,
    read_result,
    write_result,
)

PNG = b"\x89PNG\r\n\x1a\n"
TASKS = ("a", "b", "c")


@pytest.fixture
def finished(write_plan: Callable[..., Path], tmp_path: Path) -> Path:
    tasks = {"knowledge_masking": {"steps": 6}, "sentence_distance": {"steps": 6}}
    done = run_command("pretrain", write_plan(plan={"tasks": tasks}), "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "held-out scores after step 4 (stage 1 of 2)" in done.stderr and "forgotten" in done.stderr, done.stderr
    assert re.search(r"step 5/12  stage 2/2  .*tokens/s  0:\d\d:\d\d left", done.stderr), done.stderr
    return tmp_path / "run"


def test_a_run_leaves_records_events_and_a_page(finished: Path, run: Run, tmp_path: Path) -> None:
    records = read_log(finished / LOG_FILE)
    train = [record for record in records if record["event"] == "train"]
    evaluations = [record for record in records if record["event"] == "evaluation"]
    assert [record["stage"] for record in evaluations] == [1, 2]
    assert list(evaluations[0]["tasks"]) == ["knowledge_masking"]
    assert list(evaluations[1]["tasks"]) == ["knowledge_masking", "sentence_distance"]
    assert all(0 <= record["padding_share"] < 0.5 and record["tokens"] > 0 for record in train)
    assert all(0 <= record["waiting_share"] <= 1 and record["gradient_norm"] > 0 for record in train)
    assert list((finished / "tensorboard").glob("events*"))

    sets = {
        name: {"values": {"accuracy": value}, "selection_metric": "accuracy"}
        for name, value in (("dev", 0.75), ("test", 0.5))
    }
    write_result(tmp_path / "tuned", {"selected_on": "dev", "sets": sets})
    page = tmp_path / "report.html"
    done = run_command("report", finished, "--compare", tmp_path / "tuned", "--out", page)
    assert done.returncode == 0, done.stderr
    html = page.read_text(encoding="utf-8")
    for words in ("Held-out scores after step 12 (stage 2)", "Effective steps", "Forgetting", "75.00", "50.00"):
        assert words in html
    score = evaluations[-1]["tasks"]["sentence_distance"]["loss"]
    assert f"{score:.3f}" in html and f"{score:.3f}" in done.stdout and "backward transfer" in done.stdout
    assert run("report", finished, "--out", tmp_path / "figure.png")[0] == 0
    assert (tmp_path / "figure.png").read_bytes().startswith(PNG)
    assert_user_error(*run("report", finished, "--out", tmp_path / "page.pdf"), "page.pdf", ".html or .png")


def random_log(seed: int) -> list[dict[str, Any]]:
    """Return the records of a run that was stopped in stage 3 and continued in stages 4 and 5, with random numbers.

    Stage i introduces task i of three; the third one has no baselines.
    """
    random, step, records = np.random.default_rng(seed), 0, list[dict[str, Any]]()

    def some(names: tuple[str, ...]) -> dict[str, int]:
        return {name: int(random.integers(1, 2000)) for name in names if random.random() < 0.8}

    def scores(name: str) -> dict[str, Any]:
        baselines = ("unigram_loss", "majority_accuracy", "uniform_loss")
        values = {key: float(random.random()) if name != "c" else None for key in baselines}
        return {"loss": float(10 * random.random()), "accuracy": float(random.random()), **values}

    for stage in range(1, 6):
        names = TASKS[:stage]
        for part in range(random.integers(2, 5)):
            steps = {**some(names), names[-1]: 7} if part == 0 else some(names) or {names[0]: 1}
            step += sum(steps.values())
            tasks = {name: {"loss": 1.0, "accuracy": 0.5, "labels": int(random.integers(1, 9000))} for name in names}
            work = {"tokens": int(random.integers(1, 9999)), "seconds": float(random.random())}
            counts = {
                "steps": steps,
                "auxiliary_steps": some(names),
                "samples": {name: 8 * n for name, n in steps.items()},
            }
            records.append({"event": "train", "step": step, "stage": stage, **counts, "tasks": tasks, **work})
            if random.random() < 0.5 or part == 1:
                held_out = {name: {**scores(name), "labels": int(random.integers(1, 9000))} for name in names}
                best = {"step": step, "value": float(random.random())}
                records.append({"event": "evaluation", "step": step, "stage": stage, "tasks": held_out, "best": best})
        if stage == 3:
            records.append({"event": "stop", "step": step, "stage": stage, "reason": "train.best.patience: <why>"})
    return records


def tables_of(page: Path) -> dict[str, list[list[str]]]:
    """Return the tables of a page, rows of cells by caption."""
    found = re.findall(r"<table><caption>(.*?)</caption>(.*?)</table>", page.read_text(encoding="utf-8"))
    return {
        caption: [re.findall(r"<t[dh]>(.*?)</t[dh]>", row) for row in re.findall(r"<tr>(.*?)</tr>", table)]
        for caption, table in found
    }


def recounted_by_stage(train: list[dict[str, Any]], what: Callable[[dict[str, Any], str], int]) -> dict[str, list[int]]:
    counts: dict[str, list[int]] = defaultdict(lambda: [0] * 5)
    for record in train:
        for name in TASKS:
            counts[name][record["stage"] - 1] += what(record, name)
    return {name: [*row, sum(row)] for name, row in counts.items()}


@pytest.mark.parametrize("seed", range(3))
def test_every_cell_of_a_page_s_tables_is_a_recount_of_the_log(tmp_path: Path, seed: int) -> None:
    records = random_log(seed)
    (tmp_path / LOG_FILE).write_text("".join(json.dumps(record) + "\n" for record in records))
    evaluations = write_report(tmp_path, {}, tmp_path / "page.html")
    assert evaluations == [record for record in records if record["event"] == "evaluation"]
    train = [record for record in records if record["event"] == "train"]
    tables = tables_of(tmp_path / "page.html")

    own = recounted_by_stage(train, lambda record, name: record["steps"].get(name, 0))
    auxiliary = recounted_by_stage(train, lambda record, name: record["auxiliary_steps"].get(name, 0))
    samples = recounted_by_stage(train, lambda record, name: record["samples"].get(name, 0))
    labels = recounted_by_stage(train, lambda record, name: record["tasks"].get(name, {"labels": 0})["labels"])
    effective = {name: [x + y for x, y in zip(own[name], auxiliary[name], strict=True)] for name in TASKS}
    steps, all_samples = ([sum(of[name][i] for name in TASKS) for i in range(6)] for of in (own, samples))
    expected: dict[str, tuple[dict[str, list[int]], list[int] | None]] = {
        "Steps of each task in each stage, as the primary task": (own, steps),
        "Steps of other tasks that have the loss of the task too": (auxiliary, steps),
        "Effective steps: all that train the task": (effective, steps),
        "Samples of each task in each stage": (samples, all_samples),
        "Labels of each task in each stage": (labels, None),
    }
    for caption, (counts, wholes) in expected.items():
        header, *rows = tables.pop(caption)
        assert header == ["task", *(f"stage {i}" for i in range(1, 6)), "total"]
        cells = {
            name: [f"{n:,}" + (f" ({100 * n / wholes[i]:.1f}%)" if wholes else "") for i, n in enumerate(row)]
            for name, row in counts.items()
        }
        assert {row[0]: row[1:] for row in rows} == cells and [row[0] for row in rows] == list(TASKS)

    ends = {record["stage"]: record for record in evaluations}
    for stage, record in ends.items():
        header, *rows = tables.pop(f"Held-out scores after step {record['step']:,} (stage {stage})")
        assert header == ["task", "loss", "unigram", "uniform", "accuracy", "majority class", "labels"]
        for name, *cells in rows:
            s = record["tasks"][name]
            loss, accuracy = f"{s['loss']:.3f}", f"{100 * s['accuracy']:.1f}%"
            baselines = ["-"] * 3
            if name != "c":
                baselines = [
                    f"{s['unigram_loss']:.3f}",
                    f"{s['uniform_loss']:.3f}",
                    f"{100 * s['majority_accuracy']:.1f}%",
                ]
            assert cells == [loss, *baselines[:2], accuracy, baselines[2], f"{s['labels']:,}"]

    last, own_record = evaluations[-1]["tasks"], dict(zip(TASKS, (ends[1], ends[2], ends[3]), strict=True))
    _, *rows = tables.pop("Forgetting: best and last held-out scores")
    for name, *cells in rows:
        losses = [(record["tasks"][name]["loss"], record["step"]) for record in evaluations if name in record["tasks"]]
        accuracies = [(r["tasks"][name]["accuracy"], r["step"]) for r in evaluations if name in r["tasks"]]
        (low, low_at), (high, high_at) = min(losses), max(accuracies)
        now = last[name]
        of_loss = [f"{low:.3f}", f"{low_at:,}", f"{now['loss']:.3f}", f"{now['loss'] - low:.3f}"]
        of_accuracy = [f"{100 * x:.1f}%" for x in (high, now["accuracy"], high - now["accuracy"])]
        assert cells == [*of_loss, of_accuracy[0], f"{high_at:,}", *of_accuracy[1:]]
    assert [row[0] for row in rows] == list(TASKS)

    ((caption, (_, *rows)),) = tables.items()
    changes = {
        name: [last[name][key] - own_record[name]["tasks"][name][key] for key in ("loss", "accuracy")] for name in TASKS
    }
    loss, accuracy = np.mean(list(changes.values()), axis=0)
    assert f"accuracy {100 * accuracy:+.2f}% (below 0: forgotten), loss {loss:+.3f} (above 0: forgotten)" in caption
    for name, *cells in rows[:-1]:
        then, now, number = own_record[name]["tasks"][name], last[name], TASKS.index(name) + 1
        assert cells[:4] == [str(number), f"{then['loss']:.3f}", f"{now['loss']:.3f}", f"{changes[name][0]:+.3f}"]
        shown = [f"{100 * then['accuracy']:.1f}%", f"{100 * now['accuracy']:.1f}%", f"{100 * changes[name][1]:+.2f}%"]
        assert cells[4:] == shown
    assert rows[-1] == ["mean", "", "", "", f"{loss:+.3f}", "", "", f"{100 * accuracy:+.2f}%"]


def test_a_page_sums_up_a_run_with_its_best_step_and_its_stops(tmp_path: Path) -> None:
    records = random_log(0)
    (tmp_path / LOG_FILE).write_text("".join(json.dumps(record) + "\n" for record in records))
    write_report(tmp_path, {}, tmp_path / "page.html")
    sentences = re.findall("<p>(.*?)</p>", (tmp_path / "page.html").read_text(encoding="utf-8"))
    train = [record for record in records if record["event"] == "train"]
    steps, tokens = sum(sum(record["steps"].values()) for record in train), sum(record["tokens"] for record in train)
    assert sentences[0].startswith(f"{steps:,} steps, {tokens:,} tokens, 0:00:")
    best = [record for record in records if record["event"] == "evaluation"][-1]["best"]
    (stop,) = [record for record in records if record["event"] == "stop"]
    assert sentences[1] == f"Best step: {best['step']:,}, with {best['value']:.4f}."
    stopped = f"Stopped after step {stop['step']:,} by train.best.patience: &lt;why&gt;"
    assert stop["step"] < train[-1]["step"] and sentences[2:] == [f"{stopped}; the run was continued."]
    until = records[: records.index(stop) + 1]
    (tmp_path / LOG_FILE).write_text("".join(json.dumps(record) + "\n" for record in until))
    write_report(tmp_path, {}, tmp_path / "page.html")
    assert f"<p>{stopped}.</p>" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_panels_have_the_losses_and_accuracies_of_the_log_over_its_stages() -> None:
    records = random_log(1)
    train, evaluations = ([record for record in records if record["event"] == kind] for kind in ("train", "evaluation"))
    panels = draw(train, evaluations).axes
    assert [panel.get_title() for panel in panels] == ["held-out accuracy", *TASKS]
    lines = [{str(line.get_label()): line.get_xydata().tolist() for line in panel.lines} for panel in panels]

    def points(some: list[dict[str, Any]], name: str, key: str) -> list[list[float]]:
        return [[record["step"], record["tasks"][name][key]] for record in some if name in record["tasks"]]

    assert lines[0] == {name: points(evaluations, name, "accuracy") for name in TASKS}
    for name, found in zip(TASKS, lines[1:], strict=True):
        assert found["training"] == points(train, name, "loss") and found["held-out"] == points(
            evaluations, name, "loss"
        )
        assert ("unigram" in found) == (name != "c")
    ends = {record["stage"]: record["step"] for record in train}
    middles = {str(stage): (ends.get(stage - 1, 0) + end) / 2 for stage, end in ends.items()}
    for panel in panels:
        assert {text.get_text(): text.get_position()[0] for text in panel.texts} == middles
        assert len(panel.patches) == len(ends)


def test_a_run_without_an_evaluation_has_a_page(tmp_path: Path) -> None:
    (tmp_path / LOG_FILE).write_text(json.dumps(random_log(0)[0]) + "\n")
    assert write_report(tmp_path, {}, tmp_path / "page.html") == []
    assert len(tables_of(tmp_path / "page.html")) == 5


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
        ('{"event": "stop", "step": 5, "stage": 1}', "'reason'"),
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
