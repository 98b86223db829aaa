"""Scores of fine-tuned models on labelled sets, without training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ernie_paddle.errors import UserError
from ernie_paddle.finetuning.settings import SIZES, FinetuneSettings, load_recipe
from ernie_paddle.finetuning_task import ExampleSet, Prediction, Signature
from ernie_paddle.inference.backends import InferencePrecision
from ernie_paddle.inference.predictor import Predictor
from ernie_paddle.metric import Metric, Scores
from ernie_paddle.registry import Registry, load_plugins

SPLITS = ("dev", "test")


def evaluate(
    model: Path | str,
    recipe: FinetuneSettings | Path | str,
    *,
    splits: Sequence[str] = SPLITS,
    size: str = SIZES[0],
    precision: InferencePrecision = "fp32",
    batch_tokens: int | None = None,
    registry: Registry | None = None,
) -> dict[str, Scores]:
    """Score a fine-tuned model on the labelled sets of a recipe, as `ernie-paddle evaluate` does.

    Args:
        model: folder of a run, for its best model, of a checkpoint, a converted model or an export.
        recipe: a recipe for the model's task and labels, or its file; `load_recipe` applies overrides.
        splits: the splits to score: train, dev or test. Unlabelled sets are left out.
        size: section of the recipe's file to use.
        precision: that of matrix products.
        batch_tokens: tokens that are computed together, padding included; by default what is fastest.
        registry: what plug-ins added; by default all that are installed.

    Returns:
        the scores by set.

    Raises:
        UserError: model and recipe do not fit together, no set is labelled, or a file is missing or damaged.
    """
    registry = registry or load_plugins()
    settings = recipe if isinstance(recipe, FinetuneSettings) else load_recipe(recipe, size)
    predictor = Predictor.load(model, precision=precision, registry=registry)
    check_same_task(predictor.signature, settings.signature, str(model), "the recipe")
    task, signature = predictor.task, predictor.signature
    task.check_data(settings.data, "data")
    metric = registry.metrics.get(settings.metric, "metric")
    task.check_metric(metric, settings.metric_options, signature)
    sets = [read for split in splits for read in task.read(settings.data, split, signature)]
    labelled = [one for one in sets if all(map(task.is_labelled, one.examples))]
    if not labelled:
        raise UserError(f"data: no labelled set among {', '.join(splits)}; name files in data and data.labelled")
    for one in labelled:
        task.check_gold(metric, one)
    return {one.name: score_set(predictor, metric, settings.metric_options, one, batch_tokens) for one in labelled}


def score_set(
    predictor: Predictor,
    metric: Metric,
    options: Mapping[str, Any],
    labelled: ExampleSet,
    batch_tokens: int | None = None,
) -> Scores:
    """Score a model on a labelled set. `options` are those of the metric."""
    found = [identified.prediction for identified in predictor.stream(labelled.examples, batch_tokens)]
    predictions = [prediction for prediction in found if isinstance(prediction, Prediction)]
    return predictor.task.score(metric, options, labelled.examples, predictions, predictor.signature)


def check_same_task(model: Signature, recipe: Signature, model_name: str, recipe_name: str) -> None:
    """Raise a `UserError` unless a recipe is for the model's task and labels."""
    if recipe.task != model.task or recipe.labels != model.labels:
        raise UserError(f"{recipe_name}: its task or labels differ from those of {model_name}")
