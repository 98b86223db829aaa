"""Files of safetensors: types of any width, and files that are damaged."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from weights_support import random_model, write_model
from weights_support import read_model as read

from ernie_paddle.errors import UserError
from ernie_paddle.weights.safetensors_files import read_safetensors

# As they are written, and what they then are as float32.
NARROWED: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]] = {
    "F64": (lambda values: values.astype(np.float64), lambda values: values),
    "F16": (lambda values: values.astype(np.float16), lambda values: values.astype(np.float16).astype(np.float32)),
    "BF16": (
        lambda values: (values.view(np.uint32) >> 16).astype(np.uint16),
        lambda values: (values.view(np.uint32) & 0xFFFF0000).view(np.float32),
    ),
}


@pytest.mark.parametrize("kind", NARROWED)
def test_floats_of_any_width_become_float32(tmp_path: Path, kind: str) -> None:
    """bfloat16 has no numpy type: its bits are those of the upper half of a float32."""
    model = random_model()
    write_model("huggingface", tmp_path / "out", model)
    path = tmp_path / "out" / "model.safetensors"
    (write, expected), header, data = NARROWED[kind], {}, b""
    for name, values in load_file(path).items():
        written = write(values).tobytes()
        header[name] = {
            "dtype": kind,
            "shape": values.shape,
            "data_offsets": [len(data), len(data) + len(written)],
        }
        data += written
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    found, report = read(tmp_path / "out")
    report.check()
    for name, values in model.parameters.items():
        assert found.parameters[name].dtype == np.float32
        np.testing.assert_array_equal(found.parameters[name], expected(values))


def one_tensor(path: Path, kind: str, data: bytes, shape: list[int]) -> Path:
    """Write a file of one tensor by hand."""
    header = json.dumps({"x": {"dtype": kind, "shape": shape, "data_offsets": [0, len(data)]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


def test_every_type_that_numpy_has_is_read_and_others_are_named(tmp_path: Path) -> None:
    path, values = tmp_path / "model.safetensors", [[0, 1, 1], [1, 0, 1]]
    for kind, dtype in (
        ("F64", "<f8"),
        ("F32", "<f4"),
        ("F16", "<f2"),
        ("I64", "<i8"),
        ("I32", "<i4"),
        ("U16", "<u2"),
        ("U8", "u1"),
        ("BOOL", "?"),
    ):
        ((name, found),) = read_safetensors(one_tensor(path, kind, np.array(values, dtype).tobytes(), [2, 3]))
        assert name == "x" and found.tolist() == values
        assert found.dtype == (np.float32 if kind.startswith("F") else np.dtype(dtype))
    with pytest.raises(UserError, match=r"model\.safetensors: x holds F8_E4M3, expected floats of 16 bits or more"):
        list(read_safetensors(one_tensor(path, "F8_E4M3", bytes(6), [2, 3])))


def test_files_that_are_cut_short_are_named(tmp_path: Path) -> None:
    write_model("huggingface", tmp_path / "out", random_model())
    path = tmp_path / "out" / "model.safetensors"
    whole = path.read_bytes()
    for length in (0, 7, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="cannot be read"):
            read(tmp_path / "out")
