"""Files of a benchmark that a test makes, and what should be read from them."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROWS = 24
CURIOUS = (
    'a "quoted start',
    "half a quote'",
    "next\x85line",
    "a\u2028b \x0b\x1c c",
    "trailing blank ",
    "naïve — ½",
    "#x, y; z",
)


@dataclass
class Benchmark:
    """Files by name and, by set, the fields of every example after id and place; ids where the data have their own."""

    files: dict[str, bytes] = field(default_factory=dict)
    sets: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    ids: dict[str, list[str]] = field(default_factory=dict)
    skipped: dict[str, dict[str, int]] = field(default_factory=dict)
    corrected: dict[str, dict[str, int]] = field(default_factory=dict)
    kept: dict[str, dict[str, int]] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

    def table(self, name: str, rows: list[list[str]], header: str | None = None, end: str = "\n") -> None:
        """Add a file of tab-separated rows; `header` names the columns with blanks between."""
        lines = ([header.replace(" ", "\t")] if header else []) + ["\t".join(row) for row in rows]
        self.files[name] = "".join(line + end for line in lines).encode()

    def lines(self, name: str, records: list[dict[str, Any]]) -> None:
        self.files[name] = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()

    def document(self, name: str, value: Any) -> None:
        self.files[name] = json.dumps(value, ensure_ascii=False, indent=1).encode()


def english(row: int, part: str) -> str:
    return f"{part} {row}: {CURIOUS[row % len(CURIOUS)]}"


def chinese(row: int, part: str) -> str:
    return f"第{row}句{part}，“引号”与 空格，iPhone {row}。"
