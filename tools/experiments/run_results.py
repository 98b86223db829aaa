"""The results of an experiment as JSON: a file of the whole, and one for each model that was fine-tuned.

The file of the whole says what was compared. Beside it, each language has a folder with a file for each pre-training
run, and files for fine-tuning from scratch and from the initial model.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiment import PRETRAINED, Experiment, PretrainRun, learning_curves

from ernie_paddle import __version__
from ernie_paddle.files import as_json, atomic_write, read_json
from ernie_paddle.training.log_file import LOG_FILE, RESULT_FILE, read_log, read_result, selected_and_test

PREPARE, PRETRAIN, FINETUNE = "prepare", "pretrain", "finetune"  # phases; the last two are folders of an experiment
RESULTS = "results"  # folder of an experiment
HELD_OUT = ("loss", "accuracy", "labels", "unigram_loss", "majority_accuracy")

JsonDict = dict[str, Any]


@dataclass(frozen=True)
class LanguageResults:
    """The results in a language.

    Attributes:
        language: its name in the config.
        described: what is compared (see `describe`).
        runs: the finished runs of each variant; those of `from_scratch` and `initial` are fine-tuning alone.
        seeds: of pre-training.
    """

    language: str
    described: JsonDict
    runs: dict[str, list[JsonDict]]
    seeds: list[int]

    def of_group(self, group: str) -> dict[str, list[JsonDict]]:
        """Return the finished runs of each variant that a group compares."""
        return {name: self.runs.get(name, []) for name in self.described["groups"][group]}


def write_results(experiment: Experiment, out: Path) -> Path:
    """Write the results of all finished runs to `out/results`, and return the file of the whole experiment."""
    path = out / RESULTS / f"{experiment.name}.json"
    write_result_file(path, describe(experiment))
    for run in experiment.pretrain_runs():
        if (out / PRETRAIN / run.name / LOG_FILE).is_file():
            result = pretraining(experiment, run, out)
            if result["steps"] == experiment.steps(run.language, run.variant):
                name = f"{run.language}/{run.variant.name}_seed={run.seed}.json"
                record = {**result, "downstream": downstream(out / FINETUNE / run.name)}
                write_result_file(out / RESULTS / name, record)
    others = [tuned for tuned in experiment.finetune_runs() if tuned.start != PRETRAINED]
    for language, start, model in {(tuned.pretrained.language, tuned.start, tuned.model) for tuned in others}:
        if scores := downstream(out / FINETUNE / model):
            record = {"language": language, "variant": start, "downstream": scores}
            write_result_file(out / RESULTS / language / f"{start}.json", record)
    return path


def write_result_file(path: Path, record: JsonDict) -> None:
    """Write a JSON object with a line for each key, and for each entry of an object or list that it holds.

    A file that says the same already is left as it is.
    """
    text = "{\n" + ",\n".join(f"  {as_json(key)}: {_entries(value)}" for key, value in record.items()) + "\n}\n"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        with atomic_write(path) as file:
            file.write(text)


def _entries(value: object) -> str:
    if isinstance(value, dict):
        return "{\n" + ",\n".join(f"    {as_json(key)}: {as_json(own)}" for key, own in value.items()) + "\n  }"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"    {as_json(own)}" for own in value) + "\n  ]"
    return as_json(value)


def describe(experiment: Experiment) -> JsonDict:
    """Return the whole experiment: what is compared in each language, and with which settings."""
    return {
        "version": __version__,
        "settings": experiment.settings.model_dump(mode="json"),
        "languages": {name: _described(experiment, name) for name in experiment.plans},
    }


def _described(experiment: Experiment, language: str) -> JsonDict:
    plan, settings = experiment.plans[language], experiment.settings.languages[language]
    groups, tasks = experiment.groups(language), list(plan.plan.tasks)
    curves = learning_curves(tasks) if "budget" in groups else {}
    return {
        "budget": experiment.budget(language),
        "tasks": tasks,
        "groups": {group: [variant.name for variant in variants] for group, variants in groups.items()},
        "learning_curves": {
            name: {variant.name: experiment.steps(language, variant) for variant in curve}
            for name, curve in curves.items()
        },
        "task_ids": experiment.task_ids[language],
        "recipes": [recipe.stem for recipe in settings.recipes],
        "model": settings.init.name if settings.init else plan.model.config.stem,
        "train": plan.train.model_dump(mode="json"),
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


def downstream(folder: Path) -> list[JsonDict]:
    """Return the scores of the finished fine-tuning runs from one model, a record for each seed. Values are shares.

    Those of other experiments in the same folder are among them. For each recipe, runs with its own row of the task
    embedding come first.
    """
    records = []
    for path in sorted(folder.glob(f"*/seed=*/{RESULT_FILE}")):
        result = read_result(path.parent)
        settings = result["run"]["settings"]
        recipe, _, _ = path.parent.parent.name.partition(",")
        identity = {
            "recipe": recipe,
            "task_id": settings["signature"]["task_id"],
            "seed": settings["train"]["seed"],
        }
        records.append({**identity, **selected_scores(result)})
    return records


def selected_scores(result: Mapping[str, Any]) -> JsonDict:
    """Return the selection metric of a fine-tuning result, its values on dev and test, and the size of the test set."""
    dev, test = selected_and_test(result)
    metric, last = dev["selection_metric"], test or dev
    return {"metric": metric, "dev": dev["values"][metric], "test": last["values"][metric], "examples": last["count"]}


def read_results(path: Path) -> list[LanguageResults]:
    """Read the file of an experiment, and in the folders beside it the runs of its variants with its seeds."""
    experiment = read_json(path, "results of an experiment")
    runs = [read_json(run, "result of a run") for run in sorted(path.parent.glob("*/*.json"))]
    return list(by_language(experiment, runs))


def by_language(experiment: JsonDict, runs: Sequence[JsonDict]) -> Iterator[LanguageResults]:
    """Yield the results of each language of an experiment from its runs.

    Runs with other seeds of pre-training are left out, as are scores with other seeds of fine-tuning.
    """
    settings = experiment["settings"]
    seeds, of_finetuning = settings["seeds"], settings["finetuning_seeds"]
    for language, described in experiment["languages"].items():
        own: dict[str, list[JsonDict]] = {}
        for run in runs:
            if run["language"] == language and run.get("seed") in (None, *seeds):
                tuned = [record for record in run["downstream"] if record["seed"] in of_finetuning]
                own.setdefault(run["variant"], []).append({**run, "downstream": tuned})
        yield LanguageResults(language, described, own, seeds)
