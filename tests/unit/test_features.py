"""Features of candidates that are made for all at once: the same as one by one."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from conexus.search.features import _BEST_CANDIDATES, _file_totals, _Groups, _other_candidates

FILES = st.lists(st.integers(0, 8), min_size=1, max_size=80)


@given(FILES)
def test_groups_have_the_candidates_of_each_file_in_their_order(files: list[int]) -> None:
    groups = _Groups.from_files(np.array(files, np.int32))
    members = [[place for place, file in enumerate(files) if file == each] for each in sorted(set(files))]
    assert groups.members.tolist() == [place for group in members for place in group]
    assert groups.places.tolist() == [number for group in members for number in range(len(group))]
    assert groups.counts.tolist() == list(map(len, members))
    assert [sorted(set(files))[owner] for owner in groups.owners] == files


@given(FILES, st.randoms())
def test_company_is_that_of_each_candidate(files: list[int], random: Random) -> None:
    totals = np.sort(np.array([random.uniform(-3, 3) for _ in files], np.float32))[::-1]
    place, among_best, best_gap = _other_candidates(_Groups.from_files(np.array(files, np.int32)), totals)
    for candidate, file in enumerate(files):
        others = [other for other, its in enumerate(files) if its == file and other != candidate]
        best = max((totals[other] for other in others), default=totals.min() - 1)
        np.testing.assert_allclose(place[candidate], np.log1p(sum(other < candidate for other in others)), rtol=1e-6)
        np.testing.assert_allclose(among_best[candidate], np.log1p(files[:_BEST_CANDIDATES].count(file)), rtol=1e-6)
        assert best_gap[candidate] == best - totals[0]


@given(FILES, st.randoms())
def test_what_files_have_together_is_relative_to_the_one_with_most(files: list[int], random: Random) -> None:
    totals = np.sort(np.array([random.uniform(0, 1) for _ in files], np.float32))[::-1]
    mass, sums = _file_totals(_Groups.from_files(np.array(files, np.int32)), totals)
    three_best = {file: [total for its, total in zip(files, totals, strict=True) if its == file][:3] for file in files}
    together = {file: sum(float(total) - float(totals[-1]) for total in best) for file, best in three_best.items()}
    expected = [together[file] - max(together.values()) for file in files]
    np.testing.assert_allclose(sums, expected, atol=1e-5)
    assert mass.max() == 0
    assert len(set(zip(files, mass.tolist(), strict=True))) == len(set(files))
