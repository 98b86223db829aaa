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
from ernie_paddle.files import atomic_folder, atomic_write, write_json
from ernie_paddle.model.config import CONFIG_FILE
from ernie_paddle.model.saved import (
    MODEL_FILE,
    OPTIMIZER_FILE,
    STATE_FILE,
    STEP,
    Model,
    checkpoints,
    newest,
    safetensors_as_os_errors,
    save_model,
)
from ernie_paddle.text.vocabulary import vocabulary_files

LATEST = "latest"
LABELS = "labels"  # key of the trainer state that holds the class names of each task


def save_checkpoint(
    folder: Path, step: int, model: Model, optimizer: dict[str, np.ndarray], state: dict[str, Any]
) -> Path:
    """Write the complete checkpoint `step_<step>/`, then point `latest` at it. `state` is a JSON object."""
    path = folder / f"{STEP}{step}"
    with atomic_folder(path) as beside:
        with safetensors_as_os_errors(beside / OPTIMIZER_FILE):
            save_file(optimizer, beside / OPTIMIZER_FILE)
        write_json(beside / STATE_FILE, {**state, "step": step})
        save_model(beside, model)
    with atomic_write(folder / LATEST) as file:
        file.write(path.name + "\n")
    return path


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
