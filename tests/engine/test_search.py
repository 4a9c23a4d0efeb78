"""Search over a snapshot with the real chunker and the shipped model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from conexus.search.features import FEATURES
from conexus.search.pipeline import Ranked, SearchRequest, run
from conexus.search.ranker import SHIPPED, RankingModel
from conexus.segments.snapshot import Searchable, Snapshot, View
from conexus.segments.vectors import SegmentVectors
from conexus.values import BadQuery, Cancelled, CancelToken, Filters
from tests.fixtures import FOLDER, fixture, searchable, snapshot, view, where

CODE = fixture('''
//- /net/retry.py
"""Retrying requests."""


class RetryPolicy:
    """How often and how long to wait before a failed request is sent again."""

    def __init__(self, attempts: int, base: float) -> None:
        self.attempts = attempts
        self.base = base

    def delay(self, attempt: int) -> float:
        """Exponential backoff with a cap."""
        return min(self.base * 2**attempt, 60.0)


def send_with_retry(send, request, policy):
    """Send a request, trying again after a failure as the policy says."""
    for attempt in range(policy.attempts):
        try:
            return send(request)
        except OSError:
            sleep(policy.delay(attempt))
    raise TimeoutError
//- /net/cookies.py
def parse_cookie(header):
    """Split a Cookie header into names and values."""
    return dict(part.split("=", 1) for part in header.split("; "))


def serialize_cookie(name, value, max_age=None):
    """Write a Set-Cookie header."""
    text = f"{name}={value}"
    return text if max_age is None else f"{text}; Max-Age={max_age}"
//- /net/__init__.py
from net.retry import RetryPolicy, send_with_retry
from net.cookies import parse_cookie
//- /store/cache.go
package store

// Evict removes the entry that was used the longest time ago.
func (c *Cache) Evict() {
	oldest := c.order.Back()
	c.order.Remove(oldest)
	delete(c.items, oldest.Value.(string))
}

// Get returns the value of a key.
func (c *Cache) Get(key string) (any, bool) {
	item, ok := c.items[key]
	return item, ok
}
//- /web/src/theme.ts
/** Switches between the dark and the light colour scheme. */
export function toggleTheme(current: string): string {
  return current === "dark" ? "light" : "dark";
}

export function größeBerechnen(breite: number, höhe: number): number {
  // Fläche eines Rechtecks
  return breite * höhe;
}
//- /tests/test_retry.py
from net.retry import RetryPolicy, send_with_retry


def test_delay_grows_exponentially():
    """Exponential backoff with a cap."""
    policy = RetryPolicy(attempts=3, base=1.0)
    assert policy.delay(2) == 4.0


def test_send_with_retry_gives_up():
    ...
//- /docs/retry.md
# Retrying

Requests are retried with exponential backoff.

## Limits

At most one minute passes between two attempts.
''').files
SNAPSHOT = snapshot(CODE)


def ask(
    text: str,
    of: Snapshot = SNAPSHOT,
    limit: int = 10,
    filters: Filters | None = None,
    ranking: RankingModel = SHIPPED,
) -> list[Ranked]:
    return list(run(searchable(of), SearchRequest(text, filters or Filters(), limit=limit), model=ranking).rows)


def places(found: Sequence[Ranked]) -> list[str]:
    return [where(each.ref) for each in found]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("RetryPolicy", "net/retry.py:RetryPolicy"),
        ("retrypolicy", "net/retry.py:RetryPolicy"),
        ("retry policy class", "net/retry.py:RetryPolicy"),
        ("send_with_retry", "net/retry.py:send_with_retry"),
        ("try sending again after a failure", "net/retry.py:send_with_retry"),
        ("write a Set-Cookie header", "net/cookies.py:serialize_cookie"),
        ("remove least recently used entry", "store/cache.go:Evict"),
        ("switch dark and light colours", "web/src/theme.ts:toggleTheme"),
        ("Fläche Rechteck", "web/src/theme.ts:größeBerechnen"),
        ("größe berechnen", "web/src/theme.ts:größeBerechnen"),
        ("backoff delay of an attempt", "net/retry.py:delay"),
        ("tests for exponential backoff", "tests/test_retry.py:test_delay_grows_exponentially"),
    ],
)
def test_the_right_chunk_is_first(query: str, first: str) -> None:
    assert places(ask(query))[0] == first


def test_a_named_file_is_first() -> None:
    assert ask("what is in cookies.py")[0].ref.path == "net/cookies.py"


def test_without_a_model_words_are_enough() -> None:
    found = run(Searchable(SNAPSHOT), SearchRequest("parse cookie header", limit=3)).rows
    assert places(found)[0] == "net/cookies.py:parse_cookie"
    assert all("meaning" not in each.reasons for each in found)
    assert run(Searchable(SNAPSHOT), SearchRequest("xylophone")).rows == ()


def test_reasons_say_why() -> None:
    best = ask("RetryPolicy")[0]
    assert "defines RetryPolicy" in best.reasons
    assert any(reason.startswith("words: ") for reason in ask("cookie header values")[0].reasons)


def test_operators_restrict_and_list() -> None:
    assert {each.ref.path for each in ask("lang:go")} == {"store/cache.go"}
    assert places(ask("kind:class"))[0] == "net/retry.py:RetryPolicy"
    assert {each.ref.path for each in ask("retry path:docs/")} == {"docs/retry.md"}
    assert all(each.ref.path.startswith("tests/") for each in ask("retry test:only"))
    assert not any(each.ref.path.startswith("tests/") for each in ask("retry test:exclude"))
    assert not any("net/" in each.ref.path for each in ask("retry -path:net"))
    assert not any(each.ref.path.endswith(".py") for each in ask("retry -lang:py"))


def test_filters_and_operators_both_hold() -> None:
    filters = Filters(languages=("py",), exclude=("/tests/",), include=("*.py", "*.go"))
    assert {each.ref.path.rsplit(".")[-1] for each in ask("retry", filters=filters)} == {"py"}
    assert ask("lang:go", filters=filters) == []
    assert ask("retry", filters=Filters(folders=("/elsewhere",))) == []
    assert ask("retry", filters=Filters(folders=(FOLDER + "/",)))


@pytest.mark.parametrize("text", ["x lang:klingon", "x kind:banana"])
def test_senseless_filters_are_refused(text: str) -> None:
    with pytest.raises(BadQuery):
        ask(text)


def test_an_overlay_shadows_the_base() -> None:
    base = view(CODE)
    live = base.live.copy()
    for number, facts in enumerate(base.segment.files):
        if facts.path == "net/cookies.py":
            rows = base.segment.file_rows(number)
            live[rows.start : rows.stop] = False
    overlay = view({"net/cookies.py": "def bake_biscuit(flour):\n    return oven(flour)\n"})
    both = Snapshot(2, (replace(base, live=live), overlay))
    assert places(ask("bake_biscuit", both))[0] == "net/cookies.py:bake_biscuit"
    assert "net/cookies.py:parse_cookie" not in places(ask("parse_cookie", both, limit=200))


def test_the_near_file_breaks_ties() -> None:
    files = {f"{name}/handler.py": "def handle(event):\n    return dispatch(event)\n" for name in "abcd"}
    twins = Searchable(snapshot(files))
    for name in "abcd":
        found = run(twins, SearchRequest("handle event dispatch", near=(FOLDER, f"{name}/main.py")))
        assert found.rows[0].ref.path == f"{name}/handler.py"


def test_an_empty_snapshot_answers_nothing() -> None:
    assert ask("anything", Snapshot(0)) == []
    assert ask("lang:python", Snapshot(0)) == []


def test_a_cancelled_search_stops() -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        run(Searchable(SNAPSHOT), SearchRequest("retry"), token.check)


WORDS = """
retry policy lang:python lang:go path:net -path:docs kind:function test:only RetryPolicy ::: "'; (((
"""
QUERIES = st.one_of(
    st.text(max_size=300),
    st.lists(st.sampled_from(WORDS.split()), max_size=6).map(" ".join),
)


@settings(max_examples=150, deadline=None)
@given(QUERIES)
def test_any_query_is_answered_or_refused(text: str) -> None:
    try:
        found = ask(text)
    except BadQuery:
        return
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert len({(id(each.ref.view), each.ref.row) for each in found}) == len(found)
    assert all(each.reasons for each in found)


FILTERS = st.builds(
    Filters,
    languages=st.sampled_from([(), ("python",), ("go", "ts"), ("haskell",)]),
    include=st.sampled_from([(), ("net/",), ("*.py", "*.md")]),
    exclude=st.sampled_from([(), ("tests/",), ("*.ts",)]),
    kinds=st.sampled_from([(), ("function", "method"), ("class",)]),
    tests=st.sampled_from(["include", "exclude", "only"]),
)


@settings(max_examples=100, deadline=None)
@given(FILTERS, st.sampled_from(["retry request", "cookie", "RetryPolicy", "zzz"]))
def test_a_filter_never_empties_a_page_that_has_matches(filters: Filters, text: str) -> None:
    everything = len(SNAPSHOT.views[0].segment)
    allowed = {row for row in range(everything) if _passes(SNAPSHOT.views[0], row, filters)}
    after = {each.ref.row for each in ask(text, limit=everything)} & allowed
    assert {each.ref.row for each in ask(text, limit=everything, filters=filters)} == after
    assert len(ask(text, limit=1, filters=filters)) == min(1, len(after))


def _passes(of: View, row: int, filters: Filters) -> bool:
    """What the filters of the test above mean, said in another way than the product says it."""
    segment = of.segment
    facts = segment.files[segment.file_of[row]]
    languages = {"ts": "typescript"}
    is_test = facts.path.startswith("tests/")
    return (
        (not filters.languages or facts.language in {languages.get(name, name) for name in filters.languages})
        and (not filters.include or any(_within(facts.path, pattern) for pattern in filters.include))
        and not any(_within(facts.path, pattern) for pattern in filters.exclude)
        and (not filters.kinds or segment.kind(row) in filters.kinds)
        and (filters.tests == "include" or is_test == (filters.tests == "only"))
    )


def _within(path: str, pattern: str) -> bool:
    return path.endswith(pattern[1:]) if pattern.startswith("*") else path.startswith(pattern)


def test_segments_of_another_model_are_searched_by_words() -> None:
    strange = view({"net/strange.py": "def retry_forever():\n    while True:\n        attempt()\n"})
    dense = SegmentVectors.from_rows(np.ones((len(strange.segment), 7), np.float32), strange.segment.first_rows)
    segment = replace(strange.segment, model="another", dense=dense)
    both = Snapshot(1, (*SNAPSHOT.views, View(FOLDER, segment, strange.live)))
    assert "net/strange.py:retry_forever" in places(ask("retry_forever", both))[:1]


@pytest.mark.parametrize("text", ["exponential backoff with a cap", "toggleTheme", "give up after some attempts"])
def test_where_likenesses_are_approximate_the_best_get_exact_ones(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = ask(text)
    # As in a large index: leading components first, half of the directions here.
    monkeypatch.setattr("conexus.search.signals.FEW_ROWS", 0)
    monkeypatch.setattr("conexus.segments.vectors._LEAST_ROWS", 1)
    large = snapshot(CODE)
    assert large.views[0].segment.dense.basis.shape[1] > 0
    found = ask(text, large)
    assert places(found)[:3] == places(expected)[:3]
    assert found[1].score == pytest.approx(expected[1].score, abs=0.1)


class Contrary:
    """Ranks what has the words of the query last."""

    def scores(self, of: NDArray[np.float32]) -> NDArray[np.float32]:
        return -of[:, FEATURES.index("query_in_body")]


@pytest.mark.parametrize("word", ["zzyzx", "backoff_zzyzx"])
def test_a_word_that_stands_in_one_place_is_found_there_first(word: str) -> None:
    # What the ranker makes of a strange word in a test, where nothing else is alike, is no matter.
    contrary = RankingModel(SHIPPED.weights, Contrary())  # type: ignore[arg-type]
    files = {**CODE, "tests/test_odd.py": f"def test_odd():\n    {word}\n    assert policy.delay(2)\n"}
    found = ask(word, snapshot(files), ranking=contrary)
    assert found[0].ref.path == "tests/test_odd.py"
    often = {f"{number}.py": f"def {name}():\n    {word}\n" for number, name in enumerate("abcdef")}
    found = ask(word, snapshot({**CODE, **often}), ranking=contrary)
    assert found[0].ref.path not in often
