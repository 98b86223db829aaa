"""What a run that continues another takes over, and what it says."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import Run
from history_support import NEXT, TASKS, TRAIN, same_of_both

from ernie_paddle import testing
from ernie_paddle.checksums import write_checksums
from ernie_paddle.config import check_settings
from ernie_paddle.data.order import Cursor, mixture
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json
from ernie_paddle.model.saved import BEST, MODEL_FILE, check_apart, checkpoints, load_model
from ernie_paddle.pretraining.history import ORIGIN_FILE, History, RunOrigin, find_history, still_there
from ernie_paddle.pretraining.run import pretrain
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.settings import TrainSettings
from ernie_paddle.training.checkpoint import STATE_FILE, TrainerState
from ernie_paddle.training.learning_rate import learning_rate
from ernie_paddle.training.stage_plan import StagePlan, planned_steps


def load(path: Path) -> History:
    return History.load(path, lambda line: pytest.fail(line))


# ---- what was run ----


def test_a_history_is_what_was_run_until_the_checkpoint(earlier: Path) -> None:
    finished, stopped = load(earlier), load(earlier / "step_7")
    assert finished.stages == StagePlan(tuple(TASKS), ((4, 0), (2, 3)))
    assert finished.checkpoint == (earlier / "step_9").resolve() and finished.learning_rate == 0.01
    done = [step.task for step in planned_steps(StagePlan(tuple(TASKS), ((4, 0), (2, 3))))][4:7]
    assert stopped.stages.matrix == ((4, 0), (done.count("knowledge_masking"), done.count("sentence_reordering")))
    assert stopped.checkpoint == (earlier / "step_7").resolve() and sum(stopped.stages.matrix[1]) == 3


def test_the_last_rate_is_that_of_the_plan_as_it_was_and_not_of_what_was_run(earlier: Path, tmp_path: Path) -> None:
    """The rate of a run that was stopped followed from the steps it was to have."""
    run = Path(shutil.copytree(earlier, tmp_path / "run"))
    state = TrainerState.load(run / "step_7")
    rate = {"peak": 0.5, "schedule": "linear"}
    state.run["train"] = check_settings(TrainSettings, {**TRAIN, "learning_rate": rate}, "train").model_dump(
        mode="json"
    )
    (run / "step_7" / STATE_FILE).write_text(state.model_dump_json())
    (run / "step_7" / "SHA256SUMS").unlink()
    write_checksums(run / "step_7")
    assert load(run / "step_7").learning_rate == pytest.approx(0.5 * (9 - 6) / 9)


def test_what_was_run_is_recounted_from_the_steps_in_their_order() -> None:
    random = np.random.default_rng(0)
    for _ in range(30):
        matrix = random.integers(0, 6, (random.integers(1, 5), random.integers(1, 5)))
        matrix[:, 0] += 1
        plan = StagePlan(tuple("abcde"[: matrix.shape[1]]), tuple(map(tuple, matrix.tolist())))
        steps = list(planned_steps(plan))
        for done in {1, plan.total, *random.integers(1, plan.total + 1, 3).tolist()}:
            run = plan.until(done)
            assert set(run.tasks) == {step.task for step in steps[:done]} and run.total == done
            assert list(run.tasks) == [task for task in plan.tasks if task in run.tasks]
            for stage, row in enumerate(run.matrix):
                for task, count in zip(run.tasks, row, strict=True):
                    assert count == sum(step.task == task and step.stage == stage for step in steps[:done])


def test_a_run_keeps_the_history_that_it_continues(
    earlier: Path, continued: Callable[..., Path], tmp_path: Path, run: Run
) -> None:
    """Its checkpoints are enough to resume it; the plan of a run that continues it begins with all stages."""
    out = tmp_path / "out"
    assert run("pretrain", continued(), "--continue-from", earlier, "--out", out)[0] == 0
    first, second = load(earlier), load(out)
    assert History.kept_by(second.checkpoint) == first and History.kept_by(first.checkpoint) is None
    assert second.stages == StagePlan(tuple(NEXT), ((4, 0, 0), (2, 3, 0), (1, 1, 5)))
    assert TrainerState.load(second.checkpoint).plan.earlier == 2


# ---- positions ----


MIXTURES = {"knowledge_masking": mixture({"a": 72, "b": 24}), "sentence_reordering": mixture({"b": 96})}


def test_positions_go_on_only_in_the_same_order_of_the_same_samples(earlier: Path) -> None:
    history = load(earlier)
    cursors = {"knowledge_masking": Cursor(3, 4), "sentence_reordering": Cursor(2, 0)}

    def positions(**changed: Any) -> tuple[dict[str, Cursor], list[str]]:
        now = {"data": history.data, "train": history.train, "mixtures": MIXTURES, **changed}
        return history.positions(cursors, **now)

    assert positions() == (cursors, [])
    other_rate = check_settings(TrainSettings, {**TRAIN, "accumulation": 3, "learning_rate": {"peak": 1}}, "train")
    assert positions(train=other_rate) == (cursors, [])
    for key, value in {"seed": 2, "batch_tokens": 300, "group_by_length": False}.items():
        found, (note,) = positions(train=check_settings(TrainSettings, {**TRAIN, key: value}, "train"))
        assert found == {"knowledge_masking": Cursor(4, 0), "sentence_reordering": Cursor(2, 0)}, "a whole epoch"
        assert note == f"knowledge_masking: starts epoch 5 of its samples, since train.{key} has changed"
    samples = check_settings(TrainSettings, {"batch_samples": 8, "learning_rate": {"peak": 1}}, "train")
    assert positions(train=samples)[0]["knowledge_masking"] == Cursor(4, 0)
    found, (note,) = positions(data={**history.data, "sentence_reordering": "another digest"})
    assert found == {"knowledge_masking": Cursor(3, 4), "sentence_reordering": Cursor(0, 0)}
    assert note.startswith("sentence_reordering: has other samples")


def test_a_position_goes_on_if_the_mixture_of_the_tasks_own_corpora_stays(earlier: Path) -> None:
    """The weights of other corpora may change, and all weights together by the same factor or for a single corpus."""
    history, cursors = load(earlier), {"knowledge_masking": Cursor(3, 4), "sentence_reordering": Cursor(2, 5)}
    weighted = history.model_copy(update={"weights": {"b": 2.0, "c": 3.0}, "temperatures": dict.fromkeys(TASKS, 2.0)})
    for before, weights, temperature, stays in (
        (history, {"c": 5}, 1, True),
        (history, {"a": 4, "b": 4}, 1, True),
        (history, {"b": 2}, 1, False),
        (history, {}, 2, False),
        (weighted, {"b": 2, "c": 1}, 2, True),
        (weighted, {"b": 2, "c": 3}, 1, False),
        (weighted, {"c": 3}, 2, False),
    ):
        mixtures = {
            "knowledge_masking": mixture({"a": 72, "b": 24}, weights, temperature),
            "sentence_reordering": mixture({"b": 96}, weights, temperature),
        }
        found, notes = before.positions(cursors, before.data, before.train, mixtures)
        assert found == cursors | ({} if stays else {"knowledge_masking": Cursor(4, 0)})
        note = "knowledge_masking: starts epoch 5 of its samples, since the mixture of its corpora has changed"
        assert notes == ([] if stays else [note])


def test_the_weights_of_a_run_are_part_of_its_history(
    toy_model: Path, toy_shards: Path, tmp_path: Path, earlier: Path
) -> None:
    tree = testing.toy_plan(toy_model, toy_shards, [])
    tree["data"]["weights"] = {"toy": 3}
    tree |= {"plan": {"tasks": {"knowledge_masking": {"steps": 1, "temperature": 2}}}, "train": TRAIN}
    pretrain(check_settings(PretrainSettings, tree, "plan"), tmp_path / "run")
    found = load(tmp_path / "run")
    assert (found.weights, found.temperatures) == ({"toy": 3.0}, {"knowledge_masking": 2.0})
    assert (load(earlier).weights, load(earlier).temperatures) == ({}, dict.fromkeys(TASKS, 1.0))


# ---- learning rate ----


@pytest.mark.parametrize(
    ("before", "now", "jumps"),
    [
        ({"schedule": "constant"}, {"schedule": "constant"}, False),
        ({"schedule": "noam_decay", "warmup_steps": 5}, {"schedule": "noam_decay", "warmup_steps": 5}, False),
        ({"schedule": "linear"}, {"schedule": "linear"}, True),
        ({}, {}, True),
        ({}, {"warmup_steps": 3}, True),
        ({}, {"restart": "stage", "warmup_steps": 3}, False),
        ({}, {"restart": "stage"}, True),
        (
            {"schedule": "warmup_stable_decay", "decay_steps": 9},
            {"schedule": "warmup_stable_decay", "decay_steps": 9},
            True,
        ),
        ({"schedule": "constant"}, {"schedule": "warmup_stable_decay", "decay_steps": 9}, False),
        ({"schedule": "constant"}, {"schedule": "constant", "peak": 0.02}, True),
        ({"schedule": "constant"}, {"schedule": "constant", "peak": 0.005}, False),
    ],
)
def test_a_rate_that_jumps_where_a_run_is_continued_is_a_warning(
    earlier: Path, before: dict[str, Any], now: dict[str, Any], jumps: bool
) -> None:
    def settings(rate: dict[str, Any]) -> TrainSettings:
        return check_settings(TrainSettings, {**TRAIN, "learning_rate": {"peak": 0.01, **rate}}, "train")

    run, joined = StagePlan(("a",), ((40,),)), StagePlan(("a",), ((40,), (50,)), earlier=1)
    *_, last = planned_steps(run)
    first = list(planned_steps(joined))[40]
    rates = (
        learning_rate(settings(before).learning_rate, run, last),
        learning_rate(settings(now).learning_rate, joined, first),
    )
    history = load(earlier).model_copy(update={"stages": run, "learning_rate": rates[0]})
    warnings = history.warnings(settings(now), joined)
    assert len(warnings) == jumps
    if jumps:
        assert (
            rates[1] > rates[0]
            and f"from {rates[0]:.3g} at step 40" in warnings[0]
            and f"{rates[1]:.3g}" in warnings[0]
        )


# ---- which run ----


def test_the_best_checkpoint_of_a_run_is_continued_by_its_name(earlier: Path, tmp_path: Path) -> None:
    def warned(line: str) -> None:
        pytest.fail(line)

    copy = Path(shutil.copytree(earlier, tmp_path / "copy"))
    (copy / BEST).write_text("step_7\n")
    history = History.load(copy / BEST, warned)
    assert history.checkpoint == (copy / "step_7").resolve() and history.stages.total == 7
    with pytest.raises(UserError, match="is in the run"):
        check_apart(copy / "more", copy / BEST)
    check_apart(tmp_path / "more", copy / BEST)
    resumed = tmp_path / "out" / "step_9"
    shutil.copytree(earlier / "step_9", resumed)
    state = TrainerState.load(resumed)
    state.run["history"] = history.model_dump(mode="json")
    (resumed / STATE_FILE).write_text(state.model_dump_json())
    assert find_history(copy / BEST, tmp_path / "out", resumed, warned) == history
    (copy / BEST).write_text("step_9\n")  # the run went on
    assert find_history(copy / BEST, tmp_path / "out", resumed, warned) == history
    shutil.rmtree(copy / "step_9")
    with pytest.raises(UserError, match=r"best: names step_9, which was removed; name another checkpoint"):
        History.load(copy / BEST, warned)
    shutil.rmtree(copy)
    assert find_history(copy / BEST, tmp_path / "out", resumed, warned) == history


def test_a_checkpoint_that_its_run_removes_while_it_is_read_is_said(
    earlier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a run that still goes on does; a damaged file is named as ever."""
    copy = Path(shutil.copytree(earlier, tmp_path / "copy"))
    with pytest.raises(UserError, match=r"^other$"), still_there(copy / "step_9"):
        raise UserError("other")
    monkeypatch.setattr(TrainerState, "load", lambda path: shutil.rmtree(path) or read_json(path / STATE_FILE, "state"))
    with pytest.raises(UserError, match="step_9: was removed since it was found; wait for the end of its run"):
        History.load(copy, lambda line: pytest.fail(line))


def test_a_damaged_checkpoint_is_skipped_in_one_line(
    run: Run, earlier: Path, continued: Callable[..., Path], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(earlier, tmp_path / ("long " * 30 + "name") / "copy"))
    (copy / "step_9" / "optimizer.safetensors").unlink()
    code, stderr = run("plan", continued(), "--continue-from", copy)
    (line,) = [line for line in stderr.splitlines() if "skipped" in line]
    assert code == 0 and line.startswith(f"{copy}/step_9: skipped; ") and line.endswith("where it was written")


@pytest.mark.parametrize("option", ["--continue-from", "--init"])
def test_a_run_that_was_killed_before_its_first_checkpoint_begins_with_the_same_again(
    run: Run, earlier: Path, continued: Callable[..., Path], tmp_path: Path, option: str
) -> None:
    whole, killed, plan = tmp_path / "whole", tmp_path / "killed", continued()
    assert run("pretrain", plan, option, earlier, "--out", whole)[0] == 0
    killed.mkdir()
    shutil.copy(whole / ORIGIN_FILE, killed)
    code, stderr = run("pretrain", plan, "--out", killed, "--resume", "auto")
    named = (earlier / "step_9" if option == "--continue-from" else earlier).resolve()
    assert code == 0 and f"its run had begun with {option} {named}, and begins with it again" in stderr, stderr
    last = checkpoints(whole)[-1].name
    assert (killed / last / MODEL_FILE).read_bytes() == (whole / last / MODEL_FILE).read_bytes()
    RunOrigin().save(killed)
    assert RunOrigin.load(killed) == RunOrigin() and not (killed / ORIGIN_FILE).exists(), "of a new run in the folder"


def test_heads_come_first_in_the_stages_of_a_run_that_continues_another(
    run: Run, earlier: Path, continued: Callable[..., Path], tmp_path: Path
) -> None:
    plan, out = continued(train={**TRAIN, "heads_first": 1}), tmp_path / "out"
    assert run("pretrain", plan, "--continue-from", earlier, "--out", out)[0] == 0
    before, after = load_model(earlier).parameters, load_model(out).parameters
    heads = {name for name in before if before[name].tobytes() != after[name].tobytes()}
    assert heads == {name for name in before if name.startswith(("mask_lm_", "pooled_fc", "sentence_reordering_fc"))}
    same_of_both(
        run,
        continued(train={**TRAIN, "heads_first": 2}),
        earlier,
        out / "no",
        "train.heads_first 2: is more than the 1",
    )


def test_only_the_run_that_was_continued_is_named_when_it_is_resumed(earlier: Path, tmp_path: Path) -> None:
    def found(continue_from: Path | None, resumed: Path | None) -> History | None:
        return find_history(continue_from, tmp_path / "out", resumed, lambda line: pytest.fail(line))

    assert found(None, None) is None and found(None, earlier / "step_9") is None
    assert found(earlier, None) == found(earlier / "step_9", None) == load(earlier)
    with pytest.raises(UserError, match="its run continues no other run, not"):
        found(tmp_path / "other", earlier / "step_9")
    shutil.copytree(earlier / "step_9", tmp_path / "out" / "step_9")
    state = TrainerState.load(tmp_path / "out" / "step_9")
    state.run["history"] = load(earlier).model_dump(mode="json")
    (tmp_path / "out" / "step_9" / STATE_FILE).write_text(state.model_dump_json())
    resumed = tmp_path / "out" / "step_9"
    for name in (None, earlier, earlier / "step_9", earlier / ".." / earlier.name):
        assert found(name, resumed) == load(earlier)
    for other in (earlier / "step_7", tmp_path / "other"):
        with pytest.raises(UserError, match=rf"its run continues {earlier.resolve()}/step_9, not"):
            found(other, resumed)
