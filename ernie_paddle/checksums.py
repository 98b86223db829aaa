"""Checksums of folders and records.

A model's folder has a file `SHA256SUMS`, which `sha256sum -c SHA256SUMS` checks too. A record, a JSON object, contains
its own checksum.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

from ernie_paddle.errors import UserError
from ernie_paddle.files import as_json, atomic_write, read_json, read_text, sha256_of, write_json

SUMS_FILE = "SHA256SUMS"
CHECKSUM_KEY = "sha256"  # of a record's checksum
LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)")


def write_checksums(folder: Path) -> None:
    """Write the checksums of all files in a folder except hidden ones."""
    names = [path.name for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    lines = [f"{sha256_of(folder / name)}  {name}\n" for name in names if name != SUMS_FILE]
    with atomic_write(folder / SUMS_FILE) as file:
        file.writelines(lines)


def check_files(
    folder: Path, required: Iterable[str], unread: Container[str] = (), optional: Container[str] = ()
) -> None:
    """Check the files of a folder against its checksums. Listed files must exist, unless they are unread or optional.

    Args:
        required: names of files that must be listed and exist.
        unread: names of files to skip, since the caller does not read them.
        optional: names of files that the caller reads if they exist.

    Raises:
        UserError: a file or the list of checksums is missing, damaged or changed.
    """
    checksums = _read_checksums(folder / SUMS_FILE)
    for name in required:
        if name not in checksums:
            raise UserError(f"{folder / SUMS_FILE}: does not list {name}; copy the whole folder again")
    for name in checksums:
        path = folder / name
        if name in unread or (name in optional and not path.is_file()):
            continue
        if not path.is_file():
            raise UserError(f"{path}: missing; copy the whole folder again from where it was written")
        if sha256_of(path) != checksums[name]:
            raise UserError(
                f"{path}: damaged or changed since it was written ({SUMS_FILE}); copy it again, or if you changed it "
                f"yourself, run: cd {folder} && sha256sum {shlex.join(checksums)} > {SUMS_FILE}"
            )


def check_file(path: Path, sha256: str) -> None:
    """Raise a `UserError` if a file is missing or has another checksum."""
    if not path.is_file():
        raise UserError(f"{path}: missing")
    if sha256_of(path) != sha256:
        raise UserError(f"{path}: damaged or changed since it was written (checksum)")


def write_sealed(path: Path, record: dict[str, Any]) -> None:
    """Write a record with its checksum under the key `sha256`, which the record itself must not use."""
    write_json(path, {**record, CHECKSUM_KEY: _digest(record)})


def read_sealed(path: Path, what: str) -> dict[str, Any]:
    """Read a record that `write_sealed` wrote. Errors call the file `what`.

    Raises:
        UserError: the file is missing, damaged or changed since it was written.
    """
    record = read_json(path, what)
    if record.pop(CHECKSUM_KEY, None) != _digest(record):
        raise UserError(f"{path}: damaged or changed since it was written (checksum)")
    return record


def _digest(record: dict[str, Any]) -> str:
    as_read = json.loads(as_json(record))
    return hashlib.sha256(json.dumps(as_read, sort_keys=True).encode()).hexdigest()


def _read_checksums(path: Path) -> dict[str, str]:
    lines = read_text(path, "list of checksums").split("\n")
    matches = [LINE.fullmatch(line) for line in lines[:-1]]
    if lines[-1] or not all(matches):
        raise UserError(f"{path}: damaged; copy the whole folder again from where it was written")
    return {match[2]: match[1] for match in matches if match}
