"""What a run leaves for reports: its log, a JSON object a line with `event` and `update`, and its result."""

import json
from pathlib import Path
from typing import Any

from ernie_paddle.files import as_json, lines_of, written_whole

LOG_FILE = "log.jsonl"
RESULT_FILE = "result.json"  # of a fine-tuning run: scores of the best model, by file


def read_log(path: Path) -> list[dict[str, Any]]:
    """The records of a log; a last line cut short by a kill is left out."""
    records = []
    for line in lines_of(path.read_bytes().decode(errors="replace")):
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    return records


def drop_records_after(path: Path, update: int) -> None:
    """Keep only the records up to an update."""
    if not path.exists():
        return
    kept = [record for record in read_log(path) if record["update"] <= update]
    with written_whole(path) as file:
        file.writelines(as_json(record) + "\n" for record in kept)
