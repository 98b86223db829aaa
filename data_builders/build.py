"""Build all samples of a corpora config: annotate every corpus once, then compose task by task."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from data_builders.annotation.annotated_corpus import AnnotatedCorpus
from data_builders.annotation.features import TokenFeature, copied_columns
from data_builders.annotation.store import annotate_corpus
from data_builders.builders.builder import CountingBuilder, SampleBuilder, TooFewSamples
from data_builders.composing import ComposeWorkItem, CountWorkItem, WorkItem
from data_builders.corpora_config import BuildSettings, builder_of, features_of, raw_corpus
from data_builders.progress import Bars
from data_builders.readers.reader import RawCorpus
from data_builders.resumable import read_record, resumable_folder, unless_damaged
from data_builders.workers import Engine, Processes
from ernie_paddle.checksums import check_file, write_sealed
from ernie_paddle.config import load_settings
from ernie_paddle.console import open_console, print_warnings
from ernie_paddle.data.schema import LABEL, Column, unique_columns
from ernie_paddle.data.shard_writing import ShardWriter
from ernie_paddle.data.shards import FORMAT_VERSION, MANIFEST, SPLITS, Manifest
from ernie_paddle.errors import UserError
from ernie_paddle.files import remove
from ernie_paddle.locks import locked_folder
from ernie_paddle.registry import Registry, load_plugins
from ernie_paddle.text.vocabulary import VOCABULARY_FILE, Vocabulary

ANNOTATED = "annotated"
WORK_ITEMS_PER_SHARD = 16
NO_LIMIT = 1 << 60  # samples of a shard, which holds a fixed number of work items instead
COUNTED, WRITTEN = "counted.json", "written.json"  # records of the finished work in an unfinished folder


@dataclass
class TaskCounts:
    """Statistics of a task's samples.

    Attributes:
        documents: documents in the task's corpora.
        samples: samples by split.
        tokens: tokens by split.
        unknown_tokens: `[UNK]` tokens in all samples.
        unsuitable: documents without a sample, by reason.
        notes: remarks of the builder for the user.
        labels: samples by class id, if they have one label each.
        classes: names of these classes in the order of their ids.
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
    """The annotated corpora, the statistics of each task's samples, and why optional tasks have none."""

    corpora: dict[str, AnnotatedCorpus]
    tasks: dict[str, TaskCounts]
    without_samples: dict[str, str]


def build_samples(
    config: BuildSettings | Path | str,
    out: Path | str,
    *,
    workers: int = 1,
    registry: Registry | None = None,
) -> BuildResult:
    """Annotate corpora once and write the samples of every task, as `ernie-paddle build` does on one machine.

    Args:
        config: a corpora config, or its file; `load_settings` applies overrides.
        out: folder for the shards, one subfolder per task.
        workers: number of processes. It does not change the shards.
        registry: what plug-ins added; by default all that are installed.

    Raises:
        UserError: a corpus cannot be read, or a task gets no samples from its corpora.
    """
    settings = config if isinstance(config, BuildSettings) else load_settings(BuildSettings, config)
    with Processes(workers) as engine:
        return build(settings, Path(out), engine, registry or load_plugins())


def build(settings: BuildSettings, out: Path, engine: Engine, registry: Registry) -> BuildResult:
    """Write `<out>/<task>/` for every task, `<out>/annotated/<corpus>/` for every corpus, and `<out>/vocab.txt`.

    A task's folder appears once all its samples are written. An interrupted build resumes: finished files are kept
    unless they are damaged. The same corpora, vocabulary and seed give the same bytes with any engine.

    Raises:
        UserError: a corpus cannot be read, or a task gets no samples from its corpora.
    """
    vocabulary = Vocabulary.load(settings.vocab)
    print_warnings(open_console(stderr=True), [f"{settings.vocab}: {warning}" for warning in vocabulary.warnings])
    features = {name: features_of(name, task, registry) for name, task in settings.tasks.items()}
    raw = {name: raw_corpus(name, corpus, registry) for name, corpus in settings.corpora.items()}
    settings.spans.check({corpus.language for corpus in raw.values()})
    builders = [builder_of(name, task, settings, raw, vocabulary, registry) for name, task in settings.tasks.items()]
    for builder in builders:
        _columns(builder, copied_columns(features[builder.name]))  # mistakes show before the annotation
    with locked_folder(out), Bars() as bars:
        running = _Build(settings, raw, features, vocabulary, out, engine, bars)
        annotated = {name: running.annotate(corpus) for name, corpus in raw.items()}
        tasks, without_samples = dict[str, TaskCounts](), dict[str, str]()
        for builder in builders:
            try:
                tasks[builder.name] = running.compose(builder, annotated)
            except TooFewSamples as reason:
                if not settings.tasks[builder.name].optional:
                    raise
                without_samples[builder.name] = str(reason)
                remove(out / builder.name)  # those of an earlier build
        vocabulary.save(out / VOCABULARY_FILE)
    return BuildResult(annotated, tasks, without_samples)


@dataclass(frozen=True)
class _Build:
    """A running build."""

    settings: BuildSettings
    raw: dict[str, RawCorpus]
    features: dict[str, tuple[TokenFeature, ...]]
    vocabulary: Vocabulary
    out: Path
    engine: Engine
    bars: Bars

    def annotate(self, corpus: RawCorpus) -> AnnotatedCorpus:
        """Annotate a corpus unless it is annotated already."""
        show = self.bars.bar(f"annotating {corpus.name}", corpus.size)
        folder = self.out / ANNOTATED / corpus.name
        annotated = annotate_corpus(
            corpus, self.settings.spans, self._features(corpus), self.vocabulary, folder, self.engine, show
        )
        show(corpus.size)
        return annotated

    def _features(self, corpus: RawCorpus) -> list[TokenFeature]:
        """Return the token features that the tasks of a corpus need, in the order of their names."""
        tasks = [name for name, task in self.settings.tasks.items() if corpus.name in task.corpora]
        by_name = {feature.name: feature for task in tasks for feature in self.features[task]}
        return [by_name[name] for name in sorted(by_name)]

    def compose(self, builder: SampleBuilder, annotated: dict[str, AnnotatedCorpus]) -> TaskCounts:
        """Write the shards of a task unless they are there already."""
        corpora = [annotated[name] for name in self.settings.tasks[builder.name].corpora]
        origin = self._origin(builder, corpora)
        folder = self.out / builder.name
        features = copied_columns(self.features[builder.name])
        columns = _columns(builder, features)  # those known before a builder counts
        if manifest := unless_damaged(_finished, folder, origin, self.settings.max_length, columns):
            return TaskCounts(**manifest.counts)
        compose = ComposeWorkItem(
            builder,
            features,
            tuple(self.out / ANNOTATED / corpus.name for corpus in corpora),
            tuple(self.raw[corpus.name].language for corpus in corpora),
            self.vocabulary,
            self.settings.seed,
            self.settings.validation_share,
        )
        items = [WorkItem(i, number) for i, corpus in enumerate(corpora) for number in range(corpus.work_items)]
        written = {"max_length": self.settings.max_length, "format_version": FORMAT_VERSION}
        with resumable_folder(folder, origin | written) as partial:
            if isinstance(builder, CountingBuilder):
                builder.fit(self._count(CountWorkItem(builder, compose), items, partial / COUNTED))
            shards = ShardWriter(
                partial,
                builder.name,
                self.vocabulary.digest,
                self.vocabulary.size,
                self.settings.max_length,
                origin,
                _columns(builder, features),
                NO_LIMIT,
            )
            dropped, unknown_tokens = self._write(compose, items, shards, partial / WRITTEN)
            counts = _counts(builder, sum(map(len, corpora)), shards.manifest(), dropped, unknown_tokens)
            _check_enough(builder, counts, self.settings.validation_share)
            shards.finish(asdict(counts))
            for record in (COUNTED, WRITTEN):
                (partial / record).unlink(missing_ok=True)
        return counts

    def _write(
        self, compose: ComposeWorkItem, items: list[WorkItem], shards: ShardWriter, record: Path
    ) -> tuple[Counter[str], int]:
        """Compose and write shard by shard the work items that `record` does not list as finished.

        Returns:
            the number of documents without a sample, by reason, and the number of unknown tokens in the samples.
        """
        dropped: Counter[str] = Counter()
        unknown_tokens = done = 0
        if state := unless_damaged(_resume, record, shards):
            dropped.update(state["dropped"])
            done, unknown_tokens = state["work_items"], state["unknown_tokens"]
        show = self._bar(f"composing {compose.builder.name}", compose, items)
        for item, built in zip(items[done:], self.engine.map(compose, items[done:]), strict=True):
            dropped.update(built.dropped)
            unknown_tokens += built.unknown_tokens
            for split, block in built.blocks.items():
                shards.write(split, compose.folders[item.corpus].name, block)
            done += 1
            if done % WORK_ITEMS_PER_SHARD == 0 or done == len(items):
                shards.cut()
                state = {"work_items": done, "dropped": dropped, "unknown_tokens": unknown_tokens}
                write_sealed(record, state | {"shards": shards.state()})
            show(done)
        return dropped, unknown_tokens

    def _count(self, count: CountWorkItem, items: list[WorkItem], record: Path) -> Counter[str]:
        """Return the builder's counts of all work items, from `record` if it has them."""
        if finished := unless_damaged(read_record, record):
            return Counter(finished["counts"])
        counts: Counter[str] = Counter()
        show = self._bar(f"counting for {count.builder.name}", count.composing, items)
        for done, item_counts in enumerate(self.engine.map(count, items), 1):
            counts.update(item_counts)
            show(done)
        write_sealed(record, {"counts": counts})
        return counts

    def _bar(self, title: str, compose: ComposeWorkItem, items: list[WorkItem]) -> Callable[[int], None]:
        """Add a progress bar over work items that is scaled to bytes of raw text."""
        total = sum(self.raw[folder.name].size for folder in compose.folders)
        show = self.bars.bar(title, total)
        return lambda done: show(total * done / len(items))

    def _origin(self, builder: SampleBuilder, corpora: list[AnnotatedCorpus]) -> dict[str, Any]:
        return {
            "builder_version": builder.version,
            "options": builder.options.model_dump(mode="json"),
            "seed": self.settings.seed,
            "validation_share": self.settings.validation_share,
            "corpora": {corpus.name: self._corpus_origin(builder.name, corpus) for corpus in corpora},
        }

    def _corpus_origin(self, task: str, corpus: AnnotatedCorpus) -> dict[str, Any]:
        """Return the origin of a corpus, of whose token features only the task's own count."""
        names = {feature.name for feature in self.features[task]}
        features = {name: version for name, version in corpus.origin["features"].items() if name in names}
        return corpus.origin | {"features": features}


def _columns(builder: SampleBuilder, features: Sequence[Column]) -> tuple[Column, ...]:
    """Return all columns of a builder's samples.

    Raises:
        UserError: it declares a wrong column, one twice, or one that is a token feature.
    """
    try:
        return unique_columns([*features, *builder.columns])
    except ValueError as error:
        raise UserError(f"sample builder '{builder.name}': {error}") from None


def _finished(folder: Path, origin: dict[str, Any], max_length: int, columns: tuple[Column, ...]) -> Manifest | None:
    """Return the manifest of finished shards of the same origin that begin with these columns, None if there are none.

    Raises:
        UserError: the shards are damaged.
    """
    if not (folder / MANIFEST).exists():
        return None
    manifest = Manifest.load(folder)
    if (manifest.origin, manifest.max_length) != (origin, max_length):
        return None
    if tuple(column.declaration for column in manifest.columns[: len(columns)]) != columns:
        return None
    for shard in chain.from_iterable(manifest.splits.values()):
        check_file(folder / shard.file, shard.sha256)
    return manifest


def _resume(record: Path, shards: ShardWriter) -> dict[str, Any] | None:
    """Restore the shard writer of an interrupted build; return its record, None if there is none.

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
    column = manifest.column(LABEL)
    return TaskCounts(
        documents=documents,
        samples={split: manifest.count(split) for split in SPLITS},
        tokens={split: manifest.count(split, "tokens") for split in SPLITS},
        unknown_tokens=unknown_tokens,
        unsuitable=dict(dropped),
        notes=list(builder.notes),
        labels=column.counts if column else {},
        classes=list(column.labels) if column else [],
    )


def _check_enough(builder: SampleBuilder, counts: TaskCounts, validation_share: float) -> None:
    """Raise `TooFewSamples` if a split has no samples."""
    reasons = Counter(counts.unsuitable)
    named = "; ".join(f"{count:,} {reason}" for reason, count in reasons.most_common(3))
    for split in SPLITS:
        if not counts.samples[split]:
            suitable = counts.documents - reasons.total()
            raise TooFewSamples(
                f"{builder.name}: no {split} samples; {suitable:,} of {counts.documents:,} documents are suitable"
                + (f" (the others: {named})" if named else "")
                + f"; add more or longer documents, or change validation_share, which is {validation_share:g}"
            )
