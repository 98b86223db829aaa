"""The base of all fine-tuning tasks here: reading files as the `data` section of a recipe says."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ernie_paddle.config import check_settings
from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import ExampleSet, ExampleStream, FinetuningTask, Signature
from ernie_paddle.task import shortened
from tasks.finetuning.reading.data import DataSettings, LoadedSet, Split, open_sets, read_sets
from tasks.finetuning.reading.source import Format


class FileTask(FinetuningTask):
    """A fine-tuning task whose examples are read by `tasks.finetuning.reading`."""

    formats: ClassVar[tuple[type[Format], ...]]  # formats with examples of the task

    @property
    def usual_data(self) -> dict[str, Any]:
        return {"reading": {"format": _format_name(self.formats[0])}}

    def check_data(self, data: Mapping[str, Any], where: str) -> None:
        reading = check_settings(DataSettings, dict(data), where).reading
        if not isinstance(reading, self.formats):
            known = ", ".join(map(_format_name, self.formats))
            raise UserError(f"{where}.reading.format: {self.name} cannot read '{reading.format}'; known: {known}")

    def read(self, data: Mapping[str, Any], split: Split, signature: Signature) -> list[ExampleSet]:  # type: ignore[override]
        settings = check_settings(DataSettings, dict(data), "data")
        sets = read_sets(settings, split, signature.labels)
        return [ExampleSet(loaded.name, loaded.examples, _notes(loaded, settings, split)) for loaded in sets]

    def stream(  # type: ignore[override]
        self, data: Mapping[str, Any], split: Split, signature: Signature, skip_bad: bool = False
    ) -> list[ExampleStream]:
        settings = check_settings(DataSettings, dict(data), "data")
        opened = open_sets(settings, split, signature.labels, skip_bad)
        return [ExampleStream(one.name, one.examples, one.report.notes) for one in opened]

    def is_labelled(self, example: Any) -> bool:
        return self.gold(example) is not None

    def gold(self, example: Any) -> Any:
        return example.label


def _format_name(format_class: type[Format]) -> str:
    return format_class.model_fields["format"].default


def _notes(loaded: LoadedSet, settings: DataSettings, split: Split) -> list[str]:
    """Return notes on what was skipped or corrected in a set, and on a number of rows that does not suit it."""
    notes = loaded.report.notes()
    rows = settings.rows(split)
    if rows and rows > len(loaded.examples):
        notes.append(f"data.{split}_rows is {rows:,}, but there are only these")
    if loaded.missing_labels:
        advice = "; data.row_choice: spread takes rows from all parts" if settings.row_choice == "first" else ""
        notes.append(f"data.{split}_rows leaves out whole labels: {shortened(loaded.missing_labels)}{advice}")
    return notes
