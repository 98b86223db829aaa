"""Reads the pickles that `paddle.save` writes: dictionaries of numpy arrays, and nothing that runs code.

A pickle is a program. First its operations are checked against the few that such files need; then it runs with
stand-ins for the classes that it names, which hold what they are given and check the sizes before making an array.
"""

import io
import math
import pickle
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ernie_paddle.errors import UserError

OPERATIONS = frozenset(
    "PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE "
    "BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 "
    "EMPTY_DICT SETITEM SETITEMS EMPTY_LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 "
    "GLOBAL STACK_GLOBAL REDUCE BUILD MEMOIZE BINPUT LONG_BINPUT BINGET LONG_BINGET".split()
)
DTYPES = frozenset("f2 f4 f8 u1 u2 u4 u8 i1 i2 i4 i8 b1".split())
MOST_DIMENSIONS = 9


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file of `paddle.save` by name; a tensor pickled as (name, array) gives its array.

    Raises:
        UserError: the file cannot be read, would run code, is damaged, or holds something else.
    """
    try:
        data = path.read_bytes()
        _check_operations(data)
        found = _Unpickler(data).load()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except Exception as error:  # a damaged pickle may end in any
        fault = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: not a file of parameters that paddle.save wrote: {fault}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path}: holds a {type(found).__name__}, expected a dictionary of parameters")
    arrays = {}
    for name, value in found.items():
        if isinstance(value, _Array):
            if value.values is None or not isinstance(name, str):
                raise UserError(f"{path}: holds an array without a name or without values, {name!r}")
            arrays[name] = value.values
    return arrays


def _check_operations(data: bytes) -> None:
    """Raise unless all operations are of the few; sizes and indices that ask for memory are checked on the way."""
    for count, (operation, argument, _) in enumerate(pickletools.genops(io.BytesIO(data))):
        if operation.name not in OPERATIONS:
            raise ValueError(f"operation {operation.name}")
        if operation.name in ("BINPUT", "LONG_BINPUT") and (argument is None or argument > count):
            raise ValueError(
                f"a memo number of {argument} after {count} operations"
            )  # memory for so many would be taken


class _Unpickler(pickle.Unpickler):
    """Gives the stand-ins where a pickle names a class or function, and refuses all other names."""

    def __init__(self, data: bytes):
        super().__init__(io.BytesIO(data))
        self._encoded, self._size = 0, len(data)

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        known: dict[tuple[str, str], Callable[..., Any]] = {
            ("numpy.core.multiarray", "_reconstruct"): _Function(_reconstruct),
            ("numpy._core.multiarray", "_reconstruct"): _Function(_reconstruct),
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _DType,
            ("builtins", "tuple"): _Function(_tensor),
            ("__builtin__", "tuple"): _Function(_tensor),
            ("collections", "OrderedDict"): _Function(_ordered),
            ("_codecs", "encode"): _Function(self._encode),
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which parameters do not need")
        return known[module, name]

    def _encode(self, text: Any, encoding: Any) -> bytes:
        """The bytes that protocol 2 writes as text; all together no more than the file has."""
        if not isinstance(text, str) or encoding != "latin1":
            raise ValueError("text that is not bytes in latin1")
        self._encoded += len(text)
        if self._encoded > self._size:
            raise ValueError("more values than the file has bytes")
        return text.encode("latin1")


class _Function:
    """A function that a pickle may call and, unlike Python's own, not alter."""

    def __init__(self, call: Callable[..., Any]):
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise ValueError("a function that is given a state")


@dataclass
class _DType:
    """numpy.dtype: made with a code such as `f4`, then told the byte order."""

    code: Any
    align: Any = False
    copy: Any = True
    order: Any = "<"

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]

    def real(self) -> np.dtype:
        if self.code not in DTYPES or self.order not in ("<", "|", ">"):
            raise ValueError(f"values of type {self.order}{self.code}")
        return np.dtype(self.order + self.code)


class _Array:
    """numpy.ndarray: made empty, then given (version, shape, type, column-major, bytes)."""

    values: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, column_major, data = state
        if not isinstance(kind, _DType) or not isinstance(data, bytes) or not isinstance(shape, tuple):
            raise ValueError("an array without shape, type or values")
        if len(shape) > MOST_DIMENSIONS or not all(isinstance(size, int) and size > 0 for size in shape):
            raise ValueError(f"an array of shape {shape}")
        dtype = kind.real()
        if math.prod(shape) * dtype.itemsize != len(data):
            raise ValueError(f"{len(data)} bytes of values, {list(shape)} of {dtype} needs others")
        self.values = np.frombuffer(data, dtype).reshape(shape, order="F" if column_major else "C")


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    if kind is not _Array:
        raise ValueError("an array of a class of its own")
    return _Array()


def _tensor(pair: Any) -> _Array:
    """What `paddle.save` makes of a tensor: `tuple((name, array))`."""
    if not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(pair[1], _Array):
        raise ValueError("a tuple that is not a tensor's name and values")
    return pair[1]


def _ordered() -> dict:
    return {}
