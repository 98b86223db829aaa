"""`ernie-paddle plan`."""

import argparse
from functools import partial
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from ernie_paddle.arguments import add_continue_from, positive
from ernie_paddle.config import add_overrides, load_settings
from ernie_paddle.console import open_console, print_warnings
from ernie_paddle.errors import UserError
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.pretraining.checking import check_plan
from ernie_paddle.pretraining.history import History
from ernie_paddle.pretraining.plan import auxiliary_tasks_of, plan_table, stage_plan
from ernie_paddle.pretraining.requirements import Requirements, requirements
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.registry import Command, Registry
from ernie_paddle.training.ineffective import without_effect
from ernie_paddle.training.stage_plan import AuxiliaryLosses, StagePlan

NEARLY_ALL = 0.9  # share of the steps of a plan


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", type=Path, help="plan config: a YAML file with model, data, plan and train sections")
    add_overrides(parser, "plan.strategy=multi_task")
    add_continue_from(parser)
    parser.add_argument("--devices", type=positive, default=1, help="devices that share each step (default: 1)")


def run(args: argparse.Namespace, registry: Registry) -> None:
    settings = load_settings(PretrainSettings, args.plan, args.set)
    warnings = open_console(stderr=True)
    history = History.load(args.continue_from, partial(warnings.print, soft_wrap=True)) if args.continue_from else None
    check = check_plan(settings, registry, history)
    print_warnings(warnings, filter(None, [check.not_built]))
    if check.mistakes:
        raise UserError("\n".join(check.mistakes))
    plan = stage_plan(settings.plan, history.stages if history else None)
    config = ErnieConfig.load(settings.model.config)
    needed = requirements(config, plan.own, settings, args.devices)
    console = open_console()
    console.print(stages_table(plan, settings.plan.strategy))
    if losses := auxiliary_losses(settings, registry, plan):
        print_effective_steps(console, losses)
    if history:
        console.print(
            f"continues {history.checkpoint}; the requirements are those of the stages to run", soft_wrap=True
        )
    console.print(requirements_table(needed, settings.train.precision, args.devices))
    print_warnings(warnings, without_effect(settings.train, settings.impl, plan, args.devices))
    print_warnings(warnings, settings.train.without_effect(plan))
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


def auxiliary_losses(settings: PretrainSettings, registry: Registry, plan: StagePlan) -> AuxiliaryLosses | None:
    """Return the auxiliary losses of a plan, or None if they depend on samples that are not built yet."""
    tasks = {name: registry.pretraining_tasks.get(name) for name in plan.tasks}
    names = auxiliary_tasks_of(settings.plan, tasks)
    if not names:
        return AuxiliaryLosses(plan, (), {})
    manifests = {name: settings.data.manifests(name).values() for name in plan.own.introduced(plan.stages)}
    if not all(manifests.values()):
        return None
    columns = {name: {*chain.from_iterable(one.label_columns for one in of)} for name, of in manifests.items()}
    return AuxiliaryLosses(plan, tuple(tasks[name] for name in names), columns)


def print_effective_steps(console: Console, losses: AuxiliaryLosses) -> None:
    """Print the steps that train each task, its auxiliary losses included, and which tasks nearly all steps train."""
    steps, total = losses.steps(), losses.plan.own.total
    if not any(stage.auxiliary for stages in steps.values() for stage in stages):
        console.print("no auxiliary losses: each task is trained in its own steps only")
        return
    table = Table("task", title="effective steps: those of the task, and those with its auxiliary loss")
    stages_to_run = range(losses.plan.earlier, losses.plan.stages)
    for column in (*(f"stage {stage + 1}" for stage in stages_to_run), "own", "auxiliary", "effective"):
        table.add_column(column, justify="right")
    nearly_all = []
    for name, stages in steps.items():
        own, auxiliary = sum(stage.primary for stage in stages), sum(stage.auxiliary for stage in stages)
        row = [*(stage.effective for stage in stages), own, auxiliary, own + auxiliary]
        table.add_row(name, *(f"{count:,}" if count else "-" for count in row))
        if auxiliary and own + auxiliary >= NEARLY_ALL * total:
            nearly_all.append(
                f"{name}: {own + auxiliary:,} of the {total:,} steps train it, {auxiliary:,} of them by its auxiliary "
                "loss; see plan.auxiliary_tasks"
            )
    console.print(table)
    for line in nearly_all:
        console.print(line, soft_wrap=True)


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
