"""Starting from a trained model's parameters. This is not resuming: step, moments and rate start anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from rich.console import Console

from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json
from ernie_paddle.kind import Signature
from ernie_paddle.task import Task
from ernie_paddle.training.checkpoint import LABELS, STATE_FILE, load_model, resolve
from ernie_paddle.training.trainer import Trainer

ENCODER_PREFIXES = ("encoder_layer_", "word_embedding", "pos_embedding", "sent_embedding", "pre_encoder_layer_norm")
SHARED_PREFIXES = (*ENCODER_PREFIXES, "task_embedding", "pooled_fc", "mask_lm_")  # all others belong to one head

Heads = Literal["fitting", "kept", "new"]


@dataclass(frozen=True)
class Initial:
    """A model to start from, and what becomes of its heads that have the names of this run's.

    `fitting`: those of the same classes are taken, others start anew; `kept`: taken, another shape is an error; `new`:
    all start anew. `reason` is a sentence that is shown where the model has such a head.
    """

    model: Path
    heads: Heads = "fitting"
    reason: str = ""


@dataclass(frozen=True)
class LoadReport:
    """Names of tensors by what became of them; those `renewed` are in the model, but start anew."""

    matched: list[str]
    missing: list[str]
    unexpected: list[str]
    mismatched: list[str]
    renewed: list[str]


def compare(
    wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, np.ndarray], renewed: frozenset[str] = frozenset()
) -> LoadReport:
    """Match parameters by name and shape, but for those that start anew."""
    common = sorted((wanted.keys() & found.keys()) - renewed)
    return LoadReport(
        matched=[name for name in common if wanted[name] == found[name].shape],
        missing=sorted(wanted.keys() - found.keys()),
        unexpected=sorted(found.keys() - wanted.keys()),
        mismatched=[name for name in common if wanted[name] != found[name].shape],
        renewed=sorted(wanted.keys() & found.keys() & renewed),
    )


def initialise(trainer: Trainer, initial: Initial, console: Console) -> LoadReport:
    """Set the trainer's parameters from a model, and say what was matched.

    Heads may be missing or start anew with the initial values of this run, the encoder may not.

    Raises:
        UserError: another vocabulary, a tensor of another shape, encoder tensors missing, no head that could be kept.
    """
    path, folder = initial.model, resolve(initial.model)
    model, stored = load_model(folder), _stored_labels(folder) if initial.heads == "fitting" else {}
    if model.vocabulary.digest != trainer.vocabulary.digest:
        raise UserError(
            f"{path}: its vocabulary ({model.vocabulary.size} entries) is not this run's ({trainer.vocabulary.size})"
        )
    renewed, notes = _heads(trainer, initial, model.parameters, stored)
    wanted = trainer.session.parameter_shapes(trainer.tasks.values())
    report = compare(wanted, model.parameters, renewed)
    if report.mismatched:
        name = report.mismatched[0]
        raise UserError(
            f"{path}: {name} is {list(model.parameters[name].shape)}, this model needs {list(wanted[name])} "
            f"({len(report.mismatched)} tensors differ in shape); use the configuration the model was trained with"
        )
    encoder = [name for name in report.missing if name.startswith(ENCODER_PREFIXES)]
    if encoder:
        raise UserError(f"{path}: {len(encoder)} encoder tensors are missing, the first is {encoder[0]}")
    trainer.session.set_parameters({name: model.parameters[name] for name in report.matched})
    console.print(
        f"{path}: {len(report.matched)} tensors taken; new: {', '.join([*report.missing, *report.renewed]) or 'none'}; "
        f"left aside: {', '.join(report.unexpected) or 'none'}",
        soft_wrap=True,
    )
    for note in notes:
        console.print(f"{path}: {note}", soft_wrap=True, markup=False)
    return report


def finetuning_initial(model: Path, stored: Signature | None, signature: Signature, keep_head: bool) -> Initial:
    """Decide what becomes of a model's head in fine-tuning: it is kept for the same kind of task with the same labels.

    `stored` is the model's signature, None where nothing tells what its head means. `keep_head` insists on the head.

    Raises:
        UserError: the head that is insisted on was trained for another kind or other labels.
    """
    wanted = described(signature)
    if stored is not None and (stored.task, stored.labels) == (signature.task, signature.labels):
        return Initial(model, "kept", f"its head is kept, it was fine-tuned for {wanted} too")
    known = f"it was fine-tuned for {described(stored)}" if stored else "nothing tells what its head was fine-tuned for"
    if not keep_head:
        hint = "" if stored else " (--keep-head takes it)"
        return Initial(model, "new", f"{known}; the head starts anew for {wanted}{hint}")
    if stored is not None:
        raise UserError(
            f"{model}: {known}; the recipe is {wanted}, for which its head would mean something else: name the labels "
            "alike and in that order, or leave --keep-head out"
        )
    return Initial(model, "kept", f"{known}; it is kept for {wanted}, as --keep-head says")


def described(signature: Signature) -> str:
    """A kind of fine-tuning and its labels, in words."""
    return f"{signature.task} of {', '.join(signature.labels)}" if signature.labels else signature.task


def _heads(
    trainer: Trainer, initial: Initial, found: Mapping[str, np.ndarray], stored: Mapping[str, Sequence[str]]
) -> tuple[frozenset[str], list[str]]:
    """Return the tensors of heads that start anew though the model has them, and sentences about heads."""
    renewed: set[str] = set()
    notes: list[str] = []
    for task in trainer.tasks.values():
        shapes = trainer.session.parameter_shapes([task])
        head = {name: shape for name, shape in shapes.items() if not name.startswith(SHARED_PREFIXES)}
        there = head.keys() & found.keys()
        if initial.heads == "kept" and there != head.keys():
            raise UserError(f"{initial.model}: has no {min(head.keys() - there)}, there is no head to keep")
        reason = _difference(task, head, found, stored) if initial.heads == "fitting" else initial.reason
        if there and reason:
            notes.append(reason)
            renewed |= there if initial.heads != "kept" else set()
    return frozenset(renewed), notes


def _difference(
    task: Task,
    head: Mapping[str, tuple[int, ...]],
    found: Mapping[str, np.ndarray],
    stored: Mapping[str, Sequence[str]],
) -> str:
    """Say why the head of a task cannot be taken, nothing if it can."""
    name = next((name for name in sorted(head) if name not in found or found[name].shape != head[name]), None)
    if name is not None:
        there = list(found[name].shape) if name in found else "not there"
        return f"the head of {task.name} starts anew: {name} is {there}, this run's is {list(head[name])}"
    before, now = stored.get(task.name), task.objective.labels
    if before is not None and now is not None and tuple(before) != now:
        return f"the head of {task.name} starts anew: its classes were {_few(before)}, this run's are {_few(now)}"
    return ""


def _few(labels: Sequence[str], count: int = 5) -> str:
    return ", ".join(labels[:count]) + (f" and {len(labels) - count} more" if len(labels) > count else "")


def _stored_labels(model: Path) -> dict[str, Sequence[str]]:
    """The classes of a checkpoint's tasks, as far as it tells."""
    path = model / STATE_FILE
    return read_json(path, "trainer state").get(LABELS, {}) if path.is_file() else {}
