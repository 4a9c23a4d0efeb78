"""The nearest vectors are found by their leading components, and the moments of all cosines are exact."""

from __future__ import annotations

import numpy as np
import pytest

from conexus.segments.vectors import SegmentVectors

DIMENSIONS = 128


@pytest.fixture
def vectors() -> np.ndarray:
    chance = np.random.default_rng(0)
    made = chance.normal(size=(4000, DIMENSIONS)) * np.geomspace(2, 0.1, DIMENSIONS)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made.astype(np.float32)


FIRST_ROWS = np.array([0, 10, 10, 4000], np.int32)


@pytest.mark.parametrize(("rows", "prepared"), [(1500, False), (1500, True), (4000, True), (4000, False)])
def test_a_small_segment_is_exact_and_a_larger_one_if_it_is_wanted(
    vectors: np.ndarray, rows: int, prepared: bool
) -> None:
    vectors = vectors[:rows]
    small = SegmentVectors.from_rows(vectors, np.array([0, 10, 10, rows], np.int32))
    found, of_files = np.empty(rows, np.float32), np.empty(3, np.float32)
    if prepared:
        small.prepare()
    wanted = rows == 4000
    assert small.exact != wanted
    assert small.cosines(vectors[7], found, exact=wanted)
    assert small.file_cosines(vectors[7], of_files, exact=wanted)
    assert np.allclose(found, vectors @ vectors[7], atol=2e-3)
    mean = vectors[:10].mean(axis=0)
    assert of_files[0] == pytest.approx(mean @ vectors[7] / np.linalg.norm(mean), abs=2e-3)
    assert of_files[1] == 0


@pytest.mark.parametrize("prepared", [False, True])
def test_a_larger_one_finds_the_nearest_among_the_first_whatever_is_prepared(
    vectors: np.ndarray, prepared: bool
) -> None:
    large = SegmentVectors.from_rows(vectors, FIRST_ROWS)
    if prepared:
        large.prepare()
    assert not large.exact
    found = np.empty(4000, np.float32)
    for query in vectors[:50]:
        assert not large.cosines(query, found, exact=False)
        exact = vectors @ query
        nearest = np.argsort(-exact)[:20]
        assert np.isin(nearest, np.argsort(-found)[:200]).mean() >= 0.9
        assert np.allclose(large.exact_cosines(nearest, query), exact[nearest], atol=2e-3)


def spread(large: SegmentVectors, query: np.ndarray, left_out: np.ndarray) -> tuple[float, float]:
    total, squares = large.cosine_moments(query, left_out)
    size = len(large.vectors) - len(left_out)
    return total / size, squares / size - (total / size) ** 2


@pytest.mark.parametrize("rows", [1500, 4000])
def test_how_cosines_are_spread_is_known_exactly(vectors: np.ndarray, rows: int) -> None:
    """Of all rows but some, before and after merging, whether or not all rows are looked at."""
    parts = [
        SegmentVectors.from_rows(part, np.array([0, 10, len(part)], np.int32))
        for part in np.split(vectors[:rows], [rows // 2])
    ]
    dropped = np.zeros(rows, np.bool_)
    dropped[::7] = dropped[: rows // 3] = True
    masks = np.split(~dropped, [rows // 2])
    merged = SegmentVectors.from_parts(
        [(part, mask, np.ones(2, np.bool_)) for part, mask in zip(parts, masks, strict=True)]
    )
    files = SegmentVectors.from_rows(vectors[:rows], np.arange(0, rows + 1, 5, dtype=np.int32))
    for query in vectors[:5]:
        for large, left_out in (
            (SegmentVectors.from_rows(vectors[:rows], FIRST_ROWS[:2]), np.flatnonzero(dropped)),
            (merged, []),
        ):
            exact = vectors[:rows][~dropped] @ query
            assert spread(large, query, np.array(left_out, np.int64)) == pytest.approx(
                (exact.mean(), exact.var()), rel=0.01, abs=1e-4
            )
        of_files = files.file_vectors.astype(np.float32)[3:] @ query
        assert files.file_cosine_moments(query, np.arange(3)) == pytest.approx(
            (of_files.sum(), of_files @ of_files), rel=0.01
        )


def test_merging_keeps_the_chosen_vectors(vectors: np.ndarray) -> None:
    one, other = (
        SegmentVectors.from_rows(vectors[:10], FIRST_ROWS[:2]),
        SegmentVectors.from_rows(vectors[10:30], np.array([0, 20], np.int32)),
    )
    rows = np.zeros(20, np.bool_)
    rows[3:8] = True
    merged = SegmentVectors.from_parts(
        [(one, np.ones(10, np.bool_), np.ones(1, np.bool_)), (other, rows, np.ones(1, np.bool_))]
    )
    assert np.array_equal(merged.vectors, np.concatenate([one.vectors, other.vectors[3:8]]))
    assert len(merged.file_vectors) == 2
