"""The order of answers depends on the files alone, not on the order in which they were read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conexus.related.place import RelatedPlace
from conexus.related.relations import RELATIONS, RelatedRequest, find_related
from conexus.search.pipeline import SearchRequest, run
from conexus.search.symbols import find_symbols
from conexus.segments.snapshot import Snapshot, View
from tests.fixtures import FOLDER, searchable, view

#: Files of which many say the same, so that they are equally good answers.
TEXTS = {
    "shop/price.py": "def total_price(cart):\n    return add_up(cart)\n\n\ndef add_up(cart):\n    return sum(cart)\n",
    **{f"shop/{name}.py": "def pay(cart):\n    return total_price(cart)\n" for name in ("card", "cash", "debt")},
    **{f"{name}/sums.py": "def add_up(cart):\n    return len(cart)\n" for name in ("one", "two", "three")},
    **{f"tests/test_{name}.py": "def test_price():\n    assert total_price([1]) == 1\n" for name in ("a", "b", "c")},
    "tests/test_price.py": "def test_total_price():\n    total_price(0)\n\n\ndef test_add_up():\n    add_up(0)\n",
}  # fmt: skip
PATHS = sorted(TEXTS)
VIEWS = {path: view({path: TEXTS[path]}) for path in PATHS}


def layout(groups: Sequence[Sequence[str]]) -> Snapshot:
    """A snapshot with a segment for each group, after a segment whose files are all shadowed."""
    old = view({path: TEXTS[path] for path in reversed(PATHS)})
    views = [VIEWS[group[0]] if len(group) == 1 else view({path: TEXTS[path] for path in group}) for group in groups]
    return Snapshot(1, (View(FOLDER, old.segment, np.zeros(len(old.segment), np.bool_)), *views))


def answers(snapshot: Snapshot, limit: int) -> list[list[tuple[str, int, str, tuple[str, ...]]]]:
    """Place, relation and reasons of every answer to each of some requests, in their order."""
    of = searchable(snapshot)
    found = []
    for path, line in (("shop/price.py", 0), ("shop/price.py", 4), ("tests/test_price.py", 0), ("shop/cash.py", 1)):
        for relations in ((), *((name,) for name in RELATIONS)):
            request = RelatedRequest(RelatedPlace(FOLDER, path, line, line + 1), relations, limit=limit)
            found.append([(each.ref, each.relation, each.reasons) for each in find_related(of, request).rows])
    selected = RelatedRequest(RelatedPlace(FOLDER, "new.py", 0, 1, "total_price(add_up(pay(cart)))"), limit=limit)
    found.append([(each.ref, each.relation, each.reasons) for each in find_related(of, selected).rows])
    for text in ("total price", "pay", "add_up", "tests of the price", "lang:python", "is:test"):
        found.append([(each.ref, "", each.reasons) for each in run(of, SearchRequest(text, limit=limit)).rows])
    for text in ("add_up", "pay", "", "prise"):
        found.append([(each.ref, "", each.reasons) for each in find_symbols(of, text, limit=limit).rows])
    return [
        [(ref.path, int(ref.view.segment.start_lines[ref.row]), relation, reasons) for ref, relation, reasons in each]
        for each in found
    ]


EXPECTED = {limit: answers(layout([PATHS]), limit) for limit in (3, 20)}
ORDERS = st.tuples(st.permutations(PATHS), st.sets(st.integers(1, len(PATHS) - 1)))


@settings(max_examples=40, deadline=None)
@given(ORDERS, st.sampled_from(sorted(EXPECTED)))
@example((PATHS[::-1], set(range(1, len(PATHS)))), 3)
@example((PATHS[::-1], set()), 3)
def test_answers_are_in_the_same_order_whatever_the_files_come_in(
    order: tuple[list[str], set[int]], limit: int
) -> None:
    paths, cuts = order
    bounds = [0, *sorted(cuts), len(paths)]
    groups = [paths[start:end] for start, end in pairwise(bounds)]
    assert answers(layout(groups), limit) == EXPECTED[limit]


@pytest.mark.parametrize("limit", [1, 2, 5, 600])
def test_the_first_of_many_equal_callers_are_the_first_by_path(limit: int) -> None:
    """There are more than any relation shows: which are shown depends on their paths alone."""
    code = {f"m{number:03}.py": f"def caller_{number}():\n    return target()\n" for number in range(520)}
    target = {"target.py": "def target():\n    return 1\n"}
    names = sorted(code)
    for order in (names, names[::-1], names[100:] + names[:100]):
        files = {**{name: code[name] for name in order}, **target}
        request = RelatedRequest(RelatedPlace(FOLDER, "target.py", 0, 1), ("caller",), limit=limit)
        found = find_related(searchable(Snapshot(1, (view(files),))), request).rows
        assert [each.ref.path for each in found] == names[:limit]
