"""A fine-tuning run: a model and a recipe in, the best model on the dev data and its answers out."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from ernie_paddle.console import open_console, print_warnings
from ernie_paddle.data.order import BatchOrder
from ernie_paddle.data.shards import SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.files import folder_written_whole, read_json, sha256_of, write_json
from ernie_paddle.inference.answer_files import write_answers
from ernie_paddle.kind import Answer, Encoded, ExampleSet, FinetuningKind, KeptSignature
from ernie_paddle.metric import Scores
from ernie_paddle.ranks import Ranks
from ernie_paddle.registry import Registry
from ernie_paddle.settings import TrainSettings
from ernie_paddle.task import Task
from ernie_paddle.training import checkpoint
from ernie_paddle.training.checkpoint import BEST
from ernie_paddle.training.initial import finetuning_initial
from ernie_paddle.training.log_file import write_result
from ernie_paddle.training.plan import PlannedUpdate, StagePlan
from ernie_paddle.training.run import run_folder, run_stages, start
from ernie_paddle.training.run_log import RunLog
from ernie_paddle.training.run_settings import FinetuneSettings, Resume
from ernie_paddle.training.trainer import Trainer
from ernie_paddle.training.updates import TaskData

SCORES_FILE, ANSWERS = "scores.json", "predictions"
SUBMISSION = "submission"  # answers to test sets under the names that `ernie-paddle submission` takes
DEV, TEST = "dev", "test"


@dataclass(frozen=True)
class Held:
    """A set of examples to score or to answer."""

    examples: ExampleSet
    encoded: Encoded
    labelled: bool


class Finetuning:
    """One run of a recipe on a model: `model` gives sizes, vocabulary and, unless `from_scratch`, parameters.

    Its head is taken too if it was trained for the same kind and labels; `keep_head` insists on it.
    """

    def __init__(
        self,
        settings: FinetuneSettings,
        model: Path,
        out: Path,
        registry: Registry,
        from_scratch: bool = False,
        keep_head: bool = False,
    ):
        if settings.train is None:
            raise UserError("the recipe has no train section: it is for prediction, with a model of another recipe")
        self.settings, self.model, self.out = settings, checkpoint.resolve(model), out
        self.ranks = Ranks.of_this_process()
        self.console = open_console(quiet=not self.ranks.leads)
        self.kind: FinetuningKind = registry.finetuning_tasks.get(settings.signature.task, "signature.task")
        self.kind.check_data(settings.data, "data")
        self.kind.check_signature(settings.signature)
        self.metric = registry.metrics.get(settings.metric, "metric")
        self.kind.check_metric(self.metric, settings.metric_options, settings.signature)
        given = checkpoint.load_model(self.model)
        self.vocabulary, config, signature = given.vocabulary, given.config, settings.signature
        self.initial = None if from_scratch else finetuning_initial(self.model, given.signature, signature, keep_head)
        if signature.max_length > config.max_position_embeddings:
            positions = config.max_position_embeddings
            raise UserError(f"signature.max_length {signature.max_length}: the model has {positions} positions")
        config.check_task_id(signature.task_id, "signature.task_id")
        self.config = config if settings.dropout is None else config.with_dropout(settings.dropout)
        training = self._read("train")
        if not training:
            raise UserError("data.train: names no file to train on")
        if not all(self.kind.is_labelled(one) for one in training[0].examples):
            raise UserError("data.labelled: 'train' is not there; training needs labels")
        self.held = {one.name: self._held(one) for split in (DEV, TEST) for one in self._read(split)}
        self.chooser = next((name for name in self.held if name.startswith(DEV)), "")
        if not self.chooser or not self.held[self.chooser].labelled:
            raise UserError("data.dev: names no labelled file; the best model is chosen on it")
        for held in self.held.values():
            if held.labelled:
                self.kind.check_gold(self.metric, held.examples)
        self.samples = self.kind.encode(training[0].examples, self.vocabulary, signature).samples
        self.trainer = self._trainer(settings.train)

    def run(self, resume: Resume) -> dict[str, Any]:
        """Train, keep the best model, answer dev and test data with it; the result, as in `result.json`."""
        with run_folder(self.out, self.ranks):
            return self._run(resume)

    def _run(self, resume: Resume) -> dict[str, Any]:
        identity = self._identity()
        plan, every = self.trainer.plan, self.settings.evaluate_every
        ends = [plan.end_of(epoch) for epoch in range(plan.stages)]
        warnings = [*every.without_effect(ends), *self._unwritten()]
        print_warnings(open_console(stderr=True, quiet=not self.ranks.leads), warnings)
        start(self.trainer, self.out, identity, resume, self.initial)
        if self.trainer.progress.update == 0 and self.ranks.leads:
            shutil.rmtree(self.out / BEST, ignore_errors=True)  # of a run that was not gone on with
        elif self.trainer.progress.update and (self.out / BEST).exists():
            checkpoint.check_model(self.out / BEST)
        run_stages(self.trainer, self.out, identity, self._keep_best, every.points(ends))
        return self._conclude(identity)

    def _unwritten(self) -> list[str]:
        """Return a warning for each file of `submission` that no set will fill with answers."""
        return [
            f"submission.{name}: '{file}' will not be written, there is no such set; there are: {', '.join(self.held)}"
            for name, file in self.settings.submission.items()
            if name not in self.held
        ]

    def _identity(self) -> dict[str, Any]:
        """What decides the result: a resumed run must have the same."""
        sets = {name: held.encoded.samples for name, held in self.held.items()} | {"train": self.samples}
        return {
            "settings": self.settings.identity(),
            "samples": {name: samples.digest() for name, samples in sets.items()},
            "model": sha256_of(self.model / checkpoint.MODEL_FILE),
            "from_scratch": self.initial is None,
            "head": self.initial.heads if self.initial else "new",
        }

    def _read(self, split: str) -> list[ExampleSet]:
        sets = self.kind.read(self.settings.data, split, self.settings.signature)
        for one in sets:
            self.console.print(f"{one.name}: {len(one.examples):,} examples", *one.notes, sep="; ", soft_wrap=True)
        return sets

    def _held(self, examples: ExampleSet) -> Held:
        encoded = self.kind.encode(examples.examples, self.vocabulary, self.settings.signature)
        return Held(examples, encoded, all(self.kind.is_labelled(one) for one in examples.examples))

    def _trainer(self, train: TrainSettings) -> Trainer:
        signature = self.settings.signature
        task = Task(self.kind.name, signature.task_id, self.kind.objective(signature))
        table = SampleTable([self.samples])
        return Trainer(
            self.config,
            self.vocabulary,
            {task.name: task},
            {task.name: TaskData(table, SampleTable([self.held[self.chooser].encoded.samples]), frozenset())},
            self._plan(task.name, table, train),
            train,
            self.settings.impl,
            ranks=self.ranks,
        )

    def _plan(self, name: str, table: SampleTable, train: TrainSettings) -> StagePlan:
        """A stage an epoch, which has as many updates as whole groups of micro-batches."""
        order = BatchOrder(table.lengths, train.batch_size, train.seed, name, train.group_by_length)
        epochs = range(self.settings.epochs)
        return StagePlan((name,), tuple((max(1, order.batches_in(epoch) // train.accumulation),) for epoch in epochs))

    def _keep_best(self, last: PlannedUpdate, log: RunLog) -> None:
        update, scores = last.number, {}
        for name, held in self.held.items():
            if name.startswith(DEV) and held.labelled:
                answers, loss = self._answers(held)
                scores[name] = {"loss": loss, **self._scores(held, answers).as_record()}
        log.figures(update, last.stage, scores)
        chosen = scores[self.chooser]
        rank = chosen["figures"][chosen["ranks_by"]]
        best = self.out / BEST
        if self.ranks.leads and (
            not (best / SCORES_FILE).exists() or rank > read_json(best / SCORES_FILE, "scores")["rank"]
        ):
            epoch = self.settings.epochs * update / self.trainer.plan.total
            self._save_best(best, {"rank": rank, "update": update, "epoch": round(epoch, 2), "sets": scores})

    def _answers(self, held: Held) -> tuple[list[Answer], float]:
        scores, loss = self.trainer.scores(self.kind.name, SampleTable([held.encoded.samples]))
        return self.kind.answers(held.examples.examples, held.encoded, scores, self.settings.signature), loss

    def _scores(self, held: Held, answers: list[Answer]) -> Scores:
        settings = self.settings
        return self.kind.score(
            self.metric, settings.metric_options, held.examples.examples, answers, settings.signature
        )

    def _save_best(self, folder: Path, scores: dict[str, Any]) -> None:
        signature = KeptSignature(**self.settings.signature.model_dump(), data=self.settings.data)
        model = checkpoint.Model(self.trainer.config, self.vocabulary, self.trainer.session.parameters(), signature)
        with folder_written_whole(folder) as beside:
            write_json(beside / SCORES_FILE, scores)
            checkpoint.save_model(beside, model)

    def _conclude(self, identity: dict[str, Any]) -> dict[str, Any]:
        self.trainer.session.meet()  # the best model is there when its writer comes
        best = read_json(self.out / BEST / SCORES_FILE, "scores")
        self.trainer.session.set_parameters(checkpoint.load_model(self.out / BEST).parameters)
        sets: dict[str, Any] = {}
        for name, held in self.held.items():
            answers, loss = self._answers(held)
            if held.labelled:
                sets[name] = {"loss": loss, **self._scores(held, answers).as_record()}
            if self.ranks.leads:
                self._write(name, held.examples.examples, answers)
        chosen = {"update": best["update"], "epoch": best["epoch"], "chosen_on": self.chooser}
        result = {**chosen, "sets": sets, "run": identity}
        if self.ranks.leads:
            write_result(self.out, result)
        self.console.print(result_table(result))
        self.console.print(f"{self.out / BEST}: the best model; {self.out / ANSWERS}: its answers", soft_wrap=True)
        return result

    def _write(self, name: str, examples: Sequence[Any], answers: list[Answer]) -> None:
        signature = self.settings.signature
        write_answers(self.out / ANSWERS / name, examples, answers, signature)
        if name in self.settings.submission:
            file = self.settings.submission[name]
            alone = [Answer(answer.value) for answer in answers]
            write_answers(self.out / SUBMISSION / file, examples, alone, signature)


def result_table(result: dict[str, Any]) -> Table:
    """Figures of the best model by set, in per cent."""
    figures = list(dict.fromkeys(name for scores in result["sets"].values() for name in scores["figures"]))
    table = Table("set", title=f"best model: epoch {result['epoch']:g}, update {result['update']:,}")
    for column in ("loss", *figures, "examples"):
        table.add_column(column, justify="right")
    for name, scores in result["sets"].items():
        shown = (f"{100 * scores['figures'][figure]:.2f}" for figure in figures)
        table.add_row(name, f"{scores['loss']:.4f}", *shown, f"{scores['count']:,}")
        if scores["degenerate"]:
            table.caption = f"{name}: {scores['degenerate']}"
    return table
