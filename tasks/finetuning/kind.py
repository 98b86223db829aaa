"""What all kinds of fine-tuning here share: their files are read as the `data` section of a recipe says."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ernie_paddle.config import check_settings
from ernie_paddle.errors import UserError
from ernie_paddle.kind import ExampleSet, FinetuningKind, Signature
from tasks.finetuning.reading.data import DataSettings, Split, read_sets
from tasks.finetuning.reading.data import ExampleSet as SetRead
from tasks.finetuning.reading.source import Format


class ReadingKind(FinetuningKind):
    """A kind whose examples are read by `tasks.finetuning.reading`."""

    formats: ClassVar[tuple[type[Format], ...]]  # whose examples it takes

    @property
    def usual_data(self) -> dict[str, Any]:
        return {"reading": {"format": _format_name(self.formats[0])}}

    def check_data(self, data: Mapping[str, Any], where: str) -> None:
        reading = check_settings(DataSettings, dict(data), where).reading
        if not isinstance(reading, self.formats):
            known = ", ".join(map(_format_name, self.formats))
            raise UserError(f"{where}.reading.format: {self.name} does not read '{reading.format}'; known: {known}")

    def read(self, data: Mapping[str, Any], split: Split, signature: Signature) -> list[ExampleSet]:  # type: ignore[override]
        settings = check_settings(DataSettings, dict(data), "data")
        sets = read_sets(settings, split, signature.labels)
        return [ExampleSet(one.name, one.examples, _notes(one, settings)) for one in sets]

    def is_labelled(self, example: Any) -> bool:
        return self.gold(example) is not None

    def gold(self, example: Any) -> Any:
        return example.label


def _format_name(kind: type[Format]) -> str:
    return kind.model_fields["format"].default


def _notes(one: SetRead, settings: DataSettings) -> list[str]:
    """What was met in reading a set, and whether `train_rows` is more than there are."""
    notes = one.report.lines()[1:]
    if one.name == "train" and (settings.train_rows or 0) > len(one.examples):
        notes.append(f"data.train_rows is {settings.train_rows:,}, but there are no more")
    return notes
