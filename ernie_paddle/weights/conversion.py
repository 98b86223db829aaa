"""Conversion of models from and to any layout."""

from pathlib import Path

from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_folder
from ernie_paddle.model.saved import Model
from ernie_paddle.registry import Registry
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.weights import huggingface, native, paddlenlp, release
from ernie_paddle.weights.heads import class_of, signature_of
from ernie_paddle.weights.layout import SourceModel, WeightsLayout, WriteResult
from ernie_paddle.weights.names import KnownHeads
from ernie_paddle.weights.report import ConversionReport, match
from ernie_paddle.weights.tokenizers import differences, longest_input, read_vocabulary

LAYOUTS = {layout.name: layout for layout in (native.LAYOUT, release.LAYOUT, paddlenlp.LAYOUT, huggingface.LAYOUT)}


def recognise(folder: Path) -> WeightsLayout:
    """Recognise the layout of a folder by its files.

    Raises:
        UserError: no layout fits, or there is no folder.
    """
    if not folder.is_dir():
        found = "is not a folder" if folder.exists() else "not found"
        raise UserError(
            f"{folder}: {found}; name the folder of a model on disk; one from a hub must be downloaded first"
        )
    for layout in LAYOUTS.values():
        if layout.recognises(folder):
            return layout
    known = "; ".join(f"{layout.name} ({layout.files})" for layout in LAYOUTS.values())
    raise UserError(f"{folder}: no model of a known layout; looked for {known}")


def read_source(
    layout: WeightsLayout, folder: Path, config: Path | None, vocabulary: Path | None, registry: Registry
) -> tuple[Model, ConversionReport]:
    """Read a folder of this layout. The caller shows and checks the report before it uses the model.

    `config` and `vocabulary` are files that replace the folder's own.

    Raises:
        UserError: a file is missing, damaged or of another model, or the vocabulary is too large for the embedding.
    """
    source = layout.read(folder, config, KnownHeads.of(registry))
    if vocabulary is None and not source.vocabulary.is_file():
        raise UserError(f"{source.vocabulary}: vocabulary not found; name one with --vocab")
    loaded_vocabulary = read_vocabulary(vocabulary or source.vocabulary)
    parameters, report = match(source)
    settings = source.config
    if settings.use_task_id and "task_embedding" not in parameters:
        settings = settings.model_copy(update={"use_task_id": False})
        report.notes.append("use_task_id is turned off, since there is no task embedding")
    report.notes += _vocabulary_notes(source, loaded_vocabulary, vocabulary or source.vocabulary)
    report.notes += differences(folder, loaded_vocabulary)
    longest = longest_input(folder, settings.max_position_embeddings)
    signature, notes = signature_of(source, parameters, longest, registry)
    report.notes += notes
    return Model(settings, loaded_vocabulary, parameters, signature), report


def write_model(layout: WeightsLayout, folder: Path, model: Model, registry: Registry) -> WriteResult:
    """Write a model in this layout, atomically."""
    model_class = class_of(model, registry)
    with atomic_folder(folder) as partial:
        written = layout.write(partial, model, model_class, KnownHeads.of(registry))
    notes = list(written.notes)
    if layout is not native.LAYOUT and model_class and model_class.differences:
        notes.append(model_class.differences)
    if layout is not native.LAYOUT and model.signature and model.signature.task_id and model.config.use_task_id:
        notes.append(f"it was trained with task id {model.signature.task_id}; pass it to the model as task_type_ids")
    return WriteResult(written.tensors, notes)


def _vocabulary_notes(source: SourceModel, vocabulary: Vocabulary, path: Path) -> list[str]:
    rows = source.config.vocab_size
    if vocabulary.size > rows:
        raise UserError(f"{path}: {vocabulary.size} entries, the word embedding has {rows} rows; see --vocab")
    notes = [f"{path}: {warning}" for warning in vocabulary.warnings]
    if vocabulary.size < rows:
        notes.append(
            f"the word embedding has {rows} rows for {vocabulary.size} entries of the vocabulary; all rows are kept"
        )
    return notes
