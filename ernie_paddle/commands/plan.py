"""`ernie-paddle plan`."""

import argparse
from pathlib import Path

from rich.filesize import decimal
from rich.table import Table

from ernie_paddle.arguments import add_continue_from, positive
from ernie_paddle.config import add_overrides, load_settings
from ernie_paddle.console import open_console, print_warnings
from ernie_paddle.errors import UserError
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.pretraining.checking import check_plan
from ernie_paddle.pretraining.history import History
from ernie_paddle.pretraining.plan import plan_table, stage_plan
from ernie_paddle.pretraining.requirements import Requirements, requirements
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.registry import Command, Registry
from ernie_paddle.training.ineffective import without_effect
from ernie_paddle.training.stage_plan import StagePlan


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", type=Path, help="plan config: a YAML file with model, data, plan and train sections")
    add_overrides(parser, "plan.strategy=multi_task")
    add_continue_from(parser)
    parser.add_argument("--devices", type=positive, default=1, help="devices that share each step (default: 1)")


def run(args: argparse.Namespace, registry: Registry) -> None:
    settings = load_settings(PretrainSettings, args.plan, args.set)
    warnings = open_console(stderr=True)
    history = History.load(args.continue_from, warnings.print) if args.continue_from else None
    check = check_plan(settings, registry, history)
    print_warnings(warnings, filter(None, [check.not_built]))
    if check.mistakes:
        raise UserError("\n".join(check.mistakes))
    plan = stage_plan(settings.plan, history.stages if history else None)
    config = ErnieConfig.load(settings.model.config)
    needed = requirements(config, plan.own, settings, args.devices)
    console = open_console()
    console.print(stages_table(plan, settings.plan.strategy))
    if history:
        console.print(
            f"continues {history.checkpoint}; the requirements are those of the stages to run", soft_wrap=True
        )
    console.print(requirements_table(needed, settings.train.precision, args.devices))
    print_warnings(warnings, without_effect(settings.train, settings.impl, plan, args.devices))
    print_warnings(warnings, history.warnings(settings.train, plan) if history else ())
    if needed.per_device[0] < needed.per_device[1]:
        console.print(
            f"{args.devices} devices cannot share {needed.micro_batches} micro-batches evenly; "
            "choose another train.accumulation"
        )
    if needed.tasks:
        console.print(samples_table(needed))


def stages_table(plan: StagePlan, strategy: str) -> Table:
    """Return a table of the steps of each task in each stage."""
    table = Table("task", title=f"steps of each task in each stage ({strategy})")
    for stage in range(plan.stages):
        table.add_column(f"stage {stage + 1}" + ", as run" * (stage < plan.earlier), justify="right")
    table.add_column("total", justify="right")
    for row in plan_table(plan):
        table.add_row(*row)
    return table


def requirements_table(needed: Requirements, precision: str, devices: int) -> Table:
    """Return a table of steps, tokens, parameters and memory."""
    table = Table("requirement", title=f"requirements on {devices} device{'s' * (devices > 1)}, {precision}")
    table.add_column("value", justify="right")
    fewest, most = needed.per_device
    for requirement, value in {
        "parameters": f"{needed.parameters:,}",
        "steps": f"{needed.steps:,}",
        "tokens per step, at most": f"{needed.step_tokens:,}",
        "tokens per micro-batch, at most": f"{needed.micro_batch_tokens:,}",
        "micro-batches per step": f"{needed.micro_batches:,}",
        "micro-batches per step and device": f"{most:,}" if fewest == most else f"{fewest:,} or {most:,}",
        "total tokens, at most": f"{needed.steps * needed.step_tokens:,}",
        "parameters, gradients, moments": f"{decimal(needed.state_bytes)} per device",
        "activations, about": f"{decimal(needed.activation_bytes)} per device",
    }.items():
        table.add_row(requirement, value)
    return table


def samples_table(needed: Requirements) -> Table:
    """Return a table of the samples of each task and of its corpora: available, drawn, share of them and epochs."""
    table = Table("task", "corpus", title="training samples")
    for column in ("available", "drawn, about", "share", "epochs"):
        table.add_column(column, justify="right")
    for name, task in needed.tasks.items():
        rows = {"all": task, **task.corpora} if len(task.corpora) > 1 else task.corpora
        for number, (corpus, samples) in enumerate(rows.items()):
            table.add_row(
                "" if number else name,
                corpus,
                f"{samples.samples:,}",
                f"{samples.samples_needed:,}",
                f"{samples.samples_needed / max(task.samples_needed, 1):.1%}",
                f"{samples.epochs:.1f}",
            )
    return table


COMMAND = Command(
    name="plan",
    help="print the steps of each task in each stage of a plan, and its requirements",
    example="ernie-paddle plan configs/plans/ablation_continual_multi_task.yaml --devices 8",
    configure=configure,
    run=run,
)
