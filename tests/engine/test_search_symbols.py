"""Definitions by name and by meaning, as ``workspace/symbol`` answers them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conexus.search.pipeline import SearchRequest, run
from conexus.search.symbols import find_symbols
from conexus.segments.snapshot import Snapshot
from conexus.values import BadQuery
from tests.fixtures import fixture, searchable, snapshot, where

SNAPSHOT = snapshot(
    fixture("""
//- /app/users.py
class User:
    def name(self):
        return self.first + self.last


class UserStore:
    def load_user(self, key):
        return self.rows[key]

    def get_user_name(self, key):
        return self.load_user(key).name()


def user(): return None
//- /app/mail.ts
export function sendUserMail(address: string): void {
  transport.deliver(address);
}
//- /tests/test_users.py
def test_user_store():
    assert UserStore()
""").files
)


def ask(text: str, limit: int = 20) -> list[str]:
    return [where(each.ref) for each in find_symbols(searchable(SNAPSHOT), text, limit=limit).rows]


def test_exact_names_come_first_then_other_case_then_beginnings() -> None:
    found = ask("User")
    assert found[:2] == ["app/users.py:User", "app/users.py:user"]
    assert found[2] == "app/users.py:UserStore"
    assert ask("user")[:2] == ["app/users.py:user", "app/users.py:User"]


def test_pieces_and_parts_of_names_are_found() -> None:
    assert ask("er_na")[0] == "app/users.py:get_user_name"
    assert ask("getName")[0] == "app/users.py:get_user_name"
    assert ask("send mail")[0] == "app/mail.ts:sendUserMail"
    assert ask("user store")[0] == "app/users.py:UserStore"


def test_a_qualified_name_is_meant_there() -> None:
    assert ask("User.name")[0] == "app/users.py:name"


def test_then_by_meaning() -> None:
    assert "app/mail.ts:sendUserMail" in ask("deliver an email message")[:3]


def test_an_empty_text_lists_definitions_once_each() -> None:
    found = ask("  ")
    assert len(found) == len(set(found))
    assert {"app/users.py:User", "app/mail.ts:sendUserMail", "tests/test_users.py:test_user_store"} <= set(found)
    assert ask("lang:ts") == ["app/mail.ts:sendUserMail"]


@pytest.mark.parametrize("text", ["", "user", "where users are kept", "kind:class user"])
def test_an_empty_index_has_no_answer(text: str) -> None:
    assert find_symbols(searchable(Snapshot(0)), text).rows == ()
    if text:
        assert run(searchable(Snapshot(0)), SearchRequest(text)).rows == ()


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=50), st.integers(1, 20))
def test_any_text_is_answered(text: str, limit: int) -> None:
    try:
        answers = find_symbols(searchable(SNAPSHOT), text, limit=limit).rows
    except BadQuery:
        return
    assert len(answers) <= limit
    scores = [each.score for each in answers]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert all(each.ref.view.segment.symbols[each.ref.row] for each in answers)


def test_a_qualified_definition_has_its_last_name_too() -> None:
    files = fixture("""
//- /lib/cart.ex
defmodule Shop.Cart do
  def add(cart, item), do: [item | cart]
end
//- /lib/order.ex
defmodule Shop.Order do
  def cart_of(order), do: order.cart
end
""").files
    at = searchable(snapshot(files))
    for text in ("Cart", "Shop.Cart"):
        assert where(find_symbols(at, text).rows[0].ref) == "lib/cart.ex:Shop.Cart"
        assert where(run(at, SearchRequest(text)).rows[0].ref) == "lib/cart.ex:Shop.Cart"
