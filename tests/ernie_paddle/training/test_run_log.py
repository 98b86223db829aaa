"""The log describes what the steps did."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tensorboardX import SummaryWriter

from ernie_paddle.training.evaluation import Best, Score
from ernie_paddle.training.log_file import LOG_FILE, read_log
from ernie_paddle.training.loss_scale import LossScale
from ernie_paddle.training.run_log import RunLog
from ernie_paddle.training.stage_plan import planned_steps
from ernie_paddle.training.trainer import StepResult, Trainer

STAGES = {
    "strategy": "stages",
    "tasks": {"knowledge_masking": {"steps": [4, 1]}, "sentence_distance": {"steps": [0, 2]}},
}


@pytest.fixture
def trainer(toy_trainer: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch) -> Trainer:
    """Return a trainer that computes nothing and reports a loss of 12 and 4 correct predictions a task."""
    trainer = toy_trainer(plan=STAGES, impl={"logging_steps": 3})
    names = ("knowledge_masking", "sentence_distance")
    monkeypatch.setattr(trainer.session, "take_metrics", lambda: {name: np.array([12.0, 4.0]) for name in names})
    monkeypatch.setattr(trainer.session, "gradient_norm", lambda: 0.5)
    monkeypatch.setattr(trainer.session, "products", lambda tasks: (10 * len(tasks), len(tasks)))
    return trainer


def steps_of(trainer: Trainer) -> list[StepResult]:
    """Return invented step results: step n has n labels of its task and 10 n tokens in 16 n padded positions."""
    found = []
    for planned in planned_steps(trainer.plan):
        n, tasks = planned.number, trainer.combination(planned)
        labels = np.array([n] * len(tasks))
        scale = LossScale(2.0**n, skipped_steps=n)
        found.append(StepResult(planned, tasks, labels, 0.1 * n, n, 10 * n, 16 * n, 0.25, scale, False))
    return found


def resident_bytes() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return 1024 * int(line.split()[1])


def test_records_sum_up_the_steps_since_the_last_one_within_a_stage(
    trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 10_000, 2))  # two seconds from look to look
    monkeypatch.setattr("ernie_paddle.training.run_log.time.perf_counter", lambda: float(next(clock)))
    with RunLog(tmp_path, trainer) as log:
        for step in steps_of(trainer):
            log.step(step)
        log.flush()
    records = [record for record in read_log(tmp_path / LOG_FILE) if record["event"] == "train"]
    spans = [[1, 2, 3], [4], [5, 6], [7]]  # every three steps, and where a stage ends
    assert [(record["step"], record["stage"]) for record in records] == [(3, 1), (4, 1), (6, 2), (7, 2)]
    assert [record["steps"] for record in records[:2]] == [{"knowledge_masking": 3}, {"knowledge_masking": 1}]
    assert [sum(record["steps"].values()) for record in records] == [3, 1, 2, 1]
    for record, span in zip(records, spans, strict=True):
        total = sum(span)
        for name, values in record["tasks"].items():
            labels = total if name == "knowledge_masking" else values["labels"]
            assert values == {"loss": 12 / labels, "accuracy": 4 / labels, "labels": labels}
        assert (sum(record["samples"].values()), record["tokens"]) == (total, 10 * total)
        assert record["samples"].keys() == record["steps"].keys()
        assert record["padding_share"] == pytest.approx(1 - 10 / 16)
        assert record["seconds"] == 2.0
        assert record["tokens_per_second"] == pytest.approx(10 * total / record["seconds"])
        assert record["waiting_share"] == pytest.approx(0.25 * len(span) / record["seconds"])
        assert record["learning_rate"] == pytest.approx(0.1 * span[-1])
        assert (record["loss_scale"], record["skipped_steps"]) == (2.0 ** span[-1], span[-1])
        assert record["gradient_norm"] == 0.5 and record["memory_bytes"] == pytest.approx(resident_bytes(), rel=0.1)
    numbers = [s.planned.number for s in steps_of(trainer) if s.planned.task == "sentence_distance"]
    of_distance = sum(record["tasks"].get("sentence_distance", {"labels": 0})["labels"] for record in records)
    assert of_distance == sum(numbers) == sum(record["samples"].get("sentence_distance", 0) for record in records)
    auxiliary = [record["auxiliary_steps"] for record in records]
    assert sum(counts.get("knowledge_masking", 0) for counts in auxiliary) == len(numbers) == 2
    assert auxiliary[:2] == [{}, {}]


def test_tensorboard_gets_the_values_of_the_records(
    trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: dict[tuple[str, int], float] = {}

    def add_scalar(writer: SummaryWriter, tag: str, value: float, step: int) -> None:
        shown[tag, step] = value

    monkeypatch.setattr(SummaryWriter, "add_scalar", add_scalar)
    with RunLog(tmp_path, trainer) as log:
        for step in steps_of(trainer):
            log.step(step)
        log.evaluation(4, 0, {"knowledge_masking": Score(2.5, 0.375, 8, 2.0, 0.5)})
        log.evaluation(7, 1, {"knowledge_masking": Score(3.0, 0.25, 8, 2.0, 0.5)})
        scores = {"loss": 0.5, "values": {"accuracy": 0.75}, "degenerate": None}
        log.scores(7, 1, {"dev": scores})
    expected = {("validation_loss/knowledge_masking", 7): 3.0, ("validation_accuracy/knowledge_masking", 7): 0.25}
    expected |= {("validation_loss/knowledge_masking", 4): 2.5, ("validation_accuracy/knowledge_masking", 4): 0.375}
    expected |= {(f"forgetting_{key}/knowledge_masking", 4): 0.0 for key in ("loss", "accuracy")}
    expected |= {("forgetting_loss/knowledge_masking", 7): 0.5, ("forgetting_accuracy/knowledge_masking", 7): 0.125}
    expected |= {("backward_transfer/loss", 7): 0.5, ("backward_transfer/accuracy", 7): -0.125}
    expected |= {("loss/dev", 7): 0.5, ("accuracy/dev", 7): 0.75}
    of_the_run = "learning_rate gradient_norm loss_scale skipped_steps tokens_per_second padding_share waiting_share"
    of_the_run += " memory_bytes"
    for record in read_log(tmp_path / LOG_FILE):
        if record["event"] == "train":
            expected |= {(f"run/{name}", record["step"]): record[name] for name in of_the_run.split()}
            for name, values in record["tasks"].items():
                expected |= {(f"train_{what}/{name}", record["step"]): values[what] for what in ("loss", "accuracy")}
    assert shown == expected and len(shown) > 30


def test_each_program_is_told_of_once_with_its_products(trainer: Trainer, tmp_path: Path) -> None:
    with RunLog(tmp_path, trainer) as log:
        for step in steps_of(trainer):
            log.step(step)
    programs = [record for record in read_log(tmp_path / LOG_FILE) if record["event"] == "program"]
    found = [
        (program["step"], program["combination"], program["matrix_products"], program["in_low_precision"])
        for program in programs
    ]
    both = ["sentence_distance", "knowledge_masking"]
    assert sorted(found) == [(1, ["knowledge_masking"], 10, 1), (5, both, 20, 2)]


def test_held_out_scores_are_logged_beside_their_baselines(trainer: Trainer, tmp_path: Path) -> None:
    with RunLog(tmp_path, trainer) as log:
        log.evaluation(4, 0, {"knowledge_masking": Score(3.0, 0.25, 8, 2.0, 0.5)})
        (record,) = read_log(tmp_path / LOG_FILE)  # it is there at once
    values = {"loss": 3.0, "accuracy": 0.25, "labels": 8, "unigram_loss": 2.0, "majority_accuracy": 0.5}
    assert (record["event"], record["step"], record["stage"]) == ("evaluation", 4, 1)
    assert record["tasks"] == {"knowledge_masking": values | {"uniform_loss": pytest.approx(np.log(60))}}


def test_forgetting_is_logged_over_all_evaluations_of_the_log(trainer: Trainer, tmp_path: Path) -> None:
    """The second of them is of a resumed run."""
    for number, (loss, accuracy) in {4: (3.0, 0.5), 7: (3.5, 0.25)}.items():
        trainer.progress.step = number
        trainer.progress.best = Best(4, 3.0)
        with RunLog(tmp_path, trainer) as log:
            log.evaluation(number, number // 7, {"knowledge_masking": Score(loss, accuracy, 8, 2.0, 0.5)})
            if number == 7:
                log.stop(7, 1, "train.best.patience: why")
    first, second, stop = read_log(tmp_path / LOG_FILE)
    assert first["forgetting"] == {"knowledge_masking": {"loss": 0, "accuracy": 0}}
    assert second["forgetting"] == {"knowledge_masking": {"loss": 0.5, "accuracy": 0.25}}
    assert first["backward_transfer"] is None
    assert second["backward_transfer"] == {"loss": 0.5, "accuracy": -0.25}
    assert second["best"] == {"step": 4, "value": 3.0}
    assert stop == {"event": "stop", "step": 7, "stage": 2, "reason": "train.best.patience: why"}


def test_a_resumed_run_s_log_continues_after_its_last_step(trainer: Trainer, tmp_path: Path) -> None:
    for _ in range(2):
        with RunLog(tmp_path, trainer) as log:
            for step in steps_of(trainer)[trainer.progress.step :]:
                log.step(step)
            log.flush()
        trainer.progress.step = 4
    steps = [record["step"] for record in read_log(tmp_path / LOG_FILE) if record["event"] == "train"]
    assert steps == [3, 4, 6, 7]


def test_a_resumed_run_s_events_of_later_steps_are_dropped(
    trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorBoard drops the events from `purge_step` on."""
    purged: list[int] = []

    def writer(folder: str, purge_step: int, **options: object) -> SummaryWriter:
        purged.append(purge_step)
        return SummaryWriter(folder, purge_step=purge_step, **options)

    monkeypatch.setattr("ernie_paddle.training.run_log.SummaryWriter", writer)
    for step in (0, 4):
        trainer.progress.step = step
        with RunLog(tmp_path, trainer):
            pass
    assert purged == [1, 5]
