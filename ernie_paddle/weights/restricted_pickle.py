"""A reader of the pickles that `paddle.save` writes, restricted to dictionaries of numpy arrays; it runs no other code.

A pickle is a program. First the reader checks its operations against the few that such files need. Then it runs the
pickle with stand-ins for the named classes, which store their arguments and check sizes before they create an array.
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
MAX_DIMENSIONS = 9


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read a file of `paddle.save`; return its arrays by name, also those of tensors pickled as (name, array).

    Raises:
        UserError: the file cannot be read, would run code, is damaged, or holds something else.
    """
    try:
        data = path.read_bytes()
        _check_operations(data)
        content = _Unpickler(data).load()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except Exception as error:  # a damaged pickle may raise any
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: not a file of parameters that paddle.save wrote: {reason}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds a {type(content).__name__}, expected a dictionary of parameters")
    arrays = {}
    for name, value in content.items():
        if isinstance(value, _Array):
            if value.values is None or not isinstance(name, str):
                raise UserError(f"{path}: holds an array without a name or without values, {name!r}")
            arrays[name] = value.values
    return arrays


def _check_operations(data: bytes) -> None:
    """Check that the operations are among `OPERATIONS`, and that memo numbers do not ask for too much memory."""
    for count, (operation, argument, _) in enumerate(pickletools.genops(io.BytesIO(data))):
        if operation.name not in OPERATIONS:
            raise ValueError(f"operation {operation.name}")
        if operation.name in ("BINPUT", "LONG_BINPUT") and (argument is None or argument > count):
            raise ValueError(f"a memo number of {argument} after {count} operations")  # pickle would allocate the memo


class _Unpickler(pickle.Unpickler):
    """Resolves the names of classes and functions to stand-ins, and refuses all other names."""

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
        """Return bytes, which protocol 2 writes as text, up to the size of the file in total."""
        if not isinstance(text, str) or encoding != "latin1":
            raise ValueError("text that is not bytes in latin1")
        self._encoded += len(text)
        if self._encoded > self._size:
            raise ValueError("more values than the file has bytes")
        return text.encode("latin1")


class _Function:
    """A function that a pickle may call but, unlike a Python function, not modify."""

    def __init__(self, call: Callable[..., Any]):
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise ValueError("a function that is given a state")


@dataclass
class _DType:
    """The stand-in for numpy.dtype: created from a code such as `f4`; its state sets the byte order."""

    code: Any
    align: Any = False
    copy: Any = True
    order: Any = "<"

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]

    def to_numpy(self) -> np.dtype:
        if self.code not in DTYPES or self.order not in ("<", "|", ">"):
            raise ValueError(f"values of type {self.order}{self.code}")
        return np.dtype(self.order + self.code)


class _Array:
    """The stand-in for numpy.ndarray: created empty; its state is (version, shape, type, column-major, bytes)."""

    values: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, pickled_dtype, column_major, data = state
        if not isinstance(pickled_dtype, _DType) or not isinstance(data, bytes) or not isinstance(shape, tuple):
            raise ValueError("an array without shape, type or values")
        if len(shape) > MAX_DIMENSIONS or not all(isinstance(size, int) and size > 0 for size in shape):
            raise ValueError(f"an array of shape {shape}")
        dtype = pickled_dtype.to_numpy()
        if math.prod(shape) * dtype.itemsize != len(data):
            raise ValueError(f"{len(data)} bytes of values, which do not fit {list(shape)} of {dtype}")
        self.values = np.frombuffer(data, dtype).reshape(shape, order="F" if column_major else "C")


def _reconstruct(array_class: Any, shape: Any, code: Any) -> _Array:
    if array_class is not _Array:
        raise ValueError("an array of another class than numpy.ndarray")
    return _Array()


def _tensor(pair: Any) -> _Array:
    """Return the array of a tensor, which `paddle.save` pickles as `tuple((name, array))`."""
    if not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(pair[1], _Array):
        raise ValueError("a tuple that is not a tensor's name and values")
    return pair[1]


def _ordered() -> dict:
    return {}
