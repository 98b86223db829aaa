"""What a model was fine-tuned for: its class in other libraries, and a signature for a model that comes from them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ernie_paddle.config import check_settings
from ernie_paddle.errors import UserError
from ernie_paddle.kind import SIGNATURE_FILE, FinetuningKind, KeptSignature, ModelClass
from ernie_paddle.registry import Registry
from ernie_paddle.training.checkpoint import Model
from ernie_paddle.weights.layout import Declared, Source
from ernie_paddle.weights.names import FINETUNED_HEADS, head_of

REGRESSION = "regression"  # the problem type
SCORES = {"QuestionAnswering": 2, "MultipleChoice": 1}  # outputs of heads without labels


def class_of(model: Model, registry: Registry) -> ModelClass | None:
    """Return the class that has the model's head in the other libraries, None if it has no such head.

    Without a signature the head's name alone tells; a head of sequences is taken for one of classification.

    Raises:
        UserError: the signature names an unknown kind of fine-tuning.
    """
    if model.signature is not None:
        kind: FinetuningKind = registry.finetuning_tasks.get(model.signature.task, SIGNATURE_FILE)
        found = kind.model_class
        return found if found and f"{head_of(found.suffix)}.b_0" in model.parameters else None
    heads = [layer for layer in FINETUNED_HEADS if f"{layer.ours}.b_0" in model.parameters]
    return ModelClass(heads[0].classes[0]) if heads else None


def signature_of(
    source: Source, parameters: Mapping[str, np.ndarray], longest: int, registry: Registry
) -> tuple[KeptSignature | None, list[str]]:
    """Return the signature of a source that was fine-tuned, None if it cannot be told, and sentences for the report.

    The source's own goes first, unless its configuration has become another. `longest` is the number of tokens that its
    tokenizer gives the model.
    """
    notes = []
    if source.signature is not None:
        kind = registry.finetuning_tasks.get(source.signature.task, SIGNATURE_FILE)
        if source.declared is None or _agree(source.signature, kind.model_class, source.declared):
            return source.signature, []
        notes.append(f"{SIGNATURE_FILE} was left aside: its kind or labels are not those of the configuration")
    heads = [layer.ours for layer in FINETUNED_HEADS if f"{layer.ours}.w_0" in parameters]
    if source.declared is None or source.declared.model_class is None:
        notes += [f"nothing tells what {head} was fine-tuned for: {_consequence()}" for head in heads]
        return None, notes
    head = head_of(source.declared.model_class)
    if head is None or f"{head}.w_0" not in parameters:
        return None, notes + _about_other_class(source.declared)
    signature, note = _adopted(source.declared, parameters[f"{head}.w_0"].shape[1], longest, registry)
    return signature, [*notes, note]


def corrected(model: Model, labels: Sequence[str] | None, max_length: int | None) -> Model:
    """Return a model whose signature has the labels and the longest input that a person tells, unless they are None.

    Raises:
        UserError: there is no signature to correct, the head has another number of labels, the model fewer positions.
    """
    told = {"labels": labels, "max_length": max_length}
    changes = {key: value for key, value in told.items() if value is not None}
    if not changes:
        return model
    if model.signature is None:
        raise UserError("--labels, --max-length: nothing tells what kind of fine-tuning the model's head is for")
    before, positions = model.signature.labels or (), model.config.max_position_embeddings
    if labels is not None and len(labels) != len(before):
        raise UserError(f"--labels: {len(labels)} names, the head has {len(before)} labels")
    if max_length is not None and max_length > positions:
        raise UserError(f"--max-length {max_length}: the model has {positions} positions")
    signature = check_settings(KeptSignature, model.signature.model_dump() | changes, "--labels, --max-length")
    return replace(model, signature=signature)


def _agree(signature: KeptSignature, known: ModelClass | None, declared: Declared) -> bool:
    if known is None or known.suffix != declared.model_class or known.problem_type != declared.problem_type:
        return False
    return signature.labels is None or signature.labels == declared.labels


def _about_other_class(declared: Declared) -> list[str]:
    suffix = declared.model_class or ""
    if head_of(suffix):
        return [f"the configuration is that of a model for {suffix}, whose head is not there"]
    if suffix in ("", "MaskedLM", "PreTraining", "Pretraining", "NextSentencePrediction"):
        return []
    return [f"the head of a model for {suffix} has no counterpart here and is left behind"]


def _adopted(declared: Declared, classes: int, longest: int, registry: Registry) -> tuple[KeptSignature | None, str]:
    """Return a signature for a head with so many classes, and what to say of it."""
    suffix = declared.model_class or ""
    regression = suffix == "SequenceClassification" and declared.problem_type in (None, REGRESSION) and classes == 1
    problem = REGRESSION if regression else None
    kinds: list[FinetuningKind] = list(registry.finetuning_tasks)
    kind = next((kind for kind in kinds if kind.model_class and _same(kind.model_class, suffix, problem)), None)
    placeholders = tuple(f"LABEL_{number}" for number in range(classes))  # what both libraries call nameless classes
    labels = declared.labels or placeholders
    if declared.problem_type and not regression:
        fault = f"it is for {declared.problem_type} with {classes} outputs"
    elif kind is None:
        fault = f"no kind of fine-tuning here is {suffix}"
    elif kind.has_labels:
        one_each = len(labels) == len(set(labels)) == classes > 1
        fault = "" if one_each else f"it has {classes} classes, the configuration names {', '.join(labels)}"
    else:
        fault = "" if classes == SCORES.get(suffix, 1) else f"it has {classes} outputs"
    if kind is None or fault:
        return None, f"the head of the model for {suffix} is kept, but {fault}: {_consequence()}"
    given = labels if kind.has_labels else None
    signature = KeptSignature(task=kind.name, labels=given, max_length=longest, data=kind.usual_data)
    shown = f" of {', '.join(labels)}" if given else ""
    to_set = "--labels, whose names are not there, and --max-length" if given == placeholders else "--max-length"
    return signature, (
        f"the head is one of {kind.name}{shown}, max_length {longest}: kept in {SIGNATURE_FILE}; if the model was "
        f"trained otherwise, give {to_set}"
    )


def _same(known: ModelClass, suffix: str, problem: str | None) -> bool:
    return known.suffix == suffix and known.problem_type == problem


def _consequence() -> str:
    return f"export needs a {SIGNATURE_FILE} beside it, finetune starts its head anew"
