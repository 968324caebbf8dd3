"""A closed formula for pseudorandom numbers that are equal in several programs; the same as `hashed` in @dm/models."""

import numpy as np


def hashed(name, shape):
    """Float64 numbers in [-1, 1): 24 bits of an integer hash of the name and the flat index."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x01000193) & 0xFFFFFFFF
    h = np.arange(int(np.prod(shape)), dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(seed)
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D)
    h = (h ^ (h >> np.uint32(15))) * np.uint32(0x846CA68B)
    h = h ^ (h >> np.uint32(16))
    return ((h >> np.uint32(8)).astype(np.float64) * 2.0**-23 - 1).reshape(tuple(shape))
