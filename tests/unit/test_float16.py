"""Every float16 that a vector can hold becomes the float32 of the same value."""

from __future__ import annotations

import numpy as np

from conexus.arrays.float16 import to_float32


def test_all_finite_float16_are_the_same_as_float32() -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = every[np.isfinite(every)]
    numbers = to_float32(finite)
    assert numbers.dtype == np.float32
    assert (numbers == finite.astype(np.float32)).all()
    assert (np.signbit(numbers) == np.signbit(finite)).all()


def test_rows_and_strides_stay_what_they_are() -> None:
    rows = np.arange(24, dtype=np.float16).reshape(6, 4)[::2]
    assert to_float32(rows).tolist() == rows.tolist()
    assert to_float32(rows[:0]).shape == (0, 4)
