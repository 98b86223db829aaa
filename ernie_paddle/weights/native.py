"""The layout of this project's checkpoints."""

from pathlib import Path

from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import ModelClass
from ernie_paddle.model.config import CONFIG_FILE
from ernie_paddle.model.saved import (
    BEST,
    MODEL_FILE,
    STEP,
    Model,
    checkpoints,
    load_model,
    resolve,
    save_model,
)
from ernie_paddle.text.vocabulary import VOCABULARY_FILE
from ernie_paddle.weights.layout import SourceModel, WeightsLayout, WriteResult
from ernie_paddle.weights.names import KnownHeads, names_of


def recognises(folder: Path) -> bool:
    models = (folder, folder / BEST, *checkpoints(folder))
    return any((model / MODEL_FILE).is_file() and (model / CONFIG_FILE).is_file() for model in models)


def read(folder: Path, config_file: Path | None, heads: KnownHeads) -> SourceModel:
    """Read a model or that of a run, as `resolve` finds it.

    Raises:
        UserError: a file is missing or damaged, or `config_file` is given.
    """
    if config_file is not None:
        raise UserError(f"{folder}: a checkpoint of this project, which has its configuration; remove --config")
    path = resolve(folder)
    model = load_model(path)
    names = heads.with_others(names_of("ours", model.config, heads=heads.finetuned), model.parameters)
    vocabulary = path / VOCABULARY_FILE
    where = path / MODEL_FILE
    return SourceModel("ours", where, model.config, model.parameters, names, vocabulary, signature=model.signature)


def write(folder: Path, model: Model, model_class: ModelClass | None, heads: KnownHeads) -> WriteResult:
    save_model(folder, model)
    return WriteResult(len(model.parameters), [])


LAYOUT = WeightsLayout(
    name="ernie-paddle",
    files=f"{MODEL_FILE} with {CONFIG_FILE}, or {BEST}/ or {STEP}N/ with them",
    recognises=recognises,
    read=read,
    write=write,
)
