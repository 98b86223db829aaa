"""The log of a run: JSON lines, TensorBoard events and a progress bar."""

import os
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tensorboardX import SummaryWriter

from ernie_paddle.console import open_console
from ernie_paddle.files import as_json, os_errors_naming
from ernie_paddle.programs.session import Session
from ernie_paddle.training.evaluation import Score, backward_transfer, forgetting, score_table, task_of
from ernie_paddle.training.log_file import LOG_FILE, TENSORBOARD, drop_records_after, read_log
from ernie_paddle.training.trainer import StepResult, Trainer

RUN_SCALARS = (  # of each record, shown in TensorBoard beside losses and accuracies
    "learning_rate",
    "gradient_norm",
    "loss_scale",
    "skipped_steps",
    "tokens_per_second",
    "padding_share",
    "waiting_share",
    "memory_bytes",
)


class Interval:
    """The steps since the last record."""

    def __init__(self) -> None:
        self.steps: list[StepResult] = []
        self.began = time.perf_counter()

    def record(self, session: Session) -> dict[str, Any]:
        """Return the interval as a `train` record: steps and samples by primary task, losses by task, throughput."""
        sums = session.take_metrics()
        last, seconds = self.steps[-1], time.perf_counter() - self.began
        steps, auxiliary_steps, samples, labels = (Counter[str]() for _ in range(4))
        for step in self.steps:
            primary, *auxiliary = names = [task.name for task in step.tasks]
            steps[primary] += 1
            auxiliary_steps.update(auxiliary)
            samples[primary] += step.samples
            labels.update(dict(zip(names, step.label_counts.tolist(), strict=True)))
        tokens = sum(step.tokens for step in self.steps)
        return {
            "event": "train",
            "step": last.planned.number,
            "stage": last.planned.stage + 1,
            "steps": dict(steps),
            "auxiliary_steps": dict(auxiliary_steps),
            "samples": dict(samples),
            "tasks": {
                name: {
                    "loss": sums[name][0] / max(count, 1),
                    "accuracy": sums[name][1] / max(count, 1),
                    "labels": count,
                }
                for name, count in labels.items()
            },
            "learning_rate": last.learning_rate,
            "gradient_norm": session.gradient_norm(),
            "loss_scale": last.loss_scale.value,
            "skipped_steps": last.loss_scale.skipped_steps,
            "tokens": tokens,
            "padding_share": 1 - tokens / sum(step.padded_tokens for step in self.steps),
            "tokens_per_second": tokens / seconds,
            "waiting_share": sum(step.waited for step in self.steps) / seconds,
            "memory_bytes": session.memory_bytes(),
            "seconds": seconds,
        }


class RunLog:
    """The writer of `log.jsonl` and `tensorboard/` in the run's folder; it also shows the progress bar.

    In a resumed run, it drops the records after the trainer's last step, which will be written again. All ranks must
    log, because values are summed over the ranks. Only rank 0 writes and shows anything.
    """

    def __init__(self, folder: Path, trainer: Trainer):
        self.trainer = trainer
        done = trainer.progress.step
        is_main_process = trainer.ranks.is_main_process
        self.console = open_console(stderr=True, quiet=not is_main_process)
        if is_main_process:
            drop_records_after(folder / LOG_FILE, done or -1)  # a run that had no checkpoint begins again
        path = folder / LOG_FILE if is_main_process else Path(os.devnull)
        records = read_log(path) if path.exists() else []
        self._evaluations = [record for record in records if record["event"] == "evaluation"]
        self._file: IO[str] = open(path, "a", encoding="utf-8")  # noqa: SIM115 - closed by __exit__
        self._tensorboard = SummaryWriter(str(folder / TENSORBOARD), purge_step=done + 1, write_to_disk=is_main_process)
        self._interval = Interval()
        self._programs: set[tuple[str, ...]] = set()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("left"))
        self._bar = Progress(
            *columns, TimeRemainingColumn(), console=self.console, disable=not self.console.is_terminal
        )
        self._bar_task = self._bar.add_task("starting", total=trainer.plan.total, completed=done)

    def __enter__(self) -> "RunLog":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._bar.stop()
        self._tensorboard.close()
        with os_errors_naming(self._file.name):
            self._file.close()

    def step(self, step: StepResult) -> None:
        """Add a step. Write a record every `logging_steps` steps and at the end of a stage."""
        if self._interval.steps and self._interval.steps[-1].planned.stage != step.planned.stage:
            self.flush()
        self._interval.steps.append(step)
        names = tuple(task.name for task in step.tasks)
        if names not in self._programs:
            self._programs.add(names)
            self._program(step, names)
        if step.planned.number % self.trainer.impl.logging_steps == 0:
            self.flush()
        self._bar.update(self._bar_task, completed=step.planned.number)

    def _program(self, step: StepResult, names: tuple[str, ...]) -> None:
        """Write a `program` record for a combination of tasks, after its program ran for the first time."""
        products, low = self.trainer.session.products(step.tasks)
        record = {"event": "program", "step": step.planned.number, "combination": names, "matrix_products": products}
        self._write({**record, "in_low_precision": low})
        if self.trainer.train.precision != "fp32":
            self.console.print(
                f"{'+'.join(names)}: {low} of {products} matrix products in {self.trainer.train.precision}",
                soft_wrap=True,
            )

    def flush(self) -> None:
        """Write the record of the current interval and begin the next one."""
        if not self._interval.steps:
            return
        record = self._interval.record(self.trainer.session)
        self._interval = Interval()
        self._write(record)
        for name, scores in record["tasks"].items():
            for key in ("loss", "accuracy"):
                self._tensorboard.add_scalar(f"train_{key}/{name}", scores[key], record["step"])
        for key in RUN_SCALARS:
            self._tensorboard.add_scalar(f"run/{key}", record[key], record["step"])
        losses = "  ".join(f"{name} {scores['loss']:.3f}" for name, scores in record["tasks"].items())
        stage = f"stage {record['stage']}/{self.trainer.plan.stages}"
        speed = f"{record['tokens_per_second']:,.0f} tokens/s"
        self._bar.update(self._bar_task, description=f"{stage}  {losses}  {speed}")
        if not self.console.is_terminal:
            total = self.trainer.plan.total
            left = record["seconds"] / sum(record["steps"].values()) * (total - record["step"])
            line = f"step {record['step']}/{total}  {stage}  {losses}  {speed}  {timedelta(seconds=round(left))} left"
            self.console.print(line, soft_wrap=True)

    def evaluation(self, step: int, stage: int, scores: dict[str, Score]) -> None:
        """Write and show held-out scores, what was forgotten, and the best step if the run compares them."""
        uniform, best = self.trainer.uniform_losses(), self.trainer.progress.best
        tasks = {name: {**vars(score), "uniform_loss": uniform[task_of(name)]} for name, score in scores.items()}
        record = {"event": "evaluation", "step": step, "stage": stage + 1, "tasks": tasks}
        self._evaluations.append(record)
        lost, transfer = forgetting(self._evaluations), backward_transfer(self._evaluations)
        of_best = {"step": best.step, "value": best.value} if best else None
        self._write({**record, "forgetting": lost, "backward_transfer": transfer, "best": of_best})
        for name, score in scores.items():
            for key in lost[name]:
                self._tensorboard.add_scalar(f"validation_{key}/{name}", vars(score)[key], step)
                self._tensorboard.add_scalar(f"forgetting_{key}/{name}", lost[name][key], step)
        for key, change in (transfer or {}).items():
            self._tensorboard.add_scalar(f"backward_transfer/{key}", change, step)
        title = f"held-out scores after step {step:,} (stage {stage + 1} of {self.trainer.plan.stages})"
        self.console.print(score_table(title, self._evaluations))
        if best:
            self.console.print(f"best step so far: {best.step:,}, with {best.value:.4f}", soft_wrap=True)

    def stop(self, step: int, stage: int, reason: str) -> None:
        """Write and show why the run stops."""
        self._write({"event": "stop", "step": step, "stage": stage + 1, "reason": reason})
        self.console.print(f"stopped after step {step:,} by {reason}", soft_wrap=True)

    def scores(self, step: int, stage: int, sets: dict[str, dict[str, Any]]) -> None:
        """Write the scores of fine-tuning's dev sets, and show each set on one line."""
        self._write({"event": "scores", "step": step, "stage": stage + 1, "sets": sets})
        for name, scores in sets.items():
            for value_name, value in {"loss": scores["loss"], **scores["values"]}.items():
                self._tensorboard.add_scalar(f"{value_name}/{name}", value, step)
            shown = "  ".join(f"{value_name} {value:.2%}" for value_name, value in scores["values"].items())
            note = f"  ({scores['degenerate']})" if scores["degenerate"] else ""
            self.console.print(f"{name} after step {step:,}: loss {scores['loss']:.4f}  {shown}{note}", soft_wrap=True)

    def restart_clock(self) -> None:
        """Exclude the time spent on evaluation or saving from the next record."""
        self._interval.began = time.perf_counter()

    def _write(self, record: dict[str, Any]) -> None:
        with os_errors_naming(self._file.name):
            self._file.write(as_json(record) + "\n")
            self._file.flush()
