"""The original release's parameter files, each a LoDTensor as fluid's `save` operator writes it.

Little-endian, from Paddle's `lod_tensor.cc` and `tensor_util.cc`:

    u32 version 0 | u64 count of levels, each a u64 length in bytes and its bytes | u32 version 0
    i32 length of the description in bytes | description, a protobuf: 08 <type>, then 10 <size> for each dimension
    values in row-major order
"""

import math
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_write

BFLOAT16 = 22
TYPES = {
    0: np.dtype("?"),
    1: np.dtype("<i2"),
    2: np.dtype("<i4"),
    3: np.dtype("<i8"),
    4: np.dtype("<f2"),
    5: np.dtype("<f4"),
    6: np.dtype("<f8"),
    20: np.dtype("u1"),
    21: np.dtype("i1"),
    BFLOAT16: np.dtype("<u2"),
}
MAX_LEVELS, MAX_DESCRIPTION, MAX_DIMENSIONS = 16, 256, 9
TYPE_TAG, SIZE_TAG = 0x08, 0x10


def read_tensor(path: Path) -> tuple[np.ndarray, bool]:
    """Return the values of a file, and whether they are the bits of bfloat16 values, as uint16.

    Allocates memory only after the sizes in the header have been checked against the size of the file.

    Raises:
        UserError: the file cannot be read or is not exactly one LoDTensor.
    """
    try:
        with open(path, "rb") as file:
            return _Reader(path, file, path.stat().st_size).tensor()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def write_tensor(path: Path, values: np.ndarray) -> None:
    """Write an array of one of `TYPES`."""
    code = next((code for code, kind in TYPES.items() if kind == values.dtype and code != BFLOAT16), None)
    if code is None:
        raise ValueError(f"no LoDTensor holds {values.dtype}")
    description = bytes([TYPE_TAG, code]) + b"".join(bytes([SIZE_TAG]) + _varint(size) for size in values.shape)
    with atomic_write(path, "wb") as file:
        file.write(struct.pack("<IQIi", 0, 0, 0, len(description)) + description)
        file.write(np.ascontiguousarray(values).tobytes())


class _Reader:
    """Reads a file sequentially and checks each size against the bytes that are left."""

    def __init__(self, path: Path, file: BinaryIO, size: int):
        self._path, self._file, self._left = path, file, size

    def tensor(self) -> tuple[np.ndarray, bool]:
        self._version("LoDTensor")
        levels = self._number("<Q")
        if levels > MAX_LEVELS:
            raise self._error(f"{levels} levels of detail, expected {MAX_LEVELS} or fewer")
        for _ in range(levels):
            self._read(self._number("<Q"))
        self._version("tensor")
        length = self._number("<i")
        if not 2 <= length <= MAX_DESCRIPTION:
            raise self._error(f"a description of {length} bytes, expected 2 to {MAX_DESCRIPTION}")
        code, shape = self._description(self._read(length))
        if 0 in shape:
            raise self._error(f"its shape {shape} is empty")
        count = math.prod(shape)
        if count * TYPES[code].itemsize != self._left:
            raise self._error(f"{self._left} bytes of values, which do not fit {shape} of {TYPES[code]}")
        values = np.fromfile(self._file, TYPES[code], count)
        if len(values) != count:
            raise self._error("ends early")
        return values.reshape(shape), code == BFLOAT16

    def _description(self, data: bytes) -> tuple[int, list[int]]:
        start, fields = 0, []
        while start < len(data):
            number, end = _read_varint(data, start + 1)
            if end is None:
                raise self._error("its description ends inside a number")
            fields.append((data[start], number))
            start = end
        (tag, code), *sizes = fields
        if tag != TYPE_TAG or any(tag != SIZE_TAG for tag, _ in sizes) or len(sizes) > MAX_DIMENSIONS:
            raise self._error("its description is not one type and its dimensions")
        if code not in TYPES:
            raise self._error(f"values of type {code}, which is not numeric")
        return code, [size for _, size in sizes]

    def _version(self, what: str) -> None:
        version = self._number("<I")
        if version:
            raise self._error(f"{what} version {version}, expected 0")

    def _number(self, form: str) -> int:
        return struct.unpack(form, self._read(struct.calcsize(form)))[0]

    def _read(self, count: int) -> bytes:
        if count > self._left:
            raise self._error(f"ends early: {count} bytes expected, {self._left} are left")
        self._left -= count
        data = self._file.read(count)
        if len(data) != count:
            raise self._error("ends early")
        return data

    def _error(self, reason: str) -> UserError:
        return UserError(f"{self._path}: not a parameter file of the release (LoDTensor): {reason}")


def _read_varint(data: bytes, start: int) -> tuple[int, int | None]:
    """Return a protobuf number of at most 63 bits and the offset of its end, None if it does not end."""
    number = 0
    for i, byte in enumerate(data[start : start + 9]):
        number |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return number, start + i + 1
    return number, None


def _varint(number: int) -> bytes:
    low = []
    while number >= 0x80:
        low.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*low, number])
