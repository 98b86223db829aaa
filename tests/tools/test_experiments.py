"""The comparison of strategies: which runs a config stands for, that they run once, and what its tables say."""

import itertools
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from comparison_tables import tables
from experiment import CONTINUAL, MASKED_LM, Experiment, ExperimentSettings, variants
from finetuning_support import write_recipe
from job_queue import Job, run_jobs
from run_results import read_results

from ernie_paddle.config import check_settings, load_settings
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json
from ernie_paddle.pretraining.plan import stage_plan
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.registry import load_plugins
from ernie_paddle.testing import toy_plan
from ernie_paddle.training.log_file import read_log
from ernie_paddle.training.stage_plan import StagePlan

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tools/experiments/compare_strategies.py"
CONFIGS = sorted((ROOT / "configs/experiments").glob("*.yaml"))
GROUPS = ["strategies", "auxiliary_losses", "leave_one_out", "one_added", "order", "task_ids"]
TASKS = ["knowledge_masking", "capitalization", "sentence_reordering", "sentence_distance"]


def shipped(name: str, *overrides: str) -> Experiment:
    path = ROOT / "configs/experiments" / f"{name}.yaml"
    return Experiment(name, load_settings(ExperimentSettings, path, overrides), load_plugins())


def stage_plans(experiment: Experiment) -> dict[str, tuple[PretrainSettings, StagePlan]]:
    """Return the settings and the stage plan with which each run is started, by its name."""
    found = {}
    for run in experiment.pretrain_runs():
        path = experiment.settings.languages[run.language].plan
        settings = load_settings(PretrainSettings, path, experiment.overrides(run))
        found[run.name] = settings, stage_plan(settings.plan)
    return found


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The paths of the shipped configs are relative to the checkout."""
    monkeypatch.chdir(ROOT)


# ---- runs ----


@pytest.mark.parametrize("budget", [1000, 1003, 10_000])
def test_all_runs_have_the_same_steps_and_differ_in_the_plan_alone(budget: int) -> None:
    experiment = shipped("strategies", f"budget={budget}", f"groups={GROUPS}")
    plans = stage_plans(experiment)
    assert (
        len(plans)
        == len(set(plans))
        == 3
        * sum(
            # strategies and masked LM, auxiliary losses, each task but the first left out or added, the other order
            4 + 1 + 2 * (len(plan.plan.tasks) - 1) + 1
            for plan in experiment.plans.values()
        )
    )
    for name, (settings, plan) in plans.items():
        language, variant, seed = name.split("/")
        assert plan.total == budget
        columns = [sum(row[i] for row in plan.matrix) for i in range(len(plan.tasks))]
        assert max(columns) - min(columns) <= 1
        assert settings.plan.auxiliary_tasks == (None if variant == "auxiliary_losses" else [])
        base = experiment.plans[language]
        assert settings.model == base.model and settings.data == base.data
        assert settings.train == base.train.model_copy(update={"seed": int(seed.removeprefix("seed="))})


def test_strategies_are_those_of_the_paper() -> None:
    plans = stage_plans(shipped("strategies"))
    for language, order in {name: list(plan.plan.tasks) for name, plan in shipped("strategies").plans.items()}.items():
        matrix = {
            name: plans[f"{language}/{name}/seed=1"][1].matrix for name in ("sequential", "multi_task", CONTINUAL)
        }
        count = len(order)
        assert [plans[f"{language}/{name}/seed=1"][1].tasks for name in matrix] == [tuple(order)] * 3
        assert matrix["sequential"] == tuple(tuple(2000 * (i == stage) for i in range(count)) for stage in range(count))
        assert matrix["multi_task"] == ((2000,) * count,)
        assert [[steps > 0 for steps in row] for row in matrix[CONTINUAL]] == [
            [i <= stage for i in range(count)] for stage in range(count)
        ]
        assert plans[f"{language}/{MASKED_LM}/seed=1"][1] == StagePlan((order[0],), ((2000 * count,),))


def test_each_task_is_left_out_once_and_added_once() -> None:
    for group in ("leave_one_out", "one_added"):
        base, *others = variants(group, TASKS)
        assert all(variant.tasks[0] == TASKS[0] for variant in others)
        changed = [set(base.tasks) ^ set(variant.tasks) for variant in others]
        assert [next(iter(tasks)) for tasks in changed] == TASKS[1:] and all(len(tasks) == 1 for tasks in changed)


def test_runs_are_ordered_by_seed_and_each_model_is_fine_tuned_on_each_recipe() -> None:
    experiment = shipped("strategies", f"groups={GROUPS}")
    runs = experiment.pretrain_runs()
    assert [run.seed for run in runs] == sorted(run.seed for run in runs)
    tuned = experiment.finetune_runs()
    names = [run.name for run in tuned]
    assert len(names) == len(set(names))
    for language, settings in experiment.settings.languages.items():
        own = [run for run in tuned if run.pretrained.language == language]
        ids = set(experiment.task_ids[language].values())
        assert len(ids) == len(experiment.plans[language].plan.tasks) + 1
        for recipe in settings.recipes:
            plain = [
                run.pretrained for run in own if run.recipe == recipe and run.task_id is None and not run.from_scratch
            ]
            assert plain == [run for run in runs if run.language == language]
            with_id = [run for run in own if run.recipe == recipe and run.task_id is not None]
            assert {run.pretrained.variant.name for run in with_id} == {CONTINUAL}
            assert {run.task_id for run in with_id} | {experiment.recipes[recipe].signature.task_id} == ids
            assert sum(run.from_scratch and run.recipe == recipe for run in own) == 1


def test_mistakes_in_a_config_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="other_order: expected the plan's tasks in another order"):
        shipped("strategies", "groups=[order]", "languages.zh.other_order=[knowledge_masking]").pretrain_runs()
    with pytest.raises(UserError, match="a budget of 20 steps is too small"):
        shipped("strategies", "budget=20")
    with pytest.raises(UserError, match="unknown key 'grups'"):
        check_settings(ExperimentSettings, {"languages": {"x": {"plan": "p"}}, "grups": []}, "here")
    with pytest.raises(UserError, match=r"recipes.*occurs twice"):
        shipped("strategies", "languages.zh.recipes=[a.yaml, a.yaml]")
    both = "[configs/finetune/names.yaml, configs/experiments/names.yaml]"
    with pytest.raises(UserError, match=r"languages\.en\.recipes: two files are called 'names'"):
        shipped("strategies", f"languages.en.recipes={both}")


# ---- jobs ----


def job(folder: Path, number: int, *command: str, **settings: Any) -> Job:
    return Job(f"job {number}", command, folder / f"{number}.json", settings)


def test_a_job_that_has_succeeded_runs_again_only_with_another_command_or_other_settings(tmp_path: Path) -> None:
    said: list[str] = []
    first = job(tmp_path, 1, "--version", rate=0.1)
    for again in (first, first, job(tmp_path, 1, "--version", rate=0.2), job(tmp_path, 1, "--help", rate=0.2)):
        run_jobs([again], 2, said.append)
        assert again.seconds is not None
    assert len([line for line in said if "begun" in line]) == 3
    assert "ernie-paddle --help" in (tmp_path / "1.log").read_text()


def test_after_a_failure_no_job_is_begun_and_its_last_words_are_told(tmp_path: Path) -> None:
    jobs = [job(tmp_path, 1, "--version"), job(tmp_path, 2, "config", "nowhere.yaml"), job(tmp_path, 3, "--version")]
    with pytest.raises(UserError, match=r"job 2: failed with exit code 2: .*nowhere\.yaml.*; see .*2\.log"):
        run_jobs(jobs, 1, lambda line: None)
    assert [own.seconds is None for own in jobs] == [False, True, True] and not jobs[2].log.exists()


# ---- tables ----


def scores(rng: random.Random) -> dict[str, Any]:
    return {"loss": rng.random(), "accuracy": rng.random(), "labels": 9, "unigram_loss": 2.0, "majority_accuracy": 0.25}


def fake_results(rng: random.Random) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Results with random figures: stages introduce the tasks a, b and c; masked LM has a alone."""
    names = {"sequential": ["a", "b", "c"], MASKED_LM: ["a"]}
    runs: list[dict[str, Any]] = []
    for (variant, own), seed in itertools.product(names.items(), (1, 2, 3)):
        evaluations = [
            {"step": 5 * i, "stage": -(-i // 2), "tasks": {task: scores(rng) for task in own[: -(-i // 2)]}}
            for i in range(1, 2 * len(own) + 1)  # in the middle and at the end of each stage
        ]
        records = [
            {"recipe": recipe, "task_id": task_id, "seed": tuning, "metric": "f1", "dev": 0.0, "test": rng.random()}
            for recipe, task_id, tuning in itertools.product(["x", "y"], (0, 4), (1, 2))
        ]
        cost = {"steps": 30, "tokens": rng.randint(1000, 9000), "seconds": rng.random() * 1000}
        runs.append(
            {
                "language": "zh",
                "variant": variant,
                "seed": seed,
                **cost,
                "evaluations": evaluations,
                "downstream": records,
            }
        )
    scratch = [
        {"recipe": recipe, "task_id": 0, "seed": tuning, "metric": "f1", "dev": 0.0, "test": rng.random()}
        for recipe, tuning in itertools.product(["x", "y"], (1, 2, 3))
    ]
    runs.append({"language": "zh", "variant": "from_scratch", "downstream": scratch})
    groups = {"strategies": ["sequential", MASKED_LM], "task_ids": ["sequential"]}
    ids = {"a": 0, "b": 4}
    described = {"groups": groups, "recipes": ["x", "y"], "tasks": ["a", "b", "c"], "task_ids": ids}
    return {"languages": {"zh": described}}, runs


def read_table(text: str) -> tuple[str, dict[tuple[str, str], str]]:
    """Return the heading of a table, and its cells by row and column."""
    title, header, _, *rows = [line for line in text.split("\n") if line]
    split = [[cell.strip() for cell in line.strip("|").split("|")] for line in (header, *rows)]
    return title.removeprefix("### "), {
        (row[0], column): cell for row in split[1:] for column, cell in zip(split[0][1:], row[1:], strict=True)
    }


def test_tables_say_what_a_recount_of_the_results_says() -> None:
    experiment, runs = fake_results(random.Random(1))
    found = dict(map(read_table, tables(experiment, runs)))
    by_variant = {name: [run for run in runs if run["variant"] == name] for name in ("sequential", MASKED_LM)}

    def cell(values: list[float], digits: int) -> str:
        return f"{statistics.mean(values):,.{digits}f} ± {statistics.stdev(values):,.{digits}f}"

    def per_model(own: list[dict[str, Any]], recipe: str, task_id: int) -> list[float]:
        return [
            100
            * statistics.mean(r["test"] for r in run["downstream"] if (r["recipe"], r["task_id"]) == (recipe, task_id))
            for run in own
        ]

    downstream, ids = found["zh, strategies: downstream, per cent"], found["zh, task_ids: downstream, per cent"]
    for variant, own in by_variant.items():
        assert found["zh, strategies: cost"][variant, "minutes"] == cell([run["seconds"] / 60 for run in own], 1)
        assert found["zh, strategies: cost"][variant, "tokens"] == cell([run["tokens"] for run in own], 0)
        for recipe in ("x", "y"):
            assert downstream[variant, recipe] == cell(per_model(own, recipe, 0), 1)
        for value, factor, digits, title in (
            ("loss", 1, 3, "held-out loss at the end"),
            ("accuracy", 100, 1, "held-out accuracy at the end, per cent"),
        ):
            ends = [factor * run["evaluations"][-1]["tasks"]["a"][value] for run in own]
            assert found[f"zh, strategies: {title}"][variant, "a"] == cell(ends, digits)
    assert found["zh, strategies: held-out loss at the end"][MASKED_LM, "b"] == "-"
    assert found["zh, strategies: held-out loss at the end"]["unigram loss", "c"] == "2.000"
    scratch = [[100 * record["test"] for record in runs[-1]["downstream"] if record["recipe"] == r] for r in ("x", "y")]
    assert [downstream["from_scratch", recipe] for recipe in ("x", "y")] == [cell(values, 1) for values in scratch]
    assert ids["b (4)", "y"] == cell(per_model(by_variant["sequential"], "y", 4), 1)
    changes = {
        task: [
            100 * (run["evaluations"][5]["tasks"][task]["accuracy"] - run["evaluations"][i]["tasks"][task]["accuracy"])
            for run in by_variant["sequential"]
        ]
        for i, task in ((1, "a"), (3, "b"))
    }
    change = found["zh, strategies: change since a task's own stage, accuracy in points"]
    assert [change["sequential", task] for task in "abc"] == [cell(changes["a"], 1), cell(changes["b"], 1), "-"]
    assert change["sequential", "mean"] == cell(
        [statistics.mean(pair) for pair in zip(*changes.values(), strict=True)], 1
    )
    assert change[MASKED_LM, "mean"] == "-"


# ---- the command ----


@pytest.fixture
def toy_experiment(tmp_path: Path, toy_shards: Path, toy_model: Path) -> Path:
    """The config of an experiment on toy shards, with one downstream task."""
    plan = toy_plan(toy_model, toy_shards, TASKS[:2], steps=16)
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump({**plan, "impl": {"save_steps": 4}}, sort_keys=False))
    rows = "text_a\tlabel\n" + "".join(f"w{i} w{i + 1}\t{'no yes'.split()[i % 2]}\n" for i in range(24))
    (tmp_path / "rows.tsv").write_text(rows)
    files = dict.fromkeys(("train", "dev", "test"), tmp_path / "rows.tsv")
    recipe = write_recipe(tmp_path / "recipe.yaml", files, epochs=1)
    settings = {
        "languages": {"toy": {"plan": str(tmp_path / "plan.yaml"), "recipes": [str(recipe)]}},
        "groups": ["strategies"],
        "seeds": [1],
        "finetuning_seeds": [1],
    }
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path / "toy.yaml"


def started(config: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, SCRIPT, "--config", config, "--out", config.parent / "out", *options]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)


@pytest.mark.slow
def test_an_experiment_that_was_stopped_goes_on_and_ends_in_tables(toy_experiment: Path) -> None:
    out = toy_experiment.parent / "out"
    first = started(toy_experiment, "--seeds", "1")
    sequential = out / "pretrain/toy/sequential/seed=1"
    while first.poll() is None and not list(sequential.glob("step_*")):
        time.sleep(0.05)
    first.send_signal(signal.SIGTERM)
    _, stderr = first.communicate(timeout=60)
    assert first.returncode == 75 and "stopped by SIGTERM; run the same command again" in stderr
    assert not subprocess.run(["pgrep", "-f", str(out)], capture_output=True, check=False).stdout

    shown = started(toy_experiment, "--dry-run")
    printed, stderr = shown.communicate(timeout=120)
    assert shown.returncode == 0, stderr
    assert "toy/continual_multi_task/seed=1" in printed and "0:00:0" in printed

    second = started(toy_experiment)
    printed, stderr = second.communicate(timeout=300)
    assert second.returncode == 0, stderr
    experiment, runs = read_results(out / "results/toy.json")
    assert "\n\n".join(tables(experiment, runs)) in printed
    assert {run["variant"] for run in runs} == {"sequential", "multi_task", CONTINUAL, MASKED_LM, "from_scratch"}
    assert {run["steps"] for run in runs if "steps" in run} == {32}
    records = read_log(sequential / "log.jsonl")
    assert [record["step"] for record in records if record["event"] == "evaluation"] == [16, 32]
    for run in (run for run in runs if run["variant"] != "from_scratch"):
        folder = out / f"finetune/toy/{run['variant']}/seed=1/recipe/seed=1"
        result = read_json(folder / "result.json", "result")["sets"]["test"]["values"]["accuracy"]
        assert run["downstream"][0]["test"] == result

    third = started(toy_experiment)
    again, stderr = third.communicate(timeout=60)
    assert third.returncode == 0 and again == printed and "begun" not in stderr
