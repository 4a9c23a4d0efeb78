"""What the ranker sees of a candidate, and that its scores decide."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from conexus.arrays.ragged import Ragged
from conexus.search import signals
from conexus.search.candidates import Candidates, select_candidates
from conexus.search.features import FEATURES, features_of
from conexus.search.pipeline import Ranked, SearchRequest, run
from conexus.search.query import understand
from conexus.search.query_expansion import expand_query
from conexus.search.ranker import SHIPPED, Ranker, RankingModel
from conexus.search.scope import scope_of
from conexus.segments import vectors as dense
from conexus.segments.roles import Role
from conexus.segments.snapshot import Snapshot, View
from conexus.values import BadQuery, Filters
from tests.fixtures import fixture, model, searchable, snapshot, view, where

CODE = fixture('''
//- /mail/parser.py
"""Reading of mail."""


class MailParser:
    """Reads messages."""

    def header(self, line):
        return line.partition(":")


def parse_mail(text):
    """Parse the whole mail."""
    return MailParser().header(text)
//- /mail/queue.py
def enqueue(mail):
    pending.append(mail)
//- /tests/test_parser.py
def test_parse_mail():
    assert parse_mail("To: me")
//- /docs/mail.md
# Mail

How mail is parsed and queued.
''').files
SNAPSHOT = snapshot(CODE)
#: Features that are a share of something.
SHARES = (
    "file_name_match", "file_name_coverage", "file_named", "defines_name", "query_in_body", "query_in_names",
    "query_in_symbol", "query_in_file", "symbol_in_query", "callable", "type", "value", "text", "section", "piece",
    "symbol_like", "stop_word_share", "starts_with_verb", "starts_with_gerund", "starts_with_question_word",
    *(str(role.name).lower() for role in Role),
)  # fmt: skip
#: Features that say how far below the best something is.
GAPS = tuple(name for name in FEATURES if name.endswith("_gap") and not name.startswith("file_best"))


def lines_of(
    text: str, of: Snapshot = SNAPSHOT, *, late: bool = True, meant: bool = True
) -> tuple[list[str], NDArray[np.float32]]:
    """``path:symbol`` of each candidate, and its features."""
    found = candidates_of(text, of, meant=meant)
    table = features_of(found, model().query_tokens(found.query.text) if late else None)
    return [where(found.scope.ref(int(row))) for row in found.rows], table


def candidates_of(text: str, of: Snapshot, *, meant: bool = True) -> Candidates:
    query = expand_query(understand(text), of.views)
    vectors = {model().fingerprint: model().embed_query(query.text)} if meant else {}
    return select_candidates(scope_of(of, Filters(), query.operators), query, vectors, 300)


def seen(text: str, of: Snapshot = SNAPSHOT, *, late: bool = True) -> dict[str, dict[str, float]]:
    """The features of each candidate by their names, by ``path:symbol``."""
    names, table = lines_of(text, of, late=late)
    return {name: dict(zip(FEATURES, line, strict=True)) for name, line in zip(names, table.tolist(), strict=True)}


def ask(
    text: str,
    of: Snapshot = SNAPSHOT,
    *,
    ranker: Ranker | None = SHIPPED.ranker,
    limit: int = 20,
    filters: Filters | None = None,
) -> list[Ranked]:
    request = SearchRequest(text, filters or Filters(), limit=limit)
    return list(run(searchable(of), request, model=RankingModel(SHIPPED.weights, ranker)).rows)


def by(name: str, sign: float = 1) -> Ranker:
    """A ranker to which one feature is all."""
    size = len(FEATURES)
    weights = np.zeros((size, 1), np.float32)
    weights[FEATURES.index(name)] = sign
    return Ranker(np.zeros(size, np.float32), np.ones(size, np.float32), ((weights, np.zeros(1, np.float32)),))


def test_words_of_the_query_are_shares() -> None:
    found = seen("parse mail")
    function, queue = found["mail/parser.py:parse_mail"], found["mail/queue.py:enqueue"]
    for name in ("query_in_body", "query_in_symbol", "symbol_in_query", "query_in_file"):
        assert function[name] == pytest.approx(1, abs=1e-4), name
    assert 0 < queue["query_in_body"] < 1
    assert queue["query_in_symbol"] == queue["symbol_in_query"] == 0
    assert found["tests/test_parser.py:test_parse_mail"]["symbol_in_query"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("text", ["parse mail", "header", "pending queue", "mail"])
def test_a_file_has_the_words_of_all_its_chunks(text: str) -> None:
    # Two views, so that rows and files of the second have other numbers than in it.
    first = dict(list(CODE.items())[:2])
    of = Snapshot(1, (view(first), view({path: code for path, code in CODE.items() if path not in first})))
    found = seen(text, of)
    assert found.keys() == seen(text).keys()
    chosen = candidates_of(text, of)
    words = [word for word in chosen.signals.in_body if chosen.query.concepts[word.concept].weight == 1]
    asked = sum(word.rarity for word in words)
    for row in chosen.rows.tolist():
        file = chosen.scope.file_of[row]
        has = sum(word.rarity for word in words if file in chosen.scope.file_of[word.rows])
        name = where(chosen.scope.ref(row))
        assert found[name]["query_in_file"] == pytest.approx(has / asked, abs=1e-4)


def test_what_a_query_names_is_seen() -> None:
    found = seen("MailParser")
    assert [name for name, line in found.items() if line["defines_name"] == 1] == ["mail/parser.py:MailParser"]
    assert all(line["symbol_like"] == 1 for line in found.values())
    found = seen("what is in queue.py")
    assert {name for name, line in found.items() if line["file_named"]} == {"mail/queue.py:enqueue"}


@pytest.mark.parametrize("dead", [False, True])
def test_approximate_likenesses_find_what_exact_ones_find(monkeypatch: pytest.MonkeyPatch, dead: bool) -> None:
    """So few leading components that the first look is a bad one: what is looked at twice has the same scores."""
    exact = [[(where(each.ref), each.score, each.reasons) for each in ask(text, of)] for text, of in _cases(dead)]
    monkeypatch.setattr(dense, "_LEAST_ROWS", 2)
    monkeypatch.setattr(dense, "_LEADING", 3)
    monkeypatch.setattr(dense, "FEW_ROWS", 0)
    monkeypatch.setattr(signals, "FEW_ROWS", 0)
    monkeypatch.setattr(signals, "_FEW_MATCHES", 0)
    for (text, of), expected in zip(_cases(dead), exact, strict=True):
        assert not any(each.segment.dense.exact for each in of.views)
        found = ask(text, of)
        assert [where(each.ref) for each in found] == [name for name, _, _ in expected]
        assert [each.score for each in found] == pytest.approx([score for _, score, _ in expected], abs=1e-3)
        assert [each.reasons for each in found] == [reasons for _, _, reasons in expected]


def _cases(dead: bool) -> list[tuple[str, Snapshot]]:
    """Questions to two views, of one of which the first file does not count any more."""
    first = dict(list(CODE.items())[:2])
    views = [view(first), view({path: code for path, code in CODE.items() if path not in first})]
    if dead:
        views[0].live[views[0].segment.file_of == 0] = False
    return [(text, Snapshot(1, tuple(views))) for text in ("parse mail", "queue of messages", "MailParser")]


def test_late_interaction_finds_tokens_wherever_they_stand() -> None:
    found = seen("pending mail")
    assert found["mail/queue.py:enqueue"]["max_sim"] == pytest.approx(1, abs=1e-5)
    assert found["mail/queue.py:enqueue"]["max_sim_min"] == pytest.approx(1, abs=1e-5)
    assert found["docs/mail.md:Mail"]["max_sim_min"] < 1
    assert not any(line["max_sim"] or line["max_sim_min"] for line in seen("pending mail", late=False).values())


def test_chunks_whose_tokens_are_not_known_have_none() -> None:
    known = view(CODE)
    segment = known.segment
    unknown = type(segment)(
        **{
            **{name: getattr(segment, name) for name in segment.__dataclass_fields__},
            "tokens": Ragged.empty(len(segment)),
        }
    )
    found = seen("pending mail", Snapshot(1, (View(known.folder, unknown, known.live),)))
    assert len(found) == len(segment)
    assert not any(line["max_sim"] for line in found.values())


def test_facts_of_a_chunk() -> None:
    found = seen("mail")
    method, cls = found["mail/parser.py:header"], found["mail/parser.py:MailParser"]
    assert (method["callable"], method["nesting"], cls["type"], cls["nesting"]) == (1, 1, 1, 0)
    assert found["docs/mail.md:Mail"]["section"] == found["docs/mail.md:Mail"]["document"] == 1
    assert (
        found["mail/parser.py:parse_mail"]["reference_count"] > 0 == found["mail/queue.py:enqueue"]["reference_count"]
    )


def test_a_role_that_is_asked_for_is_no_fault() -> None:
    test = "tests/test_parser.py:test_parse_mail"
    assert seen("parse mail")[test]["test"] == 1
    assert seen("tests for parse mail")[test]["test"] == 0
    assert seen("parse mail test:only")[test]["test"] == 0


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("MailParser", "mail/parser.py:MailParser"),
        ("parse_mail", "mail/parser.py:parse_mail"),
        ("enqueue", "mail/queue.py:enqueue"),
        ("tests for parse_mail", "tests/test_parser.py:test_parse_mail"),
        ("tests for parsing mail", "tests/test_parser.py:test_parse_mail"),
    ],
)
def test_the_shipped_ranker_keeps_what_is_asked_for_by_name_first(query: str, first: str) -> None:
    assert where(ask(query)[0].ref) == first


ALIKE = snapshot(
    fixture("""
//- /documents.py
def change(document, edits):
    return apply(document, edits)


class Change:
    pass
//- /server.py
def _change(server, params):
    return change(server.documents[params.uri], params.edits)
""").files
)


@pytest.mark.parametrize("ranker", [SHIPPED.ranker, None])
@pytest.mark.parametrize("name", ["documents.py:change", "documents.py:Change", "server.py:_change"])
def test_names_alike_are_told_apart_if_they_are_written_exactly(name: str, ranker: Ranker | None) -> None:
    assert where(ask(name.partition(":")[2], ALIKE, ranker=ranker)[0].ref) == name


def test_the_ranker_decides_among_the_candidates() -> None:
    files = {f"{name}.py": f"def handle_{name}(event):\n" + "    send(event)\n" * size for name, size in SIZES.items()}
    several = snapshot(files)
    longest = [f"{name}.py" for name in sorted(SIZES, key=lambda name: -SIZES[name])]
    assert [each.ref.path for each in ask("send event", several, ranker=by("lines"))] == longest
    assert [each.ref.path for each in ask("send event", several, ranker=by("lines", -1))] == longest[::-1]
    limited = ask("send event", several, ranker=by("lines"), limit=2)
    assert [each.ref.path for each in limited] == longest[:2]
    assert [each.score for each in limited] == [each.score for each in ask("send event", several, ranker=by("lines"))][
        :2
    ]


SIZES = {"a": 4, "b": 9, "c": 2, "d": 6}


def test_without_a_ranker_candidates_keep_their_order() -> None:
    query = "parse mail"
    in_order = list(seen(query))
    assert where(ask(query, ranker=None)[0].ref) == in_order[0]


def test_filters_hold_whatever_the_ranker_likes() -> None:
    found = ask("parse mail", ranker=by("test", 5), filters=Filters(tests="exclude", languages=("python",)))
    assert {each.ref.path for each in found} == {"mail/parser.py", "mail/queue.py"}


WORDS = ["mail", "parser.py", "MailParser", "how", "is", "it", "parsed", "größe", "x", "tests", "(", "::", "path:mail"]
QUERIES = st.one_of(st.text(min_size=1, max_size=40), st.lists(st.sampled_from(WORDS), min_size=1).map(" ".join))
LINES = st.sampled_from(
    ["def mail(x):", "    return x", "class MailParser:", "", "# größe", "x = 1", "\x00", "mail mail"]
)
FILES = st.dictionaries(
    st.sampled_from(["a.py", "mail/parser.py", "tests/test_a.py", "README.md", "deep/er/than/most/a.txt"]),
    st.lists(LINES, max_size=8).map("\n".join),
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(FILES, QUERIES, st.booleans(), st.booleans())
def test_any_workspace_has_finite_features(files: dict[str, str], text: str, late: bool, meant: bool) -> None:
    try:
        if not understand(text).text:
            return
        names, table = lines_of(text, snapshot(files), late=late, meant=meant)
    except BadQuery:
        return
    assert table.shape == (len(names), len(FEATURES))
    assert table.dtype == np.float32
    assert np.isfinite(table).all()
    columns = dict(zip(FEATURES, table.T, strict=True))
    for name in SHARES:
        assert ((columns[name] >= 0) & (columns[name] <= 1 + 1e-4)).all(), name
    for name in GAPS:
        assert columns[name].max(initial=-np.inf) == (0 if names else -np.inf), name
