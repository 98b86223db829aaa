"""Our own checkpoints as one of the layouts."""

from pathlib import Path

from ernie_paddle.errors import UserError
from ernie_paddle.kind import ModelClass
from ernie_paddle.model.config import CONFIG_FILE
from ernie_paddle.training.checkpoint import (
    MODEL_FILE,
    STEP,
    VOCABULARY_FILE,
    Model,
    checkpoints,
    load_model,
    resolve,
    save_model,
)
from ernie_paddle.weights.layout import Layout, Source, Written
from ernie_paddle.weights.names import names_of
from ernie_paddle.weights.release import with_task_heads


def recognises(folder: Path) -> bool:
    return bool(checkpoints(folder)) or ((folder / MODEL_FILE).is_file() and (folder / CONFIG_FILE).is_file())


def read(folder: Path, config_file: Path | None) -> Source:
    """Read a checkpoint, or the newest of a run."""
    if config_file is not None:
        raise UserError(f"{folder}: is a checkpoint of this project and has its own configuration; leave --config out")
    path = resolve(folder)
    model = load_model(path)
    names = with_task_heads(names_of("ours", model.config), model.parameters, model.config)
    vocabulary = path / VOCABULARY_FILE
    where = path / MODEL_FILE
    return Source("ours", where, model.config, model.parameters, names, vocabulary, signature=model.signature)


def write(folder: Path, model: Model, model_class: ModelClass | None) -> Written:
    save_model(folder, model)
    return Written(len(model.parameters), [])


LAYOUT = Layout(
    name="ernie-paddle",
    signs=f"{MODEL_FILE} with {CONFIG_FILE}, or {STEP}N/ with them",
    recognises=recognises,
    read=read,
    write=write,
)
