"""A recipe fine-tuned from every checkpoint of a run."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from finetuning_support import write_recipe
from helpers import Run, assert_user_error, damaged

from ernie_paddle.errors import UserError
from ernie_paddle.files import sha256_of
from ernie_paddle.finetuning.checkpoints import TABLE, draw_curve, evaluate_checkpoints
from ernie_paddle.finetuning.settings import FinetuneSettings
from ernie_paddle.finetuning.statistics import RunRecord, compare_runs
from ernie_paddle.finetuning.sweep import SweepPoint, points
from ernie_paddle.finetuning_task import Signature
from ernie_paddle.metric import Scores
from ernie_paddle.model import saved
from ernie_paddle.training.log_file import RESULT_FILE, write_result

ACCURACIES = {2: [0.5, 0.7], 10: [0.75, 0.85]}  # by step and seed


@pytest.fixture
def pretrained(toy_pretrained: Path, tmp_path: Path) -> Path:
    """A run with the checkpoints step_2 and step_10, which are the same model."""
    for step in ACCURACIES:
        shutil.copytree(saved.resolve(toy_pretrained), tmp_path / "pretrained" / f"step_{step}")
    return tmp_path / "pretrained"


def settings_of(point: SweepPoint) -> FinetuneSettings:
    signature = Signature(task="classification", labels=("a", "b"), max_length=8)
    return FinetuneSettings(signature=signature, data={"train": point.seed or "0"})


@pytest.fixture
def ran() -> list[tuple[str, str, str]]:
    return []


@pytest.fixture
def evaluated(pretrained: Path, ran: list[tuple[str, str, str]]) -> Callable[..., None]:
    """A function that evaluates the checkpoints with invented accuracies; `ran` lists the runs."""

    def run_point(checkpoint: Path, point: SweepPoint, out: Path, resume: str) -> None:
        ran.append((checkpoint.name, point.seed or "", resume))
        step = int(checkpoint.name.removeprefix(saved.STEP))
        accuracy = ACCURACIES[step][int(point.seed or 1) - 1]
        kept = {"selection_metric": "accuracy", "count": 10, "degenerate": None}
        sets = {name: {"values": {"accuracy": value}, **kept} for name, value in (("dev", accuracy), ("test", 0.5))}
        run = {"settings": settings_of(point).identity(), "model": sha256_of(checkpoint / saved.MODEL_FILE)}
        write_result(out, {"step": 3, "epoch": 1, "selected_on": "dev", "sets": sets, "run": run})

    return partial(_evaluate, pretrained, run_point)


def _evaluate(run: Path, run_point: Callable[..., None], out: Path, seeds: str, resume: str = "no") -> None:
    evaluate_checkpoints(run, out, points(seeds, []), run_point, settings_of, resume)  # type: ignore[arg-type]


def test_the_table_has_mean_and_deviation_by_step(
    evaluated: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str], ran: list[tuple[str, str, str]]
) -> None:
    out = tmp_path / "out"
    evaluated(out, "1,2")
    assert ran == [("step_2", "1", "no"), ("step_2", "2", "no"), ("step_10", "1", "no"), ("step_10", "2", "no")]
    rows = [line.split("\t") for line in (out / f"{TABLE}.tsv").read_text().splitlines()]
    assert rows[0] == [
        *("step", "runs", "degenerate"),
        *("dev accuracy mean", "dev accuracy deviation", "test accuracy mean", "test accuracy deviation"),
    ]
    for row, (step, accuracies) in zip(rows[1:], ACCURACIES.items(), strict=True):
        assert row[:3] == [str(step), "2", "0"]
        assert [float(cell) for cell in row[3:]] == pytest.approx(
            [np.mean(accuracies), np.std(accuracies, ddof=1), 0.5, 0]
        )
    shown = capsys.readouterr().out
    assert "60.00 ± 14.14" in shown and "80.00 ± 7.07" in shown
    page = (out / f"{TABLE}.html").read_text(encoding="utf-8")
    assert "<td>60.00 ± 14.14</td>" in page and (out / f"{TABLE}.png").stat().st_size > 1000
    assert (out / "step_10" / "table.json").exists()


def test_one_seed_has_no_deviation(evaluated: Callable[..., None], tmp_path: Path) -> None:
    evaluated(tmp_path / "out", "1")
    rows = [line.split("\t") for line in (tmp_path / "out" / f"{TABLE}.tsv").read_text().splitlines()]
    assert [row[3:] for row in rows[1:]] == [["0.5", "-", "0.5", "-"], ["0.75", "-", "0.5", "-"]]


def test_finished_runs_are_skipped_and_another_model_is_refused(
    evaluated: Callable[..., None], pretrained: Path, tmp_path: Path, ran: list[tuple[str, str, str]]
) -> None:
    out = tmp_path / "out"
    with pytest.raises(UserError, match="no run to resume"):
        evaluated(out, "1,2", "yes")
    evaluated(out, "1,2", "auto")
    ran.clear()
    (out / "step_10" / "seed=2" / RESULT_FILE).unlink()
    evaluated(out, "1,2", "yes")
    assert ran == [("step_10", "2", "auto")]
    model = saved.load_model(pretrained / "step_2")
    shutil.rmtree(pretrained / "step_2")
    (pretrained / "step_2").mkdir()
    parameters = {name: values + 1 for name, values in model.parameters.items()}
    saved.save_model(pretrained / "step_2", saved.Model(model.config, model.vocabulary, parameters))
    with pytest.raises(UserError, match=r"step_2/seed=1: finished with another model"):
        evaluated(out, "1,2", "auto")


def test_damaged_checkpoints_are_skipped_and_a_run_without_one_is_refused(
    evaluated: Callable[..., None],
    pretrained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    ran: list[tuple[str, str, str]],
) -> None:
    with damaged(pretrained / "step_2" / saved.MODEL_FILE, np.random.default_rng(0)):
        evaluated(tmp_path / "out", "1")
    assert [name for name, *_ in ran] == ["step_10"] and "step_2: skipped" in capsys.readouterr().err
    for path in saved.checkpoints(pretrained):
        shutil.rmtree(path)
    with pytest.raises(UserError, match="pretrained: no complete checkpoint"):
        evaluated(tmp_path / "other", "1")
    assert not (tmp_path / "other").exists()


def test_nothing_is_written_to_the_run_that_is_evaluated(
    evaluated: Callable[..., None], pretrained: Path, ran: list[tuple[str, str, str]]
) -> None:
    for out in (pretrained, pretrained / "step_2", pretrained / "more"):
        with pytest.raises(UserError, match=r"is in the run .*pretrained, which stays as it is; choose another --out"):
            evaluated(out, "1")
    assert ran == [] and sorted(path.name for path in pretrained.iterdir()) == ["step_10", "step_2"]


def test_the_curve_has_the_means_in_per_cent_with_their_deviations() -> None:
    def scores(accuracy: float) -> Scores:
        return Scores({"accuracy": accuracy, "f1": 0.125}, "accuracy", 10)

    by_step = {
        step: compare_runs([RunRecord({"seed": 1}, 3, scores(x), {"test": scores(0.5)}) for x in accuracies])
        for step, accuracies in ACCURACIES.items()
    }
    (axes,) = draw_curve(by_step).axes
    curves = {bars.get_label(): bars for bars in axes.containers}
    assert curves.keys() == {"dev accuracy", "test accuracy"}, "the selection metric of each set"
    line, _, (bars,) = curves["dev accuracy"].lines  # type: ignore[attr-defined]
    assert line.get_xydata().tolist() == [[2, pytest.approx(60)], [10, pytest.approx(80)]]
    spans = [segment[:, 1].tolist() for segment in bars.get_segments()]
    assert np.ptp(spans, axis=1) == pytest.approx([2 * 14.1421, 2 * 7.0711], rel=1e-4)


@pytest.mark.slow
def test_the_command_fine_tunes_from_each_checkpoint(run: Run, pretrained: Path, tmp_path: Path) -> None:
    rows = "".join(f"w{number % 9} w5\t{('no', 'yes')[number % 2]}\n" for number in range(40))
    (tmp_path / "data.tsv").write_text("text_a\tlabel\n" + rows)
    recipe = write_recipe(tmp_path / "recipe.yaml", {"train": tmp_path / "data.tsv", "dev": tmp_path / "data.tsv"})
    command = ("evaluate-checkpoints", pretrained, "--recipe", recipe, "--out", tmp_path / "out", "--set", "epochs=1")
    code, stderr = run(*command)
    assert code == 0, stderr
    steps = [line.split("\t")[0] for line in (tmp_path / "out" / f"{TABLE}.tsv").read_text().splitlines()]
    assert steps == ["step", "2", "10"]
    code, stderr = run(*command, "--resume")
    assert code == 0 and stderr.count("already finished") == 2
    assert_user_error(*run(*command), "holds checkpoints", "--resume")
    assert_user_error(*run(*command, "--seeds", "one"), "--seeds one")
