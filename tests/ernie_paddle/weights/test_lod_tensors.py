"""LoDTensor files, compared with bytes written by hand and by Paddle, and damaged files."""

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from programs_support import dynamic_paddle

from ernie_paddle.errors import UserError
from ernie_paddle.weights.layout import bfloat16_as_float32
from ernie_paddle.weights.lod_tensors import BFLOAT16, TYPES, read_tensor, write_tensor

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)
HEADER = bytes.fromhex("00000000 0000000000000000 00000000 06000000 0805 1002 1003")


def test_bytes_written_by_hand_are_read_and_reproduced(tmp_path: Path) -> None:
    path = tmp_path / "w_0"
    path.write_bytes(HEADER + VALUES.tobytes())
    values, is_bfloat16 = read_tensor(path)
    np.testing.assert_array_equal(values, VALUES)
    assert values.dtype == np.float32 and not is_bfloat16
    write_tensor(path, VALUES)
    assert path.read_bytes() == HEADER + VALUES.tobytes()


def test_the_header_of_a_word_embedding_has_29_bytes(tmp_path: Path) -> None:
    write_tensor(tmp_path / "w", np.zeros((30522, 768), np.float32))
    expected = bytes.fromhex("00000000 0000000000000000 00000000 09000000 08 05 10 BAEE01 10 8006")
    with open(tmp_path / "w", "rb") as file:
        assert file.read(29) == expected
    assert (tmp_path / "w").stat().st_size == 29 + 4 * 30522 * 768


@pytest.mark.parametrize("code", [code for code in TYPES if code != BFLOAT16])
def test_any_type_and_shape_survives(tmp_path: Path, code: int) -> None:
    random = np.random.default_rng(code)
    for dimensions in range(5):
        shape = random.integers(1, 200 if dimensions < 3 else 6, dimensions)
        values = (random.normal(size=shape) * 100).astype(TYPES[code])
        write_tensor(tmp_path / "w", values)
        found, is_bfloat16 = read_tensor(tmp_path / "w")
        np.testing.assert_array_equal(found, values)
        assert found.dtype == values.dtype and found.shape == values.shape and not is_bfloat16


def test_other_types_are_not_written(tmp_path: Path) -> None:
    for dtype in (np.uint16, np.uint32, np.complex64):  # uint16 is not written as bfloat16
        with pytest.raises(ValueError, match="no LoDTensor holds"):
            write_tensor(tmp_path / "w", np.zeros(2, dtype))
    assert not list(tmp_path.iterdir())


def test_levels_of_detail_are_skipped(tmp_path: Path) -> None:
    levels = struct.pack("<IQQ2QQ3Q", 0, 2, 16, 0, 2, 24, 0, 1, 2)
    (tmp_path / "w").write_bytes(levels + HEADER[12:] + VALUES.tobytes())
    np.testing.assert_array_equal(read_tensor(tmp_path / "w")[0], VALUES)


def test_files_of_paddle_are_read_and_ours_are_read_by_paddle(tmp_path: Path) -> None:
    import paddle

    tensors = {"float32": VALUES, "float16": VALUES.astype(np.float16), "int64": VALUES.astype(np.int64)}
    for name, values in tensors.items():
        tensor = paddle.base.core.DenseTensor()
        tensor.set(values, paddle.CPUPlace())
        paddle.base.core.save_dense_tensor(tensor, str(tmp_path / name))
        np.testing.assert_array_equal(read_tensor(tmp_path / name)[0], values)
        theirs = (tmp_path / name).read_bytes()
        write_tensor(tmp_path / name, values)
        assert (tmp_path / name).read_bytes() == theirs
        again = paddle.base.core.DenseTensor()
        paddle.base.core.load_dense_tensor(again, str(tmp_path / name))
        np.testing.assert_array_equal(np.array(again), values)


def test_bfloat16_of_paddle_becomes_the_same_numbers(tmp_path: Path) -> None:
    with dynamic_paddle() as paddle:
        tensor = paddle.to_tensor(np.float32([1.0, -2.5, 3e38, 1e-30])).astype("bfloat16")
        paddle.base.core.save_dense_tensor(tensor.get_tensor(), str(tmp_path / "w"))
        bits, is_bfloat16 = read_tensor(tmp_path / "w")
        assert is_bfloat16
        np.testing.assert_array_equal(bfloat16_as_float32(bits), tensor.astype("float32").numpy())


def test_every_truncated_file_is_refused(tmp_path: Path) -> None:
    whole = HEADER + VALUES.tobytes()
    for length in range(len(whole)):
        (tmp_path / "w").write_bytes(whole[:length])
        with pytest.raises(UserError, match="not a parameter file"):
            read_tensor(tmp_path / "w")


def test_an_altered_header_is_refused_or_read_in_the_same_size(tmp_path: Path) -> None:
    """Any flipped bit of the header raises no other exception and allocates no more memory than the file's size."""
    whole = HEADER + VALUES.tobytes()
    tracemalloc.start()
    for place in range(len(HEADER)):
        for bit in range(8):
            altered = bytearray(whole)
            altered[place] ^= 1 << bit
            (tmp_path / "w").write_bytes(altered)
            try:
                assert read_tensor(tmp_path / "w")[0].nbytes == VALUES.nbytes
            except UserError as error:
                assert "not a parameter file" in str(error)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (b"\x08\x05\x10" + b"\xff" * 8 + b"\x7f", "do not fit"),
        (b"\x08\x05\x10" + b"\xff" * 9 + b"\x01", "ends inside a number"),
        (b"\x08\x05\x10\x00", "is empty"),
        (b"\x08\x07\x10\x06", "type 7"),
        (b"\x10\x06\x08\x05", "not one type and its dimensions"),
        (b"\x10\x05\x10\x06", "not one type and its dimensions"),
        (b"\x08\x05\x08\x06", "not one type and its dimensions"),
        (b"\x08\x05" + b"\x10\x01" * 10, "not one type and its dimensions"),
        (b"\x08\x05" + b"\x10\x01" * 200, "a description of 402 bytes"),
    ],
)
def test_an_invalid_description_is_named(tmp_path: Path, description: bytes, message: str) -> None:
    (tmp_path / "w").write_bytes(HEADER[:16] + struct.pack("<i", len(description)) + description + VALUES.tobytes())
    with pytest.raises(UserError, match=message):
        read_tensor(tmp_path / "w")
