"""What a run has done, and what a run that continues it takes over. Imports no Paddle."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ernie_paddle.config import Settings, check_settings
from ernie_paddle.data.order import Cursor, MixedCorpus, mixture
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json, write_json
from ernie_paddle.model.config import CONFIG_FILE, ErnieConfig
from ernie_paddle.model.saved import BEST, MODEL_FILE, OPTIMIZER_FILE, STATE_FILE, checkpoints, named_by
from ernie_paddle.pretraining.settings import TrainSection
from ernie_paddle.settings import TrainSettings
from ernie_paddle.task import shortened
from ernie_paddle.text.vocabulary import VOCABULARY_FILE, Vocabulary
from ernie_paddle.training.checkpoint import TrainerState, check_checkpoint, newest_complete
from ernie_paddle.training.learning_rate import learning_rate, warmup_steps
from ernie_paddle.training.log_file import LOG_FILE, read_log
from ernie_paddle.training.stage_plan import PlannedStep, StagePlan

ORDER = ("seed", "batch_tokens", "batch_samples", "group_by_length")  # settings that decide a task's batches
NO_SIZES = ("hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range")  # of a model, may change
WEIGHTS, SHARES = "data.weights", "data.shares"  # keys of the mixture of corpora in what identifies a run
ORIGIN_FILE = "origin.json"  # in the folder of a run
JUMP = 0.1  # share of the peak by which the learning rate may rise between two steps without a warning


class RunOrigin(Settings):
    """What a run began with. Its folder says so before its first checkpoint does, for a run that is killed before."""

    init: Path | None = None
    """The model whose parameters it started from."""
    continue_from: Path | None = None
    """The checkpoint that it continues."""

    @classmethod
    def load(cls, run: Path) -> "RunOrigin":
        """Read the origin of a run: nothing if the run has not begun, or began with new parameters.

        Raises:
            UserError: the file is damaged.
        """
        path = run / ORIGIN_FILE
        return check_settings(cls, read_json(path, "origin of the run"), str(path)) if path.is_file() else cls()

    def save(self, run: Path) -> None:
        """Write the origin of a run in its folder; without one, remove that of another run."""
        if self == RunOrigin():
            (run / ORIGIN_FILE).unlink(missing_ok=True)
        else:
            write_json(run / ORIGIN_FILE, self.model_dump(mode="json"))

    def __str__(self) -> str:
        return f"--init {self.init}" if self.init else f"--continue-from {self.continue_from}"


class History(Settings):
    """What a run had done when it wrote a checkpoint. A run that continues it keeps this in its own checkpoints."""

    checkpoint: Path
    """The checkpoint, in the folder of its run."""
    stages: StagePlan
    """The stages as they were run, the last one as far as it went."""
    learning_rate: float
    """Of the last step."""
    model: ErnieConfig
    """The model."""
    vocabulary: str
    """Digest of the vocabulary."""
    labels: dict[str, tuple[str, ...] | None]
    """The class names of each task."""
    data: dict[str, str]
    """Checksum of the manifest of each task's samples."""
    weights: dict[str, float]
    """The weights of corpora."""
    shares: dict[str, float]
    """The shares of folders of samples."""
    temperatures: dict[str, float]
    """The temperature of the sampling from corpora, by task."""
    train: TrainSection
    """The settings of the training."""

    @property
    def run(self) -> Path:
        """The folder of the run."""
        return self.checkpoint.parent

    @classmethod
    def load(cls, path: Path, report: Callable[[str], None]) -> "History":
        """Read the history of a pre-training run at its newest complete checkpoint, or at the checkpoint `path`.

        The file `best` of a run stands for the checkpoint that it names.

        Calls `report` for each damaged checkpoint that is skipped.

        Raises:
            UserError: there is no complete checkpoint, it is of another kind of run, or the run's log is damaged.
        """
        checkpoint = _find_checkpoint(path, report).resolve()
        with still_there(checkpoint):
            state, model = TrainerState.load(checkpoint), ErnieConfig.load(checkpoint / CONFIG_FILE)
            vocabulary = Vocabulary.load(checkpoint / VOCABULARY_FILE)
        if "plan" not in state.run:
            raise UserError(f"{path}: a fine-tuning run; only pre-training runs can be continued")
        if (log := checkpoint.parent / LOG_FILE).is_file():
            read_log(log)  # a damaged line is found before any work
        stages, train = state.plan.until(state.step), check_settings(TrainSection, state.run["train"], str(path))
        last = PlannedStep(state.step, stages.stages - 1, "")
        return cls(
            checkpoint=checkpoint,
            stages=stages,
            learning_rate=learning_rate(train.learning_rate, state.plan, last),
            model=model,
            vocabulary=vocabulary.digest,
            labels={task: state.labels[task] for task in stages.tasks},
            data={task: state.run["data"][task] for task in stages.tasks},
            weights=state.run[WEIGHTS],
            shares=state.run[SHARES],
            temperatures={task: state.run["plan"]["tasks"][task]["temperature"] for task in stages.tasks},
            train=train,
        )

    @classmethod
    def kept_by(cls, checkpoint: Path) -> "History | None":
        """Return the history that a checkpoint of a continued run keeps, None if its run continues no other."""
        kept = TrainerState.load(checkpoint).run.get("history")
        return None if kept is None else check_settings(cls, kept, f"{checkpoint / STATE_FILE}: history")

    def changes(self, config: ErnieConfig | None, vocabulary: Vocabulary | None) -> Iterator[str]:
        """Yield a line for each part of the model that a run with these sizes and words could not take over."""
        if vocabulary and vocabulary.digest != self.vocabulary:
            yield (
                f"{self.checkpoint}: was trained with another vocabulary than the plan's; use its {VOCABULARY_FILE}, "
                "and samples that were built with it"
            )
        if config:
            before, now = (model.model_dump(exclude={*NO_SIZES}) for model in (self.model, config))
            changed = [f"{key} {before[key]}, the plan's has {now[key]}" for key in before if before[key] != now[key]]
            if changed:
                yield f"{self.checkpoint}: its model has {'; '.join(changed)}; use the model it was trained with"

    def changed_classes(self, task: str, labels: tuple[str, ...] | None) -> Iterator[str]:
        """Yield a line if a task of the run has other classes now."""
        before = self.labels.get(task)
        if before is not None and labels is not None and before != labels:
            yield (
                f"{self.checkpoint}: the classes of {task} were {shortened(before)}, now they are {shortened(labels)}; "
                "build samples with the same classes"
            )

    def positions(
        self,
        cursors: Mapping[str, Cursor],
        data: Mapping[str, str],
        train: TrainSettings,
        mixtures: Mapping[str, tuple[MixedCorpus, ...]],
    ) -> tuple[dict[str, Cursor], list[str]]:
        """Return where each task of the run continues in its samples, and a line for each that cannot just go on.

        A position has a meaning only for the same samples in the same order. In another order, a task begins its next
        epoch; with other samples, it begins anew.

        Args:
            cursors: the positions at the checkpoint.
            data: checksum of the manifest of each task's samples now.
            train: the settings of the training now.
            mixtures: the mixture of each task's corpora now, of tasks that have samples.
        """
        changed = [f"train.{key}" for key in ORDER if getattr(self.train, key) != getattr(train, key)]
        positions, notes = dict(cursors), list[str]()
        for task, cursor in cursors.items():
            if data[task] != self.data[task]:
                positions[task] = Cursor()
                notes.append(f"{task}: has other samples than before, and starts at their beginning")
                continue
            if task not in mixtures:  # it has no steps and no samples now
                continue
            samples = {corpus.name: corpus.samples for corpus in mixtures[task]}
            same_mixture = mixtures[task] == mixture(samples, self.weights, self.temperatures[task], self.shares)
            reasons = changed if same_mixture else [*changed, "the mixture of its corpora"]
            if reasons and cursor.batch:
                positions[task] = Cursor(cursor.epoch + 1)
                notes.append(f"{task}: starts epoch {cursor.epoch + 2} of its samples, since {reasons[0]} has changed")
        return positions, notes

    def warnings(self, train: TrainSettings, plan: StagePlan) -> list[str]:
        """Return a warning if the learning rate of the joined plan jumps where the run is continued."""
        settings, step = train.learning_rate, self.stages.total
        first = learning_rate(settings, plan, PlannedStep(step + 1, plan.earlier, ""))
        warms_up = settings.restart == "stage" and warmup_steps(settings, sum(plan.matrix[plan.earlier])) > 0
        if warms_up or first <= self.learning_rate + JUMP * settings.peaks(plan.stages)[plan.earlier]:
            return []
        return [
            f"train.learning_rate: jumps from {self.learning_rate:.3g} at step {step:,}, as it was run, to {first:.3g} "
            "at the next; restart: stage with warmup_steps lets it rise slowly"
        ]


def find_history(
    continue_from: Path | None, out: Path, resumed: Path | None, report: Callable[[str], None]
) -> History | None:
    """Return the history that the run in `out` continues, None if it begins anew.

    Args:
        continue_from: a run or one of its checkpoints.
        resumed: the checkpoint in `out` to resume from, which keeps the history of its run.

    Raises:
        UserError: the run cannot be continued, or is not the one that `resumed` continues.
    """
    if continue_from is None:
        return History.kept_by(resumed) if resumed else None
    if resumed is None:
        return History.load(continue_from, report)
    history = History.kept_by(resumed)
    if history is None or continue_from.resolve() not in (history.checkpoint, history.run, history.run / BEST):
        continues = f"continues {history.checkpoint}" if history else "continues no other run"
        raise UserError(
            f"{out}: its run {continues}, not {continue_from}; resume it without --continue-from, or choose another "
            "--out"
        )
    return history


@contextmanager
def still_there(checkpoint: Path) -> Iterator[None]:
    """Say it if a checkpoint was removed while the block reads it, as a run that still goes on removes its old ones."""
    try:
        yield
    except UserError:
        if all((checkpoint / name).is_file() for name in (MODEL_FILE, OPTIMIZER_FILE, STATE_FILE)):
            raise
        raise UserError(
            f"{checkpoint}: was removed since it was found; wait for the end of its run, or name a checkpoint that "
            "the run keeps (impl.keep_checkpoints)"
        ) from None


def _find_checkpoint(path: Path, report: Callable[[str], None]) -> Path:
    """Return the checkpoint that the path is or names (`named_by`), else the newest complete one of the run."""
    path = named_by(path)
    if not path.is_dir():
        raise UserError(f"{path}: {'is not a folder' if path.exists() else 'not found'}; name a run or its checkpoint")
    checkpoint = path.resolve()
    if checkpoint in checkpoints(checkpoint.parent):
        check_checkpoint(path)
        return path
    if (path / MODEL_FILE).is_file():
        raise UserError(f"{path}: a model without moments and positions; --init starts from its parameters")
    newest = newest_complete(path, report)
    if newest is None:
        raise UserError(f"{path}: no complete checkpoint to continue from")
    return newest
