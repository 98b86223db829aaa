"""Models on disk: parameters, configuration, vocabulary and, after fine-tuning, a signature.

    model.safetensors  ernie_config.json  vocab.txt  [tokenizer_config.json]  [signature.json]  SHA256SUMS

The checkpoints `step_N/` of a run are models; a fine-tuning run also has its best model in `best/`. A pre-training run
that compares its checkpoints has a file `best` with the name of the best one.
"""

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ernie_paddle.checksums import SUMS_FILE, check_files, write_checksums
from ernie_paddle.config import check_settings
from ernie_paddle.console import open_console
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json, read_text, write_json
from ernie_paddle.finetuning_task import SIGNATURE_FILE, KeptSignature
from ernie_paddle.model.config import CONFIG_FILE, ErnieConfig
from ernie_paddle.text.vocabulary import VOCABULARY_FILE, Vocabulary, vocabulary_files

MODEL_FILE = "model.safetensors"
OPTIMIZER_FILE, STATE_FILE = "optimizer.safetensors", "trainer_state.json"  # only in checkpoints
BEST = "best"
STEP = "step_"  # the prefix of checkpoint folders


@dataclass(frozen=True)
class Model:
    """The parts of a checkpoint that fine-tuning, evaluation and export need; a fine-tuned model has a signature."""

    config: ErnieConfig
    vocabulary: Vocabulary
    parameters: dict[str, np.ndarray]
    signature: KeptSignature | None = None

    @property
    def task_id(self) -> int:
        """The row of the task embedding: the signature's, 0 without one."""
        return self.signature.task_id if self.signature else 0

    def without_task_embedding(self) -> "Model":
        """Return a model without a task embedding that computes the same: all positions include the task's row."""
        if not self.config.use_task_id:
            return self
        parameters = {name: value for name, value in self.parameters.items() if name != "task_embedding"}
        parameters["pos_embedding"] = parameters["pos_embedding"] + self.parameters["task_embedding"][self.task_id]
        return replace(self, config=self.config.model_copy(update={"use_task_id": False}), parameters=parameters)


def save_model(folder: Path, model: Model) -> None:
    """Write a model's files to a folder, and the checksums of all files in it."""
    with safetensors_as_os_errors(folder / MODEL_FILE):
        save_file(model.parameters, folder / MODEL_FILE)
    model.config.save(folder / CONFIG_FILE)
    model.vocabulary.save(folder / VOCABULARY_FILE)
    save_signature(folder, model.signature)
    write_checksums(folder)


def save_signature(folder: Path, signature: KeptSignature | None) -> None:
    """Write `signature.json` if there is a signature."""
    if signature is not None:
        write_json(folder / SIGNATURE_FILE, signature.model_dump(mode="json"))


def load_model(path: Path) -> Model:
    """Read a model or that of a run, as `resolve` finds it.

    Raises:
        UserError: a file is missing or damaged.
    """
    folder = resolve(path)
    if folder == path:  # `resolve` has checked the model of a run
        check_model(folder)
    vocabulary, config = Vocabulary.load(folder / VOCABULARY_FILE), ErnieConfig.load(folder / CONFIG_FILE)
    return Model(config, vocabulary, load_tensors(folder / MODEL_FILE), load_signature(folder))


def load_signature(folder: Path) -> KeptSignature | None:
    """Read the signature of a model, None if it has none. A checkpoint has the signature of its run's best model.

    Raises:
        UserError: the file is damaged.
    """
    folders = [folder, folder.parent / BEST] if folder.name.startswith(STEP) else [folder]
    path = next((folder / SIGNATURE_FILE for folder in folders if (folder / SIGNATURE_FILE).is_file()), None)
    return None if path is None else check_settings(KeptSignature, read_json(path, "signature"), str(path))


def resolve(path: Path) -> Path:
    """Return the folder of the model that a path stands for.

    A model's folder, which is not checked here, stands for itself, a fine-tuning run for its best model, and a
    pre-training run for its newest complete checkpoint. The file `best` of a pre-training run stands for the checkpoint
    that it names.

    Raises:
        UserError: none of them is there, the best model is damaged, or the model has another library's layout.
    """
    if (best := named_by(path)) != path:
        check_model(best)
        return best
    if not path.is_dir():
        found = "is not a folder" if path.exists() else "not found"
        raise UserError(f"{path}: {found}; name the folder of a model or of a run")
    if (path / "config.json").is_file() and not (path / CONFIG_FILE).is_file():
        raise UserError(f"{path}: a model of another library; first run: ernie-paddle convert {path} --out NEW_FOLDER")
    if (path / MODEL_FILE).is_file() or (path / SUMS_FILE).is_file():
        return path
    if (best := path / BEST).is_dir():
        check_model(best)
        return best
    console = open_console(stderr=True)
    checkpoint = newest(path, check_model, lambda line: console.print(f"warning: {line}", soft_wrap=True))
    if checkpoint is None:
        raise UserError(f"{path}: neither a model ({MODEL_FILE}) nor a run with a complete checkpoint ({STEP}N)")
    return checkpoint


def named_by(path: Path) -> Path:
    """Return the checkpoint that the file `best` of a pre-training run names; any other path names itself.

    Raises:
        UserError: the checkpoint was removed.
    """
    if path.name != BEST or not path.is_file():
        return path
    best = path.parent / read_text(path, "name of the best checkpoint").strip()
    if not best.is_dir():
        raise UserError(f"{path}: names {best.name}, which was removed; name another checkpoint")
    return best


def check_apart(out: Path, path: Path) -> None:
    """Raise a `UserError` if a folder to write is in that of a run; `path` is the run, its `best` or a checkpoint."""
    given = path.resolve()
    is_part = given in checkpoints(given.parent) or (given.name == BEST and given.is_file())
    run = given.parent if is_part else given
    if out.resolve().is_relative_to(run):
        raise UserError(f"{out}: is in the run {run}, which stays as it is; choose another --out")


def checkpoints(folder: Path) -> list[Path]:
    """Return the `step_N` folders, oldest first."""
    numbered = [(path.name.removeprefix(STEP), path) for path in folder.glob(f"{STEP}*") if path.is_dir()]
    return [path for _, path in sorted((int(n), path) for n, path in numbered if n.isdigit())]


def newest(folder: Path, check: Callable[[Path], None], report: Callable[[str], None]) -> Path | None:
    """Return the newest checkpoint that `check` accepts. Calls `report` for each one it skips."""
    return next(accepted(reversed(checkpoints(folder)), check, report), None)


def accepted(paths: Iterable[Path], check: Callable[[Path], None], report: Callable[[str], None]) -> Iterator[Path]:
    """Yield the checkpoints that `check` accepts. Calls `report` for each one it skips."""
    for path in paths:
        try:
            check(path)
        except UserError as error:
            report(f"{path}: skipped; {error}")
        else:
            yield path


def check_model(path: Path) -> None:
    """Raise a `UserError` if a file that `load_model` reads is missing or damaged."""
    required = [MODEL_FILE, CONFIG_FILE, *vocabulary_files(path)]
    check_files(path, required, unread=[OPTIMIZER_FILE], optional=[STATE_FILE])


def load_tensors(path: Path) -> dict[str, np.ndarray]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None


@contextmanager
def safetensors_as_os_errors(path: Path) -> Iterator[None]:
    """Turn safetensors' errors while it writes `path` into the `OSError` behind them."""
    try:
        yield
    except SafetensorError as error:
        # The library has no type for it: "Error while serializing: I/O error: No space left on device (os error 28)"
        raise OSError(errno.EIO, str(error).rpartition("I/O error: ")[2], str(path)) from None
