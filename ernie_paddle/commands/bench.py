"""`ernie-paddle bench`."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.filesize import decimal
from rich.table import Table

from ernie_paddle.arguments import positive
from ernie_paddle.config import Settings, add_overrides, apply_overrides, check_settings, load_settings
from ernie_paddle.console import open_console
from ernie_paddle.errors import UserError
from ernie_paddle.files import write_json
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.outputs import output_file
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.registry import Command, Registry
from ernie_paddle.settings import ImplSettings, TrainSettings

if TYPE_CHECKING:
    from ernie_paddle.programs.profiling import OperatorTime
    from ernie_paddle.training.benchmark import Speed
    from ernie_paddle.training.trainer import StepResult, Trainer

SHOWN = 15  # operators in the table
LENGTH = 128
RANDOM_TRAIN: dict[str, Any] = {"batch_samples": 8, "learning_rate": {"peak": 1e-4}}


class RandomTokens(Settings):
    """The settings of a measurement on random tokens, without a plan."""

    train: TrainSettings
    impl: ImplSettings = ImplSettings()


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "plan", type=Path, nargs="?", help="plan config to measure on its shards (default: random tokens)"
    )
    parser.add_argument("--model", type=Path, help="without a plan: JSON file with the encoder's sizes")
    parser.add_argument("--length", type=positive, help="without a plan: tokens per sample (default: 128)")
    parser.add_argument("--steps", type=positive, default=10, help="timed steps of each task (default: 10)")
    parser.add_argument("--profile", action="store_true", help="also show the time spent in each operator")
    parser.add_argument("--out", type=output_file, help="also write all results to this JSON file")
    add_overrides(parser, "train.batch_samples=32 impl.recompute=true")


def run(args: argparse.Namespace, registry: Registry) -> None:
    from ernie_paddle.programs.peaks import peak_flops
    from ernie_paddle.training.benchmark import measure

    console = open_console(stderr=True)
    trainer = _trainer(args, registry)
    speeds = measure(trainer, args.steps, report=lambda line: console.print(line, soft_wrap=True))
    times = _profile(trainer) if args.profile else []
    screen = open_console()
    peak = peak_flops(trainer.session.backend)
    screen.print(speed_table(speeds, trainer), cost_table(speeds, peak))
    if times:
        screen.print(profile_table(times))
    if args.plan:
        seconds = sum(speed.median * speed.planned for speed in speeds)
        screen.print(f"the whole plan, without evaluation and checkpoints: {timedelta(seconds=round(seconds))}")
    if args.out:
        memory = trainer.session.memory_bytes()
        measured = [asdict(speed) | {"peak_share": peak_share(speed, peak)} for speed in speeds]
        result = {"speeds": measured, "memory_bytes": memory, "peak_flops": peak}
        write_json(args.out, {**result, "operators": [asdict(operator) for operator in times]})


def _trainer(args: argparse.Namespace, registry: Registry) -> "Trainer":
    from ernie_paddle.pretraining.run import build_trainer
    from ernie_paddle.training.benchmark import masked_lm_trainer

    if args.plan:
        if args.model or args.length:
            raise UserError("--model and --length are for random tokens; the plan has its own model and samples")
        return build_trainer(load_settings(PretrainSettings, args.plan, args.set), registry)
    if not args.model:
        raise UserError("name a plan, or give the encoder's sizes with --model configs/models/ernie_2.0_base_en.json")
    config, length = ErnieConfig.load(args.model), LENGTH if args.length is None else args.length
    if not 0 < length <= config.max_position_embeddings:
        raise UserError(f"--length {length}: the model has {config.max_position_embeddings} positions")
    tree = apply_overrides({"train": RANDOM_TRAIN}, args.set)
    if "batch_tokens" in tree["train"]:
        tree["train"].pop("batch_samples")
    settings = check_settings(RandomTokens, tree, "--set")
    train, impl = settings.train, settings.impl
    samples = (train.batch_samples or max(1, (train.batch_tokens or 0) // length)) * train.accumulation
    return masked_lm_trainer(config, registry, samples, length, train, impl)


def _profile(trainer: "Trainer") -> "list[OperatorTime]":
    from ernie_paddle.programs.profiling import operator_times
    from ernie_paddle.training.stage_plan import planned_steps

    first = next(planned_steps(trainer.plan))
    return operator_times(lambda: consume(trainer.run(iter([first]))))


def consume(steps: "Iterator[StepResult]") -> None:
    """Run all steps."""
    for _ in steps:
        pass


def speed_table(speeds: "Sequence[Speed]", trainer: "Trainer") -> Table:
    """Return a table with the time and throughput of each combination of tasks."""
    memory = decimal(trainer.session.memory_bytes())
    table = Table("tasks", title=f"{trainer.train.precision}, {memory} of memory in use")
    for column in ("ms/step", "update program", "waiting for data", "tokens/s", "attention padding"):
        table.add_column(column, justify="right")
    for speed in speeds:
        seconds = sum(speed.seconds)
        # On a GPU, the update program's time includes all work queued before it.
        updating = f"{speed.update_seconds / seconds:.1%}" if trainer.session.on_cpu else "-"
        table.add_row(
            "+".join(speed.combination),
            f"{speed.median * 1e3:,.0f}",
            updating,
            f"{speed.waiting / seconds:.1%}",
            f"{speed.tokens_per_second:,.0f}",
            f"{1 - speed.tokens / speed.padded_tokens:.1%}",
        )
    return table


def cost_table(speeds: "Sequence[Speed]", peak: float | None) -> Table:
    """Return a table with the arithmetic, operators and communication of a step; `peak` is that of the device."""
    known = "the device's peak is not known" if peak is None else f"peak {peak / 1e12:,.2f} TFLOPS a device"
    table = Table("tasks", title=f"one step; {known}")
    for column in ("TFLOPS", "of the peak", "operators, task + update", "launches", "gradients summed"):
        table.add_column(column, justify="right")
    for speed in speeds:
        share = peak_share(speed, peak)
        table.add_row(
            "+".join(speed.combination),
            f"{speed.flops_per_second / 1e12:,.3g}",
            "-" if share is None else f"{share:.1%}",
            f"{speed.cost.task.operators:,} + {speed.cost.update.operators:,}",
            f"{speed.launches:,}",
            decimal(speed.cost.summed_bytes),
        )
    return table


def peak_share(speed: "Speed", peak: float | None) -> float | None:
    """Return the model FLOP utilisation, None if the device's peak is not known."""
    return None if peak is None else speed.flops_per_second / peak


def profile_table(times: "Sequence[OperatorTime]") -> Table:
    """Return a table of the operators that take longest."""
    from ernie_paddle.programs.profiling import OperatorTime

    total = sum(operator.seconds for operator in times)
    table = Table("operator", title=f"one step, {total * 1e3:,.0f} ms in operators")
    for column in ("calls", "ms", "share"):
        table.add_column(column, justify="right")
    rest = times[SHOWN:]
    calls, seconds = sum(operator.calls for operator in rest), sum(operator.seconds for operator in rest)
    for operator in [*times[:SHOWN], OperatorTime(f"{len(rest)} others", calls, seconds)]:
        milliseconds, share = f"{operator.seconds * 1e3:,.1f}", f"{operator.seconds / total:.1%}"
        table.add_row(operator.name, str(operator.calls), milliseconds, share)
    return table


COMMAND = Command(
    name="bench",
    help="measure how fast a plan trains on this machine, and where the time is spent",
    example="ernie-paddle bench configs/plans/quickstart.yaml --profile\n"
    "  ernie-paddle bench --model configs/models/ernie_2.0_base_en.json --set train.precision=bf16",
    configure=configure,
    run=run,
)
