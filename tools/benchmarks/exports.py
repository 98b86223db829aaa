"""All exports of a model side by side: size, largest difference and latency. Run by tools/export.sh."""

import argparse
import sys
import time
from pathlib import Path

from comparing import CONSOLE, WARM_UP, Spread
from rich.table import Table

from ernie_paddle.errors import UserError
from ernie_paddle.inference.backends import cpu_threads, open_backend
from ernie_paddle.inference.export import Exported, StoredPrecision, TargetFormat, export, random_feed
from ernie_paddle.inference.exported import is_export, read_record
from ernie_paddle.outputs import output_folder
from ernie_paddle.registry import Registry, load_plugins
from ernie_paddle.text.vocabulary import VOCABULARY_FILE, Vocabulary

FORMATS: dict[str, tuple[TargetFormat, StoredPrecision]] = {
    "paddle": ("paddle", "fp32"),
    "onnx": ("onnx", "fp32"),
    "int8": ("onnx", "int8"),
    "bert": ("bert", "fp32"),
}
ROWS, LENGTH, ROUNDS = (1, 8), 128, 10


def main() -> None:
    parser = argparse.ArgumentParser(prog="tools/export.sh", description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--out", type=output_folder, required=True)
    args = parser.parse_args()
    registry = load_plugins()
    exports = {name: exported(args.model, args.out / name, name, registry) for name in FORMATS}
    folders = {name: args.out / name for name in FORMATS if is_export(args.out / name)}
    length = min([LENGTH, *(read_record(folder).max_length for folder in folders.values())])
    latencies = {rows: measured(folders, [length] * rows) for rows in ROWS}
    columns = [f"{rows} x {length} tokens, ms" for rows in ROWS]
    table = Table("format", "MB", "largest difference", *columns, title=f"{args.model}, threads: {cpu_threads()}")
    for name, found in exports.items():
        folder = args.out / name
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
        difference = f"{found.difference:.1e}" if found else "-"
        table.add_row(name, f"{size:.1f}", difference, *(str(latencies[rows].get(name, "-")) for rows in ROWS))
    CONSOLE.print(table)
    if None in exports.values():
        sys.exit(2)


def exported(model: Path, out: Path, name: str, registry: Registry) -> Exported | None:
    """Export a model in a format and print the notes; print the reason and return None if that is not possible."""
    try:
        found = export(model, out, registry, *FORMATS[name])
    except UserError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return None
    for note in found.notes:
        print(f"{name}: {note}")
    return found


def measured(folders: dict[str, Path], lengths: list[int]) -> dict[str, Spread]:
    """Return the latency of each export for rows of these lengths in milliseconds, all measured in turn."""
    backends = {name: open_backend(folder, on_gpu=False) for name, folder in folders.items()}
    feeds = {name: random_feed(Vocabulary.load(folder / VOCABULARY_FILE), lengths) for name, folder in folders.items()}
    milliseconds: dict[str, list[float]] = {name: [] for name in backends}
    for _ in range(WARM_UP + ROUNDS):
        for name, backend in backends.items():
            began = time.perf_counter()
            backend.run(feeds[name])
            milliseconds[name].append(1e3 * (time.perf_counter() - began))
    return {name: Spread.of(values[WARM_UP:]) for name, values in milliseconds.items()}


if __name__ == "__main__":
    main()
