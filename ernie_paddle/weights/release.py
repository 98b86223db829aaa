"""The original release's layout: `params/` with one file per variable, `ernie_config.json`, `vocab.txt`.

A fine-tuned model also has `label_map.json` for `--label_map_config`, {label: number}, and our `signature.json`.

The release writes `params/` with `fluid.io.save_persistables`: training checkpoints also hold optimizer variables.
"""

import re
from pathlib import Path

import numpy as np

from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json, write_json
from ernie_paddle.finetuning_task import SIGNATURE_FILE, ModelClass
from ernie_paddle.model.config import CONFIG_FILE, ErnieConfig
from ernie_paddle.model.saved import Model, load_signature, save_signature
from ernie_paddle.text.vocabulary import VOCABULARY_FILE
from ernie_paddle.weights.layout import (
    DeclaredHead,
    SourceModel,
    WeightsLayout,
    WriteResult,
    as_float32,
    bfloat16_as_float32,
)
from ernie_paddle.weights.lod_tensors import read_tensor, write_tensor
from ernie_paddle.weights.names import KnownHeads, names_of

PARAMETERS, LABEL_MAP = "params", "label_map.json"
WORD_EMBEDDING = "word_embedding"
EPSILON = 1e-5  # of fluid's LayerNorm
MASTER = ".master"  # the float32 copy of a parameter that is trained in fp16
TRAINING_STATE = re.compile(
    r".*_(moment[12]|beta[12]_pow_acc)_\d+|learning_rate_\d+|scheduled_learning_rate|@LR_DECAY_COUNTER@"
    r"|loss_scaling_\d+|num_(good|bad)_steps_\d+"
)
CLASSIFIER = re.compile(r"(?:\w*_)?(cls_out_[wb])")  # <task>_cls_out_w; the release's scripts name no task


def recognises(folder: Path) -> bool:
    return (_parameters(folder) / WORD_EMBEDDING).is_file()


def read(folder: Path, config_file: Path | None, heads: KnownHeads) -> SourceModel:
    """Read the folder with `params/`, or `params/` itself. Converts fp16 to float32 and prefers `.master` copies.

    Raises:
        UserError: a file is missing or not a LoDTensor.
    """
    parameters = _parameters(folder)
    folders = [folder, parameters.parent]
    config = ErnieConfig.load(config_file or _first(folders, CONFIG_FILE))
    files = sorted(path for path in parameters.iterdir() if path.is_file() and not path.name.startswith("."))
    training_state = [path for path in files if TRAINING_STATE.fullmatch(path.name)]
    tensors = {path.name: _values(path) for path in files if path not in training_state}
    for name in [name for name in tensors if name.endswith(MASTER)]:
        tensors[name.removesuffix(MASTER)] = tensors.pop(name)
    for name in list(tensors):
        if classifier := CLASSIFIER.fullmatch(name):
            tensors[f"_{classifier[1]}"] = tensors.pop(name)
    skipped = f"{len(training_state)} files are state of the release's training and were skipped"
    notes = (skipped,) if training_state else ()
    names = heads.with_others(names_of("release", config, heads=heads.finetuned), tensors)
    vocabulary, signature = _first(folders, VOCABULARY_FILE), load_signature(_first(folders, SIGNATURE_FILE).parent)
    declared = None if signature else _declared(tensors, _first(folders, LABEL_MAP), heads)
    return SourceModel("release", parameters, config, tensors, names, vocabulary, notes, signature, declared)


def write(folder: Path, model: Model, model_class: ModelClass | None, heads: KnownHeads) -> WriteResult:
    """Write a folder that the release's scripts load, with `--init_pretraining_params FOLDER/params` for example."""
    theirs = {name.ours: name.theirs for name in names_of("release", model.config, heads=heads.finetuned)}
    for name, values in model.parameters.items():
        write_tensor(folder / PARAMETERS / theirs.get(name, name), values)
    model.config.save(folder / CONFIG_FILE)
    model.vocabulary.save(folder / VOCABULARY_FILE)
    save_signature(folder, model.signature)
    labels = model.signature.labels if model.signature else None
    if labels:
        write_json(folder / LABEL_MAP, {label: number for number, label in enumerate(labels)})
    return WriteResult(len(model.parameters), _differences(model, model_class))


def _differences(model: Model, model_class: ModelClass | None) -> list[str]:
    """Return sentences about differences from the release's scripts."""
    notes, epsilon = [], model.config.layer_norm_epsilon
    if epsilon != EPSILON:
        notes.append(f"the release computes LayerNorm with epsilon {EPSILON}, this model was trained with {epsilon}")
    if not model.vocabulary.lower_case:
        notes.append(
            "its vocabulary is cased, but the release's scripts lower-case text; give them --do_lower_case false"
        )
    if model_class and model_class.suffix == "MultipleChoice":
        notes.append("the release has no script for choices: the head is written as a classifier with one output")
    labels = (model.signature and model.signature.labels) or ("O",)
    if model_class and model_class.suffix == "TokenClassification" and labels[-1] != "O":
        notes.append(f"the release uses the last tag for padding, expected O, here it is {labels[-1]}")
    return notes


def _declared(tensors: dict[str, np.ndarray], label_map: Path, heads: KnownHeads) -> DeclaredHead | None:
    """Return the head that the tensor names tell, since each script of the release has its name for a head."""
    found = [layer for layer in heads.finetuned if f"{layer.release}_w" in tensors]
    numbers = read_json(label_map, "label map") if label_map.is_file() else {}
    label_of = {number: label for label, number in numbers.items() if type(number) is int}
    if len(label_of) != len(numbers) or sorted(label_of) != list(range(len(numbers))):
        raise UserError(f"{label_map}: expected labels with the numbers 0, 1, ..., found {numbers}")
    labels = tuple(label_of[number] for number in range(len(numbers))) or None
    return DeclaredHead(found[0].classes[0], labels=labels) if found else None


def _parameters(folder: Path) -> Path:
    return folder / PARAMETERS if (folder / PARAMETERS).is_dir() else folder


def _first(folders: list[Path], name: str) -> Path:
    """Return the path of a file in the first folder that has it, in the last folder if none has."""
    return next((folder / name for folder in folders if (folder / name).is_file()), folders[-1] / name)


def _values(path: Path) -> np.ndarray:
    values, is_bfloat16 = read_tensor(path)
    return bfloat16_as_float32(values) if is_bfloat16 else as_float32(values)


LAYOUT = WeightsLayout(
    name="release",
    files=f"{PARAMETERS}/{WORD_EMBEDDING}, a file for each parameter",
    recognises=recognises,
    read=read,
    write=write,
)
