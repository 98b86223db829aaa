"""The config of an experiment, and the pre-training and fine-tuning runs that it stands for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, Field

from ernie_paddle.config import FileName, Settings, each_once, load_settings
from ernie_paddle.errors import UserError
from ernie_paddle.finetuning.settings import load_recipe
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.pretraining.plan import Strategy
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.registry import Registry

Group = Literal[
    "strategies", "budget", "auxiliary_losses", "all_added", "one_added", "leave_one_out", "order", "task_ids"
]
Start = Literal["pretrained", "from_scratch", "initial"]
MASKED_LM, PRETRAINED, FROM_SCRATCH, INITIAL = "masked_lm", "pretrained", "from_scratch", "initial"
PARTS = {"quarter": 4, "half": 2}  # of the budget, by name
CONTINUAL: Strategy = "continual_multi_task"
STRATEGIES: tuple[Strategy, ...] = ("sequential", "multi_task", CONTINUAL)
CURVES = (CONTINUAL, "multi_task", MASKED_LM)  # what is trained with parts of the budget, too


class LanguageSettings(Settings):
    """One language of an experiment."""

    prepare: list[str] = Field(default_factory=list)
    """Commands of `ernie-paddle` that make vocabulary and samples, in this order; each runs once. Commands of pip begin
    with `pip`."""
    plan: Path
    """Plan config. Its tasks are in the order in which they are introduced; all variants share its budget of steps."""
    init: Path | None = None
    """Model from which every pre-training run starts (`pretrain --init`); `null`: new parameters."""
    recipes: Annotated[list[Path], AfterValidator(each_once)] = Field(default_factory=list)
    """Recipes of the downstream tasks."""
    other_order: Annotated[list[str], AfterValidator(each_once)] = Field(default_factory=list)
    """The tasks in the order of the group `order`."""


class ExperimentSettings(Settings):
    """The config of an experiment."""

    languages: dict[FileName, LanguageSettings] = Field(min_length=1)
    """Languages by name."""
    groups: Annotated[list[Group], Field(min_length=1), AfterValidator(each_once)]
    """What is compared; a table each."""
    seeds: Annotated[list[int], Field(min_length=1), AfterValidator(each_once)]
    """Seeds of pre-training."""
    finetuning_seeds: Annotated[list[int], Field(min_length=1), AfterValidator(each_once)]
    """Seeds of fine-tuning, from each pre-trained model."""
    budget: int | None = Field(default=None, ge=1)
    """Steps of each pre-training run; `null`: those of the plan."""
    workers: int = Field(default=2, ge=1)
    """Runs at a time; each has an equal share of the cores."""


@dataclass(frozen=True)
class Variant:
    """A way to spend the budget: a strategy, the tasks in their order, and whether they have auxiliary losses.

    The steps are the budget divided by `divisor`.
    """

    name: str
    strategy: Strategy
    tasks: tuple[str, ...]
    auxiliary: bool = False
    divisor: int = 1


def variants(group: Group, tasks: Sequence[str], other_order: Sequence[str] = ()) -> list[Variant]:
    """Return the variants that a group compares. The first task is that of masked LM.

    Raises:
        UserError: `order` has no other order, or one of other tasks.
    """
    first, whole = tasks[0], with_whole_budget(tasks)
    continual, masked_lm = whole[CONTINUAL], whole[MASKED_LM]
    auxiliary = replace(continual, name="auxiliary_losses", auxiliary=True)  # masked LM in every step
    if group == "strategies":
        return list(whole.values())
    if group == "budget":
        return [variant for curve in learning_curves(tasks).values() for variant in curve]
    if group == "auxiliary_losses":
        return [continual, auxiliary]
    if group == "all_added":
        return [masked_lm, auxiliary]
    if group == "one_added":
        pairs = {f"{MASKED_LM}_and_{task}": (first, task) for task in tasks[1:]}
        return [masked_lm, *(replace(auxiliary, name=name, tasks=pair) for name, pair in pairs.items())]
    if group == "leave_one_out":
        rest = {f"without_{left}": tuple(task for task in tasks if task != left) for left in tasks[1:]}
        return [auxiliary, *(replace(auxiliary, name=name, tasks=others) for name, others in rest.items())]
    if group == "order":
        if sorted(other_order) != sorted(tasks):
            raise UserError(f"other_order: expected the plan's tasks in another order: {', '.join(tasks)}")
        return [continual, Variant("other_order", CONTINUAL, tuple(other_order))]
    return [continual]


def with_whole_budget(tasks: Sequence[str]) -> dict[str, Variant]:
    """Return the strategies with all tasks, and masked LM alone, by name."""
    strategies = (Variant(strategy, strategy, tuple(tasks)) for strategy in STRATEGIES)
    return {variant.name: variant for variant in (*strategies, Variant(MASKED_LM, "multi_task", (tasks[0],)))}


def learning_curves(tasks: Sequence[str]) -> dict[str, list[Variant]]:
    """Return what the group `budget` compares: by name, a variant with parts of the budget, and with all of it."""
    whole = with_whole_budget(tasks)
    return {
        name: [
            *(replace(whole[name], name=f"{name}_{part}", divisor=divisor) for part, divisor in PARTS.items()),
            whole[name],
        ]
        for name in CURVES
    }


@dataclass(frozen=True)
class PretrainRun:
    """A pre-training run: a variant in a language, with a seed."""

    language: str
    variant: Variant
    seed: int

    @property
    def name(self) -> str:
        """The folder of the run."""
        return f"{self.language}/{self.variant.name}/seed={self.seed}"


@dataclass(frozen=True)
class FinetuneRun:
    """Fine-tuning runs of one recipe with several seeds.

    They start from the model of a pre-training run. For comparison, they start from the model with which all
    pre-training began, or if there is none, from scratch. The recipe's own row of the task embedding is used where
    `task_id` is None.
    """

    pretrained: PretrainRun
    recipe: Path
    task_id: int | None = None
    start: Start = PRETRAINED

    @property
    def model(self) -> str:
        """The folder of all fine-tuning runs from the same model."""
        folders = {
            PRETRAINED: self.pretrained.name,
            FROM_SCRATCH: f"{self.pretrained.name}/{FROM_SCRATCH}",  # which gives the sizes
            INITIAL: f"{self.pretrained.language}/{INITIAL}",
        }
        return folders[self.start]

    @property
    def name(self) -> str:
        """The folder of the runs."""
        row = "" if self.task_id is None else f",task_id={self.task_id}"
        return f"{self.model}/{self.recipe.stem}{row}"


class Experiment:
    """An experiment with its plans and recipes.

    Raises:
        UserError: a plan or recipe is missing or has mistakes, or a group does not suit it.
    """

    def __init__(self, name: str, settings: ExperimentSettings, registry: Registry):
        self.name, self.settings = name, settings
        self.plans = {
            name: load_settings(PretrainSettings, language.plan) for name, language in settings.languages.items()
        }
        recipes = dict.fromkeys(recipe for language in settings.languages.values() for recipe in language.recipes)
        self.recipes = {recipe: load_recipe(recipe) for recipe in recipes}
        for name, language in settings.languages.items():
            stems = [recipe.stem for recipe in language.recipes]
            if repeated := [stem for stem in stems if stems.count(stem) > 1]:
                raise UserError(f"languages.{name}.recipes: two files are called '{repeated[0]}'; rename one")
        self.task_ids = {name: self._task_ids(name, registry) for name in settings.languages}
        for run in self.pretrain_runs():
            if self.steps(run.language, run.variant) < len(run.variant.tasks) * (len(run.variant.tasks) + 1):
                budget = self.budget(run.language)
                raise UserError(f"a budget of {budget} steps is too small for the tasks of {run.name}")

    def _task_ids(self, language: str, registry: Registry) -> dict[str, int]:
        """Return the rows of the task embedding by name, the last of which no task has, if they are compared."""
        if "task_ids" not in self.settings.groups:
            return {}
        plan = self.plans[language]
        config = ErnieConfig.load(plan.model.config)
        if not config.use_task_id:
            raise UserError(f"{plan.model.config}: has no task embedding, as the group 'task_ids' needs it")
        ids = {name: registry.pretraining_tasks.get(name).task_id for name in plan.plan.tasks}
        return {**ids, "of no task": config.task_type_vocab_size - 1}

    def budget(self, language: str) -> int:
        """Return the steps of each pre-training run in a language."""
        return self.settings.budget or sum(quota.total for quota in self.plans[language].plan.tasks.values())

    def steps(self, language: str, variant: Variant) -> int:
        """Return the steps of a variant's runs in a language."""
        return self.budget(language) // variant.divisor

    def groups(self, language: str) -> dict[Group, list[Variant]]:
        """Return the variants of each group in a language."""
        tasks, other_order = list(self.plans[language].plan.tasks), self.settings.languages[language].other_order
        return {group: variants(group, tasks, other_order) for group in self.settings.groups}

    def pretrain_runs(self) -> list[PretrainRun]:
        """Return every pre-training run once, all those of the first seed before those of the second."""
        runs = (
            PretrainRun(language, variant, seed)
            for seed in self.settings.seeds
            for language in self.settings.languages
            for group in self.groups(language).values()
            for variant in group
        )
        return list(dict.fromkeys(runs))

    def finetune_runs(self) -> list[FinetuneRun]:
        """Return the fine-tuning runs from every pre-trained model, and those without it beside strategies."""
        runs = list[FinetuneRun]()
        for run in self.pretrain_runs():
            recipes = self.settings.languages[run.language].recipes
            runs += (FinetuneRun(run, recipe) for recipe in recipes)
            if run.variant.name == CONTINUAL:
                ids = self.task_ids[run.language].values()
                runs += (self.with_task_id(run, recipe, task_id) for recipe in recipes for task_id in ids)
        if "strategies" in self.settings.groups:
            runs += self._without_pretraining()
        return list(dict.fromkeys(runs))

    def _without_pretraining(self) -> Iterator[FinetuneRun]:
        """Yield what the strategies are compared with: fine-tuning the initial model of a language, or from scratch."""
        first = {run.language: run for run in reversed(self.pretrain_runs())}
        for name, language in self.settings.languages.items():
            for recipe in language.recipes:
                yield FinetuneRun(first[name], recipe, start=INITIAL if language.init else FROM_SCRATCH)

    def with_task_id(self, run: PretrainRun, recipe: Path, task_id: int) -> FinetuneRun:
        """Return the fine-tuning runs with a row of the task embedding."""
        return FinetuneRun(run, recipe, None if task_id == self.recipes[recipe].signature.task_id else task_id)

    def quotas(self, run: PretrainRun) -> dict[str, int]:
        """Return the steps of each task of a run: equal shares of its steps, to one step."""
        share, rest = divmod(self.steps(run.language, run.variant), len(run.variant.tasks))
        return {task: share + (number < rest) for number, task in enumerate(run.variant.tasks)}

    def overrides(self, run: PretrainRun) -> list[str]:
        """Return what a run changes in the plan of its language, as arguments of `--set`."""
        of_plan = self.plans[run.language].plan.tasks
        tasks = {
            task: {**of_plan[task].model_dump(exclude={"steps"}, exclude_defaults=True), "steps": steps}
            for task, steps in self.quotas(run).items()
        }
        auxiliary = "null" if run.variant.auxiliary else "[]"
        return [
            f"plan.strategy={run.variant.strategy}",
            f"plan.tasks={_flow(tasks)}",
            f"plan.auxiliary_tasks={auxiliary}",
            f"train.seed={run.seed}",
        ]


def _flow(value: object) -> str:
    """Return a value as YAML on one line."""
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=float("inf")).strip()


def prepare_commands(settings: ExperimentSettings) -> dict[str, str]:
    """Return a name for each command of preparation; a command that several languages have is named once."""
    names: dict[str, str] = {}
    for language, own in settings.languages.items():
        for number, command in enumerate(own.prepare, 1):
            names.setdefault(command, f"{language}/{number}")
    return names
