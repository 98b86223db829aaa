"""What all kinds of fine-tuning here share: their files are read as the `data` section of a recipe says."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ernie_paddle.config import check_settings
from ernie_paddle.errors import UserError
from ernie_paddle.kind import ExampleSet, FinetuningKind, Signature
from tasks.finetuning.reading.data import DataSettings, Split, read_sets
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
        return [
            ExampleSet(one.name, one.examples, one.report.lines()[1:])
            for one in read_sets(settings, split, signature.labels)
        ]

    def is_labelled(self, example: Any) -> bool:
        return self.gold(example) is not None

    def gold(self, example: Any) -> Any:
        return example.label


def _format_name(kind: type[Format]) -> str:
    return kind.model_fields["format"].default
