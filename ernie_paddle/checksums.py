"""Checksums: a model's folder has them in `SHA256SUMS`, which `sha256sum -c SHA256SUMS` checks too; records, which are
JSON objects, have one of their own.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

from ernie_paddle.errors import UserError
from ernie_paddle.files import as_json, read_json, read_text, sha256_of, write_json, written_whole

SUMS_FILE = "SHA256SUMS"
SEAL = "sha256"  # the key of a record's own checksum
LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)")


def write_checksums(folder: Path) -> None:
    """Write the checksums of all files in a folder; hidden ones are left out."""
    names = [path.name for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    lines = [f"{sha256_of(folder / name)}  {name}\n" for name in names if name != SUMS_FILE]
    with written_whole(folder / SUMS_FILE) as file:
        file.writelines(lines)


def check_files(folder: Path, required: Iterable[str], unread: Container[str] = ()) -> None:
    """Check that the files of a folder are as they were when it was written.

    Args:
        required: files that must be there and be listed; others may be missing.
        unread: files that need not be checked, since they will not be read.

    Raises:
        UserError: a file is missing, damaged or changed, or so is the list.
    """
    sums = _read_checksums(folder / SUMS_FILE)
    for name in required:
        if name not in sums:
            raise UserError(f"{folder / SUMS_FILE}: does not list {name}; copy the whole folder again")
        if not (folder / name).is_file():
            raise UserError(f"{folder / name}: missing; copy the whole folder again from where it was written")
    for name in sums:
        path = folder / name
        if name not in unread and path.is_file() and sha256_of(path) != sums[name]:
            raise UserError(
                f"{path}: damaged or changed since it was written ({SUMS_FILE}); copy it again, or if you changed it "
                f"yourself, run: cd {folder} && sha256sum {shlex.join(sums)} > {SUMS_FILE}"
            )


def check_file(path: Path, sha256: str) -> None:
    """Raise a `UserError` if a file is missing or its bytes have another checksum."""
    if not path.is_file():
        raise UserError(f"{path}: missing")
    if sha256_of(path) != sha256:
        raise UserError(f"{path}: damaged or changed since it was written (checksum)")


def write_sealed(path: Path, record: dict[str, Any]) -> None:
    """Write a record, a JSON object, with a checksum of its own; the key `sha256` is not the record's to use."""
    write_json(path, {**record, SEAL: _digest(record)})


def read_sealed(path: Path, what: str) -> dict[str, Any]:
    """Read what `write_sealed` wrote; `what` names the file's role in the error.

    Raises:
        UserError: missing, damaged or changed since it was written.
    """
    record = read_json(path, what)
    if record.pop(SEAL, None) != _digest(record):
        raise UserError(f"{path}: damaged or changed since it was written (checksum)")
    return record


def _digest(record: dict[str, Any]) -> str:
    as_read = json.loads(as_json(record))
    return hashlib.sha256(json.dumps(as_read, sort_keys=True).encode()).hexdigest()


def _read_checksums(path: Path) -> dict[str, str]:
    lines = read_text(path, "list of checksums").split("\n")
    found = [LINE.fullmatch(line) for line in lines[:-1]]
    if lines[-1] or not all(found):
        raise UserError(f"{path}: damaged; copy the whole folder again from where it was written")
    return {match[2]: match[1] for match in found if match}
