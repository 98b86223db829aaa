"""Starting from a trained model's parameters. This is not resuming: step, moments and rate start anew."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from ernie_paddle.errors import UserError
from ernie_paddle.training.checkpoint import load_model
from ernie_paddle.training.trainer import Trainer

ENCODER_PREFIXES = ("encoder_layer_", "word_embedding", "pos_embedding", "sent_embedding", "pre_encoder_layer_norm")


@dataclass(frozen=True)
class LoadReport:
    """Names of tensors by what became of them."""

    matched: list[str]
    missing: list[str]
    unexpected: list[str]
    mismatched: list[str]


def compare(wanted: dict[str, tuple[int, ...]], found: dict[str, np.ndarray]) -> LoadReport:
    """Match parameters by name and shape."""
    common = sorted(wanted.keys() & found.keys())
    return LoadReport(
        matched=[name for name in common if wanted[name] == found[name].shape],
        missing=sorted(wanted.keys() - found.keys()),
        unexpected=sorted(found.keys() - wanted.keys()),
        mismatched=[name for name in common if wanted[name] != found[name].shape],
    )


def initialise(trainer: Trainer, path: Path, console: Console) -> LoadReport:
    """Set the trainer's parameters from a model, and say what was matched.

    Heads may be missing (they start anew), the encoder may not.

    Raises:
        UserError: another vocabulary, a tensor of another shape, encoder tensors missing.
    """
    model = load_model(path)
    if model.vocabulary.digest != trainer.vocabulary.digest:
        raise UserError(
            f"{path}: its vocabulary ({model.vocabulary.size} entries) is not this run's ({trainer.vocabulary.size})"
        )
    wanted = trainer.session.parameter_shapes(trainer.tasks.values())
    report = compare(wanted, model.parameters)
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
        f"{path}: {len(report.matched)} tensors taken; new: {', '.join(report.missing) or 'none'}; "
        f"left aside: {', '.join(report.unexpected) or 'none'}",
        soft_wrap=True,
    )
    return report
