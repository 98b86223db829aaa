"""`ernie-paddle plan`."""

import argparse
from pathlib import Path

from rich.table import Table

from ernie_paddle.config import add_overrides, load_settings
from ernie_paddle.console import open_console
from ernie_paddle.registry import Command, Registry
from ernie_paddle.training.plan import plan_table, stage_plan
from ernie_paddle.training.run_settings import PretrainSettings


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", type=Path, help="YAML file with model, data, plan and train sections")
    add_overrides(parser, "plan.strategy=multi_task")


def run(args: argparse.Namespace, registry: Registry) -> None:
    settings = load_settings(PretrainSettings, args.plan, args.set)
    for name in settings.plan.tasks:
        registry.pretraining_tasks.get(name, f"{args.plan}: plan.tasks")
    plan = stage_plan(settings.plan)
    table = Table("task", title=f"updates of each task in each stage ({settings.plan.strategy})")
    for stage in range(plan.stages):
        table.add_column(f"stage {stage + 1}", justify="right")
    table.add_column("total", justify="right")
    for row in plan_table(plan):
        table.add_row(*row)
    open_console().print(table)


COMMAND = Command(
    name="plan",
    help="print what a plan gives each task in each stage",
    example="ernie-paddle plan configs/plans/paper_four_tasks.yaml",
    configure=configure,
    run=run,
)
