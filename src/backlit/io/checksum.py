"""A checksum of data by its values in their order, fast enough to be taken of every number that is trained on.

Each block of words x_i is folded to Σ f_i x_i and Σ g_i ⌊x_i / 2^32⌋ modulo 2^64, with odd random factors.  The second
sum is there because numbers such as 1.0 and 2.0 differ in their high bits alone, which the first would all but lose.
The sums of the blocks go through CRC-32.  Source of the hash: multilinear hashing, Carter & Wegman 1979.
"""

import zlib
from functools import cache

import numpy as np

Array = np.ndarray
BLOCK = 2**14  # words, 128 KB: a block is read from memory once, and stays in the cache for the second sum


def checksum(array: Array, before: int = 0) -> int:
    """32 bits that depend on each value of an array of numbers and on its place; `before` chains arrays.

    >>> a, swapped = np.array([1.0, 2.0, 3.0]), np.array([2.0, 1.0, 3.0])
    >>> checksum(a) == checksum(a.copy()), checksum(a) == checksum(swapped)
    (True, False)
    """
    raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    whole = raw.size // 8 * 8
    words, check = raw[:whole].view(np.uint64), before
    low, high = factors()
    for first in range(0, words.size, BLOCK):
        x = words[first : first + BLOCK]
        sums = [np.einsum("i,i", x, low[: x.size]), np.einsum("i,i", x >> np.uint64(32), high[: x.size])]
        check = zlib.crc32(np.array(sums).data, check)
    return zlib.crc32(raw[whole:].data, check)


@cache
def factors() -> Array:
    """f and g (2, BLOCK): odd, and the same everywhere."""
    return np.random.default_rng(0).integers(0, 2**64, (2, BLOCK), dtype=np.uint64) | np.uint64(1)
