"""Export of models for inference, each checked against the model that it was made from.

`paddle` and `onnx` write a model file with its description, vocabulary and signature, `bert` a Hugging Face folder.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ernie_paddle.checksums import write_checksums
from ernie_paddle.children import call_in_new_process
from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_folder, write_json
from ernie_paddle.finetuning_task import ExampleSet, FinetuningTask
from ernie_paddle.inference.backends import INSTALL_ONNX, inference_program, open_backend
from ernie_paddle.inference.evaluation import score_set
from ernie_paddle.inference.exported import (
    EXPORT_FILE,
    MODEL_FILES,
    MODEL_PREFIX,
    ExportFormat,
    ExportRecord,
    StoredPrecision,
)
from ernie_paddle.inference.heads import InferenceHead, head_of
from ernie_paddle.inference.predictor import Predictor
from ernie_paddle.keyed_random import generator
from ernie_paddle.model.saved import Model, load_model, resolve, save_signature
from ernie_paddle.outputs import check_empty
from ernie_paddle.registry import Registry, load_plugins
from ernie_paddle.text.vocabulary import VOCABULARY_FILE, Vocabulary
from ernie_paddle.weights import bert

if TYPE_CHECKING:
    from ernie_paddle.programs.inference_program import InferenceProgram

TOLERANCE = 1e-5
TargetFormat = Literal["paddle", "onnx", "bert"]
FeedArrays = dict[str, np.ndarray]
Outputs = list[list[np.ndarray]]  # of each feed


@dataclass(frozen=True)
class ExportSource:
    """A model to export with its head, and the program that tells what they compute."""

    model: Model
    head: InferenceHead
    program: "InferenceProgram"
    registry: Registry

    @property
    def max_length(self) -> int:
        """Tokens of the longest input: that of the signature, or the positions of the encoder."""
        return self.model.signature.max_length if self.model.signature else self.model.config.max_position_embeddings

    @classmethod
    def load(cls, folder: Path, registry: Registry) -> "ExportSource":
        """Load a model, or that of a run (see `resolve`); one without a signature is an encoder.

        Raises:
            UserError: a file is missing or damaged, or the model lacks parameters.
        """
        folder = resolve(folder)
        model = load_model(folder)
        head = head_of(model, registry)
        return cls(model, head, inference_program(model, head, str(folder)), registry)


@dataclass(frozen=True)
class Exported:
    """The largest difference of an export's outputs from the model's, and sentences for the user."""

    difference: float
    notes: tuple[str, ...] = ()


def export(
    model: Path | str,
    out: Path | str,
    registry: Registry | None = None,
    format: TargetFormat = "paddle",
    precision: StoredPrecision = "fp32",
) -> Exported:
    """Export a model, then compare what the written files compute in a fresh process with what the model computes.

    Differences are relative to the largest output if that is above 1.

    Args:
        model: folder of a model or a run; a fine-tuning run stands for its best model.
        out: folder to write.
        registry: what plug-ins added; by default all that are installed.
        format: Paddle's files, an ONNX file, or a Hugging Face folder that opens as plain BERT.
        precision: that of an ONNX file's matrices.

    Raises:
        UserError: `out` holds something, the model cannot be exported in this format, or the outputs in fp32 differ by
            more than 1e-5.
    """
    check_empty(Path(out))
    if precision == "int8" and format != "onnx":
        raise UserError(f"--precision int8: not for the format {format}; use --format onnx")
    source = ExportSource.load(Path(model), registry or load_plugins())
    with atomic_folder(Path(out)) as partial:
        write, run = FORMATS[format]
        notes = write(partial, source)
        try:
            difference = largest_difference(source, partial, run)
        except RuntimeError as error:  # Paddle does not report a full disk when it writes, only when it reads
            reason = str(error).strip().split("\n")[0]
            raise UserError(f"{out}: not written, its files cannot be read back ({reason}); free disk space") from None
        if not difference <= TOLERANCE:
            raise UserError(f"{out}: not written, the exported model's outputs differ by {difference:.1e}")
        if precision == "fp32":
            return Exported(difference, tuple(notes))
        return quantized(source, partial)


def write_paddle(folder: Path, source: ExportSource) -> list[str]:
    """Write Paddle's inference files."""
    source.program.save(folder / MODEL_PREFIX)
    write_description(folder, source, "paddle", "fp32")
    return []


def write_onnx(folder: Path, source: ExportSource) -> list[str]:
    """Write an ONNX file."""
    try:
        import onnxruntime  # noqa: F401 - what is written is run to check it

        from ernie_paddle.inference import export_onnx
    except ImportError as error:
        raise UserError(f"--format onnx: {error.name} is not installed: {INSTALL_ONNX}") from None
    export_onnx.write(folder / MODEL_FILES["onnx"][0], source.model, source.head)
    write_description(folder, source, "onnx", "fp32")
    return []


def write_bert(folder: Path, source: ExportSource) -> list[str]:
    """Write a folder that other libraries open as BERT."""
    return bert.write(folder, source.model, source.registry)


def write_description(folder: Path, source: ExportSource, format: ExportFormat, precision: StoredPrecision) -> None:
    """Write what stands beside the model file: its description, vocabulary, signature and checksums."""
    from ernie_paddle.programs.inference_program import INPUTS

    inputs, outputs = {feed.name: feed.dtype for feed in INPUTS}, tuple(source.head.outputs)
    record = ExportRecord(
        format=format, precision=precision, inputs=inputs, outputs=outputs, max_length=source.max_length
    )
    write_json(folder / EXPORT_FILE, record.model_dump(mode="json"))
    source.model.vocabulary.save(folder / VOCABULARY_FILE)
    save_signature(folder, source.model.signature)
    write_checksums(folder)


def run_export(folder: Path, feeds: list[FeedArrays]) -> Outputs:
    """Return the outputs of an exported model, on the CPU like those of the program that it is compared with."""
    backend = open_backend(folder, on_gpu=False)
    return [backend.run(feed) for feed in feeds]


def run_bert(folder: Path, feeds: list[FeedArrays]) -> Outputs:
    """Return the outputs of a BERT as it is read back from its folder."""
    registry = load_plugins()
    model = bert.read(folder, registry)
    program = inference_program(model, head_of(model, registry), str(folder))
    return [program.run(feed) for feed in feeds]


FORMATS: dict[
    TargetFormat, tuple[Callable[[Path, ExportSource], list[str]], Callable[[Path, list[FeedArrays]], Outputs]]
] = {
    "paddle": (write_paddle, run_export),
    "onnx": (write_onnx, run_export),
    "bert": (write_bert, run_bert),
}


def quantized(source: ExportSource, folder: Path) -> Exported:
    """Replace the ONNX file in `folder` by one in int8; tell its difference and its scores on the recipe's dev sets."""
    from ernie_paddle.inference import export_onnx

    path, notes = folder / MODEL_FILES["onnx"][0], []
    try:
        sets = dev_sets(source)
    except UserError as error:
        sets, notes = [], [f"scores were not compared: {error}"]
    before = [score(folder, source, examples) for examples in sets]
    export_onnx.quantize(path, path)
    write_description(folder, source, "onnx", "int8")
    for examples, value in zip(sets, before, strict=True):
        notes.append(f"{examples.name}: {value} in fp32, {score(folder, source, examples)} in int8")
    return Exported(largest_difference(source, folder, run_export), tuple(notes))


def dev_sets(source: ExportSource) -> list[ExampleSet]:
    """Read the labelled dev sets of the recipe that the model was fine-tuned with.

    Raises:
        UserError: there are none, or they cannot be read.
    """
    signature = source.model.signature
    if signature is None or signature.metric is None:
        raise UserError("the model was not fine-tuned with a recipe")
    task: FinetuningTask = source.registry.finetuning_tasks.get(signature.task)
    sets = task.read(signature.data, "dev", signature)
    return [examples for examples in sets if all(map(task.is_labelled, examples.examples))]


def score(folder: Path, source: ExportSource, examples: ExampleSet) -> str:
    """Return the metric values of the exported model in `folder` on a labelled set, in per cent."""
    signature = source.model.signature
    assert signature is not None and signature.metric is not None
    predictor = Predictor.load(folder, on_gpu=False, registry=source.registry)
    metric = source.registry.metrics.get(signature.metric)
    scores = score_set(predictor, metric, signature.metric_options, examples)
    return ", ".join(f"{name} {100 * value:.2f}" for name, value in scores.values.items())


def largest_difference(source: ExportSource, folder: Path, run: Callable[[Path, list[FeedArrays]], Outputs]) -> float:
    """Compare the outputs of what is in `folder`, as `run` computes them in a fresh process, with the program's."""
    feeds = [random_feed(source.model.vocabulary, lengths) for lengths in ([3], [source.max_length, 3, 7, 5])]
    differences = []
    for feed, outputs in zip(feeds, call_in_new_process(run, folder, feeds), strict=True):
        is_token = feed["input_ids"] != source.model.vocabulary.pad_id
        for expected, found in zip(source.program.run(feed), outputs, strict=True):
            if expected.ndim == 3:  # outputs at padding mean nothing
                expected, found = expected[is_token], found[is_token]
            differences.append(np.abs(expected - found).max() / max(1.0, np.abs(expected).max()))
    return float(max(differences))


def random_feed(vocabulary: Vocabulary, lengths: list[int]) -> FeedArrays:
    """Return rows of random words with these lengths, padded, the latter half of each a second sentence."""
    places, longest = np.arange(max(lengths)), np.array(lengths)[:, None]
    ids = generator("export", *lengths).choice(vocabulary.ordinary_ids, (len(lengths), max(lengths)))
    return {
        "input_ids": np.where(places < longest, ids, vocabulary.pad_id),
        "sentence_ids": ((places >= longest / 2) & (places < longest)).astype(np.int64),
    }
