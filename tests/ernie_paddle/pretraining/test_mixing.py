"""The mixing of corpora in a plan: what it draws, what `plan` says of it, and what is refused."""

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import Run, assert_user_error

from ernie_paddle.commands.plan import samples_table
from ernie_paddle.config import load_settings
from ernie_paddle.data.shards import SPLITS, CorpusInfo, Manifest, SampleTable
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.pretraining.plan import stage_plan
from ernie_paddle.pretraining.requirements import requirements
from ernie_paddle.pretraining.run import build_trainer, run_identity
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.registry import load_plugins
from ernie_paddle.training.stage_plan import planned_steps

CORPORA = {"news": 72, "wikipedia": 24}  # training samples


def divide(folder: Path, corpora: dict[str, int]) -> None:
    """Let the manifest of toy samples say that they are of several corpora; the last one has all held-out samples."""
    manifest, infos = Manifest.load(folder), {}
    for split in SPLITS:
        lengths = SampleTable.open(folder, split).lengths
        ends = np.cumsum([*corpora.values()]) if split == "train" else np.array([0] * (len(corpora) - 1) + [32])
        parts = np.split(lengths, ends[:-1])
        infos[split] = [CorpusInfo(name, len(part), int(part.sum())) for name, part in zip(corpora, parts, strict=True)]
    replace(manifest, corpora=infos).save(folder)


@pytest.fixture
def mixed_plan(tmp_path: Path, toy_shards: Path, write_plan: Callable[..., Path]) -> Callable[..., Path]:
    """A function that writes a plan of masking, and sentence distance without `wikipedia`; 8 samples a step."""
    shards = Path(shutil.copytree(toy_shards, tmp_path / "shards"))
    divide(shards / "knowledge_masking", CORPORA)
    divide(shards / "sentence_distance", {"news": 96})

    def write(weights: dict[str, Any], temperature: float = 1, steps: int = 60) -> Path:
        return write_plan(
            data={"shards": str(shards), "weights": weights},
            plan={
                "tasks": {
                    "knowledge_masking": {"steps": steps, "temperature": temperature},
                    "sentence_distance": {"steps": 1},
                }
            },
            train={"batch_samples": 8, "learning_rate": {"peak": 0.01}},
        )

    return write


def rows_of(table: Any) -> dict[tuple[str, str], list[str]]:
    """Return the cells of a table by the first two columns."""
    cells, task, found = zip(*(list(column.cells) for column in table.columns), strict=True), "", {}
    for first, second, *others in cells:
        task = first or task
        found[task, second] = others
    return found


@pytest.mark.parametrize(
    ("weights", "temperature", "trains", "expected"),
    [
        ({}, 1, False, {"news": 360, "wikipedia": 120}),
        ({"wikipedia": 2}, 1, False, {"news": 288, "wikipedia": 192}),
        ({"wikipedia": 0.75}, 2, True, {"news": 320, "wikipedia": 160}),  # the roots of 72 and 18 are as 2 to 1
        ({"wikipedia": 0}, 1, False, {"news": 480}),
    ],
)
def test_a_run_draws_what_the_plan_says(
    mixed_plan: Callable[..., Path],
    weights: dict[str, float],
    temperature: float,
    trains: bool,
    expected: dict[str, int],
) -> None:
    """Five epochs, whose samples are counted where a run takes them from the table, with or without their training."""
    settings = load_settings(PretrainSettings, mixed_plan(weights, temperature))
    trainer = build_trainer(settings, load_plugins())
    table, drawn = trainer.data["knowledge_masking"].train, Counter[int]()
    take = table.take
    table.take = lambda rows: (drawn.update(rows.tolist()), take(rows))[1]  # type: ignore[method-assign]
    for _ in trainer.steps() if trains else trainer.preparer.prepare_all(planned_steps(trainer.plan), {}):
        pass
    counts = Counter(dict.fromkeys(expected, 0))
    for row, count in drawn.items():
        counts["news" if row < 72 else "wikipedia"] += count
    assert counts == expected
    config = ErnieConfig.load(settings.model.config)
    shown = rows_of(samples_table(requirements(config, stage_plan(settings.plan), settings, devices=1)))
    assert shown["knowledge_masking", "all"] == ["96", "480", "100.0%", "5.0"]
    for name, samples in CORPORA.items():
        rows = range(72) if name == "news" else range(72, 96)
        repeats, count = {drawn[row] for row in rows}, expected.get(name, 0)
        assert repeats <= {count // samples, -(-count // samples)}
        assert shown["knowledge_masking", name] == [
            str(samples),
            str(count),
            f"{count / 480:.1%}",
            f"{count / samples:.1f}",
        ]
    assert shown["sentence_distance", "news"] == ["96", "8", "100.0%", "0.1"]


def test_the_mean_length_of_the_mixture_decides_how_many_samples_are_needed(
    mixed_plan: Callable[..., Path], tmp_path: Path
) -> None:
    settings = load_settings(PretrainSettings, mixed_plan({"wikipedia": 2}))
    by_tokens = settings.model_copy(
        update={"train": settings.train.model_copy(update={"batch_samples": None, "batch_tokens": 256})}
    )
    lengths = SampleTable.open(tmp_path / "shards" / "knowledge_masking", "train").lengths
    mean = np.average(lengths, weights=np.where(np.arange(96) < 72, 1, 2))
    needed = requirements(ErnieConfig.load(settings.model.config), stage_plan(settings.plan), by_tokens, 1)
    assert needed.tasks["knowledge_masking"].samples_needed == round(60 * 256 / mean)


def test_weights_that_do_not_fit_are_refused(run: Run, mixed_plan: Callable[..., Path], tmp_path: Path) -> None:
    for weights, words in (
        ({"newss": 2}, "data.weights: 'newss' is not among the corpora of the plan's samples: news, wikipedia"),
        ({"news": 0}, "data.weights: 0 for all corpora of the task 'sentence_distance': news; raise one"),
        ({"news": -1}, "key 'data.weights.news': expected at least 0, found -1"),
        ({"news": "much"}, "key 'data.weights.news': expected a number, found 'much'"),
        ({"news": True}, "key 'data.weights': expected a number, found a boolean"),
    ):
        plan = mixed_plan(weights)
        assert_user_error(*run("plan", plan), words)
        assert_user_error(*run("pretrain", plan, "--out", tmp_path / "run"), words)
    assert_user_error(*run("plan", mixed_plan({}, temperature=0.5)), "temperature': expected at least 1, found 0.5")
    shutil.rmtree(tmp_path / "shards" / "sentence_distance")
    code, stderr = run("plan", mixed_plan({"of sentence distance": 2}))
    assert code == 0 and "sentence_distance not found" in stderr, "its corpora are not known yet"
    assert_user_error(*run("plan", mixed_plan({"news": 0, "wikipedia": 0})), "0 for all corpora", "news, wikipedia")


def test_weights_and_temperature_decide_the_result(mixed_plan: Callable[..., Path]) -> None:
    plans = [({}, 1.0), ({"news": 2}, 1.0), ({"wikipedia": 2}, 1.0), ({}, 2.0)]
    identities = [
        run_identity(load_settings(PretrainSettings, mixed_plan(weights, temperature)))
        for weights, temperature in plans
    ]
    assert all(one != other for number, one in enumerate(identities) for other in identities[:number])


def test_a_run_resumes_with_the_same_weights_only(run: Run, mixed_plan: Callable[..., Path], tmp_path: Path) -> None:
    plan, out = mixed_plan({"wikipedia": 2}, steps=2), tmp_path / "run"
    assert run("pretrain", plan, "--out", out)[0] == 0
    again = run("pretrain", plan, "--out", out, "--resume", "--set", "data.weights.wikipedia=3")
    assert_user_error(*again, "data.weights.wikipedia was 2.0 and is 3.0 now; set it back")
    assert run("pretrain", plan, "--out", out, "--resume")[0] == 0
