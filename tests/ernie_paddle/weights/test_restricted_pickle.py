"""Files of `paddle.save` are read as numpy arrays; all other operations of a pickle are refused."""

import contextlib
import io
import os
import pickle
import struct
import tracemalloc
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs_support import dynamic_paddle

from ernie_paddle.errors import UserError
from ernie_paddle.weights.restricted_pickle import read_arrays

ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.arange(3), "c": np.float16([[1], [2]])}


class Calls:
    """An object whose pickle calls a function."""

    def __init__(self, function: Any, *arguments: Any):
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def assert_equal(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_files_of_paddle_are_read(tmp_path: Path, protocol: int) -> None:
    """Tensors may be plain, in a layer's state with its table of names, or pickled as (name, array)."""
    path = tmp_path / "x.pdparams"
    with dynamic_paddle() as paddle:
        tensors = {name: paddle.to_tensor(values) for name, values in ARRAYS.items()}
        layer = paddle.nn.Linear(2, 3)
        for state, arrays in (
            (tensors, ARRAYS),
            ({"a": tensors["a"], "list": [1, 2], "b": ARRAYS["b"]}, {name: ARRAYS[name] for name in "ab"}),
            (layer.state_dict(), {name: value.numpy() for name, value in layer.state_dict().items()}),
        ):
            paddle.save(state, str(path), protocol=protocol)
            assert_equal(read_arrays(path), arrays)


def test_arrays_without_values_or_name_are_refused(tmp_path: Path) -> None:
    empty = Calls(ARRAYS["a"].__reduce__()[0], np.ndarray, (0,), b"b")  # made, and never told its values
    for content in ({"a": empty}, {1: ARRAYS["a"]}, {("a",): ARRAYS["a"]}):
        (tmp_path / "x").write_bytes(pickle.dumps(content, 2))
        with pytest.raises(UserError, match="holds an array without a name or without values"):
            read_arrays(tmp_path / "x")


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_arrays_of_any_order_and_older_numpy_are_read(tmp_path: Path, protocol: int) -> None:
    arrays = OrderedDict(ARRAYS, f=np.asfortranarray(ARRAYS["a"]), big=ARRAYS["a"].astype(">f4"))
    data = pickle.dumps(arrays, protocol)
    (tmp_path / "x").write_bytes(data)
    assert_equal(read_arrays(tmp_path / "x"), arrays)
    if protocol < 4:  # in which names end with a line feed and have no length
        older = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
        assert older != data
        (tmp_path / "x").write_bytes(older)
        assert_equal(read_arrays(tmp_path / "x"), arrays)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_pickle_that_calls_a_function_is_refused(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "mark"
    for harm in (Calls(os.system, f"touch {mark}"), Calls(eval, f"open({str(mark)!r}, 'w')"), Calls(getattr, "", "x")):
        (tmp_path / "x").write_bytes(pickle.dumps({"a": harm}, protocol))
        with pytest.raises(UserError, match="not a file of parameters"):
            read_arrays(tmp_path / "x")
    assert not mark.exists()


class Sized:
    """An array of 6 numbers whose pickle claims another shape."""

    def __init__(self, *shape: float):
        self.shape = shape

    def __reduce__(self) -> tuple[Any, ...]:
        reconstruct, arguments, state = ARRAYS["a"].__reduce__()
        return reconstruct, arguments, (state[0], self.shape, *state[2:])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pickle.dumps({"a": Sized(10**6, 10**6)}), "do not fit"),
        (pickle.dumps({"a": Sized(-2, -3)}), "shape"),
        (pickle.dumps({"a": Sized(2.0, 3.0)}), "shape"),
        (b"\x80\x04B" + struct.pack("<I", 2**31), "expected 2147483648 bytes"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 2**40), "expected 1099511627776 bytes"),
        (b"\x80\x05\x96" + struct.pack("<Q", 2**40), "BYTEARRAY8|expected"),
        (b"\x80\x04}r" + struct.pack("<I", 2**31 - 1) + b".", "memo number"),
        (pickle.dumps(Calls(np.ndarray, (10**9, 10**3)), 4), "not a file of parameters"),
        (pickle.dumps(Calls(bytes, 10**12), 4), "names builtins.bytes"),
        (pickle.dumps([1]), "holds a list"),
        (b"", "not a file of parameters"),
    ],
)
def test_sizes_beyond_the_file_allocate_no_memory(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "x").write_bytes(data)
    tracemalloc.start()
    with pytest.raises(UserError, match=message):
        read_arrays(tmp_path / "x")
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def test_functions_and_classes_cannot_be_modified(tmp_path: Path) -> None:
    """The state of a function would set its attributes."""
    for name in (b"_codecs\nencode", b"numpy._core.multiarray\n_reconstruct", b"numpy\nndarray", b"builtins\ntuple"):
        state = pickle.dumps((None, {"values": 1}), 2)[2:-1]
        (tmp_path / "x").write_bytes(b"\x80\x02}(X\x01\x00\x00\x00ac" + name + b"\n" + state + b"bu.")
        with pytest.raises(UserError, match=r"given a state|missing 1 required positional argument: 'state'"):
            read_arrays(tmp_path / "x")


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_truncated_files_and_altered_bytes_give_arrays_or_an_error(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    pickle.dump({"a": ARRAYS["a"], "n": [1, {"x": ("y", 2.5)}]}, buffer, 2)
    whole = buffer.getvalue()
    random = np.random.default_rng(0)
    altered = [bytearray(whole) for _ in range(1000)]
    for data, place, byte in zip(
        altered, random.integers(0, len(whole), 1000), random.integers(0, 256, 1000), strict=True
    ):
        data[place] = byte
    for data in [whole[:length] for length in range(len(whole))] + altered:
        (tmp_path / "x").write_bytes(data)
        with contextlib.suppress(UserError):
            assert all(isinstance(values, np.ndarray) for values in read_arrays(tmp_path / "x").values())
