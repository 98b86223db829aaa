"""Building all samples of a corpora file: annotate every corpus once, then compose task by task."""

from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from data_builders.annotation.store import AnnotatedCorpus, Source, annotate_corpus
from data_builders.builders.builder import CountingBuilder, SampleBuilder
from data_builders.composing import ComposeUnit, CountUnit, SpecialIds
from data_builders.documents import Language
from data_builders.workers import ordered_map
from ernie_paddle.config import Settings, check_settings
from ernie_paddle.console import open_console
from ernie_paddle.data.shards import SPLITS, ShardWriter, shard_writers
from ernie_paddle.errors import UserError
from ernie_paddle.files import folder_written_whole
from ernie_paddle.registry import Registry
from ernie_paddle.text.vocabulary import Vocabulary

ANNOTATED = "annotated"
VOCABULARY_FILE = "vocab.txt"
MEGABYTE = 1_000_000


class CorpusSettings(Settings):
    """Where a raw corpus is and how to read it."""

    path: Path
    format: str
    language: Language


class TaskSettings(Settings):
    """Which corpora a task's samples come from; `options` are the builder's own."""

    corpora: list[str] = Field(min_length=1)
    options: dict[str, Any] = Field(default_factory=dict)


class BuildSettings(Settings):
    """A corpora file. `max_length` counts tokens, special ones included."""

    vocab: Path
    seed: int = 1
    max_length: int = Field(ge=8)
    validation_share: float = Field(default=0.02, gt=0, lt=1)
    corpora: dict[str, CorpusSettings] = Field(min_length=1)
    tasks: dict[str, TaskSettings] = Field(min_length=1)


@dataclass
class TaskCounts:
    """What became of a task's documents: samples and tokens by split, labels, documents without a sample.

    `notes` are the builder's.
    """

    documents: int = 0
    notes: tuple[str, ...] = ()
    samples: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    unsuitable: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class BuildResult:
    """The annotated corpora and what was made of them."""

    corpora: dict[str, AnnotatedCorpus]
    tasks: dict[str, TaskCounts]


def build(settings: BuildSettings, out: Path, workers: int, registry: Registry) -> BuildResult:
    """Write `<out>/<task>/` for every task and `<out>/vocab.txt`; annotated corpora are kept in `<out>/annotated/`.

    A task's folder appears when all its samples are written. The same corpora, vocabulary and seed give the
    same bytes for any number of workers.

    Raises:
        UserError: a corpus cannot be read, or a task gets no samples from its corpora.
    """
    vocabulary = Vocabulary.load(settings.vocab)
    sources = {
        name: Source(name, corpus.path, registry.readers.get(corpus.format, f"corpora.{name}.format"), corpus.language)
        for name, corpus in settings.corpora.items()
    }
    builders = [_builder(name, task, settings, vocabulary, registry) for name, task in settings.tasks.items()]
    console = open_console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as progress:
        work = _Work(settings, vocabulary, out, workers, progress)
        corpora = {name: work.annotate(source) for name, source in sources.items()}
        tasks = {builder.name: work.compose(builder, corpora) for builder in builders}
    vocabulary.save(out / VOCABULARY_FILE)
    return BuildResult(corpora, tasks)


def _builder(
    name: str, task: TaskSettings, settings: BuildSettings, vocabulary: Vocabulary, registry: Registry
) -> SampleBuilder:
    kind = registry.sample_builders.get(name, "tasks")
    for corpus in task.corpora:
        if corpus not in settings.corpora:
            raise UserError(f"tasks.{name}.corpora: '{corpus}' is not among the corpora: {', '.join(settings.corpora)}")
        language = settings.corpora[corpus].language
        if language not in kind.languages:
            raise UserError(f"tasks.{name}.corpora: '{corpus}' is in '{language}', the task is for {kind.languages}")
    return kind(settings.max_length, check_settings(kind.Options, task.options, f"tasks.{name}.options"), vocabulary)


@dataclass(frozen=True)
class _Work:
    """What all parts of a build share."""

    settings: BuildSettings
    vocabulary: Vocabulary
    out: Path
    workers: int
    progress: Progress

    def annotate(self, source: Source) -> AnnotatedCorpus:
        """The annotated documents of a corpus, with a progress bar."""
        size = source.path.stat().st_size if source.path.is_file() else None
        bar = self.progress.add_task(f"annotating {source.name}", total=size)

        def show(read: int) -> None:
            speed = (self.progress.tasks[bar].speed or 0.0) / MEGABYTE
            self.progress.update(bar, completed=read, description=f"annotating {source.name}  {speed:.2f} MB/s")

        folder = self.out / ANNOTATED / source.name
        corpus = annotate_corpus(source, self.vocabulary, folder, self.workers, show)
        self.progress.update(bar, completed=size)
        return corpus

    def compose(self, builder: SampleBuilder, annotated: dict[str, AnnotatedCorpus]) -> TaskCounts:
        """Write the shards of a task."""
        corpora = [annotated[name] for name in self.settings.tasks[builder.name].corpora]
        units = [(self._unit(builder, corpus, corpora), corpus) for corpus in corpora]
        if isinstance(builder, CountingBuilder):
            builder.settle(self._counted(builder, units))
        bar = self.progress.add_task(f"composing {builder.name}", total=sum(corpus.units for corpus in corpora))
        counts = TaskCounts(notes=builder.notes, documents=sum(map(len, corpora)))
        with (
            folder_written_whole(self.out / builder.name) as beside,
            self._writers(beside, builder, corpora) as writers,
        ):
            for unit, corpus in units:
                for composed in ordered_map(unit, range(corpus.units), self.workers):
                    counts.unsuitable += composed.unsuitable
                    for split, block in composed.blocks.items():
                        writers[split].write(block)
                    self.progress.advance(bar)
            _count(counts, writers)
            _check_enough(builder, counts)
        return counts

    def _unit(self, builder: SampleBuilder, corpus: AnnotatedCorpus, corpora: list[AnnotatedCorpus]) -> ComposeUnit:
        languages = {name: settings.language for name, settings in self.settings.corpora.items()}
        kin = [c.name for c in corpora if c is not corpus and languages[c.name] == languages[corpus.name]]
        return ComposeUnit(
            builder,
            self.out / ANNOTATED / corpus.name,
            tuple(self.out / ANNOTATED / name for name in kin),
            SpecialIds(self.vocabulary.cls_id, self.vocabulary.sep_id),
            self.settings.seed,
            self.settings.validation_share,
        )

    def _counted(self, builder: CountingBuilder, units: list[tuple[ComposeUnit, AnnotatedCorpus]]) -> Counter[str]:
        counts: Counter[str] = Counter()
        for unit, corpus in units:
            for found in ordered_map(CountUnit(builder, unit), range(corpus.units), self.workers):
                counts += found
        return counts

    def _writers(
        self, folder: Path, builder: SampleBuilder, corpora: list[AnnotatedCorpus]
    ) -> AbstractContextManager[dict[str, ShardWriter]]:
        origin = {
            "builder_version": builder.version,
            "options": builder.options.model_dump(mode="json"),
            "seed": self.settings.seed,
            "validation_share": self.settings.validation_share,
            "corpora": {corpus.name: corpus.origin for corpus in corpora},
        }
        vocabulary, length = self.vocabulary, self.settings.max_length
        return shard_writers(folder, builder.name, vocabulary.digest, vocabulary.size, length, origin, builder.labels)


def _count(counts: TaskCounts, writers: dict[str, ShardWriter]) -> None:
    for split, writer in writers.items():
        writer.close()
        counts.samples[split] = sum(shard.samples for shard in writer.shards)
        counts.tokens[split] = sum(shard.tokens for shard in writer.shards)
        counts.labels.update(writer.label_counts)


def _check_enough(builder: SampleBuilder, counts: TaskCounts) -> None:
    reasons = "; ".join(f"{count:,} {reason}" for reason, count in counts.unsuitable.most_common(3))
    for split in SPLITS:
        if not counts.samples[split]:
            given = counts.documents - counts.unsuitable.total()
            raise UserError(
                f"{builder.name}: no {split} samples; {given:,} of {counts.documents:,} documents can serve"
                + (f" (not: {reasons})" if reasons else "")
                + "; give more or longer documents, or another validation_share"
            )
