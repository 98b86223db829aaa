"""The results of an experiment as JSON: a file of the whole, one for each pre-training run, and those from scratch."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from experiment import FROM_SCRATCH, Experiment, FinetuneRun, PretrainRun

from ernie_paddle import __version__
from ernie_paddle.files import read_json, write_json
from ernie_paddle.training.log_file import LOG_FILE, RESULT_FILE, read_log, read_result, selected_and_test

PREPARE, PRETRAIN, FINETUNE = "prepare", "pretrain", "finetune"  # phases; the last two are folders of an experiment
RESULTS = "results"  # folder of an experiment
HELD_OUT = ("loss", "accuracy", "labels", "unigram_loss", "majority_accuracy")

JsonDict = dict[str, Any]


def write_results(experiment: Experiment, out: Path) -> Path:
    """Write the results of all finished runs to `out/results`, and return the file of the whole experiment."""
    path = out / RESULTS / f"{experiment.name}.json"
    write_json(path, describe(experiment))
    by_model: dict[PretrainRun, list[FinetuneRun]] = {run: [] for run in experiment.pretrain_runs()}
    for tuned in experiment.finetune_runs():
        if not tuned.from_scratch:
            by_model[tuned.pretrained].append(tuned)
    for run, own in by_model.items():
        if (out / PRETRAIN / run.name / LOG_FILE).is_file():
            result = pretraining(experiment, run, out)
            if result["steps"] == experiment.budget(run.language):
                name = f"{run.language}/{run.variant.name}_seed={run.seed}.json"
                write_json(out / RESULTS / name, {**result, "downstream": downstream(experiment, own, out)})
    for language in experiment.settings.languages:
        scratch = [
            run for run in experiment.finetune_runs() if run.from_scratch and run.pretrained.language == language
        ]
        if scores := downstream(experiment, scratch, out):
            record = {"language": language, "variant": FROM_SCRATCH, "downstream": scores}
            write_json(out / RESULTS / language / f"{FROM_SCRATCH}.json", record)
    return path


def describe(experiment: Experiment) -> JsonDict:
    """Return the whole experiment: what is compared in each language, and with which settings."""
    return {
        "version": __version__,
        "settings": experiment.settings.model_dump(mode="json"),
        "languages": {
            name: {
                "budget": experiment.budget(name),
                "tasks": list(plan.plan.tasks),
                "groups": {
                    group: [variant.name for variant in variants] for group, variants in experiment.groups(name).items()
                },
                "task_ids": experiment.task_ids[name],
                "recipes": [recipe.stem for recipe in experiment.settings.languages[name].recipes],
                "model": plan.model.config.stem,
                "train": plan.train.model_dump(mode="json"),
            }
            for name, plan in experiment.plans.items()
        },
    }


def pretraining(experiment: Experiment, run: PretrainRun, out: Path) -> JsonDict:
    """Return what a pre-training run did, with the held-out scores after each stage."""
    records = read_log(out / PRETRAIN / run.name / LOG_FILE)
    train = [record for record in records if record["event"] == "train"]
    evaluations = [
        {
            "step": record["step"],
            "stage": record["stage"],
            "tasks": {name: {key: scores[key] for key in HELD_OUT} for name, scores in record["tasks"].items()},
        }
        for record in records
        if record["event"] == "evaluation"
    ]
    return {
        "language": run.language,
        "variant": run.variant.name,
        "strategy": run.variant.strategy,
        "auxiliary_losses": run.variant.auxiliary,
        "task_steps": experiment.quotas(run),
        "seed": run.seed,
        "steps": train[-1]["step"] if train else 0,
        "tokens": sum(record["tokens"] for record in train),
        "seconds": sum(record["seconds"] for record in train),
        "evaluations": evaluations,
    }


def downstream(experiment: Experiment, runs: Iterable[FinetuneRun], out: Path) -> list[JsonDict]:
    """Return the scores of finished fine-tuning runs, a record for each seed. Values are shares."""
    records = []
    for run in runs:
        for seed in experiment.settings.finetuning_seeds:
            folder = out / FINETUNE / run.name / f"seed={seed}"
            if (folder / RESULT_FILE).is_file():
                task_id = experiment.recipes[run.recipe].signature.task_id if run.task_id is None else run.task_id
                identity = {"recipe": run.recipe.stem, "task_id": task_id, "seed": seed}
                records.append({**identity, **selected_scores(read_result(folder))})
    return records


def selected_scores(result: Mapping[str, Any]) -> JsonDict:
    """Return the selection metric of a fine-tuning result, with its values on dev and test."""
    dev, test = selected_and_test(result)
    metric = dev["selection_metric"]
    return {"metric": metric, "dev": dev["values"][metric], "test": (test or dev)["values"][metric]}


def read_results(path: Path) -> tuple[JsonDict, list[JsonDict]]:
    """Read the file of an experiment, and the runs in the folders beside it."""
    runs = [read_json(run, "result of a run") for run in sorted(path.parent.glob("*/*.json"))]
    return read_json(path, "results of an experiment"), runs
