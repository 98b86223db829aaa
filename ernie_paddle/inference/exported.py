"""The files of exported models: what describes them, and how they are read.

export.json  model.json, model.pdiparams or model.onnx  vocab.txt  [tokenizer_config.json]  [signature.json]  SHA256SUMS
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ernie_paddle.checksums import SUMS_FILE, check_files
from ernie_paddle.config import Settings, check_settings
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json
from ernie_paddle.finetuning_task import SIGNATURE_FILE, KeptSignature
from ernie_paddle.model.saved import load_signature
from ernie_paddle.text.vocabulary import VOCABULARY_FILE, Vocabulary, vocabulary_files

EXPORT_FILE = "export.json"
MODEL_PREFIX = "model"
ExportFormat = Literal["paddle", "onnx"]
StoredPrecision = Literal["fp32", "int8"]
MODEL_FILES: dict[ExportFormat, tuple[str, ...]] = {
    "paddle": (f"{MODEL_PREFIX}.json", f"{MODEL_PREFIX}.pdiparams"),
    "onnx": (f"{MODEL_PREFIX}.onnx",),
}


class ExportRecord(Settings):
    """What an exported model takes and returns; kept beside it as `export.json`."""

    format: ExportFormat
    """The format of the model's files."""
    precision: StoredPrecision
    """Precision of the stored matrices."""
    inputs: dict[str, str]
    """Dtypes of the inputs [rows, length] by name."""
    outputs: tuple[str, ...]
    """Names of the outputs in their order: `scores` of a fine-tuned head; `tokens` and `pooled`; or `logits`."""
    max_length: int
    """Tokens of the longest input: the positions of the encoder, or the longest input of its signature."""


@dataclass(frozen=True)
class ExportedModel:
    """The description, vocabulary and, after fine-tuning, signature of an exported model."""

    record: ExportRecord
    vocabulary: Vocabulary
    signature: KeptSignature | None


def is_export(folder: Path) -> bool:
    """Return whether a folder holds an exported model."""
    return (folder / EXPORT_FILE).is_file()


def read_record(folder: Path) -> ExportRecord:
    """Read the description of an exported model.

    Raises:
        UserError: it is missing or invalid.
    """
    path = folder / EXPORT_FILE
    if not path.is_file():
        raise UserError(f"{folder}: not an exported model, {EXPORT_FILE} is missing; make one with ernie-paddle export")
    return check_settings(ExportRecord, read_json(path, "description of an export"), str(path))


def load_export(folder: Path) -> ExportedModel:
    """Check the files of an exported model and read all but the model itself.

    Raises:
        UserError: a file is missing, damaged or invalid.
    """
    record = read_record(folder)
    signature = (SIGNATURE_FILE,) if record.outputs == ("scores",) else ()
    for name in (SUMS_FILE, *MODEL_FILES[record.format], VOCABULARY_FILE, *signature):
        if not (folder / name).is_file():
            raise UserError(f"{folder}: not an exported model, {name} is missing; make one with ernie-paddle export")
    check_files(folder, (EXPORT_FILE, *MODEL_FILES[record.format], *vocabulary_files(folder), *signature))
    return ExportedModel(record, Vocabulary.load(folder / VOCABULARY_FILE), load_signature(folder))
