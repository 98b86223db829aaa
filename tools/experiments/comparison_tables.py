"""Tables and plots of an experiment's results, from its JSON files alone."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from experiment import FROM_SCRATCH
from matplotlib.figure import Figure
from run_results import read_results

from ernie_paddle.files import atomic_write
from ernie_paddle.training.evaluation import earlier_tasks

JsonDict = dict[str, Any]
MISSING = "-"


def write_tables(path: Path, out: Path) -> str:
    """Write the tables of an experiment to `out`, and a plot for each language. Return the tables.

    `path` is the experiment's file of results.
    """
    experiment, runs = read_results(path)
    text = "\n\n".join(tables(experiment, runs)) + "\n"
    with atomic_write(out / f"{path.stem}.md") as file:
        file.write(text)
    for language, described in experiment["languages"].items():
        figure = held_out_plot(described, [run for run in runs if run["language"] == language])
        with atomic_write(out / f"{path.stem}_{language}.png", "wb") as file:
            figure.savefig(file, format="png", dpi=110)
    return text


def tables(experiment: JsonDict, runs: Sequence[JsonDict]) -> Iterator[str]:
    """Yield each table with its heading, language by language and group by group."""
    for language, described in experiment["languages"].items():
        by_variant: dict[str, list[JsonDict]] = {}
        for run in runs:
            if run["language"] == language:
                by_variant.setdefault(run["variant"], []).append(run)
        recipes, tasks = described["recipes"], described["tasks"]
        for group, names in described["groups"].items():
            own = {name: by_variant.get(name, []) for name in names}
            title = f"{language}, {group}"
            if group == "task_ids":
                yield _table(f"{title}: downstream, per cent", recipes, _task_id_rows(own, described))
                continue
            if group == "strategies":
                yield _table(f"{title}: cost", ["steps", "tokens", "minutes"], _cost_rows(own))
                own_and_scratch = {**own, FROM_SCRATCH: by_variant.get(FROM_SCRATCH, [])}
            else:
                own_and_scratch = own
            yield _table(f"{title}: downstream, per cent", recipes, _downstream_rows(own_and_scratch, recipes))
            yield _table(
                f"{title}: held-out loss at the end", tasks, _held_out_rows(own, tasks, "loss", "unigram_loss")
            )
            accuracy = _held_out_rows(own, tasks, "accuracy", "majority_accuracy")
            yield _table(f"{title}: held-out accuracy at the end, per cent", tasks, accuracy)
            yield _table(
                f"{title}: change since a task's own stage, accuracy in points",
                [*tasks, "mean"],
                _change_rows(own, tasks),
            )


def mean_and_spread(values: Iterable[float], digits: int) -> str:
    """Return mean ± standard deviation of the sample; one value stands alone, and none is a dash."""
    known = list(values)
    if not known:
        return MISSING
    spread = f" ± {stdev(known):,.{digits}f}" if len(known) > 1 else ""
    return f"{round(fmean(known), digits) + 0.0:,.{digits}f}{spread}"  # + 0.0: no minus before a zero


def _table(title: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    lines += (f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items())
    return f"### {title}\n\n" + "\n".join(lines)


def _cost_rows(variants: Mapping[str, Sequence[JsonDict]]) -> dict[str, list[str]]:
    columns: list[tuple[Callable[[JsonDict], float], int]] = [
        (lambda run: run["steps"], 0),
        (lambda run: run["tokens"], 0),
        (lambda run: run["seconds"] / 60, 1),
    ]
    return {
        name: [mean_and_spread((value(run) for run in runs), digits) for value, digits in columns]
        for name, runs in variants.items()
    }


def _downstream_rows(variants: Mapping[str, Sequence[JsonDict]], recipes: Sequence[str]) -> dict[str, list[str]]:
    """Return a row per variant. The spread is that of pre-training seeds; from scratch, of fine-tuning seeds."""
    rows = {}
    for name, runs in variants.items():
        each_seed = name == FROM_SCRATCH
        rows[name] = [mean_and_spread(_scores(runs, recipe, None, each_seed), 1) for recipe in recipes]
    return rows


def _task_id_rows(variants: Mapping[str, Sequence[JsonDict]], described: JsonDict) -> dict[str, list[str]]:
    runs = [run for own in variants.values() for run in own]
    return {
        f"{name} ({task_id})": [mean_and_spread(_scores(runs, recipe, task_id), 1) for recipe in described["recipes"]]
        for name, task_id in described["task_ids"].items()
    }


def _scores(runs: Iterable[JsonDict], recipe: str, task_id: int | None, each_seed: bool = False) -> Iterator[float]:
    """Yield the test score of a recipe in per cent for each pre-trained model, a mean over the seeds of fine-tuning.

    Without `task_id`, those with the recipe's own row of the task embedding, which runs first. With `each_seed`, yield
    the score of each seed of fine-tuning.
    """
    for run in runs:
        records = [record for record in run["downstream"] if record["recipe"] == recipe]
        wanted = records[0]["task_id"] if records and task_id is None else task_id
        scores = [100 * record["test"] for record in records if record["task_id"] == wanted]
        if scores:
            yield from scores if each_seed else [fmean(scores)]


def _held_out_rows(
    variants: Mapping[str, Sequence[JsonDict]], tasks: Sequence[str], value: str, baseline: str
) -> dict[str, list[str]]:
    """Return the held-out scores at the end of the runs, a row per variant, after a row of the baseline."""
    factor, digits = (100, 1) if value == "accuracy" else (1, 3)

    def cells(runs: Sequence[JsonDict], key: str) -> list[str]:
        ends = [run["evaluations"][-1]["tasks"] for run in runs if run["evaluations"]]
        found = {task: [end[task][key] for end in ends if end.get(task, {}).get(key) is not None] for task in tasks}
        return [mean_and_spread((factor * number for number in found[task]), digits) for task in tasks]

    every = [run for runs in variants.values() for run in runs]
    longest = max(every, key=lambda run: len(run["evaluations"][-1]["tasks"]), default=None)
    base = {baseline.replace("_", " "): cells([longest] if longest else [], baseline)}
    return base | {name: cells(runs, value) for name, runs in variants.items()}


def _change_rows(variants: Mapping[str, Sequence[JsonDict]], tasks: Sequence[str]) -> dict[str, list[str]]:
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


def held_out_plot(described: JsonDict, runs: Sequence[JsonDict]) -> Figure:
    """Return a figure with a panel per task: its held-out loss after each stage, a line for each run."""
    tasks, variants = described["tasks"], next(iter(described["groups"].values()))
    columns = min(2, len(tasks))
    rows = -(-len(tasks) // columns)
    figure = Figure(figsize=(6.2 * columns, 2.9 * rows), layout="constrained")
    for number, task in enumerate(tasks):
        axes = figure.add_subplot(rows, columns, number + 1)
        for colour, variant in enumerate(variants):
            label = variant
            for run in (run for run in runs if run["variant"] == variant):
                points = [
                    (record["step"], record["tasks"][task]["loss"])
                    for record in run["evaluations"]
                    if task in record["tasks"]
                ]
                if points:
                    axes.plot(
                        *zip(*points, strict=True), "o-", color=f"C{colour}", linewidth=1, markersize=3, label=label
                    )
                    label = ""  # one entry in the legend
        axes.set_title(task, fontsize=10)
        axes.set_xlabel("steps", fontsize=8)
        axes.set_ylabel("held-out loss", fontsize=8)
        axes.tick_params(labelsize=8)
        if axes.lines:
            axes.legend(fontsize=7)
    return figure
