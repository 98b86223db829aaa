"""Initialisation from a trained model's parameters. This is not resuming: step and moments start at 0."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from rich.console import Console

from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import Signature
from ernie_paddle.model.saved import load_model, resolve
from ernie_paddle.task import Task, is_of_head, shortened
from ernie_paddle.training.checkpoint import STATE_FILE, TrainerState
from ernie_paddle.training.trainer import Trainer

ENCODER_PREFIXES = ("encoder_layer_", "word_embedding", "pos_embedding", "sent_embedding", "pre_encoder_layer_norm")

Heads = Literal["matching", "kept", "new"]


@dataclass(frozen=True)
class Initial:
    """A model to start from, and the treatment of its heads that have the same name as a head of this run.

    With `matching`, heads with the same classes are loaded and others are initialised. With `kept`, all are loaded, and
    another shape is an error. With `new`, all are initialised. `reason` is the sentence shown for each of these heads.
    Heads whose names begin with one of `carried` stay in the model as they are if no task of this run has them.
    """

    model: Path
    heads: Heads = "matching"
    reason: str = ""
    carried: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadReport:
    """The names of tensors by outcome. Those in `reinitialised` are in the model, but are not loaded from it."""

    matched: list[str]
    missing: list[str]
    unexpected: list[str]
    mismatched: list[str]
    reinitialised: list[str]


def compare(
    expected: Mapping[str, tuple[int, ...]],
    stored: Mapping[str, np.ndarray],
    reinitialised: frozenset[str] = frozenset(),
) -> LoadReport:
    """Match parameters by name and shape, except for those to be reinitialised."""
    common = sorted((expected.keys() & stored.keys()) - reinitialised)
    return LoadReport(
        matched=[name for name in common if expected[name] == stored[name].shape],
        missing=sorted(expected.keys() - stored.keys()),
        unexpected=sorted(stored.keys() - expected.keys()),
        mismatched=[name for name in common if expected[name] != stored[name].shape],
        reinitialised=sorted(expected.keys() & stored.keys() & reinitialised),
    )


def initialise(trainer: Trainer, initial: Initial, console: Console) -> LoadReport:
    """Load a model's parameters into the trainer, and print which tensors were loaded.

    A head may be missing from the model or be reinitialised. It then has the initial values of this run. The encoder
    must be complete.

    Raises:
        UserError: another vocabulary, a tensor of another shape, missing encoder tensors, or no head to keep.
    """
    path, folder = initial.model, resolve(initial.model)
    model, stored_labels = load_model(folder), _stored_labels(folder) if initial.heads == "matching" else {}
    if model.vocabulary.digest != trainer.vocabulary.digest:
        raise UserError(
            f"{path}: its vocabulary ({model.vocabulary.size} entries, {model.vocabulary.case}) is not this run's "
            f"({trainer.vocabulary.size}, {trainer.vocabulary.case})"
        )
    reinitialised, notes = _heads(trainer, initial, model.parameters, stored_labels)
    expected = trainer.session.parameter_shapes(trainer.tasks.values())
    report = compare(expected, model.parameters, reinitialised)
    if report.mismatched:
        name = report.mismatched[0]
        raise UserError(
            f"{path}: {name} has shape {list(model.parameters[name].shape)}, expected {list(expected[name])} "
            f"({len(report.mismatched)} tensors differ in shape); use the configuration the model was trained with"
        )
    encoder = [name for name in report.missing if name.startswith(ENCODER_PREFIXES)]
    if encoder:
        raise UserError(f"{path}: {len(encoder)} encoder tensors are missing, the first is {encoder[0]}")
    carried = [name for name in report.unexpected if name.startswith(initial.carried)]
    trainer.session.set_parameters({name: model.parameters[name] for name in [*report.matched, *carried]})
    groups = {
        "newly initialised": [*report.missing, *report.reinitialised],
        "kept without training": carried,
        "unused": [name for name in report.unexpected if name not in carried],
    }
    console.print(
        f"{folder}: {len(report.matched)} tensors loaded; "
        + "; ".join(f"{what}: {', '.join(names) or 'none'}" for what, names in groups.items()),
        soft_wrap=True,
    )
    for note in notes:
        console.print(f"{path}: {note}", soft_wrap=True)
    return report


def finetuning_initial(model: Path, stored: Signature | None, signature: Signature, keep_head: bool) -> Initial:
    """Decide whether fine-tuning keeps a model's head: it does for the same fine-tuning task with the same labels.

    `stored` is the model's signature, None if the model has none. `keep_head` asks to keep the head of a model without
    a signature.

    Raises:
        UserError: `keep_head`, but the head was trained for another task or other labels.
    """
    expected = described(signature)
    if stored is not None and (stored.task, stored.labels) == (signature.task, signature.labels):
        return Initial(model, "kept", f"its head is kept: it was also fine-tuned for {expected}")
    known = f"it was fine-tuned for {described(stored)}" if stored else "its head has no signature"
    if not keep_head:
        hint = "" if stored else " (--keep-head keeps it)"
        return Initial(model, "new", f"{known}; the head is newly initialised for {expected}{hint}")
    if stored is not None:
        raise UserError(
            f"{model}: {known}, but the recipe is for {expected}; give the recipe the same labels in the same order, "
            "or leave out --keep-head"
        )
    return Initial(model, "kept", f"{known}; it is kept for {expected}, as --keep-head says")


def described(signature: Signature) -> str:
    """Return a fine-tuning task and its labels as text."""
    return f"{signature.task} of {', '.join(signature.labels)}" if signature.labels else signature.task


def _heads(
    trainer: Trainer,
    initial: Initial,
    stored: Mapping[str, np.ndarray],
    stored_labels: Mapping[str, Sequence[str] | None],
) -> tuple[frozenset[str], list[str]]:
    """Return the head tensors of the model that are reinitialised, and a note on each head that the model has."""
    reinitialised: set[str] = set()
    notes: list[str] = []
    for task in trainer.tasks.values():
        shapes = trainer.session.parameter_shapes([task])
        head = {name: shape for name, shape in shapes.items() if is_of_head(name, task.objective.heads)}
        stored_head = head.keys() & stored.keys()
        if initial.heads == "kept" and stored_head != head.keys():
            raise UserError(f"{initial.model}: has no head to keep: {min(head.keys() - stored_head)} is missing")
        reason = _difference(task, head, stored, stored_labels) if initial.heads == "matching" else initial.reason
        if stored_head and reason:
            notes.append(reason)
            reinitialised |= stored_head if initial.heads != "kept" else set()
    return frozenset(reinitialised), notes


def _difference(
    task: Task,
    head: Mapping[str, tuple[int, ...]],
    stored: Mapping[str, np.ndarray],
    stored_labels: Mapping[str, Sequence[str] | None],
) -> str:
    """Return the reason why a task's head cannot be loaded, or an empty text."""
    name = next((name for name in sorted(head) if name not in stored or stored[name].shape != head[name]), None)
    newly = f"the head of {task.name} is newly initialised"
    if name is not None:
        shape = f"has shape {list(stored[name].shape)}" if name in stored else "is missing"
        return f"{newly}: {name} {shape}, expected {list(head[name])}"
    before, now = stored_labels.get(task.name), task.objective.labels
    if before is not None and now is not None and tuple(before) != now:
        return f"{newly}: its classes were {shortened(before)}, this run's are {shortened(now)}"
    return ""


def _stored_labels(model: Path) -> Mapping[str, Sequence[str] | None]:
    """Return the class names of the tasks of a checkpoint; nothing for other models."""
    return TrainerState.load(model).labels if (model / STATE_FILE).is_file() else {}
