"""The `data` section of a recipe, and the reading of its sets."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ernie_paddle.config import Settings, file_name
from ernie_paddle.errors import UserError
from ernie_paddle.inputs import BadRow
from tasks.finetuning.reading.c3 import C3Format
from tasks.finetuning.reading.chid import ChidFormat
from tasks.finetuning.reading.examples import Example, TextExample
from tasks.finetuning.reading.json_lines import JsonLinesFormat
from tasks.finetuning.reading.locate import Origin, located
from tasks.finetuning.reading.report import Report
from tasks.finetuning.reading.source import LabelSet, Source
from tasks.finetuning.reading.squad import SquadFormat
from tasks.finetuning.reading.tagged import TaggedColumnsFormat, TaggedRowsFormat
from tasks.finetuning.reading.tsv import TsvFormat
from tasks.finetuning.reading.wsc import WscFormat

Split = Literal["train", "dev", "test"]

Reading = Annotated[
    TsvFormat
    | JsonLinesFormat
    | SquadFormat
    | TaggedRowsFormat
    | TaggedColumnsFormat
    | ChidFormat
    | C3Format
    | WscFormat,
    Field(discriminator="format"),
]


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def _named(value: Any) -> Any:
    return value if isinstance(value, dict) else {"": value}


Files = Annotated[tuple[Path, ...], BeforeValidator(_listed), Field(min_length=1)]
SetName = Annotated[str, AfterValidator(lambda name: name and file_name(name))]
NamedFiles = Annotated[dict[SetName, Files], BeforeValidator(_named)]


class DataSettings(Settings):
    """The location and format of a data set. Files are relative to `folder`."""

    folder: Path = Path()
    """Folder that the files are in."""
    train: Files | None = None
    """Training set: one file, or several that are read one after the other."""
    dev: NamedFiles = Field(default_factory=dict)
    """Dev set: a file or several; or sets by name, which are scored apart."""
    test: NamedFiles = Field(default_factory=dict)
    """Test set, likewise."""
    labelled: tuple[Split, ...] = ("train", "dev", "test")
    """Splits whose files carry labels."""
    label_map: dict[str, str] = Field(default_factory=dict)
    """The recipe's labels, by what stands in the files."""
    drop_labels: tuple[str, ...] = ()
    """Labels in the files whose rows are skipped."""
    train_rows: int | None = Field(default=None, ge=1)
    """Examples of the training set that are used; `null`: all."""
    dev_rows: int | None = Field(default=None, ge=1)
    """Examples of each dev set that are scored, likewise."""
    test_rows: int | None = Field(default=None, ge=1)
    """Examples of each test set that are scored, likewise."""
    row_choice: Literal["first", "spread"] = "first"
    """Which examples a number of them means: the first ones of a set, or ones spread evenly over it, for sets that are
    sorted by label or source."""
    reading: Reading = TsvFormat()
    """How the files are read; see Data formats."""
    origin: Origin = Origin()
    """Where the files come from."""

    @model_validator(mode="after")
    def _some_files(self) -> "DataSettings":
        if not (self.train or self.dev or self.test):
            raise ValueError("names no files; give train, dev or test")
        return self

    def sets(self, split: Split) -> dict[str, tuple[Path, ...]]:
        """Return the files of each set of a split by the set's name: `dev`, or `dev_matched` if there are several."""
        if split == "train":
            return {"train": self.train} if self.train else {}
        named = self.dev if split == "dev" else self.test
        return {f"{split}_{name}" if name else split: files for name, files in named.items()}

    def rows(self, split: Split) -> int | None:
        """Return how many examples of each set of a split are used; None: all."""
        return {"train": self.train_rows, "dev": self.dev_rows, "test": self.test_rows}[split]

    def file_names(self) -> list[str]:
        """Return all files as they are written in the recipe."""
        splits: tuple[Split, ...] = ("train", "dev", "test")
        return [str(file) for split in splits for files in self.sets(split).values() for file in files]


@dataclass(frozen=True)
class OpenSet:
    """A set of files that is being read: its examples in order, and the report, which is complete after the last one.

    In the place of a row that cannot be read there is a `BadRow`, if bad rows are to be skipped.
    """

    name: str
    paths: tuple[Path, ...]
    examples: Iterator[Example | BadRow]
    report: Report


@dataclass(frozen=True)
class LoadedSet:
    """The examples of a set of files in their order, at least one, and the report on reading them.

    `missing_labels` are those of the files that none of the chosen examples has.
    """

    name: str
    examples: tuple[Example, ...]
    report: Report
    missing_labels: tuple[str, ...]


def read_sets(data: DataSettings, split: Split, labels: Sequence[str] | None) -> list[LoadedSet]:
    """Read the sets of a split. `labels` are the recipe's classes, None if the task has scores or spans for labels.

    Raises:
        UserError: a file is missing or has another format, a label is unknown, a set is empty, or an id occurs twice.
    """
    return [_read_set(data, split, opened) for opened in open_sets(data, split, labels)]


def open_sets(data: DataSettings, split: Split, labels: Sequence[str] | None, skip_bad: bool = False) -> list[OpenSet]:
    """Open the sets of a split to read them example by example. `labels` are as in `read_sets`.

    With `skip_bad`, a row that cannot be read yields a `BadRow` instead of raising a `UserError`.

    Raises:
        UserError: a file is missing. Reading an example raises the other errors of `read_sets` except about ids.
    """
    unknown = [name for name in data.label_map.values() if name not in (labels or ())]
    if unknown:
        raise UserError(f"data.label_map: '{unknown[0]}' is not among the recipe's labels: {', '.join(labels or ())}")
    names = None if labels is None else tuple(labels)
    known_labels = LabelSet(names, tuple(data.label_map.items()), frozenset(data.drop_labels))
    opened = []
    for name, files in data.sets(split).items():
        paths, report = tuple(located(data.folder, files, data.origin, data.file_names())), Report()
        labelled = split in data.labelled
        sources = [
            Source(path, known_labels, labelled, split == "train", prefix, every_row=not labelled, skip_bad=skip_bad)
            for path in paths
            for prefix in [f"{path.stem}/" if len(paths) > 1 else ""]
        ]
        opened.append(OpenSet(name, paths, _examples(data, name, sources, report), report))
    return opened


def _examples(data: DataSettings, name: str, sources: Sequence[Source], report: Report) -> Iterator[Example | BadRow]:
    empty = True
    for source in sources:
        for example in data.reading.examples(source, report):
            empty = False
            yield example
    if empty:
        reasons = "; ".join(report.notes()) or "no rows"
        paths = ", ".join(str(source.path) for source in sources)
        raise UserError(f"{paths}: no examples in the {name} set ({reasons}); download the file again")


def _read_set(data: DataSettings, split: Split, opened: OpenSet) -> LoadedSet:
    examples = [example for example in opened.examples if not isinstance(example, BadRow)]
    _check_ids(examples)
    rows = min(data.rows(split) or len(examples), len(examples))
    if data.row_choice == "spread":
        chosen = [examples[number * len(examples) // rows] for number in range(rows)]
    else:
        chosen = examples[:rows]
    missing = _labels(examples) - _labels(chosen) if rows < len(examples) else set()
    return LoadedSet(opened.name, tuple(chosen), opened.report, tuple(sorted(missing)))


def _labels(examples: Iterable[Example]) -> set[str]:
    labels = (example.label for example in examples if isinstance(example, TextExample))
    return {label for label in labels if isinstance(label, str)}


def _check_ids(examples: list[Example]) -> None:
    """Raise a `UserError` if two examples have the same id."""
    places: dict[str, str] = {}
    for example in examples:
        if example.id in places:
            raise UserError(f"{example.place}: id '{example.id}' is also that of {places[example.id]}; change one")
        places[example.id] = example.place
