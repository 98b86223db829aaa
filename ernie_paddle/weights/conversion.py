"""From any layout to our model, and from our model to any layout."""

from pathlib import Path

from ernie_paddle.errors import UserError
from ernie_paddle.files import folder_written_whole
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.training.checkpoint import Model
from ernie_paddle.weights import huggingface, own, paddlenlp, release
from ernie_paddle.weights.layout import Layout, Source
from ernie_paddle.weights.report import Report, match
from ernie_paddle.weights.tokenizers import keeps_capitals

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


def read_source(layout: Layout, folder: Path, config: Path | None, vocabulary: Path | None) -> tuple[Model, Report]:
    """Read a folder of this layout; the report is to be shown and checked before the model is used.

    `config` and `vocabulary` are files to take instead of the folder's.

    Raises:
        UserError: a file missing, damaged or of another model, a vocabulary too large for the embedding.
    """
    source = layout.read(folder, config)
    if vocabulary is None and not source.vocabulary.is_file():
        raise UserError(f"{source.vocabulary}: vocabulary not found; name one with --vocab")
    words = Vocabulary.load(vocabulary or source.vocabulary)
    parameters, report = match(source)
    settings = source.config
    if settings.use_task_id and "task_embedding" not in parameters:
        settings = settings.model_copy(update={"use_task_id": False})
        report.notes.append("use_task_id is turned off, since there is no task embedding")
    report.notes += _about_vocabulary(source, words, vocabulary or source.vocabulary)
    if keeps_capitals(folder):
        report.notes.append("its tokenizer keeps capital letters, this project's lower-cases")
    return Model(settings, words, parameters), report


def write_model(layout: Layout, folder: Path, model: Model) -> list[str]:
    """Write a model in this layout, whole or not at all; returns sentences about it."""
    with folder_written_whole(folder) as beside:
        return layout.write(beside, model)


def _about_vocabulary(source: Source, vocabulary: Vocabulary, path: Path) -> list[str]:
    rows = source.config.vocab_size
    if vocabulary.size > rows:
        raise UserError(f"{path}: {vocabulary.size} entries, the word embedding has {rows} rows; see --vocab")
    if vocabulary.size == rows:
        return []
    return [f"the word embedding has {rows} rows for {vocabulary.size} entries of the vocabulary; the others stay"]
