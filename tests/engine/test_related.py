"""Related code over a snapshot with the real chunker and the shipped model."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conexus.related.place import RelatedPlace
from conexus.related.relations import RELATIONS, Related, RelatedRequest, find_related
from conexus.segments.snapshot import Snapshot
from conexus.values import BadQuery, Cancelled, CancelToken, Filters
from tests.fixtures import FOLDER, Fixture, fixture, searchable, snapshot, where

CODE = """
//- /shop/cart.py
from shop.money import Money, add_amounts


class Cart:
    def __init__(self):
        self.lines = []

    def add_line(self, product, count):
        self.lines.append((product, count))

    def total_price(self):
        $0amounts = [product.price * count for product, count in self.lines]
        return Money(add_amounts(amounts))

    def is_empty(self):
        return not self.lines
//- /shop/money.py
class Money:
    def __init__(self, cents):
        self.cents = cents

    def formatted(self):
        return f"{self.cents / 100:.2f}"


def add_amounts(amounts):
    total = 0
    for amount in amounts:
        total += amount
    return total
//- /shop/checkout.py
from shop.cart import Cart


def pay_for_cart(cart, card):
    price = cart.total_price()
    card.charge(price)
    return receipt_for(price)
//- /legacy/money.py
def add_amounts(left, right):
    return left + right
//- /tests/test_cart.py
from shop.cart import Cart


def test_total_price_sums_lines():
    cart = Cart()
    cart.add_line(PEN, 2)
    assert cart.total_price().cents == 300


def test_new_cart_is_empty():
    assert Cart().is_empty()
//- /web/basket.ts
export class Basket {
  private lines: Line[] = [];

  totalPrice(): number {
    const amounts = this.lines.map((line) => line.product.price * line.count);
    return sum(amounts);
  }
}
"""


def ask(
    code: Fixture, relations: Sequence[str] = (), text: str = "", limit: int = 20, filters: Filters | None = None
) -> list[Related]:
    place = RelatedPlace(FOLDER, code.path, code.line, code.line + 1, text)
    request = RelatedRequest(place, tuple(relations), filters or Filters(), limit)
    return list(find_related(searchable(snapshot(code.files)), request).rows)


def places(found: list[Related]) -> list[str]:
    return [where(each.ref) for each in found]


def at(path: str, line_with: str) -> Fixture:
    files = fixture(CODE).files
    return Fixture(files, path, next(n for n, line in enumerate(files[path].split("\n")) if line_with in line))


def test_callees_and_definitions_are_those_that_are_meant() -> None:
    code = fixture(CODE)
    assert places(ask(code, ["callee"]))[0] == "shop/money.py:add_amounts"
    assert places(ask(code, ["definition"])) == ["shop/money.py:Money"]


def test_a_selected_name_is_defined_where_it_is_defined() -> None:
    assert places(ask(fixture(CODE), ["definition"], text="add_amounts(amounts)"))[0] == "shop/money.py:add_amounts"


def test_callers() -> None:
    assert places(ask(fixture(CODE), ["caller"])) == ["shop/checkout.py:pay_for_cart"]


def test_a_caller_is_the_function_that_calls_and_then_the_import_and_is_called_nothing_less() -> None:
    code = fixture("""
//- /shop/retry.py
$0def retry_with_backoff(action):
    return action()
//- /shop/checkout.py
from shop.retry import retry_with_backoff


def pay(bank):
    return retry_with_backoff(lambda: bank.charge())
""")
    callers = ask(code, ["caller"])
    assert places(callers) == ["shop/checkout.py:pay", "shop/checkout.py:1"]
    found = {where(each.ref): each.relation for each in ask(code)}
    assert found["shop/checkout.py:pay"] == "caller"


def test_tests_of_a_method() -> None:
    assert places(ask(fixture(CODE), ["test"]))[0] == "tests/test_cart.py:test_total_price_sums_lines"


def test_what_a_test_tests() -> None:
    found = places(ask(at("tests/test_cart.py", "cart.add_line(PEN"), ["tested"]))
    assert found[0] == "shop/cart.py:total_price"
    assert ask(at("tests/test_cart.py", "cart.add_line(PEN"), ["test"]) == []


def test_siblings_stand_in_the_same_class() -> None:
    found = ask(fixture(CODE), ["sibling"])
    assert {"shop/cart.py:add_line", "shop/cart.py:is_empty"} <= set(places(found))
    assert {each.ref.path for each in found} == {"shop/cart.py"}
    assert all(each.reasons == ("also in Cart",) for each in found)


def test_similar_code_in_another_language() -> None:
    found = places(ask(fixture(CODE), ["similar"]))
    assert "web/basket.ts:totalPrice" in found[:3]


def test_similar_shows_other_files_first() -> None:
    found = [each.ref.path for each in ask(fixture(CODE), ["similar"])]
    distinct = len(set(found))
    assert len(set(found[:distinct])) == distinct


def test_all_relations_are_seen_early_and_each_chunk_once() -> None:
    found = ask(fixture(CODE))
    assert {each.relation for each in found[:6]} >= {"callee", "definition", "caller", "test", "sibling"}
    assert len(places(found)) == len(set(places(found)))
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_filters_hold() -> None:
    assert {each.ref.path for each in ask(fixture(CODE), filters=Filters(languages=("ts",)))} == {"web/basket.ts"}


def test_an_unknown_relation_is_refused_by_name() -> None:
    with pytest.raises(BadQuery, match=r"cousin.*definition, callee"):
        ask(fixture(CODE), ["cousin"])


def test_a_place_that_is_not_indexed_is_related_by_its_text() -> None:
    code = Fixture(fixture(CODE).files, "new/unsaved.py", 0)
    assert ask(code) == []
    found = ask(code, text="return Money(add_amounts([1, 2]))")
    assert {"shop/money.py:add_amounts", "shop/money.py:Money"} <= set(places(found))


def test_names_that_everything_defines_say_little() -> None:
    files = {f"m{number}.py": f"def run():\n    return {number}\n" for number in range(40)}
    files["main.py"] = "def main():\n    run()\n    start_engine()\n"
    files["engine.py"] = "def start_engine():\n    return 1\n"
    found = ask(Fixture(files, "main.py", 1), ["callee"])
    assert where(found[0].ref) == "engine.py:start_engine"
    assert len(found) <= 3


def test_a_cancelled_request_stops() -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        find_related(searchable(snapshot({"a.py": "x = 1\n"})), RelatedRequest(A_PLACE), token.check)


A_PLACE = RelatedPlace(FOLDER, "a.py", 0, 1)
SEARCHABLE = searchable(snapshot(fixture(CODE).files))


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([*fixture(CODE).files, "nowhere.py"]),
    st.integers(0, 60),
    st.integers(0, 60),
    st.text(max_size=80),
    st.sets(st.sampled_from(RELATIONS)),
    st.integers(1, 30),
)
def test_the_place_itself_is_never_answered(
    path: str, start: int, length: int, text: str, relations: set[str], limit: int
) -> None:
    place = RelatedPlace(FOLDER, path, start, start + length, text)
    found = find_related(SEARCHABLE, RelatedRequest(place, tuple(sorted(relations)), limit=limit)).rows
    assert len(found) <= limit
    for each in found:
        segment = each.ref.view.segment
        inside = segment.start_lines[each.ref.row] < max(start + length, start + 1)
        inside = inside and segment.end_lines[each.ref.row] > start
        assert not (each.ref.path == path and inside)
        assert not relations or each.relation in relations


def test_an_empty_snapshot_has_nothing_related() -> None:
    assert find_related(searchable(Snapshot(0)), RelatedRequest(A_PLACE)).rows == ()
