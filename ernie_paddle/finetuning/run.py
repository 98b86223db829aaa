"""A fine-tuning run, from a model and a recipe to the best model on dev and its predictions."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.table import Table

from ernie_paddle.arguments import Resume
from ernie_paddle.console import open_console, print_warnings
from ernie_paddle.data.order import BatchOrder
from ernie_paddle.data.shards import SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_folder, read_json, sha256_of, write_json
from ernie_paddle.finetuning.settings import SIZES, FinetuneSettings, load_recipe
from ernie_paddle.finetuning_task import Encoded, ExampleSet, FinetuningTask, KeptSignature, Prediction
from ernie_paddle.inference.prediction_files import score_names, write_predictions
from ernie_paddle.metric import Scores
from ernie_paddle.model import saved
from ernie_paddle.model.saved import BEST
from ernie_paddle.ranks import Ranks
from ernie_paddle.registry import Registry, load_plugins
from ernie_paddle.settings import TrainSettings
from ernie_paddle.task import Task
from ernie_paddle.training.initial import finetuning_initial, initialise
from ernie_paddle.training.log_file import write_result
from ernie_paddle.training.run import checkpoint_to_resume, ranks_together, run_folder, run_stages, start
from ernie_paddle.training.run_log import RunLog
from ernie_paddle.training.stage_plan import PlannedStep, StagePlan
from ernie_paddle.training.steps import TaskData
from ernie_paddle.training.trainer import Trainer

SCORES_FILE, PREDICTIONS = "scores.json", "predictions"
SUBMISSION = "submission"  # predictions for test sets, under the names that `ernie-paddle submission` expects
DEV, TEST = "dev", "test"


@dataclass(frozen=True)
class EvalSet:
    """A dev or test set."""

    examples: ExampleSet
    encoded: Encoded
    labelled: bool


class Finetuning:
    """One run of a recipe on a model.

    `model` gives sizes, vocabulary and, unless `from_scratch`, parameters. Its head is loaded too if it was trained for
    the same fine-tuning task and labels. `keep_head` loads the head of a model without a signature.
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
            raise UserError(
                "the recipe has no train section: it only serves for prediction with another recipe's model"
            )
        self.settings, self.model, self.out = settings, saved.resolve(model), out
        self.ranks = Ranks.of_this_process()
        self.console = open_console(quiet=not self.ranks.is_main_process)
        self.task: FinetuningTask = registry.finetuning_tasks.get(settings.signature.task, "signature.task")
        self.task.check_data(settings.data, "data")
        self.task.check_signature(settings.signature)
        self.metric = registry.metrics.get(settings.metric, "metric")
        self.task.check_metric(self.metric, settings.metric_options, settings.signature)
        loaded = saved.load_model(self.model)
        self.vocabulary, config, signature = loaded.vocabulary, loaded.config, settings.signature
        self.initial = None if from_scratch else finetuning_initial(self.model, loaded.signature, signature, keep_head)
        if signature.max_length > config.max_position_embeddings:
            positions = config.max_position_embeddings
            raise UserError(f"signature.max_length {signature.max_length}: the model has {positions} positions")
        config.check_task_id(signature.task_id, "signature.task_id")
        self.config = config if settings.dropout is None else config.with_dropout(settings.dropout)
        training = self._read("train")
        if not training:
            raise UserError("data.train: names no file; training needs one")
        if not all(self.task.is_labelled(example) for example in training[0].examples):
            raise UserError("data.labelled: 'train' is missing; training needs labels")
        self.eval_sets = {
            examples.name: self._eval_set(examples) for split in (DEV, TEST) for examples in self._read(split)
        }
        self.selection_set = next((name for name in self.eval_sets if name.startswith(DEV)), "")
        if not self.selection_set or not self.eval_sets[self.selection_set].labelled:
            raise UserError("data.dev: names no labelled file; the best model is selected on dev")
        for eval_set in self.eval_sets.values():
            if eval_set.labelled:
                self.task.check_gold(self.metric, eval_set.examples)
        self.samples = self.task.encode(training[0].examples, self.vocabulary, signature).samples
        self.trainer = self._trainer(settings.train)

    def run(self, resume: Resume) -> dict[str, Any]:
        """Train, keep the best model, and predict dev and test sets with it. Return the content of `result.json`."""
        with run_folder(self.out, self.ranks), ranks_together(self.out, self.trainer):
            return self._run(resume)

    def _run(self, resume: Resume) -> dict[str, Any]:
        identity = self._identity()
        plan, every = self.trainer.plan, self.settings.evaluate_every
        warnings = [f"{reason}: dev is scored at its end" for reason in every.too_long(plan.ends)] + self._unwritten()
        messages = open_console(stderr=True, quiet=not self.ranks.is_main_process)
        print_warnings(messages, warnings)
        resumed = checkpoint_to_resume(self.out, resume, self.ranks)
        prepare = partial(initialise, initial=self.initial, console=messages) if self.initial else None
        start(self.trainer, identity, resumed, prepare)
        if self.trainer.progress.step == 0 and self.ranks.is_main_process:
            shutil.rmtree(self.out / BEST, ignore_errors=True)  # left by a run that was not resumed
        elif self.trainer.progress.step and (self.out / BEST).exists():
            saved.check_model(self.out / BEST)
        run_stages(self.trainer, self.out, identity, self._keep_best, every.points(plan.ends))
        return self._conclude(identity)

    def _unwritten(self) -> list[str]:
        """Return a warning for each file of `submission` whose set the recipe does not have."""
        return [
            f"submission.{name}: '{file}' will not be written: the recipe has no set '{name}', only "
            f"{', '.join(self.eval_sets)}"
            for name, file in self.settings.submission.items()
            if name not in self.eval_sets
        ]

    def _identity(self) -> dict[str, Any]:
        """Return everything that decides the result, as JSON. A resumed run must have the same identity."""
        sets = {name: eval_set.encoded.samples for name, eval_set in self.eval_sets.items()} | {"train": self.samples}
        return {
            "settings": self.settings.identity(),
            "samples": {name: samples.digest() for name, samples in sets.items()},
            "model": sha256_of(self.model / saved.MODEL_FILE),
            "from_scratch": self.initial is None,
            "head": self.initial.heads if self.initial else "new",
        }

    def _read(self, split: str) -> list[ExampleSet]:
        sets = self.task.read(self.settings.data, split, self.settings.signature)
        for read in sets:
            self.console.print(f"{read.name}: {len(read.examples):,} examples", *read.notes, sep="; ", soft_wrap=True)
        return sets

    def _eval_set(self, examples: ExampleSet) -> EvalSet:
        encoded = self.task.encode(examples.examples, self.vocabulary, self.settings.signature)
        return EvalSet(examples, encoded, all(self.task.is_labelled(example) for example in examples.examples))

    def _trainer(self, train: TrainSettings) -> Trainer:
        signature = self.settings.signature
        task = Task(self.task.name, signature.task_id, self.task.objective(signature))
        table = SampleTable([self.samples])
        return Trainer(
            self.config,
            self.vocabulary,
            {task.name: task},
            {task.name: TaskData(table, {}, frozenset())},
            self._plan(task.name, table, train),
            train,
            self.settings.impl,
            ranks=self.ranks,
        )

    def _plan(self, name: str, table: SampleTable, train: TrainSettings) -> StagePlan:
        """Return a plan with one stage per epoch. Micro-batches that do not fill a last step are dropped."""
        order = BatchOrder(table.lengths, train.batch_size, train.seed, name, train.group_by_length)
        epochs = range(self.settings.epochs)
        return StagePlan((name,), tuple((max(1, order.batches_in(epoch) // train.accumulation),) for epoch in epochs))

    def _keep_best(self, last: PlannedStep, log: RunLog) -> None:
        step, scores = last.number, {}
        for name, eval_set in self.eval_sets.items():
            if name.startswith(DEV) and eval_set.labelled:
                predictions, loss = self._predictions(eval_set)
                scores[name] = {"loss": loss, **self._scores(eval_set, predictions).as_record()}
        log.scores(step, last.stage, scores)
        selected = scores[self.selection_set]
        value = selected["values"][selected["selection_metric"]]
        best = self.out / BEST
        if self.ranks.is_main_process and (
            not (best / SCORES_FILE).exists() or value > read_json(best / SCORES_FILE, "scores")["selection_value"]
        ):
            epoch = self.settings.epochs * step / self.trainer.plan.total
            self._save_best(best, {"selection_value": value, "step": step, "epoch": round(epoch, 2), "sets": scores})

    def _predictions(self, eval_set: EvalSet) -> tuple[list[Prediction], float]:
        scores, loss = self.trainer.scores(self.task.name, SampleTable([eval_set.encoded.samples]))
        return self.task.predictions(
            eval_set.examples.examples, eval_set.encoded, scores, self.settings.signature
        ), loss

    def _scores(self, eval_set: EvalSet, predictions: list[Prediction]) -> Scores:
        settings = self.settings
        return self.task.score(
            self.metric, settings.metric_options, eval_set.examples.examples, predictions, settings.signature
        )

    def _save_best(self, folder: Path, scores: dict[str, Any]) -> None:
        settings = self.settings
        signature = KeptSignature(
            **settings.signature.model_dump(),
            data=settings.data,
            metric=settings.metric,
            metric_options=settings.metric_options,
        )
        model = saved.Model(self.trainer.config, self.vocabulary, self.trainer.session.parameters(), signature)
        with atomic_folder(folder) as beside:
            write_json(beside / SCORES_FILE, scores)
            saved.save_model(beside, model)

    def _conclude(self, identity: dict[str, Any]) -> dict[str, Any]:
        self.trainer.session.barrier()  # wait until rank 0 has written the best model
        best = read_json(self.out / BEST / SCORES_FILE, "scores")
        self.trainer.session.set_parameters(saved.load_model(self.out / BEST).parameters)
        sets: dict[str, Any] = {}
        for name, eval_set in self.eval_sets.items():
            predictions, loss = self._predictions(eval_set)
            if eval_set.labelled:
                sets[name] = {"loss": loss, **self._scores(eval_set, predictions).as_record()}
            if self.ranks.is_main_process:
                self._write(name, eval_set.examples.examples, predictions)
        selection = {"step": best["step"], "epoch": best["epoch"], "selected_on": self.selection_set}
        result = {**selection, "sets": sets, "run": identity}
        if self.ranks.is_main_process:
            write_result(self.out, result)
        self.console.print(result_table(result))
        self.console.print(
            f"{self.out / BEST}: the best model; {self.out / PREDICTIONS}: its predictions", soft_wrap=True
        )
        return result

    def _write(self, name: str, examples: Sequence[Any], predictions: list[Prediction]) -> None:
        ids, names = [example.id for example in examples], score_names(self.task, self.settings.signature)
        write_predictions(self.out / PREDICTIONS / name, ids, predictions, self.task, names)
        if name in self.settings.submission:
            without_scores = [Prediction(prediction.value) for prediction in predictions]
            path = self.out / SUBMISSION / self.settings.submission[name]
            write_predictions(path, ids, without_scores, self.task, ())


def finetune(
    recipe: FinetuneSettings | Path | str,
    model: Path | str,
    out: Path | str,
    *,
    size: str = SIZES[0],
    from_scratch: bool = False,
    keep_head: bool = False,
    resume: Resume = "no",
    registry: Registry | None = None,
) -> dict[str, Any]:
    """Fine-tune a model on a labelled task, as `ernie-paddle finetune` does.

    Args:
        recipe: a recipe, or its file; `load_recipe` applies overrides.
        model: folder of a model, or of a run, for its newest checkpoint.
        out: folder of the run; its `best/` holds the best model.
        size: section of the recipe's file to use.
        from_scratch: whether to use only the sizes and the vocabulary of the model.
        keep_head: whether to keep the head of a model without a signature.
        resume: whether to resume from the newest complete checkpoint in `out`; with "auto", if there is one.
        registry: what plug-ins added; by default all that are installed.

    Returns:
        the content of `result.json`: the scores of the best model by set, and its step.

    Raises:
        UserError: recipe, data and model do not fit together, or a file is missing or damaged.
    """
    settings = recipe if isinstance(recipe, FinetuneSettings) else load_recipe(recipe, size)
    run = Finetuning(settings, Path(model), Path(out), registry or load_plugins(), from_scratch, keep_head)
    return run.run(resume)


def result_table(result: dict[str, Any]) -> Table:
    """Return a table of the best model's metric values by set, in per cent."""
    names = list(dict.fromkeys(name for scores in result["sets"].values() for name in scores["values"]))
    table = Table("set", title=f"best model: epoch {result['epoch']:g}, step {result['step']:,}")
    for column in ("loss", *names, "examples"):
        table.add_column(column, justify="right")
    for set_name, scores in result["sets"].items():
        shown = (f"{100 * scores['values'][name]:.2f}" for name in names)
        table.add_row(set_name, f"{scores['loss']:.4f}", *shown, f"{scores['count']:,}")
        if scores["degenerate"]:
            table.caption = f"{set_name}: {scores['degenerate']}"
    return table
