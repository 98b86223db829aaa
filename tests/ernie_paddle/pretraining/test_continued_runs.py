"""Stages that are added to a run give what one run of all stages gives, bit by bit."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ernie_paddle import testing
from ernie_paddle.checksums import write_checksums
from ernie_paddle.config import check_settings
from ernie_paddle.model import saved
from ernie_paddle.model.saved import MODEL_FILE, OPTIMIZER_FILE
from ernie_paddle.pretraining.report import write_report
from ernie_paddle.pretraining.run import pretrain
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.training.checkpoint import STATE_FILE, TrainerState
from ernie_paddle.training.log_file import LOG_FILE, TENSORBOARD, read_log
from ernie_paddle.training.loss_scale import LossScale

MEASURED = {"tokens_per_second", "waiting_share", "memory_bytes", "seconds"}  # values of records that differ
CONSTANT: dict[str, Any] = {"peak": 0.01, "schedule": "constant", "warmup_steps": 3}
BY_STAGE: dict[str, Any] = {"peak": [0.01, 0.004, 0.008], "schedule": "linear", "warmup_steps": 2, "restart": "stage"}

Pretrain = Callable[..., Path]


def pretrain_stages(
    out: Path, shards: Path, steps: dict[str, Any], strategy: str = "stages", options: Any = None, **train: Any
) -> Path:
    """Run stages of tasks, given as lists of steps; `options` are arguments of `pretrain`. Returns the folder."""
    out.parent.mkdir(parents=True, exist_ok=True)
    tree = testing.toy_plan(testing.write_toy_model(out.parent / "model.json", 64), shards, [])
    tree["plan"] = {"strategy": strategy, "tasks": {task: {"steps": count} for task, count in steps.items()}}
    tree["train"] = {"batch_tokens": 256, "learning_rate": CONSTANT, **train}
    tree["impl"] = {"logging_steps": 3, "save_steps": 4, "keep_checkpoints": 9}
    pretrain(check_settings(PretrainSettings, tree, "plan"), out, **(options or {}))
    return out


@pytest.fixture
def run_stages_of(tmp_path: Path, toy_shards: Path) -> Pretrain:
    """`pretrain_stages` into a folder of this name."""
    return lambda name, *args, **keys: pretrain_stages(tmp_path / name, toy_shards, *args, **keys)


@pytest.fixture(scope="module")
def three_steps(tmp_path_factory: pytest.TempPathFactory, toy_shards: Path) -> Path:
    """A run of three steps of masking."""
    return pretrain_stages(tmp_path_factory.mktemp("three") / "steps", toy_shards, {"knowledge_masking": [3]})


def records_of(run: Path) -> list[dict[str, Any]]:
    """Return the records of what was trained and scored, without measured times and memory."""
    records = [record for record in read_log(run / LOG_FILE) if record["event"] in ("train", "evaluation")]
    return [{key: value for key, value in record.items() if key not in MEASURED} for record in records]


def assert_same_end(left: Path, right: Path) -> None:
    """Check that two runs end with the same parameters, moments, progress and log, bit by bit."""
    newest = saved.resolve(left), saved.resolve(right)
    for file in (MODEL_FILE, OPTIMIZER_FILE):
        tensors = [saved.load_tensors(checkpoint / file) for checkpoint in newest]
        assert tensors[0].keys() == tensors[1].keys()
        assert [name for name in tensors[0] if tensors[0][name].tobytes() != tensors[1][name].tobytes()] == []
    states = [TrainerState.load(checkpoint) for checkpoint in newest]
    for key in ("step", "cursors", "loss_scale", "labels"):
        assert getattr(states[0], key) == getattr(states[1], key)
    assert states[0].plan.matrix == states[1].plan.matrix
    assert records_of(left) == records_of(right)


@pytest.mark.slow
def test_two_stages_and_a_third_later_end_as_three_in_one_run(run_stages_of: Pretrain) -> None:
    """So does the continued run if it stops and resumes, even when the first run is gone. There is accumulation."""
    steps = {"knowledge_masking": [5, 3, 3], "sentence_distance": [0, 3, 4]}
    straight = run_stages_of("straight", steps, accumulation=2)
    earlier = run_stages_of("earlier", {task: counts[:2] for task, counts in steps.items()}, accumulation=2)
    before = {path: path.read_bytes() for path in earlier.rglob("*") if path.is_file()}
    continued = run_stages_of("continued", steps, accumulation=2, options={"continue_from": earlier})
    assert_same_end(straight, continued)
    assert {path: path.read_bytes() for path in earlier.rglob("*") if path.is_file()} == before
    events = [{path.name for path in (run / TENSORBOARD).iterdir()} for run in (earlier, continued)]
    assert events[0] < events[1]
    pages = [run.with_suffix(".html") for run in (straight, continued)]
    for run, page in zip((straight, continued), pages, strict=True):
        write_report(run, {}, page)
    tables = [page.read_text(encoding="utf-8").partition("<table>")[2] for page in pages]
    assert tables[0] == tables[1] and "stage 3" in tables[0] and "Backward transfer" in tables[0]
    shutil.rmtree(saved.checkpoints(continued)[-1])
    shutil.rmtree(earlier)
    run_stages_of("continued", steps, accumulation=2, options={"resume": "yes"})
    assert_same_end(straight, continued)


@pytest.mark.slow
def test_new_tasks_end_as_the_stages_that_the_strategy_stands_for(run_stages_of: Pretrain) -> None:
    """Two tasks are added, one after the other, to what a run had done at a checkpoint in its middle.

    The second time, the run dies before its first checkpoint and begins again.
    """
    three = {"knowledge_masking": [4, 2, 2], "sentence_distance": [0, 3, 1], "capitalization": [0, 0, 5]}
    train: dict[str, Any] = {"group_by_length": False, "learning_rate": BY_STAGE}
    straight = run_stages_of("straight", three, **train)
    divided = {"knowledge_masking": 6, "sentence_distance": 3}
    two = {"continue_from": straight / "step_4"}
    rate = {**BY_STAGE, "peak": BY_STAGE["peak"][:2]}
    second = run_stages_of("second", divided, "continual_multi_task", two, **{**train, "learning_rate": rate})
    divided = {"knowledge_masking": 8, "sentence_distance": 4, "capitalization": 5}
    again = {"continue_from": second, "resume": "auto"}
    third = run_stages_of("third", divided, "continual_multi_task", again, **train)
    assert_same_end(straight, third)
    for checkpoint in saved.checkpoints(third):
        shutil.rmtree(checkpoint)
    run_stages_of("third", divided, "continual_multi_task", again, **train)
    assert_same_end(straight, third)


def test_with_another_seed_a_task_begins_its_next_epoch(
    run_stages_of: Pretrain, three_steps: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = TrainerState.load(saved.resolve(three_steps)).cursors["knowledge_masking"]
    assert before.batch > 0
    out = run_stages_of("out", {"knowledge_masking": [3, 1]}, options={"continue_from": three_steps}, seed=5)
    said = capsys.readouterr().err
    assert f"continuing from {three_steps.resolve()}/step_3, 3 steps\n" in said
    assert f"knowledge_masking: starts epoch {before.epoch + 2} of its samples, since train.seed has changed\n" in said
    after = TrainerState.load(saved.resolve(out)).cursors["knowledge_masking"]
    assert (after.epoch, after.batch) == (before.epoch + 1, 1)


def test_a_checkpoint_of_another_precision_and_without_a_log_is_continued(
    run_stages_of: Pretrain, three_steps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each precision begins with its own loss scale. The checkpoint is made one of fp16, which no CPU has."""
    checkpoint = Path(shutil.copytree(three_steps / "step_3", tmp_path / "elsewhere" / "step_3"))
    state = TrainerState.load(checkpoint)
    state.run["train"]["precision"] = "fp16"
    state = state.model_copy(update={"loss_scale": LossScale(4.0, 7)})
    (checkpoint / STATE_FILE).write_text(state.model_dump_json())
    write_checksums(checkpoint)
    out = run_stages_of("out", {"knowledge_masking": [3, 2]}, options={"continue_from": checkpoint})
    assert TrainerState.load(saved.resolve(out)).loss_scale == LossScale(1.0, 7, finite_in_a_row=2)
    assert {record["step"] for record in records_of(out)} == {4, 5}
    assert f"{checkpoint.parent.resolve()}: has no log.jsonl" in capsys.readouterr().err
