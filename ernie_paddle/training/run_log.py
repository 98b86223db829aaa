"""What a run says of itself: JSON lines, TensorBoard events and a progress bar."""

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
from ernie_paddle.files import as_json, errors_name
from ernie_paddle.programs.session import Session
from ernie_paddle.training.evaluation import Score, best_scores, score_table
from ernie_paddle.training.log_file import LOG_FILE, drop_records_after, read_log
from ernie_paddle.training.trainer import StepResult, Trainer

OF_THE_RUN = (  # what TensorBoard shows of each record beside losses and accuracies
    "learning_rate",
    "gradient_norm",
    "loss_scale",
    "left_out",
    "tokens_per_second",
    "padding_share",
    "waiting_share",
    "memory_bytes",
)


class Interval:
    """Updates since the last record, summed up."""

    def __init__(self) -> None:
        self.steps: list[StepResult] = []
        self.began = time.perf_counter()

    def record(self, session: Session) -> dict[str, Any]:
        """The interval as a `train` record: updates by primary task, losses by task, throughput."""
        sums = session.take_metrics()
        last, seconds = self.steps[-1], time.perf_counter() - self.began
        spent, labels = Counter[str](), Counter[str]()
        for step in self.steps:
            spent[step.planned.task] += 1
            labels.update(dict(zip((task.name for task in step.tasks), step.label_counts.tolist(), strict=True)))
        tokens = sum(step.tokens for step in self.steps)
        return {
            "event": "train",
            "update": last.planned.number,
            "stage": last.planned.stage + 1,
            "updates": dict(spent),
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
            "left_out": last.loss_scale.left_out,
            "samples": sum(step.samples for step in self.steps),
            "tokens": tokens,
            "padding_share": 1 - tokens / sum(step.cells for step in self.steps),
            "tokens_per_second": tokens / seconds,
            "waiting_share": sum(step.waited for step in self.steps) / seconds,
            "memory_bytes": session.memory_bytes(),
            "seconds": seconds,
        }


class RunLog:
    """Writes `log.jsonl` and `tensorboard/` in the run's folder and shows the progress bar.

    Opened for a resumed run, records after the trainer's last update are dropped: they will be written again. All
    ranks of a job must log, for figures are summed over them; only the first writes and shows anything.
    """

    def __init__(self, folder: Path, trainer: Trainer):
        self.trainer = trainer
        from_update = trainer.progress.update
        leads = trainer.ranks.leads
        self.console = open_console(stderr=True, quiet=not leads)
        if leads:
            drop_records_after(folder / LOG_FILE, from_update)
        path = folder / LOG_FILE if leads else Path(os.devnull)
        records = read_log(path) if path.exists() else []
        self._evaluations = [record for record in records if record["event"] == "evaluation"]
        self._file: IO[str] = open(path, "a", encoding="utf-8")  # noqa: SIM115 - closed by __exit__
        self._tensorboard = SummaryWriter(str(folder / "tensorboard"), purge_step=from_update + 1, write_to_disk=leads)
        self._interval = Interval()
        self._programs: set[tuple[str, ...]] = set()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("left"))
        self._bar = Progress(
            *columns, TimeRemainingColumn(), console=self.console, disable=not self.console.is_terminal
        )
        self._bar_task = self._bar.add_task("starting", total=trainer.plan.total, completed=from_update)

    def __enter__(self) -> "RunLog":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._bar.stop()
        self._tensorboard.close()
        with errors_name(self._file.name):
            self._file.close()

    def step(self, step: StepResult) -> None:
        """Count an update; write a record every `log_every` of them and at a change of stage."""
        if self._interval.steps and self._interval.steps[-1].planned.stage != step.planned.stage:
            self.flush()
        self._interval.steps.append(step)
        names = tuple(task.name for task in step.tasks)
        if names not in self._programs:
            self._programs.add(names)
            self._program(step, names)
        if step.planned.number % self.trainer.impl.log_every == 0:
            self.flush()
        self._bar.update(self._bar_task, completed=step.planned.number)

    def _program(self, step: StepResult, names: tuple[str, ...]) -> None:
        """Write what the program of a combination of tasks is like, when it has run for the first time."""
        products, low = self.trainer.session.products(step.tasks)
        record = {"event": "program", "update": step.planned.number, "combination": names, "matrix_products": products}
        self._write({**record, "in_low_precision": low})
        if self.trainer.train.precision != "fp32":
            self.console.print(
                f"{'+'.join(names)}: {low} of {products} matrix products in {self.trainer.train.precision}",
                soft_wrap=True,
            )

    def flush(self) -> None:
        """Write the record of the interval so far."""
        if not self._interval.steps:
            return
        record = self._interval.record(self.trainer.session)
        self._interval = Interval()
        self._write(record)
        for name, scores in record["tasks"].items():
            for what in ("loss", "accuracy"):
                self._tensorboard.add_scalar(f"train_{what}/{name}", scores[what], record["update"])
        for what in OF_THE_RUN:
            self._tensorboard.add_scalar(f"run/{what}", record[what], record["update"])
        losses = "  ".join(f"{name} {scores['loss']:.3f}" for name, scores in record["tasks"].items())
        stage = f"stage {record['stage']}/{self.trainer.plan.stages}"
        speed = f"{record['tokens_per_second']:,.0f} tokens/s"
        self._bar.update(self._bar_task, description=f"{stage}  {losses}  {speed}")
        if not self.console.is_terminal:
            total = self.trainer.plan.total
            left = record["seconds"] / sum(record["updates"].values()) * (total - record["update"])
            line = (
                f"update {record['update']}/{total}  {stage}  {losses}  {speed}  {timedelta(seconds=round(left))} left"
            )
            self.console.print(line, soft_wrap=True)

    def evaluation(self, update: int, stage: int, scores: dict[str, Score]) -> None:
        """Write held-out scores and show them."""
        chance = self.trainer.chance_losses()
        tasks = {name: {**vars(score), "chance_loss": chance[name]} for name, score in scores.items()}
        record = {"event": "evaluation", "update": update, "stage": stage + 1, "tasks": tasks}
        self._write(record)
        for name, score in scores.items():
            self._tensorboard.add_scalar(f"validation_loss/{name}", score.loss, update)
            self._tensorboard.add_scalar(f"validation_accuracy/{name}", score.accuracy, update)
        title = f"held-out scores after stage {stage + 1} of {self.trainer.plan.stages}"
        self.console.print(score_table(title, tasks, best_scores(self._evaluations)))
        self._evaluations.append(record)

    def figures(self, update: int, stage: int, sets: dict[str, dict[str, Any]]) -> None:
        """Write the scores of fine-tuning's dev sets and show them in a line each."""
        self._write({"event": "scores", "update": update, "stage": stage + 1, "sets": sets})
        for name, scores in sets.items():
            for figure, value in {"loss": scores["loss"], **scores["figures"]}.items():
                self._tensorboard.add_scalar(f"{figure}/{name}", value, update)
            shown = "  ".join(f"{figure} {value:.2%}" for figure, value in scores["figures"].items())
            note = f"  ({scores['degenerate']})" if scores["degenerate"] else ""
            self.console.print(
                f"{name} after update {update:,}: loss {scores['loss']:.4f}  {shown}{note}", soft_wrap=True
            )

    def restart_clock(self) -> None:
        """Leave out of the next record the time that evaluating or saving took."""
        self._interval.began = time.perf_counter()

    def _write(self, record: dict[str, Any]) -> None:
        with errors_name(self._file.name):
            self._file.write(as_json(record) + "\n")
            self._file.flush()
