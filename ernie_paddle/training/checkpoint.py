"""Checkpoints: folders `step_N/`, each of them complete or absent.

    model.safetensors  optimizer.safetensors  trainer_state.json  ernie_config.json  vocab.txt  SHA256SUMS

with `tokenizer_config.json` if the vocabulary is cased.

The file `latest` names the newest checkpoint. It is updated once the folder is complete.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from ernie_paddle.checksums import check_files
from ernie_paddle.config import Settings, check_settings
from ernie_paddle.data.order import Cursor
from ernie_paddle.files import atomic_folder, atomic_write, read_json, write_json
from ernie_paddle.model.config import CONFIG_FILE
from ernie_paddle.model.saved import (
    MODEL_FILE,
    OPTIMIZER_FILE,
    STATE_FILE,
    STEP,
    Model,
    checkpoints,
    load_tensors,
    newest,
    safetensors_as_os_errors,
    save_model,
)
from ernie_paddle.text.vocabulary import vocabulary_files
from ernie_paddle.training.loss_scale import LossScale
from ernie_paddle.training.stage_plan import StagePlan

LATEST = "latest"


class TrainerState(Settings):
    """What a checkpoint keeps besides parameters and moments: `trainer_state.json`."""

    step: int
    """Steps done."""
    plan: StagePlan
    """The stages of the run, those to come included."""
    cursors: dict[str, Cursor]
    """The position in the samples of each task that had steps."""
    loss_scale: LossScale
    """That of the next step."""
    labels: dict[str, tuple[str, ...] | None]
    """The class names of each task; `null` if its classes have no names."""
    run: dict[str, Any]
    """Everything that decides the result."""

    @classmethod
    def load(cls, checkpoint: Path) -> "TrainerState":
        """Read the state of a checkpoint.

        Raises:
            UserError: the file is missing, or of another version of the program.
        """
        path = checkpoint / STATE_FILE
        return check_settings(cls, read_json(path, "trainer state"), str(path))


def save_checkpoint(folder: Path, model: Model, optimizer: dict[str, np.ndarray], state: TrainerState) -> Path:
    """Write the complete checkpoint `step_<step>/`, then point `latest` at it."""
    path = folder / f"{STEP}{state.step}"
    with atomic_folder(path) as beside:
        with safetensors_as_os_errors(beside / OPTIMIZER_FILE):
            save_file(optimizer, beside / OPTIMIZER_FILE)
        write_json(beside / STATE_FILE, state.model_dump(mode="json"))
        save_model(beside, model)
    with atomic_write(folder / LATEST) as file:
        file.write(path.name + "\n")
    return path


def load_variables(path: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the parameters and the optimizer's state of a checkpoint, by name."""
    return load_tensors(path / MODEL_FILE), load_tensors(path / OPTIMIZER_FILE)


def remove_old(folder: Path, keep: int) -> None:
    """Remove all checkpoints but the newest `keep`."""
    for path in checkpoints(folder)[:-keep]:
        shutil.rmtree(path)


def newest_complete(folder: Path, report: Callable[[str], None]) -> Path | None:
    """Return the newest checkpoint whose checksums match. Calls `report` for every damaged one it skips."""
    return newest(folder, check_checkpoint, report)


def check_checkpoint(path: Path) -> None:
    """Raise a `UserError` if a file of a checkpoint is missing or damaged."""
    check_files(path, [MODEL_FILE, OPTIMIZER_FILE, STATE_FILE, CONFIG_FILE, *vocabulary_files(path)])
