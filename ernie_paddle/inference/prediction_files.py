"""Prediction files: a table with a row per example, in order, or a JSON object of texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ernie_paddle.files import as_json, atomic_write
from ernie_paddle.finetuning_task import Prediction, Signature


def write_predictions(
    path: Path, examples: Sequence[Any], predictions: Sequence[Prediction], signature: Signature
) -> Path:
    """Write free-text predictions to `<path>.json`, {id: text}, and others to `<path>.tsv`; return the path written.

    The columns of the table are `index`, `prediction` and, if predictions have scores, one for each label or choice.
    """
    target = path.with_name(path.name + prediction_suffix(predictions, signature))
    with atomic_write(target) as file:
        file.write(predictions_as_text(examples, predictions, signature))
    return target


def prediction_suffix(predictions: Sequence[Prediction], signature: Signature) -> str:
    """Return `.json` if predictions are free text, else `.tsv`."""
    texts = signature.labels is None and all(isinstance(prediction.value, str) for prediction in predictions)
    return ".json" if texts else ".tsv"


def predictions_as_text(examples: Sequence[Any], predictions: Sequence[Prediction], signature: Signature) -> str:
    """Return the text that `write_predictions` writes."""
    if prediction_suffix(predictions, signature) == ".json":
        texts = {example.id: prediction.value for example, prediction in zip(examples, predictions, strict=True)}
        return as_json(texts, indent=2) + "\n"
    return "".join(f"{line}\n" for line in prediction_lines(examples, predictions, signature))


def prediction_lines(examples: Sequence[Any], predictions: Sequence[Prediction], signature: Signature) -> list[str]:
    """Return the header and the rows of the table of predictions."""
    columns = max((len(prediction.scores) for prediction in predictions), default=0)
    names = signature.labels if columns and signature.labels else [f"choice {i}" for i in range(columns)]
    lines = ["\t".join(["index", "prediction", *names])]
    for example, prediction in zip(examples, predictions, strict=True):
        scores = [f"{score:.6f}" for score in prediction.scores]
        padding = [""] * (columns - len(scores))
        lines.append("\t".join([str(example.id), prediction_text(prediction.value), *scores, *padding]))
    return lines


def prediction_text(value: Any) -> str:
    """Format a prediction as one field, with blanks between tags and numbers with six significant digits."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else " ".join(map(str, value)) if isinstance(value, Sequence) else str(value)
