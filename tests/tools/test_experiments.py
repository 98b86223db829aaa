"""The comparison of strategies: which runs a config stands for, that they run once, and what its tables say."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from compare_strategies import all_jobs, prepare_jobs
from comparison_tables import tables
from estimates import Estimates
from experiment import (
    CONTINUAL,
    FROM_SCRATCH,
    INITIAL,
    MASKED_LM,
    PRETRAINED,
    Experiment,
    ExperimentSettings,
    Group,
    variants,
)
from finetuning_support import write_recipe
from job_queue import Job, run_jobs
from run_results import downstream, read_results

from ernie_paddle.config import check_settings, load_settings
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json, write_json
from ernie_paddle.pretraining.plan import stage_plan
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.registry import load_plugins
from ernie_paddle.testing import toy_plan
from ernie_paddle.training.log_file import read_log, write_result
from ernie_paddle.training.stage_plan import StagePlan

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tools/experiments/compare_strategies.py"
GROUPS = [*get_args(Group)]
EXPERIMENTS = ["strategies", "tasks", "budget", "rates", "titles", "weights"]
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
def test_runs_have_the_steps_of_the_budget_or_a_part_of_it_and_differ_in_the_plan_alone(budget: int) -> None:
    experiment = shipped("strategies", f"budget={budget}", f"groups={GROUPS}")
    plans = stage_plans(experiment)
    assert (
        len(plans)
        == len(set(plans))
        == 3
        * sum(
            # strategies and masked LM, three of them with two parts of the budget, auxiliary losses, each task but the
            # first left out or added, the other order
            4 + 6 + 1 + 2 * (len(plan.plan.tasks) - 1) + 1
            for plan in experiment.plans.values()
        )
    )
    for name, (settings, plan) in plans.items():
        language, variant, seed = name.split("/")
        assert plan.total == budget // {"quarter": 4, "half": 2}.get(variant.rpartition("_")[2], 1)
        columns = [sum(row[i] for row in plan.matrix) for i in range(len(plan.tasks))]
        assert max(columns) - min(columns) <= 1
        in_every_step = variant == "auxiliary_losses" or variant.startswith(("without_", f"{MASKED_LM}_and_"))
        assert settings.plan.auxiliary_tasks == (None if in_every_step else [])
        base = experiment.plans[language]
        assert settings.model == base.model and settings.data == base.data
        assert settings.train == base.train.model_copy(update={"seed": int(seed.removeprefix("seed="))})


def test_strategies_are_those_of_the_paper() -> None:
    plans = stage_plans(shipped("strategies"))
    for language, base in shipped("strategies").plans.items():
        order, steps = list(base.plan.tasks), next(iter(base.plan.tasks.values())).total
        matrix = {
            name: plans[f"{language}/{name}/seed=1"][1].matrix for name in ("sequential", "multi_task", CONTINUAL)
        }
        count = len(order)
        assert [plans[f"{language}/{name}/seed=1"][1].tasks for name in matrix] == [tuple(order)] * 3
        assert matrix["sequential"] == tuple(
            tuple(steps * (i == stage) for i in range(count)) for stage in range(count)
        )
        assert matrix["multi_task"] == ((steps,) * count,)
        assert [[steps > 0 for steps in row] for row in matrix[CONTINUAL]] == [
            [i <= stage for i in range(count)] for stage in range(count)
        ]
        assert plans[f"{language}/{MASKED_LM}/seed=1"][1] == StagePlan((order[0],), ((steps * count,),))
    hundredths = ((200, 0, 0, 0), (100, 300, 0, 0), (100, 100, 400, 0), (100, 100, 100, 500))  # of the paper's table
    assert plans[f"en/{CONTINUAL}/seed=1"][1].matrix == hundredths


def test_each_task_is_left_out_once_and_added_once() -> None:
    for group in ("leave_one_out", "one_added"):
        base, *others = variants(group, TASKS)
        assert all(variant.tasks[0] == TASKS[0] and variant.auxiliary for variant in others)
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
                run.pretrained
                for run in own
                if run.recipe == recipe and run.task_id is None and run.start == PRETRAINED
            ]
            assert plain == [run for run in runs if run.language == language]
            with_id = [run for run in own if run.recipe == recipe and run.task_id is not None]
            assert {run.pretrained.variant.name for run in with_id} == {CONTINUAL}
            assert {run.task_id for run in with_id} | {experiment.recipes[recipe].signature.task_id} == ids
            assert [run.start for run in own if run.recipe == recipe and run.start != PRETRAINED] == [FROM_SCRATCH]


def test_mistakes_in_a_config_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="other_order: expected the plan's tasks in another order"):
        shipped("strategies", "groups=[order]", "languages.zh.other_order=[knowledge_masking]").pretrain_runs()
    with pytest.raises(UserError, match="a budget of 20 steps is too small for the tasks of zh/sequential"):
        shipped("strategies", "budget=20")
    shipped("strategies", "budget=100")
    with pytest.raises(UserError, match=r"a budget of 100 steps is too small for the tasks of zh/continual.*_quarter"):
        shipped("budget", "budget=100")
    with pytest.raises(UserError, match="unknown key 'grups'"):
        check_settings(ExperimentSettings, {"languages": {"x": {"plan": "p"}}, "grups": []}, "here")
    with pytest.raises(UserError, match=r"recipes.*occurs twice"):
        shipped("strategies", "languages.zh.recipes=[a.yaml, a.yaml]")
    both = "[configs/finetune/names.yaml, configs/experiments/names.yaml]"
    with pytest.raises(UserError, match=r"languages\.en\.recipes: two files are called 'names'"):
        shipped("strategies", f"languages.en.recipes={both}")


# ---- jobs ----


def job(folder: Path, number: int, *command: str, **keys: Any) -> Job:
    """Return a job of Python's `timeit`, which takes no time to start."""
    return Job(f"job/{number}", command, folder / f"{number}.json", module="timeit", **keys)


def sleep(seconds: float) -> tuple[str, ...]:
    return "-n1", "-r1", f"import time; time.sleep({seconds})"


def test_a_job_that_has_succeeded_runs_again_only_with_another_command_or_other_settings(tmp_path: Path) -> None:
    said: list[str] = []
    first = job(tmp_path, 1, "-n1", "1", settings={"rate": 0.1})
    other = job(tmp_path, 1, "-n1", "1", settings={"rate": 0.2})
    for again in (first, first, other, replace(other, command=("-n1", "2"))):
        run_jobs([again], 2, said.append)
        assert again.seconds is not None
    assert len([line for line in said if "begun" in line]) == 3
    assert "python -m timeit -n1 2" in (tmp_path / "1.log").read_text()


def test_after_a_failure_no_job_is_begun_and_its_last_words_are_told(tmp_path: Path) -> None:
    jobs = [job(tmp_path, 1, "-n1", "1"), job(tmp_path, 2, "-n1", "1/0"), job(tmp_path, 3, "-n1", "1")]
    with pytest.raises(UserError, match=r"job/2: failed with exit code 1: .*ZeroDivisionError.*; see .*2\.log"):
        run_jobs(jobs, 1, lambda line: None)
    assert [own.seconds is None for own in jobs] == [False, True, True] and not jobs[2].log.exists()


def test_a_job_waits_for_those_that_it_needs_while_others_run(tmp_path: Path) -> None:
    slow, quick = job(tmp_path, 1, *sleep(0.5)), job(tmp_path, 3, *sleep(0))
    waiting = job(tmp_path, 2, *sleep(0), needs=(slow.name,))
    said: list[str] = []
    finished: list[list[bool]] = []
    jobs = [slow, waiting, quick]
    run_jobs(jobs, 2, said.append, after_each=lambda: finished.append([own.seconds is not None for own in jobs]))
    assert [line.partition(",")[0].partition(" in")[0] for line in said] == [
        "job/1: begun",
        "job/3: begun",
        "job/3: done",
        "job/1: done",
        "job/2: begun",
        "job/2: done",
    ]
    assert finished == [[False, False, True], [True, False, True], [True, True, True]]
    run_jobs([slow, replace(waiting, command=sleep(0.01))], 1, said.append)  # what it needs ran in an earlier call
    assert len(said) == 8


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_fine_tuning_follows_the_pre_training_of_its_model(name: str, tmp_path: Path) -> None:
    experiment = shipped(name)
    jobs = all_jobs(experiment, tmp_path)
    names = [own.name for own in jobs]
    assert len(names) == len(set(names))
    prepared = [own.name for own in jobs if own.phase == "prepare"]
    assert names[: len(prepared)] == prepared
    for number, own in enumerate(jobs):
        assert set(own.needs) <= set(names[:number])
        if own.phase != "prepare":
            assert set(own.needs) >= set(prepared)
    pretrained = [f"pretrain/{run.name}" for run in experiment.pretrain_runs()]
    assert [own for own in names if own.startswith("pretrain")] == pretrained
    for run, before, after in zip(experiment.pretrain_runs(), pretrained, [*pretrained[1:], None], strict=True):
        between = jobs[names.index(before) + 1 : names.index(after) if after else None]
        assert [own.name for own in between] == [
            f"finetune/{tuned.name}" for tuned in experiment.finetune_runs() if tuned.pretrained == run
        ]
        assert all(before in own.needs for own in between if f"/{run.variant.name}/" in own.name)


def test_runs_start_from_the_models_that_the_config_names(tmp_path: Path) -> None:
    for name in ("weights", "strategies"):
        experiment = shipped(name)
        for own in all_jobs(experiment, tmp_path):
            phase, language, variant = own.name.split("/")[:3]
            init, options = experiment.settings.languages[language].init, own.command
            if phase == "pretrain":
                assert (str(init) if init else None) == (options[options.index("--init") + 1] if init else None)
                assert ("--init" in options) == (init is not None)
            if phase == "finetune":
                model = options[options.index("--model") + 1]
                assert ("--from-scratch" in options) == (FROM_SCRATCH in own.name.split("/"))
                if variant == INITIAL:
                    assert model == str(init) and not [need for need in own.needs if need.startswith("pretrain")]
                else:
                    assert f"pretrain/{model.removeprefix(f'{tmp_path}/pretrain/')}" in own.needs
    starts = {run.start for run in shipped("weights").finetune_runs()}
    assert starts == {PRETRAINED, INITIAL}


def test_what_another_experiment_has_prepared_is_not_prepared_again(tmp_path: Path) -> None:
    both, english = shipped("strategies"), shipped("strategies")
    only = english.settings.languages["en"]
    english.settings = english.settings.model_copy(update={"languages": {"en": only}})
    for own in prepare_jobs(english, tmp_path):
        write_json(own.record, {"command": list(own.command), "settings": {}, "seconds": 1.0})
    jobs = prepare_jobs(both, tmp_path)
    left = [own for own in jobs if own.seconds is None]
    assert [" ".join(own.command) for own in left] == [
        command for command in both.settings.languages["zh"].prepare if command not in only.prepare
    ]
    for number, own in enumerate(jobs):
        assert own.needs == tuple(other.name for other in jobs[:number]), "also of one whose neighbour has run before"
    modules = {own.module for own in prepare_jobs(shipped("weights"), tmp_path) if own.command[0] == "install"}
    assert modules == {"pip"}


def test_experiments_share_the_runs_that_they_have_in_common(tmp_path: Path) -> None:
    """Runs of the same name have the same command, whatever is compared, and from whichever seed on."""
    experiments = [shipped(name) for name in EXPERIMENTS] + [shipped("strategies", f"seeds={s}") for s in ([2], [3, 1])]
    commands: dict[str, set[tuple[str, ...]]] = {}
    for experiment in experiments:
        for own in all_jobs(experiment, tmp_path):
            if own.phase != "prepare":
                commands.setdefault(own.name, set()).add(own.command)
    assert {name: len(own) for name, own in commands.items() if len(own) > 1} == {}
    for name in ("budget", "tasks"):
        assert {run.start for run in shipped(name).finetune_runs()} == {PRETRAINED}


def test_jobs_take_as_long_as_finished_ones_of_their_kind_and_size(tmp_path: Path) -> None:
    experiment = shipped("budget", "seeds=[1]", "workers=2")
    jobs = [own for own in all_jobs(experiment, tmp_path) if own.phase == "pretrain" and "/zh/" in own.name]
    ran = next(own for own in jobs if "half" in own.name)
    write_json(ran.record, {"command": list(ran.command), "settings": dict(ran.settings), "seconds": 50.0})
    rest = sum(own.size for own in jobs) - ran.size
    whole = experiment.budget("zh")
    assert sorted({own.size for own in jobs}) == [whole // 4, whole // 2, whole]
    assert Estimates(experiment, load_plugins()).of_phase(jobs) == pytest.approx(50 * rest / ran.size / 2)


# ---- results ----


def test_the_scores_of_a_model_are_those_of_all_experiments_in_the_folder(tmp_path: Path) -> None:
    own = {("names", 0): "names", ("names", 3): "names,task_id=3", ("reviews", 2): "reviews"}
    expected = []
    for number, ((recipe, task_id), name) in enumerate(own.items()):
        for seed in (1, 2):
            values = {"selection_metric": "f1", "values": {"f1": number / 10 + seed / 100}, "count": 7}
            settings = {"signature": {"task_id": task_id}, "train": {"seed": seed}}
            result = {"selected_on": "dev", "sets": {"dev": values, "test": values}, "run": {"settings": settings}}
            run = tmp_path / name / f"seed={seed}"
            run.mkdir(parents=True)
            write_result(run, result)
            f1 = values["values"]["f1"]
            identity = {"recipe": recipe, "task_id": task_id, "seed": seed}
            expected.append({**identity, "metric": "f1", "dev": f1, "test": f1, "examples": 7})
    (tmp_path / "from_scratch/names/seed=1").mkdir(parents=True)
    write_result(tmp_path / "from_scratch/names/seed=1", {})  # of another model
    (tmp_path / "names/seed=3").mkdir()  # not finished
    assert downstream(tmp_path) == expected


# ---- the command ----


@pytest.fixture
def toy_experiment(tmp_path: Path, toy_shards: Path, toy_pretrained: Path) -> Path:
    """The config of an experiment on toy shards, from a pre-trained toy model, with one downstream task."""
    plan = toy_plan(toy_pretrained.parent / "model.json", toy_shards, TASKS[:2], steps=16)
    plan["train"]["evaluate_first"] = True
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump({**plan, "impl": {"save_steps": 4}}, sort_keys=False))
    rows = "text_a\tlabel\n" + "".join(f"w{i} w{i + 1}\t{'no yes'.split()[i % 2]}\n" for i in range(24))
    (tmp_path / "rows.tsv").write_text(rows)
    files = dict.fromkeys(("train", "dev", "test"), tmp_path / "rows.tsv")
    recipe = write_recipe(tmp_path / "recipe.yaml", files, epochs=1)
    settings = {
        "languages": {
            "toy": {"plan": str(tmp_path / "plan.yaml"), "init": str(toy_pretrained), "recipes": [str(recipe)]}
        },
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
    stopped = out / "pretrain/toy/sequential/seed=1"
    while first.poll() is None and not list(stopped.glob("step_*")):
        time.sleep(0.05)
    first.send_signal(signal.SIGTERM)
    _, stderr = first.communicate(timeout=60)
    assert first.returncode == 75 and "stopped by SIGTERM; run the same command again" in stderr
    assert not subprocess.run(["pgrep", "-f", str(out)], capture_output=True, check=False).stdout
    assert f"| {MASKED_LM} | - |" in (out / "toy.md").read_text() and (out / "toy.html").is_file()

    shown = started(toy_experiment, "--dry-run")
    printed, stderr = shown.communicate(timeout=120)
    assert shown.returncode == 0, stderr
    assert "toy/sequential/seed=1" in printed and "0:00:0" in printed

    second = started(toy_experiment)
    printed, stderr = second.communicate(timeout=300)
    assert second.returncode == 0, stderr
    assert printed == (out / "toy.md").read_text()
    (results,) = read_results(out / "results/toy.json")
    assert "\n\n".join(table.markdown() for table in tables(results)) + "\n" == printed
    assert set(results.runs) == {"sequential", "multi_task", CONTINUAL, MASKED_LM, INITIAL}
    runs = [run for own in results.runs.values() for run in own]
    assert {run["steps"] for run in runs if "steps" in run} == {32}
    records = read_log(stopped / "log.jsonl")
    assert [record["step"] for record in records if record["event"] == "evaluation"] == [0, 16, 32]
    for run in runs:
        seed = "seed=1/" if "seed" in run else ""
        folder = out / f"finetune/toy/{run['variant']}/{seed}recipe/seed=1"
        result = read_json(folder / "result.json", "result")["sets"]["test"]["values"]["accuracy"]
        assert run["downstream"][0]["test"] == result

    third = started(toy_experiment)
    again, stderr = third.communicate(timeout=60)
    assert third.returncode == 0 and again == printed and "begun" not in stderr
