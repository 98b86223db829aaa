"""Corpora configs: what is read, and the tasks whose samples are built from it."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from data_builders.annotation.features import TokenFeature
from data_builders.annotation.settings import SpanSettings
from data_builders.builders.builder import SampleBuilder
from data_builders.documents import Language
from data_builders.readers.pairs import PairReader
from data_builders.readers.reader import RawCorpus
from ernie_paddle.config import FileName, Settings, check_settings, each_once
from ernie_paddle.errors import UserError
from ernie_paddle.registry import Registry
from ernie_paddle.text.encodings import text_codec
from ernie_paddle.text.vocabulary import Vocabulary


class CorpusSettings(Settings):
    """The location of a raw corpus and how to read it."""

    path: Path
    """File, folder or pattern."""
    format: str
    """Corpus format."""
    language: Language
    """Language of the text."""
    encoding: Annotated[str, AfterValidator(text_codec)] | None = None
    """Encoding of the files, any that Python knows; `null`: UTF-8."""
    variant: str | None = None
    """Variant of a language that is kept of a MediaWiki dump, such as `zh-tw`; `null`: the format's first."""


class TaskSettings(Settings):
    """The corpora from which a task's samples are built, and the options of its builder."""

    corpora: Annotated[list[str], Field(min_length=1), AfterValidator(each_once)]
    """Names of the corpora that the samples come from."""
    features: Annotated[list[str], AfterValidator(each_once)] = Field(default_factory=list)
    """Token features that the samples carry besides the builder's own. A token-level task whose labels are such a
    feature is auxiliary in the steps of this task, too."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The sample builder's own options."""
    optional: bool = False
    """Go on without the task if its corpora give no samples; otherwise it is an error."""


class BuildSettings(Settings):
    """A corpora config."""

    vocab: Path
    """Vocabulary, a token in each line. It is cased if the `tokenizer_config.json` beside its `vocab.txt` says so."""
    seed: int = 1
    """Seed of everything random."""
    max_length: int = Field(ge=8)
    """Tokens of a sample, special tokens included, at most."""
    validation_share: float = Field(default=0.02, gt=0, lt=1)
    """Share of the documents that are held out."""
    spans: SpanSettings = Field(default_factory=SpanSettings)
    """Words and names in addition to the built-in ones, by language."""
    corpora: dict[FileName, CorpusSettings] = Field(min_length=1)
    """Corpora by name."""
    tasks: dict[str, TaskSettings] = Field(min_length=1)
    """Tasks by name."""


def raw_corpus(name: str, corpus: CorpusSettings, registry: Registry) -> RawCorpus:
    reader = registry.readers.get(corpus.format, f"corpora.{name}.format")
    if corpus.variant is not None:
        if corpus.variant not in reader.variants:
            known = (
                f"one of {', '.join(reader.variants)}" if reader.variants else f"none for the format '{reader.name}'"
            )
            raise UserError(f"corpora.{name}.variant: '{corpus.variant}', expected {known}")
        reader = reader.in_variant(corpus.variant)
    return RawCorpus(name, corpus.path, reader, corpus.language, corpus.encoding)


def features_of(name: str, task: TaskSettings, registry: Registry) -> tuple[TokenFeature, ...]:
    """Return the token features that a task's samples carry.

    Raises:
        UserError: one of them is unknown.
    """
    names = dict.fromkeys([*registry.sample_builders.get(name, "tasks").features, *task.features])
    return tuple(registry.token_features.get(feature, f"tasks.{name}.features") for feature in names)


def builder_of(
    name: str,
    task: TaskSettings,
    settings: BuildSettings,
    raw: dict[str, RawCorpus],
    vocabulary: Vocabulary,
    registry: Registry,
) -> SampleBuilder:
    builder = registry.sample_builders.get(name, "tasks")
    for corpus_name in task.corpora:
        where = f"tasks.{name}.corpora: '{corpus_name}'"
        if corpus_name not in raw:
            raise UserError(f"{where} is not among the corpora: {', '.join(raw)}")
        language, reader = raw[corpus_name].language, raw[corpus_name].reader
        if language not in builder.languages:
            raise UserError(f"{where} is in '{language}', the task is for {builder.languages}")
        if builder.pairs and isinstance(reader, PairReader) and reader.name != builder.pairs:
            raise UserError(f"{where} holds pairs of the format '{reader.name}', the task takes '{builder.pairs}'")
    options = check_settings(builder.Options, task.options, f"tasks.{name}.options")
    return builder(settings.max_length, options, vocabulary)
