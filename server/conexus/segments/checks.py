"""Checks arrays that were read from a file, so that no later use of them can fail or read another place.

Checksums find accidents. These checks find what someone made up with a matching checksum: numbers that lie outside what
they count, and bytes that are no text. All functions raise ValueError.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from conexus.arrays.strings import Strings

#: Largest absolute value of a component of a vector, or of a sum of them. Products of such numbers stay finite.
_MOST = 1e9
#: Bits of the exponent of a float16, which are all set in infinity and in what is no number.
_EXPONENT = np.uint16(0x7C00)
#: The two bits that tell a byte inside a UTF-8 sequence, and their value there.
_SEQUENCE_BITS, _INSIDE_SEQUENCE = np.uint8(0xC0), np.uint8(0x80)
_BLOCK = 1 << 20


def require(condition: bool, what: str) -> None:
    """Raises ValueError, which says ``what`` is wrong, unless a condition holds."""
    if not condition:
        raise ValueError(what)


def check_array(array: NDArray[Any], dtype: DTypeLike, shape: tuple[int, ...]) -> None:
    """Checks the type and the shape of an array."""
    require(array.dtype == dtype, f"{array.dtype} instead of {np.dtype(dtype)}")
    require(array.shape == shape, f"shape {array.shape} instead of {shape}")


def check_numbers(numbers: NDArray[Any], end: int) -> None:
    """Checks that all numbers are in ``range(end)``."""
    if numbers.size:
        require(int(numbers.min()) >= 0 and int(numbers.max()) < end, f"a number is not below {end}")


def check_starts(starts: NDArray[Any], dtype: DTypeLike, ranges: int, end: int) -> None:
    """Checks numbers that cut ``range(end)`` into consecutive ranges: from 0 to ``end``, none below the one before."""
    check_array(starts, dtype, (ranges + 1,))
    ascending = bool((starts[1:] >= starts[:-1]).all())
    require(int(starts[0]) == 0 and int(starts[-1]) == end and ascending, "ranges are not consecutive")


def check_strings(strings: Strings, count: int) -> None:
    """Checks that there are ``count`` strings and that each can be decoded."""
    blob, starts = strings.blob, strings.starts
    check_array(blob, np.uint8, (blob.size,))
    check_starts(starts, np.int64, count, len(blob))
    blob.tobytes().decode("utf-8", "surrogatepass")
    begins = starts[starts < len(blob)]
    require(not ((blob[begins] & _SEQUENCE_BITS) == _INSIDE_SEQUENCE).any(), "a string begins inside a character")


def check_halves(array: NDArray[np.float16], shape: tuple[int, ...]) -> None:
    """Checks an array of float16 numbers, which must be finite."""
    check_array(array, np.float16, shape)
    bits = array.reshape(-1).view(np.uint16)
    for start in range(0, len(bits), _BLOCK):
        require(not ((bits[start : start + _BLOCK] & _EXPONENT) == _EXPONENT).any(), "a number is not finite")


def check_floats(array: NDArray[np.float32], shape: tuple[int, ...]) -> None:
    """Checks an array of float32 numbers, whose products must be finite."""
    check_array(array, np.float32, shape)
    if array.size:
        # Comparisons with what is no number are false.
        require(float(array.min()) >= -_MOST and float(array.max()) <= _MOST, "a number is too large")
