"""The quality benchmark judges right, and says no more than was measured."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.quality.ablations import variants
from benchmarks.quality.data import BadData, Question, Repository, Target, read
from benchmarks.quality.judge import Hit, covers, ndcg, ranks, recall, success
from benchmarks.quality.report import (
    CONEXUS,
    PEER,
    Estimate,
    LevelReport,
    Row,
    ablation_table,
    as_json,
    estimate,
    summary,
    table,
)
from benchmarks.quality.server import hit_of
from conexus.search.features import FEATURES
from conexus.search.ranker import SHIPPED, Ranker, RankingModel
from conexus.search.weights import SignalWeights

found = st.lists(st.none() | st.integers(1, 10), min_size=1, max_size=15).map(tuple)
scores = st.lists(st.floats(0, 1), min_size=1, max_size=30)
lines = st.tuples(st.integers(1, 200), st.integers(0, 120)).map(lambda pair: (pair[0], pair[0] + pair[1]))


# --- the judge ---


def test_ndcg_of_known_ranks() -> None:
    assert ndcg((1,)) == 1
    assert ndcg((None,)) == 0
    assert ndcg((3,)) == 0.5
    assert ndcg((2, 1)) == 1
    assert ndcg((1, None)) == pytest.approx(1 / (1 + 0.6309), abs=1e-4)
    assert ndcg(()) == 0


@given(found)
def test_metrics_stay_between_0_and_1_and_later_hits_only_add(given_ranks: tuple[int | None, ...]) -> None:
    assert 0 <= recall(given_ranks, 1) <= recall(given_ranks, 3) <= recall(given_ranks, 10) <= 1
    assert recall(given_ranks, 3) <= success(given_ranks, 3) <= 1
    assert (ndcg(given_ranks) > 0) == (success(given_ranks, 10) > 0)


@given(st.sets(st.integers(1, 10), min_size=1))
def test_no_order_of_targets_is_better_than_the_first_ranks(places: set[int]) -> None:
    assert ndcg(tuple(places)) <= ndcg(tuple(range(1, len(places) + 1))) == pytest.approx(1)


def test_a_path_fits_by_whole_names_from_its_end() -> None:
    hit = Hit("/repos/tea/src/cup.py", 1, 5)
    assert covers(hit, Target("src/cup.py"))
    assert covers(hit, Target("cup.py"))
    assert not covers(hit, Target("up.py"))
    assert not covers(hit, Target("other/cup.py"))


@pytest.mark.parametrize(
    ("hit", "target", "shown"),
    [
        ((10, 20), (10, 20), True),
        ((15, 20), (10, 20), True),  # more than half
        ((16, 20), (10, 20), False),  # less than half
        ((1, 40), (20, 24), True),  # forty lines are never too long
        ((1, 41), (20, 24), False),
        ((1, 90), (31, 60), True),  # three times as long
        ((1, 91), (31, 60), False),
        ((100, 119), (100, 900), True),  # the head of a long definition
        ((100, 118), (100, 900), False),
        ((30, 40), (1, 20), False),
    ],
)
def test_lines_are_shown_by_half_of_them_in_a_hit_not_much_longer(
    hit: tuple[int, int], target: tuple[int, int], shown: bool
) -> None:
    assert covers(Hit("/a.py", *hit), Target("a.py", target)) is shown


@given(lines, lines)
def test_a_hit_shows_itself_and_nothing_that_it_does_not_touch(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert covers(Hit("/a.py", *one), Target("a.py", one))
    if one[1] < other[0]:
        assert not covers(Hit("/a.py", *one), Target("a.py", other))


def test_hits_are_chunks_so_a_file_that_comes_twice_takes_two_ranks() -> None:
    hits = [Hit("/a.py", 1, 2), Hit("/a.py", 3, 4), Hit("/b.py", 1, 2)]
    question = Question("tea", "semantic", (Target("b.py"), Target("a.py"), Target("c.py")))
    assert ranks(hits, question) == (3, 1, None)
    assert ranks(hits * 4, Question("tea", "semantic", (Target("a.py", (90, 99)),))) == (None,)
    assert ranks([Hit("/x.py", 1, 1)] * 10 + hits, question) == (None, None, None)


@pytest.mark.parametrize(("end", "last"), [({"line": 9, "character": 0}, 9), ({"line": 9, "character": 3}, 10)])
def test_a_range_of_the_protocol_ends_before_its_end(end: dict[str, int], last: int) -> None:
    place = {"uri": "file:///tea%20shop/a.py", "range": {"start": {"line": 4, "character": 0}, "end": end}}
    assert hit_of({"location": place}) == Hit("/tea shop/a.py", 5, last)


# --- the data ---


def write_data(folder: Path) -> Path:
    entry = {
        "name": "tea",
        "language": "python",
        "root": "src",
        "queries": [
            {
                "query": "boil",
                "category": "semantic",
                "targets": [{"path": "src/a.py"}, {"path": "src/b.py", "start_line": 3, "end_line": 9}],
            }
        ],
    }
    data = folder / "data.json"
    data.write_text(json.dumps([entry, {**entry, "name": "empty", "queries": []}]), encoding="utf-8")
    return data


def test_data_is_read_with_the_folder_that_is_indexed(tmp_path: Path) -> None:
    (tmp_path / "tea" / "src").mkdir(parents=True)
    level = read("span", write_data(tmp_path), tmp_path)
    (repository,) = level.repositories
    assert repository.root == (tmp_path / "tea" / "src").resolve()
    assert repository.requests[0].targets == (Target("src/a.py"), Target("src/b.py", (3, 9)))


def test_a_missing_folder_and_an_unknown_name_are_said(tmp_path: Path) -> None:
    data = write_data(tmp_path)
    with pytest.raises(BadData, match="no folder for: tea"):
        read("file", data, tmp_path)
    with pytest.raises(BadData, match="none of these repositories: coffee"):
        read("file", data, tmp_path, ["coffee"])


# --- figures ---


@given(scores)
def test_an_interval_is_within_the_values_and_the_same_again(values: list[float]) -> None:
    got = estimate(values)
    slack = 1e-9
    assert min(values) - slack <= got.low <= got.high <= max(values) + slack
    assert min(values) - slack <= got.mean <= max(values) + slack
    assert got == estimate(values)


def test_an_interval_narrows_with_more_queries() -> None:
    few, many = estimate([0.0, 1.0] * 10), estimate([0.0, 1.0] * 1000)
    assert few.low < many.low < 0.5 < many.high < few.high
    assert estimate([0.25] * 9) == Estimate(0.25, 0.25, 0.25)
    with pytest.raises(ValueError, match="nothing"):
        estimate([])


def report(*, peer: bool, ablations: dict[str, list[float]] | None = None) -> LevelReport:
    def row(language: str, category: str, ours: int | None, theirs: int | None) -> Row:
        question = Question(f"where is {ours}", category, (Target("a.py"),))
        repository = Repository(f"{language} tea", language, "1234", Path("/tea"), (question,))
        return Row(repository, question, {CONEXUS: (ours,), PEER: (theirs,)} if peer else {CONEXUS: (ours,)})

    rows = [row("python", "symbol", 1, 3), row("python", "semantic", 3, None), row("go", "semantic", 1, 1)]
    labels = {CONEXUS: "Conexus", PEER: "semble 1, no model"} if peer else {CONEXUS: "Conexus"}
    return LevelReport("file", rows, labels, ablations or {})


def test_groups_hold_every_query_once() -> None:
    by_kind: dict[str, int] = {}
    for line in summary(report(peer=True).rows):
        if line.metric == "NDCG@10":
            by_kind[line.kind] = by_kind.get(line.kind, 0) + line.queries
    assert by_kind == {"all": 3, "language": 3, "category": 3}


def test_the_table_has_both_systems_and_their_paired_difference() -> None:
    written = table(report(peer=True))
    assert "## file level: 3 queries, 2 repositories" in written
    assert "| n | Conexus | semble 1, no model | difference |" in written
    # Each query is better by a half or alike, so no resampled difference is below zero.
    assert "| NDCG@10 | 3 | 0.833 (0.500 to 1.000) | 0.500 (0.000 to 1.000) | +0.333 (+0.000 to +0.500) |" in written
    assert "| NDCG@10, language go | 1 | 1.000 (1.000 to 1.000) | 1.000 (1.000 to 1.000) | +0.000" in written
    assert "| Recall@1 | 3 | 0.667" in written


def test_without_a_peer_there_is_no_column_for_it() -> None:
    written = table(report(peer=False))
    assert "| n | Conexus |\n|---|---:|---:|\n" in written
    assert "difference" not in written


def test_ablations_are_compared_query_by_query_with_the_whole_ranking() -> None:
    written = ablation_table(report(peer=False, ablations={"whole ranking": [1.0, 0.5], "only `body`": [0.5, 0.0]}))
    assert "| whole ranking | 0.750 | – |" in written
    assert "| only `body` | 0.250 | -0.500 (-0.500 to -0.500) |" in written


def test_json_has_the_ranks_of_every_query() -> None:
    written = json.loads(json.dumps(as_json(report(peer=True))))
    assert written["queries"][1]["conexus"] == {"ndcg": 0.5, "ranks": [3]}
    assert written["queries"][1]["peer"] == {"ndcg": 0.0, "ranks": [None]}
    assert written["systems"][PEER] == "semble 1, no model"
    assert written["summary"][0]["difference"]["mean"] == pytest.approx(1 / 3)


# --- changed rankings ---


def test_ablations_begin_with_the_ranking_as_it_is_and_each_has_its_own_name() -> None:
    named = list(variants())
    assert named[0][1] is SHIPPED
    assert len({name for name, _ in named}) == len(named)


@pytest.mark.parametrize("name", [field.name for field in fields(SignalWeights)])
def test_a_signal_is_alone_or_left_out_of_every_mix(name: str) -> None:
    named = dict(variants())
    without, only, whole = named[f"without `{name}`"].weights, named[f"only `{name}`"], SHIPPED.weights
    off = {name: 0.0}
    assert without == replace(whole, prose=replace(whole.prose, **off), symbol=replace(whole.symbol, **off))
    assert only.ranker is None
    for mix in (only.weights.prose, only.weights.symbol):
        assert [each.name for each in fields(SignalWeights) if getattr(mix, each.name)] == [name]


def test_a_ranker_does_not_see_what_is_left_out() -> None:
    chance = np.random.default_rng(0)
    size = len(FEATURES)
    layer = chance.normal(size=(size, 1)).astype(np.float32), np.zeros(1, np.float32)
    ranker = Ranker(np.zeros(size, np.float32), np.ones(size, np.float32), (layer,))
    blind = dict(variants(RankingModel(SHIPPED.weights, ranker)))["without `dense`"].ranker
    assert blind is not None
    one = chance.normal(size=(1, size)).astype(np.float32)
    other = one.copy()
    other[0, [FEATURES.index(name) for name in ("dense", "dense_gap", "best_dense")]] += 1
    assert blind.scores(one) == blind.scores(other)
    other[0, FEATURES.index("file_dense")] += 1
    assert blind.scores(one) != blind.scores(other)
    assert ranker.scores(one) != blind.scores(one)
