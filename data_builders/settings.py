"""The corpora config: the YAML file of a build."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from data_builders.annotation.settings import SpanSettings
from data_builders.documents import Language
from ernie_paddle.config import FileName, Settings, each_once
from ernie_paddle.text.encodings import text_codec


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
    options: dict[str, Any] = Field(default_factory=dict)
    """The sample builder's own options."""


class BuildSettings(Settings):
    """A corpora config."""

    vocab: Path
    """Vocabulary, a token in each line."""
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
