"""Checkpoints: `step_N/` folders that are either whole or not there.

    model.safetensors  optimizer.safetensors  trainer_state.json  ernie_config.json  vocab.txt  SHA256SUMS

A fine-tuning run keeps its best model, and with it `signature.json`, in `best/`. `latest` names the newest checkpoint;
it moves after the folder is whole.
"""

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ernie_paddle.checksums import SUMS_FILE, check_files, write_checksums
from ernie_paddle.config import check_settings
from ernie_paddle.console import open_console
from ernie_paddle.errors import UserError
from ernie_paddle.files import folder_written_whole, read_json, write_json, written_whole
from ernie_paddle.kind import SIGNATURE_FILE, KeptSignature
from ernie_paddle.model.config import CONFIG_FILE, ErnieConfig
from ernie_paddle.text.vocabulary import Vocabulary

MODEL_FILE, OPTIMIZER_FILE, STATE_FILE, VOCABULARY_FILE = (
    "model.safetensors",
    "optimizer.safetensors",
    "trainer_state.json",
    "vocab.txt",
)
LATEST, BEST = "latest", "best"
LABELS = "labels"  # key of the trainer state: the names of the tasks' classes
STEP = "step_"  # begins the names of checkpoints


@dataclass(frozen=True)
class Model:
    """What fine-tuning, evaluation and export need of a checkpoint; a fine-tuned model has a signature."""

    config: ErnieConfig
    vocabulary: Vocabulary
    parameters: dict[str, np.ndarray]
    signature: KeptSignature | None = None


def save_checkpoint(
    folder: Path, update: int, model: Model, optimizer: dict[str, np.ndarray], state: dict[str, Any]
) -> Path:
    """Write `step_<update>/` whole, then point `latest` at it. `state` is any JSON object."""
    path = folder / f"{STEP}{update}"
    with folder_written_whole(path) as beside:
        with os_errors(beside / OPTIMIZER_FILE):
            save_file(optimizer, beside / OPTIMIZER_FILE)
        write_json(beside / STATE_FILE, {**state, "update": update})
        save_model(beside, model)
    with written_whole(folder / LATEST) as file:
        file.write(path.name + "\n")
    return path


def save_model(folder: Path, model: Model) -> None:
    """Write parameters, configuration, vocabulary and signature into a folder, and the checksums of all its files."""
    with os_errors(folder / MODEL_FILE):
        save_file(model.parameters, folder / MODEL_FILE)
    model.config.save(folder / CONFIG_FILE)
    model.vocabulary.save(folder / VOCABULARY_FILE)
    save_signature(folder, model.signature)
    write_checksums(folder)


def save_signature(folder: Path, signature: KeptSignature | None) -> None:
    """Write `signature.json` if there is a signature."""
    if signature is not None:
        write_json(folder / SIGNATURE_FILE, signature.model_dump(mode="json"))


def remove_old(folder: Path, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints."""
    for path in checkpoints(folder)[:-keep]:
        shutil.rmtree(path)


def checkpoints(folder: Path) -> list[Path]:
    """The `step_N` folders, oldest first."""
    numbered = [(path.name.removeprefix(STEP), path) for path in folder.glob(f"{STEP}*") if path.is_dir()]
    return [path for _, path in sorted((int(n), path) for n, path in numbered if n.isdigit())]


def newest_whole(folder: Path, report: Callable[[str], None]) -> Path | None:
    """Return the newest checkpoint whose checksums match; `report` hears of each that is skipped."""
    return _newest(folder, check_checkpoint, report)


def check_checkpoint(path: Path) -> None:
    """Raise a `UserError` if a file of a checkpoint is missing or damaged."""
    check_files(path, [MODEL_FILE, OPTIMIZER_FILE, STATE_FILE, CONFIG_FILE, VOCABULARY_FILE])


def check_model(path: Path) -> None:
    """Raise a `UserError` if a file that `load_model` reads is missing or damaged."""
    check_files(path, [MODEL_FILE, CONFIG_FILE, VOCABULARY_FILE], unread=[OPTIMIZER_FILE])


def _newest(folder: Path, check: Callable[[Path], None], report: Callable[[str], None]) -> Path | None:
    for path in reversed(checkpoints(folder)):
        try:
            check(path)
        except UserError as error:
            report(f"{path}: skipped; {error}")
        else:
            return path
    return None


def resolve(path: Path) -> Path:
    """Return the folder with the model: `path` itself, unchecked, or the newest complete checkpoint in it.

    Raises:
        UserError: neither is there.
    """
    if (path / MODEL_FILE).is_file() or (path / SUMS_FILE).is_file():
        return path
    console = open_console(stderr=True)
    newest = _newest(path, check_model, lambda line: console.print(f"warning: {line}", soft_wrap=True))
    if newest is None:
        raise UserError(f"{path}: neither a model ({MODEL_FILE}) nor a run with a complete checkpoint ({STEP}N)")
    return newest


def load_model(path: Path) -> Model:
    """Read parameters, configuration, vocabulary and signature of a model or of a run's newest complete checkpoint.

    Raises:
        UserError: missing or damaged files.
    """
    folder = resolve(path)
    if folder == path:  # the newest of a run was checked to be complete
        check_model(folder)
    vocabulary, config = Vocabulary.load(folder / VOCABULARY_FILE), ErnieConfig.load(folder / CONFIG_FILE)
    return Model(config, vocabulary, load_tensors(folder / MODEL_FILE), load_signature(folder))


def load_signature(folder: Path) -> KeptSignature | None:
    """Read the signature of a model; a checkpoint has that of its run's best model. None: it has none.

    Raises:
        UserError: the file is damaged.
    """
    homes = [folder, folder.parent / BEST] if folder.name.startswith(STEP) else [folder]
    path = next((home / SIGNATURE_FILE for home in homes if (home / SIGNATURE_FILE).is_file()), None)
    return None if path is None else check_settings(KeptSignature, read_json(path, "signature"), str(path))


@contextmanager
def os_errors(path: Path) -> Iterator[None]:
    """Turn an error of the safetensors library in writing `path` into the `OSError` that it comes from."""
    try:
        yield
    except SafetensorError as error:
        # It has no type for this: "Error while serializing: I/O error: No space left on device (os error 28)"
        raise OSError(errno.EIO, str(error).rpartition("I/O error: ")[2], str(path)) from None


def load_tensors(path: Path) -> dict[str, np.ndarray]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
