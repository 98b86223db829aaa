"""Adaptation of a model to own text: build samples, go on with pre-training, compare the scores before and after."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml
from rich.console import Console
from rich.table import Table

from data_builders.adaptation import LEAST_TOKENS, MASKING, SHARDS, TEXT, Adaptation, AdaptSettings, Start
from data_builders.build import BuildResult, TaskCounts, build_samples
from data_builders.corpora_config import BuildSettings
from ernie_paddle.config import apply_overrides, check_settings
from ernie_paddle.console import open_console, print_warnings
from ernie_paddle.data.schema import IGNORED, INPUT_IDS
from ernie_paddle.data.shards import SPLITS, SampleTable
from ernie_paddle.data.spans import BI_TAGS
from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_folder, atomic_write, remove, write_json
from ernie_paddle.model.config import CONFIG_FILE
from ernie_paddle.model.growing import MASKED_LM_BIAS, with_masked_lm_head
from ernie_paddle.model.saved import BEST, STEP, resolve, save_model
from ernie_paddle.outputs import check_empty
from ernie_paddle.pretraining.plan import stage_plan
from ernie_paddle.pretraining.run import pretrain
from ernie_paddle.pretraining.settings import PretrainSettings, TrainSection
from ernie_paddle.ranks import Ranks
from ernie_paddle.registry import Registry, load_plugins
from ernie_paddle.text.vocabulary import VOCABULARY_FILE
from ernie_paddle.training.evaluation import task_of
from ernie_paddle.training.log_file import LOG_FILE, read_log

CORPORA_CONFIG, PLAN_CONFIG, RUN, RESULT = "corpora.yaml", "plan.yaml", "run", "adaptation.json"
BEGINNING = "beginning"  # the folder of a model with a new masked-LM head
ROWS_READ = 10_000  # samples whose tokens are counted at once

SettingsType = TypeVar("SettingsType", BuildSettings, PretrainSettings)


@dataclass(frozen=True)
class HeldOutChange:
    """A task's held-out loss and accuracy before and after the adaptation. `worse` is the rise of the loss, as a share.

    `of_text` tells whether the samples are of the text, or earlier ones. `unigram_loss` is the loss of predicting the
    frequencies of the classes among these samples, None for a task without classes.
    """

    task: str
    of_text: bool
    loss_before: float
    loss_after: float
    accuracy_before: float
    accuracy_after: float
    unigram_loss: float | None

    @property
    def worse(self) -> float:
        return self.loss_after / self.loss_before - 1 if self.loss_before else 0.0


@dataclass(frozen=True)
class AdaptedModel:
    """The result of an adaptation.

    Attributes:
        model: the checkpoint with the best loss on the text, or the newest one if the text gained nothing.
        changes: the scores before and after, first those of the text.
        forgotten: those of earlier samples whose loss rose by more than the bound.
        is_better: whether the encoder became better on the text.
    """

    model: Path
    changes: list[HeldOutChange]
    forgotten: list[HeldOutChange]
    is_better: bool


def adapt(
    model: Path | str,
    settings: AdaptSettings,
    out: Path | str,
    *,
    overrides: Sequence[str] = (),
    workers: int = 1,
    resume: bool = False,
    registry: Registry | None = None,
) -> AdaptedModel:
    """Go on with the pre-training of a model on own text, as `ernie-paddle adapt` does.

    A checkpoint of pre-training goes on with its moments and the heads of its tasks, any other model with new moments.
    `out` gets `corpora.yaml`, `plan.yaml`, `shards/` and `run/`, with which `build` and `pretrain` repeat the work, and
    the scores in `adaptation.json`.

    Args:
        model: a model, a run or one of its checkpoints.
        settings: the text, and how to adapt to it.
        out: folder to write, new or empty.
        overrides: dotted keys of the plan config, as `train.learning_rate.peak=1e-4`.
        workers: number of processes that build samples.
        resume: go on where an earlier call with the same arguments stopped.
        registry: what plug-ins added; by default all that are installed.

    Raises:
        UserError: model, text and earlier samples do not match, or the text is too short.
    """
    out, registry, console = Path(out), registry or load_plugins(), open_console(stderr=True)
    if Ranks.of_this_process().world > 1:
        raise UserError(
            f"adapt: runs in one process; stop it after the samples, and launch pretrain with {PLAN_CONFIG}"
        )
    if not resume:
        check_empty(out)
    start = Start.load(Path(model))
    adaptation = Adaptation.of(settings, start, registry)
    unfit = adaptation.unfit()
    out.mkdir(parents=True, exist_ok=True)
    start.model.vocabulary.save(out / VOCABULARY_FILE)
    start.model.config.save(out / CONFIG_FILE)
    built = _build(adaptation, unfit, out, workers, console)
    tree = apply_overrides(adaptation.plan_config(built, out), overrides)
    plan = _written(PretrainSettings, tree, out / PLAN_CONFIG)
    console.print(steps_table(plan, adaptation, built))
    print_warnings(console, _risks(adaptation))
    pretrain(
        plan,
        out / RUN,
        init=None if start.history else _beginning(start, out),
        continue_from=start.folder if start.history else None,
        resume="auto" if resume else "no",
        registry=registry,
    )
    stages = stage_plan(plan.plan, start.history.stages if start.history else None)
    adapted = adapted_model(out, stages.end_of(stages.earlier + plan.train.heads_first - 1), settings)
    print_warnings(console, _doubts(plan.train, adapted))
    return adapted


def _risks(adaptation: Adaptation) -> Iterator[str]:
    """Yield warnings of what the model may lose unseen."""
    if not adaptation.settings.replay:
        yield "without --replay, what the model forgets is not seen"
    if MASKED_LM_BIAS not in adaptation.start.model.parameters:
        yield (
            "the model has no masked-LM head: if it was made for sentence vectors, adapted vectors may match sentences "
            "less well; compare both models on a task of yours"
        )


def _doubts(train: TrainSection, adapted: AdaptedModel) -> Iterator[str]:
    """Yield a warning if the encoder became no better, and one if new heads did not learn more than frequencies."""
    if train.best and not adapted.is_better:
        yield f"{train.best.what}: never better than before; try another learning rate"
    for change in adapted.changes:
        if train.heads_first and change.unigram_loss and change.loss_after > change.unigram_loss:
            yield (
                f"{change.task}: its loss, {change.loss_after:.3f}, is above {change.unigram_loss:.3f}, which the "
                "frequencies of its classes alone give: the encoder has not learnt the task, and what it is used for "
                "otherwise may be worse than before; give more text, or more --epochs"
            )


def _beginning(start: Start, out: Path) -> Path:
    """Return the model to start from. One without a masked-LM head gets one, in a folder of its own."""
    if MASKED_LM_BIAS in start.model.parameters:
        return start.folder
    if (out / BEGINNING).is_dir():  # of a call that was stopped
        return out / BEGINNING
    samples = SampleTable.open(out / SHARDS / MASKING, SPLITS[0])
    counts = np.zeros(start.model.config.vocab_size)
    for rows in np.array_split(np.arange(len(samples)), ceil(len(samples) / ROWS_READ)):
        columns = samples.take(rows).columns
        predicted = columns[INPUT_IDS][columns[BI_TAGS.name] != IGNORED]
        counts += np.bincount(predicted, minlength=len(counts))
    with atomic_folder(out / BEGINNING) as beside:
        save_model(beside, with_masked_lm_head(start.model, counts))
    return out / BEGINNING


def _build(
    adaptation: Adaptation, unfit: Mapping[str, str], out: Path, workers: int, console: Console
) -> dict[str, TaskCounts]:
    """Build the samples that the text gives. Print the tasks that it gives none of, or too few, and why."""
    wanted = {MASKING, *adaptation.settings.tasks} - unfit.keys()
    tasks = [task.name for task in adaptation.registry.pretraining_tasks if task.name in wanted]
    tree = adaptation.corpora_config(tasks, out)
    config = _written(BuildSettings, tree, out / CORPORA_CONFIG)
    result = build_samples(config, out / SHARDS, workers=workers, registry=adaptation.registry)
    few = _too_few(result)
    for name in few:
        del tree["tasks"][name]
        remove(out / SHARDS / name)
    _written(BuildSettings, tree, out / CORPORA_CONFIG)
    for name, reason in {**unfit, **result.without_samples, **few}.items():
        said = reason.removeprefix(f"{name}: ")
        console.print(f"{name}: no samples of the text: {said}", soft_wrap=True)
    return {name: counts for name, counts in result.tasks.items() if name not in few}


def _too_few(result: BuildResult) -> dict[str, str]:
    """Return the tasks whose samples would be repeated much more often than those of masking."""
    tokens = {name: counts.tokens[SPLITS[0]] for name, counts in result.tasks.items()}
    return {
        name: f"they have less than {LEAST_TOKENS:.0%} of the tokens of {MASKING}"
        for name, count in tokens.items()
        if count < LEAST_TOKENS * tokens[MASKING]
    }


def _written(settings_type: type[SettingsType], tree: Mapping[str, Any], path: Path) -> SettingsType:
    """Write a config, and return it."""
    settings = check_settings(settings_type, dict(tree), str(path))
    with atomic_write(path) as file:
        file.write("# Written by ernie-paddle adapt.\n")
        yaml.safe_dump(dict(tree), file, allow_unicode=True, sort_keys=False)
    return settings


def steps_table(plan: PretrainSettings, adaptation: Adaptation, built: Mapping[str, TaskCounts]) -> Table:
    """Return a table of the samples and the steps of each task."""
    table = Table("task", title="tasks of the adaptation")
    for column in ("samples of the text", "earlier samples", "steps"):
        table.add_column(column, justify="right")
    for name, quota in plan.plan.tasks.items():
        own = f"{built[name].samples[SPLITS[0]]:,}" if name in built else "-"
        earlier = f"{adaptation.earlier[name].count(SPLITS[0]):,}" if name in adaptation.earlier else "-"
        table.add_row(name, own, earlier, f"{quota.total:,}" if quota.total else "- (its head stays as it is)")
    table.caption = adaptation.rate_text(plan.train)
    return table


def changes_table(changes: list[HeldOutChange]) -> Table:
    """Return a table of the held-out scores before and after, and the change of the loss."""
    table = Table("task", "samples", title="held-out scores before and after the adaptation")
    for column in ("loss before", "after", "change", "accuracy before", "after"):
        table.add_column(column, justify="right")
    for change in changes:
        table.add_row(
            change.task,
            "text" if change.of_text else "earlier",
            f"{change.loss_before:.3f}",
            f"{change.loss_after:.3f}",
            f"{change.worse:+.1%}",
            f"{change.accuracy_before:.1%}",
            f"{change.accuracy_after:.1%}",
        )
    return table


def adapted_model(out: Path, begin: int, settings: AdaptSettings) -> AdaptedModel:
    """Compare the scores in the log after the step `begin` with those of the best checkpoint, and write both down.

    That is the last step before the encoder is trained. If the run did not get there, it is the run's last one.
    """
    run = out / RUN
    best = run / BEST if (run / BEST).is_file() else None
    model = resolve(best or run)
    step = int(model.name.removeprefix(STEP))
    records = [record for record in read_log(run / LOG_FILE) if record["event"] == "evaluation"]
    before = [record for record in records if record["step"] <= begin][-1]["tasks"]
    after = next(record for record in records if record["step"] == step)["tasks"]
    own = f"/{TEXT}" if settings.replay else ""
    changes = [
        HeldOutChange(
            task=task_of(name),
            of_text=name.endswith(own),
            loss_before=before[name]["loss"],
            loss_after=after[name]["loss"],
            accuracy_before=before[name]["accuracy"],
            accuracy_after=after[name]["accuracy"],
            unigram_loss=after[name]["unigram_loss"],
        )
        for name in sorted(before, key=lambda name: not name.endswith(own))
    ]
    forgotten = [change for change in changes if not change.of_text and change.worse > settings.bound]
    write_json(out / RESULT, {"model": str(model), "changes": [*map(asdict, changes)], "bound": settings.bound})
    return AdaptedModel(model, changes, forgotten, is_better=best is not None and step > begin)
