"""From any layout to our model, and from our model to any layout."""

from pathlib import Path

from ernie_paddle.errors import UserError
from ernie_paddle.files import folder_written_whole
from ernie_paddle.registry import Registry
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.training.checkpoint import Model
from ernie_paddle.weights import huggingface, own, paddlenlp, release
from ernie_paddle.weights.heads import class_of, signature_of
from ernie_paddle.weights.layout import Layout, Source, Written
from ernie_paddle.weights.report import Report, match
from ernie_paddle.weights.tokenizers import keeps_capitals, longest_input, read_vocabulary

LAYOUTS = {layout.name: layout for layout in (own.LAYOUT, release.LAYOUT, paddlenlp.LAYOUT, huggingface.LAYOUT)}


def recognise(folder: Path) -> Layout:
    """The layout of a folder, by its files.

    Raises:
        UserError: none of them, or no folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: not a folder")
    for layout in LAYOUTS.values():
        if layout.recognises(folder):
            return layout
    signs = "; ".join(f"{layout.name} ({layout.signs})" for layout in LAYOUTS.values())
    raise UserError(f"{folder}: no model of a known layout; looked for {signs}")


def read_source(
    layout: Layout, folder: Path, config: Path | None, vocabulary: Path | None, registry: Registry
) -> tuple[Model, Report]:
    """Read a folder of this layout; the report is to be shown and checked before the model is used.

    `config` and `vocabulary` are files to take instead of the folder's.

    Raises:
        UserError: a file missing, damaged or of another model, a vocabulary too large for the embedding.
    """
    source = layout.read(folder, config)
    if vocabulary is None and not source.vocabulary.is_file():
        raise UserError(f"{source.vocabulary}: vocabulary not found; name one with --vocab")
    words = read_vocabulary(vocabulary or source.vocabulary)
    parameters, report = match(source)
    settings = source.config
    if settings.use_task_id and "task_embedding" not in parameters:
        settings = settings.model_copy(update={"use_task_id": False})
        report.notes.append("use_task_id is turned off, since there is no task embedding")
    report.notes += _about_vocabulary(source, words, vocabulary or source.vocabulary)
    if keeps_capitals(folder):
        report.notes.append("its tokenizer keeps capital letters, this project's lower-cases")
    longest = longest_input(folder, settings.max_position_embeddings)
    signature, notes = signature_of(source, parameters, longest, registry)
    report.notes += notes
    return Model(settings, words, parameters, signature), report


def write_model(layout: Layout, folder: Path, model: Model, registry: Registry) -> Written:
    """Write a model in this layout, whole or not at all."""
    model_class = class_of(model, registry)
    with folder_written_whole(folder) as beside:
        written = layout.write(beside, model, model_class)
    notes = list(written.notes)
    if layout is not own.LAYOUT and model_class and model_class.differences:
        notes.append(model_class.differences)
    if layout is not own.LAYOUT and model.signature and model.signature.task_id and model.config.use_task_id:
        notes.append(f"it was trained with task id {model.signature.task_id}, which has to be given as task_type_ids")
    return Written(written.tensors, notes)


def _about_vocabulary(source: Source, vocabulary: Vocabulary, path: Path) -> list[str]:
    rows = source.config.vocab_size
    if vocabulary.size > rows:
        raise UserError(f"{path}: {vocabulary.size} entries, the word embedding has {rows} rows; see --vocab")
    if vocabulary.size == rows:
        return []
    return [f"the word embedding has {rows} rows for {vocabulary.size} entries of the vocabulary; the others stay"]
