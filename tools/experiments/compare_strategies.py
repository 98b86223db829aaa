"""Compare strategies of pre-training at equal steps: tasks one after another, at once, or in stages that keep all."""

import argparse
import shlex
import sys
from datetime import timedelta
from pathlib import Path

from comparison_tables import write_tables
from estimates import Estimates
from experiment import Experiment, ExperimentSettings, FinetuneRun, PretrainRun, prepare_commands
from job_queue import Job, run_jobs
from rich.table import Table
from run_results import FINETUNE, PREPARE, PRETRAIN, RESULTS, write_results

from ernie_paddle.arguments import positive
from ernie_paddle.cli import Parser
from ernie_paddle.config import add_overrides, load_settings
from ernie_paddle.console import open_console, print_table
from ernie_paddle.errors import UserError
from ernie_paddle.locks import locked_folder
from ernie_paddle.outputs import output_folder
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.registry import Registry, load_plugins
from ernie_paddle.stopping import Stopped, stop_on_signals

CONFIG = Path("configs/experiments/strategies.yaml")
RECORDS = "jobs"  # folder of the records of finished jobs


def main() -> None:
    args = _arguments()
    try:
        with stop_on_signals():
            registry = load_plugins()
            experiment = Experiment(args.config.stem, _settings(args), registry)
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


def _arguments() -> argparse.Namespace:
    parser = Parser(prog="compare_strategies.sh", description=__doc__)
    parser.add_argument("--config", type=Path, default=CONFIG, help=f"config of the experiment (default: {CONFIG})")
    parser.add_argument("--languages", help="languages of the config to run, as zh,en (default: all)")
    parser.add_argument("--seeds", help="seeds of pre-training, as 1,2,3 (default: those of the config)")
    parser.add_argument("--budget", type=positive, help="steps of each run (default: that of the config)")
    parser.add_argument("--out", type=output_folder, default=Path("runs/experiments"), help="folder of the runs")
    parser.add_argument("--dry-run", action="store_true", help="only show the runs, and how long they would take")
    add_overrides(parser, "finetuning_seeds=[1]")
    return parser.parse_args()


def _settings(args: argparse.Namespace) -> ExperimentSettings:
    given = {"seeds": args.seeds and f"[{args.seeds}]", "budget": args.budget}
    overrides = [f"{key}={value}" for key, value in given.items() if value is not None]
    settings = load_settings(ExperimentSettings, args.config, [*overrides, *args.set])
    names = args.languages.split(",") if args.languages else list(settings.languages)
    if unknown := [name for name in names if name not in settings.languages]:
        raise UserError(f"--languages: '{unknown[0]}' is not in {args.config}: {', '.join(settings.languages)}")
    return settings.model_copy(update={"languages": {name: settings.languages[name] for name in names}})


# ---- jobs ----


def prepare_jobs(experiment: Experiment, out: Path) -> list[Job]:
    """Return the jobs that make vocabularies and samples."""
    names: dict[str, int] = {}
    jobs = []
    for language, command in prepare_commands(experiment.settings):
        names[language] = names.get(language, 0) + 1
        name = f"{PREPARE}/{language}/{names[language]}"
        jobs.append(Job(name, tuple(shlex.split(command)), _record(out, name)))
    return jobs


def pretrain_job(experiment: Experiment, run: PretrainRun, out: Path) -> Job:
    """Return the job of a pre-training run. It resumes if it was interrupted."""
    plan, name = experiment.settings.languages[run.language].plan, f"{PRETRAIN}/{run.name}"
    overrides = experiment.overrides(run)
    command = ("pretrain", str(plan), "--out", str(out / name), "--resume", "auto", "--set", *overrides)
    settings = load_settings(PretrainSettings, plan, overrides).model_dump(mode="json", exclude={"impl"})
    return Job(name, command, _record(out, name), settings)


def finetune_job(experiment: Experiment, run: FinetuneRun, out: Path) -> Job:
    """Return the job of the fine-tuning runs of a recipe from one model. It resumes if it was interrupted."""
    name = f"{FINETUNE}/{run.name}"
    seeds = ",".join(map(str, experiment.settings.finetuning_seeds))
    model = out / PRETRAIN / run.pretrained.name
    command = ["finetune", str(run.recipe), "--model", str(model), "--out", str(out / name), "--seeds", seeds]
    command += ["--resume", "auto", *(["--from-scratch"] if run.from_scratch else [])]
    command += ["--set", f"signature.task_id={run.task_id}"] if run.task_id is not None else []
    return Job(name, tuple(command), _record(out, name), experiment.recipes[run.recipe].identity())


def _record(out: Path, name: str) -> Path:
    return out / RECORDS / f"{name}.json"


def phases(experiment: Experiment, out: Path) -> dict[str, list[Job]]:
    """Return all jobs by phase. Jobs of a phase do not need each other, except preparations, which run one by one."""
    return {
        PREPARE: prepare_jobs(experiment, out),
        PRETRAIN: [pretrain_job(experiment, run, out) for run in experiment.pretrain_runs()],
        FINETUNE: [finetune_job(experiment, run, out) for run in experiment.finetune_runs()],
    }


def run(experiment: Experiment, out: Path) -> None:
    """Run what has not run yet, then write results, tables and plots, also of what was finished before a failure.

    Raises:
        UserError: a job failed.
        Stopped: Ctrl-C or SIGTERM; the jobs that ran have saved checkpoints.
    """
    console = open_console(stderr=True)
    try:
        for phase, jobs in phases(experiment, out).items():
            workers = 1 if phase == PREPARE else experiment.settings.workers
            run_jobs(jobs, workers, report=lambda line: console.print(line, soft_wrap=True, markup=False))
    finally:
        text = write_tables(write_results(experiment, out), out)
    print(text)
    console.print(f"{out}: {experiment.name}.md has these tables; the figures are in {RESULTS}/", soft_wrap=True)


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
    jobs, estimates = phases(experiment, out), Estimates(experiment, registry)
    for phase in jobs:
        left = sum(job.seconds is None for job in jobs[phase])
        seconds = estimates.of_phase(phase, jobs[phase])
        shown = "not known yet" if seconds is None else str(timedelta(seconds=round(seconds)))
        table.add_row(phase, f"{len(jobs[phase]):,}", f"{len(jobs[phase]) - left:,}", shown)
    print_table(console, table)


if __name__ == "__main__":
    main()
