"""What an adaptation trains: the corpora config and the plan config that `adapt` writes.

The text gives samples of masking, and of the tasks that the settings add. Earlier samples keep a share of the steps.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from data_builders.build import TaskCounts
from data_builders.builders.knowledge_masking import KnowledgeMaskingBuilder
from data_builders.documents import Language
from data_builders.vocabulary import corpus_argument, paragraphs
from ernie_paddle.config import Settings, check_settings, each_once
from ernie_paddle.data.shards import MANIFEST, SPLITS, Manifest
from ernie_paddle.errors import UserError
from ernie_paddle.model.config import CONFIG_FILE
from ernie_paddle.model.growing import MASKED_LM_BIAS
from ernie_paddle.model.saved import STATE_FILE, Model, load_model, resolve
from ernie_paddle.pretraining.history import History
from ernie_paddle.pretraining.plan import PlanSettings
from ernie_paddle.pretraining.settings import TrainSection
from ernie_paddle.registry import Registry
from ernie_paddle.task import Task, is_of_head, shortened
from ernie_paddle.text.encodings import text_codec
from ernie_paddle.text.vocabulary import VOCABULARY_FILE
from ernie_paddle.training.checkpoint import TrainerState

MASKING = KnowledgeMaskingBuilder.name
TEXT, EARLIER = "text", "earlier"  # the names of the folders of samples in the plan
SHARDS = "shards"
PARAGRAPHS_READ = 200  # to tell the language of a text
MAX_LENGTH = 128
LEAST_TOKENS = 0.1  # of a task's samples, as a share of those of masking
RATE_SHARE = 0.1  # of the peak of the run that goes on
RATE = 5e-5  # of a model without moments
HEAD_STEPS, HEAD_RATE = 100, 1e-3  # of the stage in which new heads alone are trained
FIRST_TRAINING = {"batch_tokens": 2048, "validation_samples": 500}  # of a model without moments
WARMUP = 0.1  # share of the steps
EVALUATIONS = (2, 8)  # fewest and most in the course of the adaptation; one each time that the text was read
PATIENCE = 2  # evaluations without a better loss on own text


class AdaptSettings(Settings):
    """The text to adapt a model to, and how."""

    text: Annotated[list[str], Field(min_length=1), AfterValidator(each_once)]
    """Corpora as `FORMAT:PATH`, or as a path whose suffix determines the format."""
    language: Language | None = None
    """Language of the text; `null`: that of its first paragraphs."""
    encoding: Annotated[str, AfterValidator(text_codec)] | None = None
    """Encoding of the text; `null`: UTF-8."""
    tasks: Annotated[list[str], AfterValidator(each_once)] = Field(default_factory=list)
    """Tasks that the text gives samples of, besides masking."""
    epochs: float = Field(default=4.0, gt=0)
    """How often the text is read."""
    replay: Path | None = None
    """Samples that the model was trained on before."""
    replay_share: float = Field(default=0.2, gt=0, lt=1)
    """Share of the steps that have these samples."""
    bound: float = Field(default=0.05, gt=0)
    """Greatest rise of an earlier task's held-out loss, as a share of it."""
    max_length: int | None = Field(default=None, ge=8)
    """Tokens of a sample at most; `null`: as in the earlier samples, without them 128."""
    validation_share: float = Field(default=0.05, gt=0, lt=1)
    """Share of the documents that are held out."""


@dataclass(frozen=True)
class Start:
    """The model to adapt. `history` is what its run had done, None for a model without moments."""

    folder: Path
    model: Model
    history: History | None = None
    plan: PlanSettings | None = None

    @classmethod
    def load(cls, path: Path) -> "Start":
        """Read a model, or the checkpoint that a run stands for.

        Raises:
            UserError: there is none, or it is damaged.
        """
        folder = resolve(path)
        model = load_model(folder)
        run = TrainerState.load(folder).run if (folder / STATE_FILE).is_file() else {}
        if "plan" not in run:  # converted, grown or fine-tuned
            return cls(folder, model)
        plan = check_settings(PlanSettings, run["plan"], f"{folder / STATE_FILE}: plan")
        return cls(folder, model, History.load(folder, report=lambda line: None), plan)

    @property
    def earlier_tasks(self) -> tuple[str, ...]:
        """The tasks of its run, in the order of its plan."""
        return self.history.stages.tasks if self.history else ()

    def has_head(self, task: Task) -> bool:
        """Return whether the model knows a task: its run had it, or there is a head."""
        if self.history:
            return task.name in self.earlier_tasks
        if task.objective.predicts_tokens:
            return MASKED_LM_BIAS in self.model.parameters
        return any(is_of_head(name, task.objective.heads) for name in self.model.parameters)

    def max_length(self, settings: AdaptSettings, earlier: Mapping[str, Manifest]) -> int:
        """Return the tokens of a sample at most."""
        longest = max((manifest.max_length for manifest in earlier.values()), default=MAX_LENGTH)
        return settings.max_length or min(longest, self.model.config.max_position_embeddings)


@dataclass(frozen=True)
class Adaptation:
    """What is trained, and on what.

    Attributes:
        earlier: the manifests of the earlier samples, by task.
        languages: the language of each text.
        max_length: tokens of a sample at most.
    """

    settings: AdaptSettings
    start: Start
    registry: Registry
    earlier: dict[str, Manifest]
    languages: dict[str, Language]
    max_length: int

    @classmethod
    def of(cls, settings: AdaptSettings, start: Start, registry: Registry) -> "Adaptation":
        """Read the earlier samples' manifests, and the beginning of each text.

        Raises:
            UserError: a text cannot be read, or the earlier samples do not fit the model.
        """
        earlier = replayed(settings.replay, start, registry) if settings.replay else {}
        languages = {
            text: settings.language or language_of(text, settings.encoding, registry) for text in settings.text
        }
        return cls(settings, start, registry, earlier, languages, start.max_length(settings, earlier))

    def unfit(self) -> dict[str, str]:
        """Return those of the settings' tasks that the text cannot give samples of, and the reasons.

        Raises:
            UserError: a task is unknown.
        """
        reasons = {}
        for name in self.settings.tasks:
            task = self.registry.pretraining_tasks.get(name, "--tasks")
            self.registry.sample_builders.get(name, "--tasks")
            reasons[name] = self._reason_against(task)
        return {name: reason for name, reason in reasons.items() if reason}

    def corpora_config(self, tasks: Collection[str], out: Path) -> dict[str, Any]:
        """Return the corpora config for samples of tasks, of which all but masking are optional.

        Features and options of a sample builder are those of the earlier samples.
        """
        names = {text: f"{TEXT}_{number}" if number > 1 else TEXT for number, text in enumerate(self.languages, 1)}
        corpora, by_task = dict[str, Any](), dict[str, Any]()
        for text, name in names.items():
            reader, path = corpus_argument(text, self.registry)
            corpora[name] = {"path": str(path), "format": reader.name, "language": self.languages[text]}
            corpora[name] |= {"encoding": self.settings.encoding} if self.settings.encoding else {}
        for task in tasks:
            spoken = self.registry.sample_builders.get(task).languages
            by_task[task] = {"corpora": [name for text, name in names.items() if self.languages[text] in spoken]}
            by_task[task] |= {"features": features} if (features := self._features(task)) else {}
            by_task[task] |= {"options": options} if (options := self._options(task)) else {}
            by_task[task] |= {"optional": True} if task != MASKING else {}
        return {
            "vocab": str(out / VOCABULARY_FILE),
            "max_length": self.max_length,
            "validation_share": self.settings.validation_share,
            "corpora": corpora,
            "tasks": by_task,
        }

    def plan_config(self, built: Mapping[str, TaskCounts], out: Path) -> dict[str, Any]:
        """Return the plan config, with equal steps for all tasks of the text, and for all earlier ones.

        There is one stage. If the model lacks a head, another one before it trains the heads alone. The steps of a task
        that both have are divided by the shares of the folders.

        Args:
            built: the samples of each task that the text gives.
        """
        heads_first, share = self.new_heads(built), self.settings.replay_share
        train = self._train(heads_first)
        needed = self._steps(built[MASKING], train)
        own = [ceil(steps / len(built)) for steps in ([HEAD_STEPS, needed] if heads_first else [needed])]
        per_task = len(built) * share / (1 - share) / len(self.earlier) if self.earlier else 0
        replayed = [ceil(steps * per_task) for steps in own]
        tasks = {name: self._quota(name) for name in (*self.start.earlier_tasks, *built, *self.earlier)}
        for name, quota in tasks.items():
            steps = [a * (name in built) + b * (name in self.earlier) for a, b in zip(own, replayed, strict=True)]
            quota["steps"] = steps if heads_first else steps[0]
        data: dict[str, Any] = {"shards": str(out / SHARDS)}
        if self.settings.replay:
            folders = {EARLIER: str(self.settings.replay), TEXT: str(out / SHARDS)}
            whole = sum(own + replayed)
            data = {"shards": folders, "shares": {EARLIER: sum(replayed) / whole, TEXT: sum(own) / whole}}
        plan: dict[str, Any] = {"strategy": "stages" if heads_first else "multi_task", "tasks": tasks}
        if self.start.plan and self.start.plan.auxiliary_tasks is not None:
            plan["auxiliary_tasks"] = [name for name in self.start.plan.auxiliary_tasks if name in tasks]
        return {
            "model": {"config": str(out / CONFIG_FILE)},
            "data": data,
            "plan": plan,
            "train": train.model_dump(mode="json", exclude_defaults=True),
        }

    def new_heads(self, built: Collection[str]) -> bool:
        """Return whether a model without moments lacks the head of a task."""
        tasks = self.registry.pretraining_tasks
        return not (self.start.history or all(self.start.has_head(tasks.get(name)) for name in built))

    @property
    def peak(self) -> float:
        """The highest learning rate by default: a share of that of the last stage of the model's run."""
        history = self.start.history
        return RATE_SHARE * history.train.learning_rate.peaks(history.stages.stages)[-1] if history else RATE

    def rate_text(self, train: TrainSection) -> str:
        """Return the highest learning rate as text, with the reason if it is that by default."""
        peak, heads = train.learning_rate.peaks(1)[-1], train.learning_rate.peaks(1)[0]
        reason = f"{RATE_SHARE:g} of the peak of its run" if self.start.history else "the default without a run"
        first = f"; before, the heads alone, up to {heads:.3g}" if train.heads_first else ""
        return f"learning rate up to {peak:.3g}" + (f", {reason}" if peak == self.peak else "") + first

    def _reason_against(self, task: Task) -> str:
        """Return why the text gives no samples of a task, or an empty text."""
        builder_type = self.registry.sample_builders.get(task.name)
        if not {*self.languages.values()} & {*builder_type.languages}:
            return f"for text in {', '.join(builder_type.languages)}"
        options = check_settings(builder_type.Options, self._options(task.name), f"options of {task.name}")
        try:
            builder = builder_type(self.max_length, options, self.start.model.vocabulary)
        except UserError as error:  # it is not for this vocabulary
            return str(error)
        try:
            labels = task.objective.with_labels(builder.labels).labels
        except UserError:
            return "its classes depend on the text"
        before = self.start.history.labels.get(task.name) if self.start.history else None
        if before is not None and labels is not None and before != labels:
            return f"the model has other classes, {shortened(before)}; --replay takes the options of earlier samples"
        return ""

    def _options(self, task: str) -> dict[str, Any]:
        """Return the options of a task's sample builder: those of the earlier samples."""
        return dict(self.earlier[task].origin.get("options", {})) if task in self.earlier else {}

    def _features(self, task: str) -> list[str]:
        """Return the token features that the earlier samples of a task have besides its sample builder's own."""
        columns = {column.name for column in self.earlier[task].columns} if task in self.earlier else set[str]()
        own = self.registry.sample_builders.get(task).features
        known = [feature for feature in self.registry.token_features if feature.name not in own]
        return [feature.name for feature in known if feature.column.name in columns]

    def _quota(self, task: str) -> dict[str, Any]:
        """Return the settings of a task in the plan, which stay as they were in the model's run, without steps."""
        before = self.start.plan.tasks.get(task) if self.start.plan else None
        return before.model_dump(mode="json", exclude_defaults=True, exclude={"steps"}) if before else {}

    def _steps(self, masking: TaskCounts, train: TrainSection) -> float:
        """Return how many steps read the samples of masking as often as the settings say."""
        samples, tokens, size = masking.samples[SPLITS[0]], masking.tokens[SPLITS[0]], train.batch_size
        return self.settings.epochs * samples / (train.accumulation * min(size.samples, size.tokens * samples / tokens))

    def _train(self, heads_first: bool) -> TrainSection:
        """Return the settings of the training: those of the model's run, but a low learning rate, and evaluations."""
        history, (fewest, most) = self.start.history, EVALUATIONS
        batch = history.train.model_dump() if history else FIRST_TRAINING
        peak = [HEAD_RATE, self.peak] if heads_first else self.peak
        tree = batch | {
            "heads_first": int(heads_first),
            "learning_rate": {"peak": peak, "schedule": "linear", "warmup_share": WARMUP, "restart": "stage"},
            "evaluate_every": {"stages": 1 / min(max(round(self.settings.epochs), fewest), most)},
            "evaluate_first": True,
            "best": {"task": f"{MASKING}/{TEXT}" if self.settings.replay else MASKING, "patience": PATIENCE},
        }
        return check_settings(TrainSection, tree, "train")


def replayed(replay: Path, start: Start, registry: Registry) -> dict[str, Manifest]:
    """Return the manifests of earlier samples, by task: of the tasks that the model has heads for.

    Raises:
        UserError: there are none, or they were built with another vocabulary.
    """
    heads = [task.name for task in registry.pretraining_tasks if task.name == MASKING or start.has_head(task)]
    found = [name for name in heads if (replay / name / MANIFEST).is_file()]
    if not found:
        raise UserError(f"--replay {replay}: has no samples of the model's tasks, {', '.join(heads) or 'none'}")
    manifests = {name: Manifest.load(replay / name) for name in found}
    if any(manifest.vocabulary_digest != start.model.vocabulary.digest for manifest in manifests.values()):
        raise UserError(f"--replay {replay}: was built with another vocabulary than the model's; build it anew")
    return manifests


def language_of(text: str, encoding: str | None, registry: Registry) -> Language:
    """Return the language of a text: Chinese if more than a fifth of the letters of its first paragraphs are Chinese.

    Raises:
        UserError: the text cannot be read.
    """
    read = "".join(islice(paragraphs([corpus_argument(text, registry)], encoding), PARAGRAPHS_READ))
    letters = [character for character in read if character.isalpha()]
    chinese = sum("\u4e00" <= letter <= "\u9fff" for letter in letters)
    return "zh" if 5 * chinese > len(letters) else "en"
