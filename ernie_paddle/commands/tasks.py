"""`ernie-paddle tasks`."""

import argparse

from rich.table import Table

from ernie_paddle.console import open_console, print_table
from ernie_paddle.data.spans import SPANS
from ernie_paddle.registry import Command, Registry
from ernie_paddle.task import Task


def configure(parser: argparse.ArgumentParser) -> None:
    """Add no options."""


def run(args: argparse.Namespace, registry: Registry) -> None:
    console = open_console()
    print_table(console, pretraining_table(registry))
    print_table(console, finetuning_table(registry))


def pretraining_table(registry: Registry) -> Table:
    """Return a table of the pre-training tasks, in the order of their rows of the task embedding."""
    table = Table("id", "task", "level", "label column", "classes", "sample columns", "head", "languages", "from")
    table.title = "pre-training tasks"
    for task in sorted(registry.pretraining_tasks, key=lambda task: task.task_id):
        builder = next((builder for builder in registry.sample_builders if builder.name == task.name), None)
        columns = [*(column.name for column in SPANS), *builder.features] if builder else []
        label = task.objective.column.name
        table.add_row(
            str(task.task_id),
            task.name,
            task.objective.level,
            label,
            classes(task),
            ", ".join(dict.fromkeys([*columns, label])),
            ", ".join(task.objective.heads) or "masked LM",
            ", ".join(builder.languages) if builder else "no builder",
            registry.pretraining_tasks.origin(task.name),
        )
    return table


def classes(task: Task) -> str:
    """Describe the classes of a task."""
    if task.objective.predicts_tokens:
        return "vocabulary"
    return str(len(task.objective.labels)) if task.objective.labels else "of the samples"


def finetuning_table(registry: Registry) -> Table:
    """Return a table of the fine-tuning tasks, in the order of their registration."""
    table = Table("task", "predicts", "labels", "head", "class in other libraries", "from", title="fine-tuning tasks")
    for task in registry.finetuning_tasks:
        table.add_row(
            task.name,
            task.prediction_types[0],
            "of the recipe" if task.has_labels else "none",
            task.head,
            f"ErnieFor{task.model_class.suffix}" if task.model_class else "none",
            registry.finetuning_tasks.origin(task.name),
        )
    return table


COMMAND = Command(
    name="tasks",
    help="list all pre-training and fine-tuning tasks, with their labels, heads and languages",
    example="ernie-paddle tasks",
    configure=configure,
    run=run,
)
