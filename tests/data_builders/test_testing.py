"""The checks of sample builders, token features and readers: they pass what is right and name what is not."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import faulty_builders
import numpy as np
import pytest

from data_builders.annotation.features import CAPITALIZATION, AnnotatedWords, TokenFeature
from data_builders.builders.builder import SampleBuilder
from data_builders.documents import Record
from data_builders.readers.jsonl import JsonLinesReader
from data_builders.readers.lines import text_lines
from data_builders.readers.reader import Reader
from data_builders.readers.text import TextReader, TitledTextReader
from data_builders.testing import ToyCorpora, check_builder, check_feature, check_reader
from ernie_paddle.data.schema import Column
from ernie_paddle.registry import load_plugins
from ernie_paddle.task import SentenceClassificationObjective, Task
from ernie_paddle.testing import check_task


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> ToyCorpora:
    return ToyCorpora.write(tmp_path_factory.mktemp("toy"))


# ---- sample builders ----


def test_a_counting_builder_passes(toy: ToyCorpora) -> None:
    check_builder(load_plugins().sample_builders.get("discourse_relation"), toy, {"least_per_marker": 1})


def test_the_builder_of_the_faulty_ones_passes_without_their_faults(toy: ToyCorpora) -> None:
    check_builder(faulty_builders.Opening, toy)


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        (faulty_builders.Unseeded, "work item . of corpus . has other samples in a second run"),
        (faulty_builders.Remembering, "has other samples if others were composed before"),
        (faulty_builders.Hashing, "has other samples in another process"),
        (faulty_builders.OutOfRange, "column 'label': 2, expected -1 to 1"),
        (faulty_builders.Unlabelled, "column 'label' is -1 in all samples"),
        (faulty_builders.TooLong, r"a sample has \d+ tokens, expected 3 to 96"),
        (faulty_builders.Undeclared, "column 'extra', which their builder does not declare"),
        (faulty_builders.Declaring, "column 'extra': a sample has no values for it"),
        (faulty_builders.TooFew, r"column 'extra': \d+ values for \d+ tokens"),
        (faulty_builders.Unsuited, "no train samples"),
        (faulty_builders.Unpicklable, "worker processes cannot load it"),
        (faulty_builders.Misspelt, "did you mean 'capitalization'"),
        (faulty_builders.Classical, r"no toy corpus is in one of its languages, \('la',\)"),
    ],
)
def test_a_mistake_of_a_builder_is_named(
    toy: ToyCorpora, monkeypatch: pytest.MonkeyPatch, builder: type[SampleBuilder], message: str
) -> None:
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    with pytest.raises(AssertionError, match=f"^sample builder 'opening'.*{message}"):
        check_builder(builder, toy)


def test_unknown_options_are_named(toy: ToyCorpora) -> None:
    with pytest.raises(AssertionError, match="'opening': options: unknown key 'lenght'"):
        check_builder(faulty_builders.Opening, toy, {"lenght": 7})


def test_the_samples_of_a_builder_are_what_its_task_is_checked_with(toy: ToyCorpora) -> None:
    registry = load_plugins()
    registry.sample_builders.add("opening", faulty_builders.Opening)
    shards = toy.build("opening", registry=registry)
    task = Task("opening", 7, SentenceClassificationObjective(["inside", "opening"], head="opening_fc"))
    check_task(task, shards)
    with pytest.raises(AssertionError, match=r"'opening': .*classes inside, opening; the task has opening, inside"):
        check_task(
            Task("opening", 7, SentenceClassificationObjective(["opening", "inside"], head="opening_fc")), shards
        )


# ---- token features ----

IS_NUMBER = Column("is_number", "token", ("no", "yes"))
calls = itertools.count()


def is_number(words: AnnotatedWords) -> np.ndarray:
    return np.array([word.isdigit() for word in words.written], np.int8)


def too_few(words: AnnotatedWords) -> np.ndarray:
    return is_number(words)[:-1]


def too_high(words: AnnotatedWords) -> np.ndarray:
    return is_number(words) * 2


def nothing(words: AnnotatedWords) -> np.ndarray:
    return np.full(len(words.starts), -1)


def number_in_the_block(words: AnnotatedWords) -> np.ndarray:
    return np.arange(len(words.starts)) % 2


def number_of_the_call(words: AnnotatedWords) -> np.ndarray:
    return np.full(len(words.starts), next(calls) % 2)


def test_features_that_label_every_word_pass(toy: ToyCorpora) -> None:
    check_feature(CAPITALIZATION, toy)
    check_feature(TokenFeature(IS_NUMBER, is_number, ("zh",)), toy)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (too_few, r"expected \d+ values from -1 to 1, got"),
        (too_high, "from -1 to 1, got .* from 0 to 2"),
        (nothing, "-1 for every word of the toy corpora"),
        (number_in_the_block, "other values beside other documents"),
        (number_of_the_call, "other values beside other documents, or in a second run"),
        (lambda words: is_number(words), "worker processes cannot load it"),
    ],
)
def test_a_mistake_of_a_token_feature_is_named(
    toy: ToyCorpora, values: Callable[[AnnotatedWords], np.ndarray], message: str
) -> None:
    with pytest.raises(AssertionError, match=f"^token feature 'is_number': (?!token).*{message}"):
        check_feature(TokenFeature(IS_NUMBER, values), toy)


# ---- readers ----


class Lines(Reader):
    """Reads a document from each line. Subclasses make mistakes."""

    name: ClassVar[str] = "lines"
    suffixes: ClassVar[tuple[str, ...]] = (".txt",)

    def records(self, file: BinaryIO, tally: Counter[str]) -> Iterator[Record]:
        for number, (line, _) in enumerate(text_lines(file, tally)):
            yield Record(str(number), line)


class OneId(Lines):
    def records(self, file: BinaryIO, tally: Counter[str]) -> Iterator[Record]:
        return (Record("id", line) for line, _ in text_lines(file, tally))


class Strict(Lines):
    def records(self, file: BinaryIO, tally: Counter[str]) -> Iterator[Record]:
        return (Record(str(i), line.decode("utf-8")) for i, line in enumerate(file))


class Continuing(Lines):
    read = 0

    def records(self, file: BinaryIO, tally: Counter[str]) -> Iterator[Record]:
        for line, _ in text_lines(file, tally):
            self.read += 1
            yield Record(str(self.read), line)


class Joined(Lines):
    def paragraphs(self, text: str) -> list[str]:
        return [text + "\n"]


class Forgetful(Lines):
    def __init__(self, prefix: str = ""):
        self.prefix = prefix

    def __reduce__(self) -> Any:
        return Forgetful, ()

    def paragraphs(self, text: str) -> list[str]:
        return [self.prefix + text]


def test_readers_that_read_what_is_there_pass(toy: ToyCorpora, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("一段。\n二段。\n\nthree\n", encoding="utf-8")
    for reader in (TextReader(), TitledTextReader(), Lines()):
        check_reader(reader, tmp_path / "a.txt", "zh")
    (tmp_path / "a.jsonl").write_text('{"text": "one", "title": "1"}\n{"text": "two\\nlines"}\n')
    check_reader(JsonLinesReader(), tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    ("reader", "message"),
    [
        (OneId(), "3 documents have the id 'id'"),
        (Strict(), "a damaged file ends in UnicodeDecodeError"),
        (Continuing(), "after other files, other documents are read"),
        (Joined(), "is not a paragraph"),
        (Forgetful("> "), "a copy in a worker process reads other documents"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_mistake_of_a_reader_is_named(tmp_path: Path, reader: Reader, message: str) -> None:
    (tmp_path / "a.txt").write_text("first line\nzweite Zeile: äöü\n第三行。\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=f"^reader 'lines': .*{message}"):
        check_reader(reader, tmp_path / "a.txt")


def test_an_empty_file_has_no_documents(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n")
    with pytest.raises(AssertionError, match="no document with text"):
        check_reader(TextReader(), tmp_path / "a.txt")
