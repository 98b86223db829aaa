"""What held-out scores say: the best of them, and what was forgotten."""

from typing import Any

import numpy as np
import pytest
from rich.console import Console

from ernie_paddle.training.evaluation import (
    Best,
    backward_transfer,
    best_after,
    best_scores,
    forgetting,
    score_table,
)


def evaluations(losses: dict[int, dict[str, float]], stage_of: dict[int, int]) -> list[dict[str, Any]]:
    """Return records with these losses by step and task; an accuracy is 1 minus the loss over 128."""
    baselines = {"labels": 9, "unigram_loss": 1.0, "majority_accuracy": 0.5, "uniform_loss": 2.0}
    return [
        {
            "step": step,
            "stage": stage_of[step],
            "tasks": {name: {"loss": loss, "accuracy": 1 - loss / 128, **baselines} for name, loss in of.items()},
        }
        for step, of in losses.items()
    ]


def test_the_best_score_of_a_task_is_the_first_of_its_best() -> None:
    records = evaluations(
        {5: {"a": 2.0}, 10: {"a": 1.5, "b": 0.7}, 15: {"a": 1.5, "b": 0.6}, 20: {"a": 1.8, "b": 0.9}},
        {5: 1, 10: 2, 15: 2, 20: 3},
    )
    assert best_scores(records, "loss") == {"a": Best(10, 1.5, 2), "b": Best(15, 0.6, 1)}
    assert best_scores(records, "accuracy") == {"a": Best(10, 1 - 1.5 / 128, 2), "b": Best(15, 1 - 0.6 / 128, 1)}
    assert best_scores([], "loss") == {}


def test_the_best_loss_is_the_lowest_and_the_best_accuracy_the_highest() -> None:
    first = best_after("loss", None, 3, 0.5)
    assert first == Best(3, 0.5)
    assert best_after("loss", first, 6, 0.4) == Best(6, 0.4) and best_after("accuracy", first, 6, 0.6) == Best(6, 0.6)
    for name, value in (("loss", 0.6), ("accuracy", 0.4), ("loss", 0.5), ("accuracy", 0.5)):
        assert best_after(name, first, 6, value) == Best(3, 0.5, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_forgetting_and_backward_transfer_are_those_of_the_matrix_of_scores(seed: int) -> None:
    """Stage i introduces task i, and has several evaluations; R[i, j] is task j's accuracy at the end of stage i."""
    random, stages = np.random.default_rng(seed), 4
    losses, stage_of, ends = {}, {}, []
    for stage in range(1, stages + 1):
        for _ in range(random.integers(1, 4)):
            step = 10 * (len(losses) + 1)
            losses[step] = {f"t{j}": float(random.uniform(0, 99)) for j in range(stage)}
            stage_of[step] = stage
        ends.append(step)
    records = evaluations(losses, stage_of)
    matrix = np.array([[losses[end].get(f"t{j}", np.nan) for j in range(stages)] for end in ends])
    change = np.mean([matrix[-1, j] - matrix[j, j] for j in range(stages - 1)])
    assert backward_transfer(records) == pytest.approx({"loss": change, "accuracy": -change / 128})
    found = forgetting(records)
    for j in range(stages):
        lost = losses[ends[-1]][f"t{j}"] - min(of[f"t{j}"] for of in losses.values() if f"t{j}" in of)
        assert found[f"t{j}"] == pytest.approx({"loss": lost, "accuracy": lost / 128}) and lost >= 0
    only_first = [record for record in records if record["stage"] == 1]
    assert backward_transfer(only_first) is None, "no task is an earlier one"


def test_the_table_shows_the_last_scores_what_was_forgotten_and_the_sign() -> None:
    records = evaluations({5: {"a": 2.0}, 10: {"a": 14.8, "b": 0.7}}, {5: 1, 10: 2})
    console = Console(width=120)
    with console.capture() as capture:
        console.print(score_table("scores", records))
    lines = capture.get().splitlines()
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    assert [[row[0], row[1], row[-2], row[-1]] for row in cells] == [
        ["a", "14.800", "12.800", "10.0%"],
        ["b", "0.700", "0.000", "0.0%"],
    ]
    said = " ".join(lines[-2:])
    assert "backward transfer: accuracy -10.00% (below 0: forgotten), loss +12.800 (above 0: forgotten)" in said
    assert not score_table("scores", records[:1]).caption
