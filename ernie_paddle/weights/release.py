"""The original release's layout: `params/` with a file a variable, `ernie_config.json`, `vocab.txt`.

A fine-tuned model also has `label_map.json` for `--label_map_config`, {label: number}, and our own `signature.json`.

Written by `fluid.io.save_persistables`, so that checkpoints of its training hold the optimiser's variables too.
"""

import re
from pathlib import Path

import numpy as np

from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json, write_json
from ernie_paddle.kind import SIGNATURE_FILE, ModelClass
from ernie_paddle.model.config import CONFIG_FILE, ErnieConfig
from ernie_paddle.training.checkpoint import VOCABULARY_FILE, Model, load_signature, save_signature
from ernie_paddle.weights.layout import Declared, Layout, Source, Written, as_float32, bfloat16_as_float32
from ernie_paddle.weights.lod_tensors import read_tensor, write_tensor
from ernie_paddle.weights.names import FINETUNED_HEADS, Name, Part, names_of

PARAMETERS, LABEL_MAP = "params", "label_map.json"
MARK = "word_embedding"
EPSILON = 1e-5  # of fluid's LayerNorm
MASTER = ".master"  # the float32 copy of a parameter that is trained in fp16
OF_TRAINING = re.compile(
    r".*_(moment[12]|beta[12]_pow_acc)_\d+|learning_rate_\d+|scheduled_learning_rate|@LR_DECAY_COUNTER@"
    r"|loss_scaling_\d+|num_(good|bad)_steps_\d+"
)
HEAD = re.compile(r"(?!encoder_layer_|mask_lm_)\w+\.w_0")  # of a task, <task>_fc.w_0 mostly
CLASSIFIER = re.compile(r"(?:\w*_)?(cls_out_[wb])")  # <task>_cls_out_w; the release's scripts name no task


def recognises(folder: Path) -> bool:
    return (_parameters(folder) / MARK).is_file()


def read(folder: Path, config_file: Path | None) -> Source:
    """Read the folder with `params/`, or `params/` itself; fp16 becomes float32, `.master` copies go first.

    Raises:
        UserError: a file missing or not a LoDTensor.
    """
    parameters = _parameters(folder)
    homes = [folder, parameters.parent]
    config = ErnieConfig.load(config_file or _first(homes, CONFIG_FILE))
    files = sorted(path for path in parameters.iterdir() if path.is_file() and not path.name.startswith("."))
    of_training = [path for path in files if OF_TRAINING.fullmatch(path.name)]
    tensors = {path.name: _values(path) for path in files if path not in of_training}
    for name in [name for name in tensors if name.endswith(MASTER)]:
        tensors[name.removesuffix(MASTER)] = tensors.pop(name)
    for name in list(tensors):
        if classifier := CLASSIFIER.fullmatch(name):
            tensors[f"_{classifier[1]}"] = tensors.pop(name)
    notes = (f"{len(of_training)} files are state of the release's training and were not read",) if of_training else ()
    names = with_task_heads(names_of("release", config), tensors, config)
    vocabulary, signature = _first(homes, VOCABULARY_FILE), load_signature(_first(homes, SIGNATURE_FILE).parent)
    declared = None if signature else _declared(tensors, _first(homes, LABEL_MAP))
    return Source("release", parameters, config, tensors, names, vocabulary, notes, signature, declared)


def with_task_heads(names: list[Name], tensors: dict[str, np.ndarray], config: ErnieConfig) -> list[Name]:
    """`names` and those of other heads among the tensors: `<head>.w_0` [hidden, classes] and `<head>.b_0`."""
    known = {name.ours for name in names}
    heads = sorted(name for name in tensors.keys() - known if HEAD.fullmatch(name))
    weights = [name for name in heads if tensors[name].ndim == 2 and len(tensors[name]) == config.hidden_size]
    pairs = [(weight, weight.removesuffix("w_0") + "b_0") for weight in weights]
    return names + [
        Name(name, name, Part.OTHER_HEAD, shape)
        for weight, bias in pairs
        for name, shape in ((weight, (config.hidden_size, None)), (bias, (None,)))
        if name in tensors
    ]


def write(folder: Path, model: Model, model_class: ModelClass | None) -> Written:
    """Write what the release's scripts load: `--init_pretraining_params FOLDER/params`, or `--init_checkpoint`."""
    released = {name.ours: name.theirs for name in names_of("release", model.config)}
    for name, values in model.parameters.items():
        write_tensor(folder / PARAMETERS / released.get(name, name), values)
    model.config.save(folder / CONFIG_FILE)
    model.vocabulary.save(folder / VOCABULARY_FILE)
    save_signature(folder, model.signature)
    labels = model.signature.labels if model.signature else None
    if labels:
        write_json(folder / LABEL_MAP, {label: number for number, label in enumerate(labels)})
    return Written(len(model.parameters), _differences(model, model_class))


def _differences(model: Model, model_class: ModelClass | None) -> list[str]:
    """Return sentences about what the release's scripts do otherwise."""
    notes, epsilon = [], model.config.layer_norm_epsilon
    if epsilon != EPSILON:
        notes.append(f"the release computes LayerNorm with epsilon {EPSILON}, this model was trained with {epsilon}")
    if model_class and model_class.suffix == "MultipleChoice":
        notes.append("the release has no script for choices: the head is written as a classifier's with one output")
    labels = (model.signature and model.signature.labels) or ("O",)
    if model_class and model_class.suffix == "TokenClassification" and labels[-1] != "O":
        notes.append(f"the release takes the last tag for that of padding, expected O, here it is {labels[-1]}")
    return notes


def _declared(tensors: dict[str, np.ndarray], label_map: Path) -> Declared | None:
    """Return what the names of the tensors tell of the head, since each script of the release has its own."""
    heads = [layer for layer in FINETUNED_HEADS if f"{layer.release}_w" in tensors]
    numbers = read_json(label_map, "label map") if label_map.is_file() else {}
    label_of = {number: label for label, number in numbers.items() if type(number) is int}
    if len(label_of) != len(numbers) or sorted(label_of) != list(range(len(numbers))):
        raise UserError(f"{label_map}: expected labels with the numbers 0, 1, ..., found {numbers}")
    labels = tuple(label_of[number] for number in range(len(numbers))) or None
    return Declared(heads[0].classes[0], labels=labels) if heads else None


def _parameters(folder: Path) -> Path:
    return folder / PARAMETERS if (folder / PARAMETERS).is_dir() else folder


def _first(folders: list[Path], name: str) -> Path:
    """The file in the first of the folders that has it; the last of them if none has."""
    return next((folder / name for folder in folders if (folder / name).is_file()), folders[-1] / name)


def _values(path: Path) -> np.ndarray:
    values, is_bfloat16 = read_tensor(path)
    return bfloat16_as_float32(values) if is_bfloat16 else as_float32(values)


LAYOUT = Layout(
    name="release",
    signs=f"{PARAMETERS}/{MARK}, a file for each parameter",
    recognises=recognises,
    read=read,
    write=write,
)
