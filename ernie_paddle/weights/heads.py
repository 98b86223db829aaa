"""Fine-tuned heads: their model class in other libraries, and a signature for models from these libraries."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ernie_paddle.config import check_settings
from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import SIGNATURE_FILE, FinetuningTask, KeptSignature, ModelClass
from ernie_paddle.model.saved import Model
from ernie_paddle.registry import Registry
from ernie_paddle.weights.layout import DeclaredHead, SourceModel
from ernie_paddle.weights.names import KnownHeads

REGRESSION = "regression"  # the problem type
UNLABELLED_OUTPUTS = {"QuestionAnswering": 2, "MultipleChoice": 1}  # outputs of heads without labels


def class_of(model: Model, registry: Registry) -> ModelClass | None:
    """Return the other libraries' class for the model's head, None if they have none.

    Without a signature, the name of the head decides; a sequence-level head is taken for a classifier.

    Raises:
        UserError: the signature names an unknown fine-tuning task.
    """
    if model.signature is not None:
        task: FinetuningTask = registry.finetuning_tasks.get(model.signature.task, SIGNATURE_FILE)
        model_class = task.model_class
        return model_class if model_class and f"{task.head}.b_0" in model.parameters else None
    classes = (task.model_class for task in registry.finetuning_tasks if f"{task.head}.b_0" in model.parameters)
    return next(classes, None)


def signature_of(
    source: SourceModel, parameters: Mapping[str, np.ndarray], longest: int, registry: Registry
) -> tuple[KeptSignature | None, list[str]]:
    """Return the signature of a fine-tuned source model, None if it is unknown, and sentences for the report.

    The source's own signature is used unless its configuration contradicts it. `longest` is the number of tokens that
    its tokenizer passes to the model.
    """
    notes = []
    if source.signature is not None:
        task = registry.finetuning_tasks.get(source.signature.task, SIGNATURE_FILE)
        if source.declared is None or _agree(source.signature, task.model_class, source.declared):
            return source.signature, []
        notes.append(f"{SIGNATURE_FILE} is not used: its task or labels are not those of the configuration")
    known = KnownHeads.of(registry)
    heads = [layer.ours for layer in known.finetuned if f"{layer.ours}.w_0" in parameters]
    if source.declared is None or source.declared.model_class is None:
        notes += [f"nothing tells what {head} was fine-tuned for: {_consequence()}" for head in heads]
        return None, notes
    head = known.of_class(source.declared.model_class)
    if head is None or f"{head}.w_0" not in parameters:
        return None, notes + _head_notes(source.declared, known)
    signature, note = _inferred_signature(source.declared, parameters[f"{head}.w_0"].shape[1], longest, registry)
    return signature, [*notes, note]


def corrected(model: Model, labels: Sequence[str] | None, max_length: int | None) -> Model:
    """Return a model whose signature has the user's labels and longest input; None keeps a value.

    Raises:
        UserError: the model has no signature, its head another number of labels, or its encoder fewer positions.
    """
    values = {"labels": labels, "max_length": max_length}
    changes = {key: value for key, value in values.items() if value is not None}
    if not changes:
        return model
    if model.signature is None:
        raise UserError("--labels, --max-length: nothing tells what the model's head was fine-tuned for")
    before, positions = model.signature.labels or (), model.config.max_position_embeddings
    if labels is not None and len(labels) != len(before):
        raise UserError(f"--labels: {len(labels)} names, the head has {len(before)} labels")
    if max_length is not None and max_length > positions:
        raise UserError(f"--max-length {max_length}: the model has {positions} positions")
    signature = check_settings(KeptSignature, model.signature.model_dump() | changes, "--labels, --max-length")
    return replace(model, signature=signature)


def _agree(signature: KeptSignature, model_class: ModelClass | None, declared: DeclaredHead) -> bool:
    if model_class is None or not _is_class(model_class, declared.model_class, declared.problem_type):
        return False
    return signature.labels is None or signature.labels == declared.labels


def _head_notes(declared: DeclaredHead, known: KnownHeads) -> list[str]:
    """Return a sentence about a declared fine-tuned head that is missing or has no counterpart here."""
    suffix = declared.model_class or ""
    if known.of_class(suffix):
        return [f"the configuration is that of a model for {suffix}, whose head is missing"]
    if suffix in ("", "MaskedLM", "PreTraining", "Pretraining", "NextSentencePrediction"):
        return []
    return [f"the head of a model for {suffix} has no counterpart here and is not loaded"]


def _inferred_signature(
    declared: DeclaredHead, classes: int, longest: int, registry: Registry
) -> tuple[KeptSignature | None, str]:
    """Return a signature for a head with this number of classes, None if no task fits, and a sentence about it."""
    suffix = declared.model_class or ""
    regression = suffix == "SequenceClassification" and declared.problem_type in (None, REGRESSION) and classes == 1
    problem_type = REGRESSION if regression else None
    tasks: list[FinetuningTask] = list(registry.finetuning_tasks)
    task = next(
        (task for task in tasks if task.model_class and _is_class(task.model_class, suffix, problem_type)), None
    )
    placeholders = tuple(f"LABEL_{number}" for number in range(classes))  # both libraries' names of unnamed classes
    labels = declared.labels or placeholders
    if declared.problem_type and not regression:
        error = f"it is for {declared.problem_type} with {classes} outputs"
    elif task is None:
        error = f"there is no fine-tuning task for {suffix} here"
    elif task.has_labels:
        all_named = len(labels) == len(set(labels)) == classes > 1
        error = "" if all_named else f"it has {classes} classes, the configuration names {', '.join(labels)}"
    else:
        error = "" if classes == UNLABELLED_OUTPUTS.get(suffix, 1) else f"it has {classes} outputs"
    if task is None or error:
        return None, f"the head of the model for {suffix} is loaded, but {error}: {_consequence()}"
    signature_labels = labels if task.has_labels else None
    signature = KeptSignature(task=task.name, labels=signature_labels, max_length=longest, data=task.usual_data)
    shown = f" with labels {', '.join(labels)}" if signature_labels else ""
    unnamed = signature_labels == placeholders
    to_set = "--labels, which the source does not name, and --max-length" if unnamed else "--max-length"
    return signature, (
        f"the head is one for {task.name}{shown}, max_length {longest}, as {SIGNATURE_FILE} now says; if the model was "
        f"trained otherwise, give {to_set}"
    )


def _is_class(model_class: ModelClass, suffix: str | None, problem_type: str | None) -> bool:
    return model_class.suffix == suffix and model_class.problem_type == problem_type


def _consequence() -> str:
    return f"export needs a {SIGNATURE_FILE}, and finetune trains a new head"
