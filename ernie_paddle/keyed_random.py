"""Random numbers that are a function of a key.

A key is a tuple such as (seed, purpose, epoch, sample). There is no generator state to share between workers or ranks,
and none to save in a checkpoint.
"""

import hashlib

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def keyed_hash(*key: int | str) -> int:
    """Return a 63-bit hash of the key, the same on every machine and in every process."""
    digest = hashlib.blake2b("\x1f".join(map(str, key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(*key: int | str) -> np.random.Generator:
    """Return the numpy generator of a key, for shuffles and choices."""
    digest = hashlib.blake2b("\x1f".join(map(str, key)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def uniforms(key: int, *counters: np.ndarray | int) -> np.ndarray:
    """Return uniform float64 numbers in [0, 1), one for each element of the broadcast counters.

    An element depends only on the key and its counters, which splitmix64 mixes; elements may be computed in any order.
    """
    state = np.asarray(key, dtype=np.uint64)
    with np.errstate(over="ignore"):  # overflow is intended
        for counter in counters:
            state = _mix(state + (np.asarray(counter).astype(np.uint64) + np.uint64(1)) * _GOLDEN)
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
