"""All exports of a model side by side: size, largest difference and latency. Run by tools/export.sh."""

import argparse
import sys
import time
from pathlib import Path

from comparing import CONSOLE, Spread
from rich.table import Table

from ernie_paddle.errors import UserError
from ernie_paddle.inference.backends import Backend, cpu_threads, open_backend
from ernie_paddle.inference.export import Exported, Format, StoredPrecision, export, random_feed
from ernie_paddle.inference.exported import is_export, load_export
from ernie_paddle.outputs import output_folder
from ernie_paddle.registry import Registry, load_plugins

FORMATS: dict[str, tuple[Format, StoredPrecision]] = {
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
    latencies = {rows: measured(args.out, rows) for rows in ROWS}
    threads, columns = cpu_threads(), [f"{rows} x {LENGTH} tokens, ms" for rows in ROWS]
    table = Table("format", "MB", "largest difference", *columns, title=f"{args.model}, {threads} threads")
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


def measured(out: Path, rows: int) -> dict[str, Spread]:
    """Return the latency of each export in milliseconds, all measured in turn."""
    folders = {name: out / name for name in FORMATS if is_export(out / name)}
    backends: dict[str, Backend] = {name: open_backend(folder, on_gpu=False) for name, folder in folders.items()}
    milliseconds: dict[str, list[float]] = {name: [] for name in backends}
    if not folders:
        return {}
    opened = load_export(next(iter(folders.values())))
    feed = random_feed(opened.vocabulary, [min(LENGTH, opened.record.max_length)] * rows)
    for _ in range(ROUNDS + 2):
        for name, backend in backends.items():
            began = time.perf_counter()
            backend.run(feed)
            milliseconds[name].append(1e3 * (time.perf_counter() - began))
    return {name: Spread.of(values[2:]) for name, values in milliseconds.items()}


if __name__ == "__main__":
    main()
