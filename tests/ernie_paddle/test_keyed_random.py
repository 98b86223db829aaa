"""Keyed random numbers are the same for the same key in any process, and independent otherwise."""

import hashlib
import subprocess
import sys

import numpy as np

from ernie_paddle.keyed_random import generator, keyed_hash, uniforms


def test_another_process_draws_the_same() -> None:
    program = (
        "from ernie_paddle.keyed_random import *; import numpy as np;"
        "print(keyed_hash(1, 'a'), generator(1, 'a').integers(1 << 40), uniforms(5, np.arange(3)).tolist())"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    expected = (keyed_hash(1, "a"), generator(1, "a").integers(1 << 40), uniforms(5, np.arange(3)).tolist())
    assert found.strip() == " ".join(map(str, expected))


def test_keys_differ_by_any_part_and_by_where_parts_end() -> None:
    keys = [(1, "a"), (2, "a"), (1, "b"), ("1a",), (1, "a", 0), ("a", 1)]
    assert len({keyed_hash(*key) for key in keys}) == len(keys)
    assert len({generator(*key).integers(1 << 62) for key in keys}) == len(keys)
    assert all(0 <= keyed_hash(i) < 1 << 63 for i in range(1000))


def test_any_element_can_be_drawn_alone() -> None:
    rows, columns = np.arange(40)[:, None], np.arange(30)[None, :]
    together = uniforms(7, rows, columns)
    assert together.shape == (40, 30)
    for row, column in ((0, 0), (39, 29), (11, 5)):
        assert uniforms(7, np.array(row), np.array(column)) == together[row, column]


def test_draws_are_uniform_and_uncorrelated() -> None:
    """Neighbouring rows, columns and keys, 250,000 draws: bounds of four standard errors."""
    draws = uniforms(7, np.arange(500)[:, None], np.arange(500)[None, :])
    assert ((draws >= 0) & (draws < 1)).all()
    counts = np.histogram(draws, 20, (0, 1))[0]
    assert np.abs(counts - draws.size / 20).max() < 4 * np.sqrt(draws.size / 20)
    other = uniforms(8, np.arange(500)[:, None], np.arange(500)[None, :])
    above = np.triu_indices(500, 1)
    for left, right in ((draws[1:], draws[:-1]), (draws[:, 1:], draws[:, :-1]), (draws, other)):
        assert abs(np.corrcoef(left.ravel(), right.ravel())[0, 1]) < 4 / np.sqrt(left.size)
    assert abs(np.corrcoef(draws[above], draws.T[above])[0, 1]) < 4 / np.sqrt(len(above[0]))


def test_uniforms_are_those_of_splitmix64() -> None:
    """The first five numbers that its authors' program gives for the seed 1234567."""
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    expected = [(number >> 11) / 2**53 for number in published]
    assert uniforms(1234567, np.arange(5)).tolist() == expected
    with np.errstate(over="raise"):  # sums wrap around
        assert [float(uniforms(1234567, number)) for number in range(5)] == expected


def test_keys_are_joined_unambiguously_and_hashed_by_blake2b() -> None:
    """A later version draws the same numbers, so that it can resume runs of this one."""
    joined = b"1\x1fa\x1f-3"
    assert keyed_hash(1, "a", -3) == int.from_bytes(hashlib.blake2b(joined, digest_size=8).digest(), "little") // 2
    philox = np.random.Philox(key=int.from_bytes(hashlib.blake2b(joined, digest_size=16).digest(), "little"))
    assert generator(1, "a", -3).integers(1 << 62) == np.random.Generator(philox).integers(1 << 62)
