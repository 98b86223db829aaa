"""`ernie-paddle plan`."""

import argparse
from pathlib import Path

from rich.table import Table

from ernie_paddle.arguments import positive
from ernie_paddle.config import add_overrides, load_settings
from ernie_paddle.console import open_console, print_warnings
from ernie_paddle.errors import UserError
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.registry import Command, Registry
from ernie_paddle.training.ineffective import without_effect
from ernie_paddle.training.needs import Needs, needs
from ernie_paddle.training.plan import plan_table, stage_plan
from ernie_paddle.training.run_settings import PretrainSettings


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", type=Path, help="YAML file with model, data, plan and train sections")
    add_overrides(parser, "plan.strategy=multi_task")
    parser.add_argument("--devices", type=positive, default=1, help="GPUs that will share each update (default: 1)")


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
    if args.devices < 1:
        raise UserError("--devices: at least 1")
    config = ErnieConfig.load(settings.model.config)
    wanted = needs(config, plan, settings.train, settings.data.shards, args.devices)
    console = open_console()
    console.print(table, needs_table(wanted, settings.train.precision, args.devices))
    print_warnings(open_console(stderr=True), without_effect(settings.train, settings.impl, plan))
    if wanted.per_device[0] < wanted.per_device[1]:
        console.print(
            f"{wanted.micro_batches} micro-batches are not shared evenly by {args.devices} devices; "
            "choose another train.accumulation"
        )
    if wanted.tasks:
        console.print(samples_table(wanted))


def needs_table(wanted: Needs, precision: str, devices: int) -> Table:
    """Updates, tokens, parameters and memory."""
    table = Table("what", title=f"needs on {devices} device{'s' * (devices > 1)}, {precision}")
    table.add_column("how much", justify="right")
    fewest, most = wanted.per_device
    for what, much in {
        "parameters": f"{wanted.parameters / 1e6:,.1f} M",
        "updates": f"{wanted.updates:,}",
        "tokens of an update, at most": f"{wanted.update_tokens:,}",
        "tokens of a micro-batch, at most": f"{wanted.micro_batch_tokens:,}",
        "micro-batches of an update": f"{wanted.micro_batches:,}",
        "of these for each device": f"{most:,}" if fewest == most else f"{fewest:,} or {most:,}",
        "tokens in all, at most": f"{wanted.updates * wanted.update_tokens:,}",
        "parameters, gradients, moments": f"{wanted.state_bytes / 1e9:,.1f} GB a device",
        "activations, about": f"{wanted.activation_bytes / 1e9:,.1f} GB a device",
    }.items():
        table.add_row(what, much)
    return table


def samples_table(wanted: Needs) -> Table:
    """For each task the samples that there are, and how often they are gone through."""
    table = Table("task", title="training samples")
    for column in ("there are", "needed, about", "epochs"):
        table.add_column(column, justify="right")
    for name, task in wanted.tasks.items():
        table.add_row(name, f"{task.samples:,}", f"{task.samples_needed:,}", f"{task.epochs:.1f}")
    return table


COMMAND = Command(
    name="plan",
    help="print what a plan gives each task in each stage, and what it needs",
    example="ernie-paddle plan configs/plans/ablation_continual_multi_task.yaml --devices 8",
    configure=configure,
    run=run,
)
