"""Building all samples of a corpora file: annotate every corpus once, then compose task by task."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from data_builders.annotation.settings import SpanSettings
from data_builders.annotation.store import AnnotatedCorpus, annotate_corpus
from data_builders.builders.builder import CountingBuilder, SampleBuilder
from data_builders.composing import ComposePart, CountPart, Part
from data_builders.documents import Language
from data_builders.progress import Bars
from data_builders.readers.pairs import PairReader
from data_builders.readers.reader import Source
from data_builders.resumable import read_record, resumable_folder, unless_damaged
from data_builders.workers import Engine
from ernie_paddle.checksums import check_file, write_sealed
from ernie_paddle.config import FileName, Settings, check_settings, each_once
from ernie_paddle.data.shard_writing import ShardWriter
from ernie_paddle.data.shards import MANIFEST, SPLITS, Manifest
from ernie_paddle.errors import UserError
from ernie_paddle.locks import locked_folder
from ernie_paddle.registry import Registry
from ernie_paddle.text.encodings import text_codec
from ernie_paddle.text.vocabulary import Vocabulary

ANNOTATED = "annotated"
VOCABULARY_FILE = "vocab.txt"
PARTS_PER_SHARD = 16
NO_LIMIT = 1 << 60  # samples of a shard: it ends with its parts
COUNTED, WRITTEN = "counted.json", "written.json"  # what an unfinished folder holds already


class CorpusSettings(Settings):
    """Where a raw corpus is (a file, a folder or a pattern) and how to read it.

    `encoding`: of its files, any that Python knows; UTF-8 unless given. `variant`: of a language that a MediaWiki dump
    writes in several (`zh-hans`, `zh-tw`, ...), which one is kept.
    """

    path: Path
    format: str
    language: Language
    encoding: Annotated[str, AfterValidator(text_codec)] | None = None
    variant: str | None = None


class TaskSettings(Settings):
    """Which corpora a task's samples come from; `options` are the builder's own."""

    corpora: Annotated[list[str], Field(min_length=1), AfterValidator(each_once)]
    options: dict[str, Any] = Field(default_factory=dict)


class BuildSettings(Settings):
    """A corpora file. `max_length` counts tokens, special ones included."""

    vocab: Path
    seed: int = 1
    max_length: int = Field(ge=8)
    validation_share: float = Field(default=0.02, gt=0, lt=1)
    spans: SpanSettings = Field(default_factory=SpanSettings)
    corpora: dict[FileName, CorpusSettings] = Field(min_length=1)
    tasks: dict[str, TaskSettings] = Field(min_length=1)


@dataclass
class TaskCounts:
    """What became of a task's documents: samples and tokens by split, labels, documents without a sample.

    `classes` name the labels, `notes` are the builder's.
    """

    documents: int = 0
    samples: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    unknown_tokens: int = 0
    unsuitable: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class BuildResult:
    """The annotated corpora and what was made of them."""

    corpora: dict[str, AnnotatedCorpus]
    tasks: dict[str, TaskCounts]


def build(settings: BuildSettings, out: Path, engine: Engine, registry: Registry) -> BuildResult:
    """Write `<out>/<task>/` for every task and `<out>/vocab.txt`; annotated corpora are kept in `<out>/annotated/`.

    A task's folder appears when all its samples are written. What is there already, finished or left by an
    interruption, is not made again unless it is damaged. The same corpora, vocabulary and seed give the same bytes for
    any engine.

    Raises:
        UserError: a corpus cannot be read, or a task gets no samples from its corpora.
    """
    vocabulary = Vocabulary.load(settings.vocab)
    sources = {name: _source(name, corpus, registry) for name, corpus in settings.corpora.items()}
    settings.spans.check({source.language for source in sources.values()})
    builders = [_builder(name, task, settings, sources, vocabulary, registry) for name, task in settings.tasks.items()]
    with locked_folder(out), Bars() as bars:
        work = _Work(settings, sources, vocabulary, out, engine, bars)
        corpora = {name: work.annotate(source) for name, source in sources.items()}
        tasks = {builder.name: work.compose(builder, corpora) for builder in builders}
        vocabulary.save(out / VOCABULARY_FILE)
    return BuildResult(corpora, tasks)


def _source(name: str, corpus: CorpusSettings, registry: Registry) -> Source:
    reader = registry.readers.get(corpus.format, f"corpora.{name}.format")
    if corpus.variant is not None:
        if corpus.variant not in reader.variants:
            known = (
                f"one of {', '.join(reader.variants)}" if reader.variants else f"none for the format '{reader.name}'"
            )
            raise UserError(f"corpora.{name}.variant: '{corpus.variant}', expected {known}")
        reader = reader.in_variant(corpus.variant)
    return Source(name, corpus.path, reader, corpus.language, corpus.encoding)


def _builder(
    name: str,
    task: TaskSettings,
    settings: BuildSettings,
    sources: dict[str, Source],
    vocabulary: Vocabulary,
    registry: Registry,
) -> SampleBuilder:
    kind = registry.sample_builders.get(name, "tasks")
    for corpus in task.corpora:
        if corpus not in sources:
            raise UserError(f"tasks.{name}.corpora: '{corpus}' is not among the corpora: {', '.join(sources)}")
        source = sources[corpus]
        if source.language not in kind.languages:
            raise UserError(
                f"tasks.{name}.corpora: '{corpus}' is in '{source.language}', the task is for {kind.languages}"
            )
        if kind.pairs and isinstance(source.reader, PairReader) and source.reader.name != kind.pairs:
            raise UserError(
                f"tasks.{name}.corpora: '{corpus}' holds pairs of the format '{source.reader.name}', "
                f"the task takes '{kind.pairs}'"
            )
    return kind(settings.max_length, check_settings(kind.Options, task.options, f"tasks.{name}.options"), vocabulary)


@dataclass(frozen=True)
class _Work:
    """What all parts of a build share."""

    settings: BuildSettings
    sources: dict[str, Source]
    vocabulary: Vocabulary
    out: Path
    engine: Engine
    bars: Bars

    def annotate(self, source: Source) -> AnnotatedCorpus:
        """The annotated documents of a corpus."""
        show = self.bars.bar(f"annotating {source.name}", source.size)
        folder = self.out / ANNOTATED / source.name
        corpus = annotate_corpus(source, self.settings.spans, self.vocabulary, folder, self.engine, show)
        show(source.size)
        return corpus

    def compose(self, builder: SampleBuilder, annotated: dict[str, AnnotatedCorpus]) -> TaskCounts:
        """The shards of a task, made unless they are there."""
        corpora = [annotated[name] for name in self.settings.tasks[builder.name].corpora]
        origin = self._origin(builder, corpora)
        folder = self.out / builder.name
        if made := unless_damaged(_made, folder, origin, self.settings.max_length):
            return TaskCounts(**made.counts)
        work = ComposePart(
            builder,
            tuple(self.out / ANNOTATED / corpus.name for corpus in corpora),
            tuple(self.sources[corpus.name].language for corpus in corpora),
            self.vocabulary,
            self.settings.seed,
            self.settings.validation_share,
        )
        parts = [Part(number, unit) for number, corpus in enumerate(corpora) for unit in range(corpus.units)]
        with resumable_folder(folder, origin | {"max_length": self.settings.max_length}) as beside:
            if isinstance(builder, CountingBuilder):
                builder.settle(self._counted(CountPart(builder, work), parts, beside / COUNTED))
            shards = ShardWriter(
                beside,
                builder.name,
                self.vocabulary.digest,
                self.vocabulary.size,
                self.settings.max_length,
                origin,
                builder.labels,
                NO_LIMIT,
            )
            dropped, unknown_tokens = self._write(work, parts, shards, beside / WRITTEN)
            counts = _counts(builder, sum(map(len, corpora)), shards.manifest(), dropped, unknown_tokens)
            _check_enough(builder, counts)
            shards.finish(asdict(counts))
            for record in (COUNTED, WRITTEN):
                (beside / record).unlink(missing_ok=True)
        return counts

    def _write(
        self, work: ComposePart, parts: list[Part], shards: ShardWriter, record: Path
    ) -> tuple[Counter[str], int]:
        """Compose and write shard by shard what `record` does not name yet.

        Returns:
            documents that gave no sample, by reason, and the number of unknown tokens in the samples.
        """
        dropped: Counter[str] = Counter()
        unknown_tokens = done = 0
        if state := unless_damaged(_taken_up, record, shards):
            dropped.update(state["dropped"])
            done, unknown_tokens = state["parts"], state["unknown_tokens"]
        show = self._bar(f"composing {work.builder.name}", work, parts)
        for composed in self.engine.map(work, parts[done:]):
            dropped.update(composed.dropped)
            unknown_tokens += composed.unknown_tokens
            for split, block in composed.blocks.items():
                shards.write(split, block)
            done += 1
            if done % PARTS_PER_SHARD == 0 or done == len(parts):
                shards.cut()
                state = {"parts": done, "dropped": dropped, "unknown_tokens": unknown_tokens, "shards": shards.state()}
                write_sealed(record, state)
            show(done)
        return dropped, unknown_tokens

    def _counted(self, work: CountPart, parts: list[Part], record: Path) -> Counter[str]:
        if kept := unless_damaged(read_record, record):
            return Counter(kept["counts"])
        counts: Counter[str] = Counter()
        show = self._bar(f"counting for {work.builder.name}", work.composing, parts)
        for done, found in enumerate(self.engine.map(work, parts), 1):
            counts.update(found)
            show(done)
        write_sealed(record, {"counts": counts})
        return counts

    def _bar(self, what: str, work: ComposePart, parts: list[Part]) -> Callable[[int], None]:
        """A bar over parts, measured in bytes of raw text."""
        total = sum(self.sources[folder.name].size for folder in work.folders)
        show = self.bars.bar(what, total)
        return lambda done: show(total * done / len(parts))

    def _origin(self, builder: SampleBuilder, corpora: list[AnnotatedCorpus]) -> dict[str, Any]:
        return {
            "builder_version": builder.version,
            "options": builder.options.model_dump(mode="json"),
            "seed": self.settings.seed,
            "validation_share": self.settings.validation_share,
            "corpora": {corpus.name: corpus.origin for corpus in corpora},
        }


def _made(folder: Path, origin: dict[str, Any], max_length: int) -> Manifest | None:
    """Return the manifest of shards of this origin, None if there are none. A `UserError` if they are damaged."""
    if not (folder / MANIFEST).exists():
        return None
    manifest = Manifest.load(folder)
    if (manifest.origin, manifest.max_length) != (origin, max_length):
        return None
    for shard in chain.from_iterable(manifest.splits.values()):
        check_file(folder / shard.file, shard.sha256)
    return manifest


def _taken_up(record: Path, shards: ShardWriter) -> dict[str, Any] | None:
    """Let a writer go on where an interrupted try stopped; its record, None if there is none.

    Raises:
        UserError: the record or a shard is damaged.
    """
    state = read_record(record)
    if state is not None:
        shards.restore(state["shards"])
    return state


def _counts(
    builder: SampleBuilder, documents: int, manifest: Manifest, dropped: Counter[str], unknown_tokens: int
) -> TaskCounts:
    return TaskCounts(
        documents=documents,
        samples={split: manifest.count(split) for split in SPLITS},
        tokens={split: manifest.count(split, "tokens") for split in SPLITS},
        unknown_tokens=unknown_tokens,
        unsuitable=dict(dropped),
        notes=list(builder.notes),
        labels=manifest.label_counts,
        classes=manifest.labels,
    )


def _check_enough(builder: SampleBuilder, counts: TaskCounts) -> None:
    reasons = Counter(counts.unsuitable)
    named = "; ".join(f"{count:,} {reason}" for reason, count in reasons.most_common(3))
    for split in SPLITS:
        if not counts.samples[split]:
            given = counts.documents - reasons.total()
            raise UserError(
                f"{builder.name}: no {split} samples; {given:,} of {counts.documents:,} documents can serve"
                + (f" (not: {named})" if named else "")
                + "; give more or longer documents, or another validation_share"
            )
