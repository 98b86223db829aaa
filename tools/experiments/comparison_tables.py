"""Tables of an experiment's results, from its JSON files alone."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from experiment import CONTINUAL, FROM_SCRATCH, INITIAL
from run_results import LanguageResults, read_results
from scipy.stats import t

from ernie_paddle.files import atomic_write
from ernie_paddle.training.evaluation import earlier_tasks

JsonDict = dict[str, Any]
Rows = dict[str, list[str]]
MISSING, MEAN = "-", "mean"
CONFIDENCE = 0.95


@dataclass(frozen=True)
class ResultTable:
    """A table of a group in a language. Each row of cells has a name."""

    language: str
    group: str
    subject: str
    columns: Sequence[str]
    rows: Rows

    @property
    def title(self) -> str:
        return f"{self.language}, {self.group}: {self.subject}"

    def markdown(self) -> str:
        """Return the table as Markdown, below its title."""
        lines = [f"| | {' | '.join(self.columns)} |", "|---" * (len(self.columns) + 1) + "|"]
        lines += (f"| {name} | {' | '.join(cells)} |" for name, cells in self.rows.items())
        return f"### {self.title}\n\n" + "\n".join(lines)


def write_tables(path: Path, out: Path) -> None:
    """Write the tables of an experiment to `out` as Markdown. `path` is the experiment's file of results."""
    text = "\n\n".join(table.markdown() for results in read_results(path) for table in tables(results)) + "\n"
    with atomic_write(out / f"{path.stem}.md") as file:
        file.write(text)


def tables(results: LanguageResults) -> Iterator[ResultTable]:
    """Yield the tables of a language, group by group."""
    for group in results.described["groups"]:
        makers = {"task_ids": _task_id_tables, "budget": _budget_tables}
        for subject, columns, rows in makers.get(group, _group_tables)(results, group):
            yield ResultTable(results.language, group, subject, columns, rows)


Parts = Iterator[tuple[str, Sequence[str], Rows]]  # of tables: subject, columns, rows


def _group_tables(results: LanguageResults, group: str) -> Parts:
    own, recipes, tasks = results.of_group(group), results.described["recipes"], results.described["tasks"]
    yield "cost", ["steps", "tokens", "minutes"], _cost_rows(own)
    yield "downstream, per cent", recipes, _downstream_rows(with_unpretrained(results, group), recipes)
    base = reference(own)
    columns = [*recipes, MEAN] if len(recipes) > 1 else recipes
    yield (
        f"downstream, difference to {base} in points, with {100 * CONFIDENCE:.0f} % confidence interval",
        columns,
        _difference_rows(own, recipes, base),
    )
    yield "held-out loss at the end", tasks, _held_out_rows(own, tasks, "loss", "unigram_loss")
    accuracy = _held_out_rows(own, tasks, "accuracy", "majority_accuracy")
    yield "held-out accuracy at the end, per cent", tasks, accuracy
    yield "change since a task's own stage, accuracy in points", [*tasks, MEAN], _change_rows(own, tasks)


def with_unpretrained(results: LanguageResults, group: str) -> dict[str, list[JsonDict]]:
    """Return the runs of a group's variants, in `strategies` also fine-tuning without pre-training on the tasks."""
    others = [name for name in (FROM_SCRATCH, INITIAL) if name in results.runs] if group == "strategies" else []
    return results.of_group(group) | {name: results.runs[name] for name in others}


def reference(variants: Iterable[str]) -> str:
    """Return the variant with which a group's others are compared: the paper's method, or else the first."""
    names = list(variants)
    return CONTINUAL if CONTINUAL in names else names[0]


def mean_and_spread(values: Iterable[float], digits: int) -> str:
    """Return mean ± standard deviation of the sample; one value stands alone, and none is a dash."""
    known = list(values)
    if not known:
        return MISSING
    spread = f" ± {stdev(known):,.{digits}f}" if len(known) > 1 else ""
    return f"{_rounded(fmean(known), digits):,.{digits}f}{spread}"


def _rounded(value: float, digits: int) -> float:
    return round(value, digits) + 0.0  # no minus before a zero


# ---- cost and downstream scores ----


def _cost_rows(variants: Mapping[str, Sequence[JsonDict]]) -> Rows:
    columns: list[tuple[Callable[[JsonDict], float], int]] = [
        (lambda run: run["steps"], 0),
        (lambda run: run["tokens"], 0),
        (lambda run: run["seconds"] / 60, 1),
    ]
    return {
        name: [mean_and_spread((value(run) for run in runs), digits) for value, digits in columns]
        for name, runs in variants.items()
    }


def _downstream_rows(variants: Mapping[str, Sequence[JsonDict]], recipes: Sequence[str]) -> Rows:
    return {
        name: [mean_and_spread(downstream_scores(runs, recipe), 1) for recipe in recipes]
        for name, runs in variants.items()
    }


def _task_id_tables(results: LanguageResults, group: str) -> Parts:
    runs = [run for own in results.of_group(group).values() for run in own]
    recipes = results.described["recipes"]
    rows = {
        f"{name} ({task_id})": [
            mean_and_spread((score for run in runs for score in _scores(run, recipe, task_id)), 1) for recipe in recipes
        ]
        for name, task_id in results.described["task_ids"].items()
    }
    yield "downstream, per cent, over seeds of fine-tuning", recipes, rows


def downstream_scores(runs: Iterable[JsonDict], recipe: str) -> list[float]:
    """Return the test scores of a recipe in per cent: for each pre-trained model, the mean over the fine-tuning seeds.

    Where nothing was pre-trained, these are the scores of each fine-tuning seed.
    """
    found: list[float] = []
    for run in runs:
        scores = _scores(run, recipe)
        found += scores if run["variant"] in (FROM_SCRATCH, INITIAL) or not scores else [fmean(scores)]
    return found


def _scores(run: JsonDict, recipe: str, task_id: int | None = None) -> list[float]:
    """Return a model's test scores of a recipe in per cent, one for each fine-tuning seed.

    Without `task_id`, the scores are those with the recipe's own row of the task embedding, which comes first.
    """
    records = [record for record in run["downstream"] if record["recipe"] == recipe]
    wanted = records[0]["task_id"] if records and task_id is None else task_id
    return [100 * record["test"] for record in records if record["task_id"] == wanted]


def _difference_rows(variants: Mapping[str, Sequence[JsonDict]], recipes: Sequence[str], base: str) -> Rows:
    """Return the differences of downstream scores to those of the variant `base`, paired by the pre-training seed."""
    rows: Rows = {}
    for name in variants:
        if name != base:
            columns = [
                _paired(_by_seed(variants[name], recipe), _by_seed(variants[base], recipe)) for recipe in recipes
            ]
            if len(recipes) > 1:
                common = [seed for seed in columns[0] if all(seed in column for column in columns)]
                columns.append({seed: fmean(column[seed] for column in columns) for seed in common})
            rows[name] = [mean_and_interval(column.values()) for column in columns]
    return rows


def _by_seed(runs: Iterable[JsonDict], recipe: str) -> dict[int, float]:
    return {run["seed"]: own[0] for run in runs if (own := downstream_scores([run], recipe))}


def _paired(scores: Mapping[int, float], others: Mapping[int, float]) -> dict[int, float]:
    """Return the differences to other scores by seed, where both are known."""
    return {seed: score - others[seed] for seed, score in scores.items() if seed in others}


def mean_and_interval(differences: Iterable[float]) -> str:
    """Return the mean with its confidence interval by Student's t; one value stands alone, and none is a dash."""
    known = list(differences)
    if not known:
        return MISSING
    mean, interval = fmean(known), ""
    if len(known) > 1:
        half = float(t.ppf((1 + CONFIDENCE) / 2, len(known) - 1)) * stdev(known) / sqrt(len(known))
        interval = f" [{_rounded(mean - half, 1):+.1f}, {_rounded(mean + half, 1):+.1f}]"
    return f"{_rounded(mean, 1):+.1f}{interval}"


# ---- learning curves ----


def _budget_tables(results: LanguageResults, group: str) -> Parts:
    curves = results.described["learning_curves"]
    columns = [f"{steps:,}" for steps in sorted({steps for own in curves.values() for steps in own.values()})]

    def rows(scores: Callable[[Sequence[JsonDict]], list[float]], digits: int) -> Rows:
        return {
            name: [
                mean_and_spread(scores(results.runs.get(variant, [])), digits)
                for variant in sorted(own, key=lambda variant: own[variant])
            ]
            for name, own in curves.items()
        }

    for recipe in results.described["recipes"]:
        yield f"{recipe} by steps, per cent", columns, rows(partial(downstream_scores, recipe=recipe), 1)
    task = results.described["tasks"][0]
    yield f"held-out loss of {task} by steps", columns, rows(partial(last_scores, task=task, value="loss"), 3)


# ---- held-out scores ----


def last_scores(runs: Iterable[JsonDict], task: str, value: str) -> list[float]:
    """Return a held-out score of a task at the end of each run that has it."""
    return _scores_of([run["evaluations"][-1] for run in runs if run["evaluations"]], task, value)


def _scores_of(evaluations: Iterable[JsonDict], task: str, value: str) -> list[float]:
    found = (record["tasks"].get(task, {}).get(value) for record in evaluations)
    return [score for score in found if score is not None]


def _held_out_rows(variants: Mapping[str, Sequence[JsonDict]], tasks: Sequence[str], value: str, baseline: str) -> Rows:
    """Return the held-out scores at the end of the runs, a row for each variant.

    Before these are a row of the scores before the first step, if there are any, and a row of the baseline.
    """
    factor, digits = (100, 1) if value == "accuracy" else (1, 3)

    def cell(evaluations: Sequence[JsonDict], task: str, key: str) -> str:
        return mean_and_spread((factor * score for score in _scores_of(evaluations, task, key)), digits)

    ends = {name: [run["evaluations"][-1] for run in runs if run["evaluations"]] for name, runs in variants.items()}
    first = {name: [run["evaluations"][0] for run in runs if run["evaluations"]] for name, runs in variants.items()}
    begins = {name: [record for record in own if record["step"] == 0] for name, own in first.items()}
    rows: Rows = {}
    if any(begins.values()):
        rows["before"] = [cell(_with_task(begins, task), task, value) for task in tasks]
    rows[baseline.replace("_", " ")] = [cell(_with_task(ends, task)[:1], task, baseline) for task in tasks]
    return rows | {name: [cell(own, task, value) for task in tasks] for name, own in ends.items()}


def _with_task(evaluations: Mapping[str, list[JsonDict]], task: str) -> list[JsonDict]:
    """Return the records of the first variant that has scores of a task."""
    return next((own for own in evaluations.values() if own and task in own[0]["tasks"]), [])


def _change_rows(variants: Mapping[str, Sequence[JsonDict]], tasks: Sequence[str]) -> Rows:
    """Return how much each task's held-out accuracy changed from the end of its own stage to the end of the run.

    The mean is over the tasks before the last, the backward transfer of Lopez-Paz and Ranzato (2017).
    """
    rows = {}
    for name, runs in variants.items():
        changes = [_changes(run) for run in runs]
        cells = [mean_and_spread((change[task] for change in changes if task in change), 1) for task in tasks]
        means = (fmean(change.values()) for change in changes if change)
        rows[name] = [*cells, mean_and_spread(means, 1)]
    return rows


def _changes(run: JsonDict) -> dict[str, float]:
    """Return the change of each task that was introduced before the last stage, in points."""
    if not (evaluations := run["evaluations"]):
        return {}
    end = evaluations[-1]["tasks"]
    return {
        task: 100 * (end[task]["accuracy"] - own["tasks"][task]["accuracy"])
        for task, own in earlier_tasks(evaluations).items()
    }
