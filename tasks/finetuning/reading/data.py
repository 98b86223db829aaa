"""The `data` section of a recipe, and the sets of examples that it names."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ernie_paddle.config import Settings, file_name
from ernie_paddle.errors import UserError
from tasks.finetuning.reading.c3 import C3Format
from tasks.finetuning.reading.chid import ChidFormat
from tasks.finetuning.reading.examples import Example
from tasks.finetuning.reading.json_lines import JsonLinesFormat
from tasks.finetuning.reading.locate import Origin, located
from tasks.finetuning.reading.report import Report
from tasks.finetuning.reading.source import Labels, Source
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
    return [value] if isinstance(value, str | Path) else value


def _named(value: Any) -> Any:
    return value if isinstance(value, dict) else {"": value}


Files = Annotated[tuple[Path, ...], BeforeValidator(_listed), Field(min_length=1)]
SetName = Annotated[str, AfterValidator(lambda name: name and file_name(name))]
NamedFiles = Annotated[dict[SetName, Files], BeforeValidator(_named)]


class DataSettings(Settings):
    """Where a data set is and how it is read. Files are relative to `folder`.

    A set is one file or several, read one after the other. `dev` and `test` may be several sets by name, which are
    scored apart (MNLI matched and mismatched). `labelled`: the splits whose files carry labels. `label_map`: the
    recipe's labels by what stands in the files; rows with one of `drop_labels` are left out. `train_rows`: how many
    examples of the training set, from its start.
    """

    folder: Path = Path()
    train: Files | None = None
    dev: NamedFiles = Field(default_factory=dict)
    test: NamedFiles = Field(default_factory=dict)
    labelled: tuple[Split, ...] = ("train", "dev", "test")
    label_map: dict[str, str] = Field(default_factory=dict)
    drop_labels: tuple[str, ...] = ()
    train_rows: int | None = Field(default=None, ge=1)
    reading: Reading = TsvFormat()
    origin: Origin = Origin()

    @model_validator(mode="after")
    def _some_files(self) -> "DataSettings":
        if not (self.train or self.dev or self.test):
            raise ValueError("names no files; give train, dev or test")
        return self

    def sets(self, split: Split) -> dict[str, tuple[Path, ...]]:
        """The files of each set of a split by the set's name: `dev`, or `dev_matched` where there are several."""
        if split == "train":
            return {"train": self.train} if self.train else {}
        named = self.dev if split == "dev" else self.test
        return {f"{split}_{name}" if name else split: files for name, files in named.items()}

    def names(self) -> list[str]:
        """All files as they are written in the recipe."""
        splits: tuple[Split, ...] = ("train", "dev", "test")
        return [str(file) for split in splits for files in self.sets(split).values() for file in files]


@dataclass(frozen=True)
class ExampleSet:
    """The examples of a set of files in their order, at least one, and what was met in reading them."""

    name: str
    examples: tuple[Example, ...]
    report: Report


def read_sets(data: DataSettings, split: Split, labels: Sequence[str] | None) -> list[ExampleSet]:
    """Read a split; `labels` are the recipe's classes, None where the task has scores or places for labels.

    Raises:
        UserError: a file is missing or not as the recipe says, a label is not the recipe's, a set is empty, an
            id is there twice.
    """
    unknown = [name for name in data.label_map.values() if name not in (labels or ())]
    if unknown:
        raise UserError(f"data.label_map: '{unknown[0]}' is not among the recipe's labels: {', '.join(labels or ())}")
    rule = Labels(None if labels is None else tuple(labels), tuple(data.label_map.items()), frozenset(data.drop_labels))
    return [_read_set(data, split, name, files, rule) for name, files in data.sets(split).items()]


def _read_set(data: DataSettings, split: Split, name: str, files: tuple[Path, ...], labels: Labels) -> ExampleSet:
    report, examples = Report(), list[Example]()
    paths = located(data.folder, files, data.origin, data.names())
    for path in paths:
        prefix = f"{path.stem}/" if len(paths) > 1 else ""
        labelled = split in data.labelled
        source = Source(path, labels, labelled, split == "train", prefix, every_row=not labelled)
        examples.extend(data.reading.examples(source, report))
    if not examples:
        reasons = "; ".join(report.lines()[1:]) or "no rows"
        raise UserError(f"{', '.join(map(str, paths))}: no examples in the {name} set ({reasons}); get it again")
    _refuse_double_ids(examples)
    rows = data.train_rows if split == "train" else None
    return ExampleSet(name, tuple(examples[:rows]), report)


def _refuse_double_ids(examples: list[Example]) -> None:
    places: dict[str, str] = {}
    for example in examples:
        if example.id in places:
            raise UserError(f"{example.place}: id '{example.id}' is also that of {places[example.id]}; mend one")
        places[example.id] = example.place
