"""When fine-tuning scores its dev sets."""

from pathlib import Path
from typing import Any

import pytest

from ernie_paddle.config import check_settings
from ernie_paddle.errors import UserError
from ernie_paddle.finetuning.settings import EvaluateEvery, load_recipe

ENDS = [10, 20, 31]  # of three epochs, the last of which is longer


def every(**keys: Any) -> EvaluateEvery:
    return check_settings(EvaluateEvery, keys, "evaluate_every")


@pytest.mark.parametrize(
    ("keys", "points"),
    [
        ({"steps": 10}, {10, 20, 30, 31}),
        ({"steps": 31}, {31}),
        ({"steps": 100}, {31}),
        ({"epochs": 1}, {10, 20, 31}),
        ({"epochs": 2}, {20, 31}),
        ({"epochs": 0.5}, {5, 10, 15, 20, 26, 31}),
        ({"epochs": 1 / 3}, {3, 7, 10, 13, 17, 20, 24, 27, 31}),
        ({"epochs": 0.001}, set(range(1, 32))),
    ],
)
def test_points_are_multiples_of_the_interval_and_the_end(keys: dict[str, float], points: set[int]) -> None:
    assert every(**keys).points(ENDS) == points


def test_an_interval_longer_than_the_run_is_said() -> None:
    assert not [*every(steps=31).too_long(ENDS), *every(epochs=3).too_long(ENDS)]
    (warning,) = every(steps=100).too_long(ENDS)
    assert "evaluate_every.steps 100" in warning and "31 steps" in warning
    (warning,) = every(epochs=4).too_long(ENDS)
    assert "evaluate_every.epochs 4" in warning and "3 epochs" in warning


@pytest.mark.parametrize("keys", [{}, {"steps": 1, "epochs": 1}, {"steps": 0}, {"epochs": 0}])
def test_either_steps_or_epochs_are_given(keys: dict[str, float]) -> None:
    with pytest.raises(UserError, match="evaluate_every"):
        every(**keys)


def test_a_size_s_section_is_laid_over_the_recipe_and_another_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    shared = "signature: {task: regression, max_length: 8}\ndata: {train: a, dev: b}\nepochs: 2\n"
    path.write_text(shared + "base: {epochs: 3, data: {dev: c}}\nlarge: {dropout: 0.2}\n")
    base, large = (load_recipe(path, size, []) for size in ("base", "large"))
    assert (base.epochs, base.data, base.dropout) == (3, {"train": "a", "dev": "c"}, None)
    assert (large.epochs, large.data, large.dropout) == (2, {"train": "a", "dev": "b"}, 0.2)
    assert load_recipe(path, "base", ["epochs=5"]).epochs == 5
    path.write_text(shared + "large: {epochs: 3}\n")
    with pytest.raises(UserError, match="no section for the size 'base'; there are: large"):
        load_recipe(path, "base", [])
    path.write_text(shared)
    assert load_recipe(path, "base", []) == load_recipe(path, "large", [])
