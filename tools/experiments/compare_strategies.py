"""Compare strategies of pre-training at equal steps: tasks one after another, at once, or in stages that keep all."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from comparison_plots import write_plots
from comparison_report import write_report
from comparison_tables import write_tables
from estimates import Estimates
from experiment import (
    FROM_SCRATCH,
    INITIAL,
    Experiment,
    ExperimentSettings,
    FinetuneRun,
    PretrainRun,
    prepare_commands,
)
from job_queue import Job, run_jobs
from rich.table import Table
from run_results import FINETUNE, PREPARE, PRETRAIN, RESULTS, write_results

from ernie_paddle.arguments import positive
from ernie_paddle.cli import Parser
from ernie_paddle.config import add_overrides, load_settings
from ernie_paddle.console import open_console, print_table
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json, read_text
from ernie_paddle.locks import locked_folder
from ernie_paddle.outputs import output_folder
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.registry import Registry, load_plugins
from ernie_paddle.stopping import Stopped, stop_on_signals

CONFIG = Path("configs/experiments/strategies.yaml")
RECORDS = "jobs"  # folder of the records of finished jobs


def main() -> None:
    args = parse_arguments()
    try:
        with stop_on_signals():
            registry = load_plugins()
            experiment = Experiment(args.config.stem, chosen_settings(args), registry)
            if args.dry_run:
                dry_run(experiment, args.out, registry)
            else:
                with locked_folder(args.out):
                    run(experiment, args.out)
    except (UserError, Stopped) as error:
        reason = f"stopped by {error.name}; run the same command again" if isinstance(error, Stopped) else str(error)
        for line in reason.splitlines():
            print(f"compare_strategies.sh: {line}", file=sys.stderr)
        sys.exit(error.exit_code)


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the words of a command, or those of the command line."""
    parser = Parser(prog="compare_strategies.sh", description=__doc__)
    parser.add_argument("--config", type=Path, default=CONFIG, help=f"config of the experiment (default: {CONFIG})")
    parser.add_argument("--languages", help="languages of the config to run, as zh,en (default: all)")
    parser.add_argument("--seeds", help="seeds of pre-training, as 1,2,3 (default: those of the config)")
    parser.add_argument("--budget", type=positive, help="steps of each run (default: that of the config)")
    parser.add_argument("--out", type=output_folder, default=Path("runs/experiments"), help="folder of the runs")
    parser.add_argument("--dry-run", action="store_true", help="only show the runs, and how long they would take")
    add_overrides(parser, "finetuning_seeds=[1]")
    return parser.parse_args(words)


def chosen_settings(args: argparse.Namespace) -> ExperimentSettings:
    """Read the config that the arguments name, with their other values.

    Raises:
        UserError: it is missing or has mistakes, or a language is not in it.
    """
    given = {"seeds": args.seeds and f"[{args.seeds}]", "budget": args.budget}
    overrides = [f"{key}={value}" for key, value in given.items() if value is not None]
    settings = load_settings(ExperimentSettings, args.config, [*overrides, *args.set])
    names = args.languages.split(",") if args.languages else list(settings.languages)
    if unknown := [name for name in names if name not in settings.languages]:
        raise UserError(f"--languages: '{unknown[0]}' is not in {args.config}: {', '.join(settings.languages)}")
    return settings.model_copy(update={"languages": {name: settings.languages[name] for name in names}})


# ---- jobs ----


def prepare_jobs(experiment: Experiment, out: Path) -> list[Job]:
    """Return the jobs that make vocabularies and samples, each after those before it.

    A command that another experiment in `out` has run is not repeated.
    """
    records = (out / RECORDS / PREPARE).rglob("*.json")
    run_before = {tuple(read_json(record, "record of a job")["command"]): record for record in sorted(records)}
    jobs: list[Job] = []
    for text, own_name in prepare_commands(experiment.settings).items():
        name, words = f"{PREPARE}/{own_name}", tuple(shlex.split(text))
        module, command = ("pip", words[1:]) if words[0] == "pip" else ("ernie_paddle", words)
        record = run_before.get(command, _record(out, name))
        jobs.append(Job(name, command, record, needs=tuple(job.name for job in jobs), module=module))
    return jobs


def pretrain_job(experiment: Experiment, run: PretrainRun, out: Path) -> Job:
    """Return the job of a pre-training run. It resumes if it was interrupted.

    Its settings are those that are not at their defaults, so that a key of a later version changes nothing.
    """
    language, name = experiment.settings.languages[run.language], f"{PRETRAIN}/{run.name}"
    overrides = experiment.overrides(run)
    command = ["pretrain", str(language.plan), "--out", str(out / name), "--resume", "auto"]
    command += ["--init", str(language.init)] if language.init else []
    command += ["--set", *overrides]
    plan = load_settings(PretrainSettings, language.plan, overrides)
    settings = plan.model_dump(mode="json", exclude={"impl"}, exclude_defaults=True)
    steps = experiment.steps(run.language, run.variant)
    return Job(name, tuple(command), _record(out, name), settings, size=steps)


def finetune_job(experiment: Experiment, run: FinetuneRun, out: Path) -> Job:
    """Return the job of the fine-tuning runs of a recipe from one model. It resumes if it was interrupted.

    From scratch, the sizes and the vocabulary are those of a pre-trained model.
    """
    name, pretrained = f"{FINETUNE}/{run.name}", f"{PRETRAIN}/{run.pretrained.name}"
    seeds = ",".join(map(str, experiment.settings.finetuning_seeds))
    initial = experiment.settings.languages[run.pretrained.language].init if run.start == INITIAL else None
    command = ["finetune", str(run.recipe), "--model", str(initial or out / pretrained), "--out", str(out / name)]
    command += ["--seeds", seeds, "--resume", "auto", *(["--from-scratch"] if run.start == FROM_SCRATCH else [])]
    command += ["--set", "impl.keep_checkpoints=1"]  # beside the best: there are many runs
    command += [f"signature.task_id={run.task_id}"] if run.task_id is not None else []
    needs = () if initial else (pretrained,)
    settings = experiment.recipes[run.recipe].identity(exclude_defaults=True)
    return Job(name, tuple(command), _record(out, name), settings, needs)


def _record(out: Path, name: str) -> Path:
    return out / RECORDS / f"{name}.json"


def all_jobs(experiment: Experiment, out: Path) -> list[Job]:
    """Return the jobs in the order in which they should run: fine-tuning follows the pre-training of its model.

    All other jobs need every preparation.
    """
    prepare = prepare_jobs(experiment, out)
    prepared = tuple(job.name for job in prepare)
    tuned: dict[PretrainRun, list[FinetuneRun]] = {run: [] for run in experiment.pretrain_runs()}
    for run in experiment.finetune_runs():
        tuned[run.pretrained].append(run)
    jobs = [
        job
        for pretrained, own in tuned.items()
        for job in (pretrain_job(experiment, pretrained, out), *(finetune_job(experiment, run, out) for run in own))
    ]
    return [*prepare, *(replace(job, needs=(*prepared, *job.needs)) for job in jobs)]


def run(experiment: Experiment, out: Path) -> None:
    """Run what has not run yet, and write results and tables after each job.

    Report and plots are written at the end or after a failure.

    Raises:
        UserError: a job failed.
        Stopped: Ctrl-C or SIGTERM; the jobs that ran have saved checkpoints.
    """
    console = open_console(stderr=True)
    try:
        run_jobs(
            all_jobs(experiment, out),
            experiment.settings.workers,
            report=lambda line: console.print(line, soft_wrap=True, markup=False),
            after_each=lambda: write_tables(write_results(experiment, out), out),
        )
    finally:
        results = write_results(experiment, out)
        write_tables(results, out)
        write_report(results, out)
        write_plots(results)
    print(read_text(out / f"{experiment.name}.md", "tables"), end="")
    console.print(
        f"{out}: {experiment.name}.html and {experiment.name}.md have these tables; {RESULTS}/ has figures and plots",
        soft_wrap=True,
    )


# ---- before anything runs ----


def dry_run(experiment: Experiment, out: Path, registry: Registry) -> None:
    """Print every run, and for each phase an estimate of the time that its jobs will take."""
    console = open_console()
    runs = Table("pre-training run", "strategy", "steps of each task", title=f"runs of {out}")
    for pretrain_run in experiment.pretrain_runs():
        quotas = ", ".join(f"{task} {steps:,}" for task, steps in experiment.quotas(pretrain_run).items())
        runs.add_row(pretrain_run.name, pretrain_run.variant.strategy, quotas)
    print_table(console, runs)
    table = Table("phase", title=f"{experiment.settings.workers} workers")
    for column in ("jobs", "finished", "time left"):
        table.add_column(column, justify="right")
    jobs, estimates = all_jobs(experiment, out), Estimates(experiment, registry)
    for phase in (PREPARE, PRETRAIN, FINETUNE):
        own = [job for job in jobs if job.phase == phase]
        seconds = estimates.of_phase(own)
        shown = "not known yet" if seconds is None else str(timedelta(seconds=round(seconds)))
        table.add_row(phase, f"{len(own):,}", f"{sum(job.seconds is not None for job in own):,}", shown)
    print_table(console, table)


if __name__ == "__main__":
    main()
