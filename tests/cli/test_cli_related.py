"""``conexus related``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Conexus

PAY = 4  # the line of `def pay` in shop/checkout.py
TOTAL_PRICE = 11  # the line of `def total_price` in shop/basket.py


def related(conexus: Conexus, place: str, *options: str, cwd: Path | None = None) -> list[Any]:
    return list(json.loads(conexus("related", place, "--json", *options, cwd=cwd).stdout)["hits"])


def test_the_caller_and_the_test_of_a_method(conexus: Conexus, shop: Path) -> None:
    found = related(conexus, f"{shop}/shop/basket.py:{TOTAL_PRICE}")
    places = {(hit["relation"], hit["location"]["uri"].rpartition("/")[2]) for hit in found}
    assert ("caller", "checkout.py") in places
    assert ("test", "test_basket.py") in places


def test_only_the_relations_asked_for(conexus: Conexus, shop: Path) -> None:
    found = related(conexus, f"{shop}/shop/basket.py:{TOTAL_PRICE}", "--relation", "caller,callee")
    assert found
    assert {hit["relation"] for hit in found} <= {"caller", "callee"}


def test_the_place_itself_is_never_an_answer(conexus: Conexus, shop: Path) -> None:
    for hit in related(conexus, f"{shop}/shop/checkout.py:{PAY}:5", "--limit", "50"):
        span = hit["location"]["range"]
        here = hit["location"]["uri"].endswith("checkout.py")
        assert not (here and span["start"]["line"] <= PAY - 1 < span["end"]["line"])


def test_people_see_the_relation_and_paths_as_they_named_the_file(conexus: Conexus, shop: Path) -> None:
    result = conexus("related", f"basket.py:{TOTAL_PRICE}", "--relation", "caller", "--lines", "0", cwd=shop / "shop")
    assert result.stdout.startswith(f"../shop/checkout.py:{PAY}: caller: function pay")
    result = conexus("related", f"{shop}/shop/basket.py:{TOTAL_PRICE}", "--relation", "caller", "--lines", "0")
    assert result.stdout.startswith(f"{shop}/shop/checkout.py:{PAY}: caller: function pay")


def test_another_root_can_be_named(conexus: Conexus, shop: Path) -> None:
    found = related(conexus, f"{shop}/shop/basket.py:{TOTAL_PRICE}", "--root", str(shop / "shop"))
    assert {hit["folder"] for hit in found} == {(shop / "shop").as_uri()}


def test_a_file_outside_the_root_is_refused(conexus: Conexus, shop: Path) -> None:
    result = conexus("related", f"{shop}/README.md:1", "--root", shop / "shop", expect=2)
    assert result.stderr.count("\n") == 1


def test_nothing_related_is_status_1(conexus: Conexus, tmp_path: Path) -> None:
    lonely = tmp_path / "lonely"
    lonely.mkdir()
    (lonely / "one.py").write_text("def one():\n    pass\n", encoding="utf-8")
    assert conexus("related", lonely / "one.py:1", expect=1).stdout == ""


@pytest.mark.parametrize(
    "place", ["shop/basket.py", "shop/basket.py:x", "shop/basket.py:0", "shop/basket.py:1:0", ":3"]
)
def test_a_place_must_be_a_place(conexus: Conexus, shop: Path, place: str) -> None:
    result = conexus("related", place, cwd=shop, expect=2)
    assert result.stderr.startswith("conexus related: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("place", ["nowhere.py:3", "shop:3", "shop/basket.py:4711"])
def test_a_place_must_exist(conexus: Conexus, shop: Path, place: str) -> None:
    result = conexus("related", place, cwd=shop, expect=2)
    assert result.stderr.count("\n") == 1


def test_a_file_with_colons_in_its_name(conexus: Conexus, shop: Path) -> None:
    odd = shop / "a:12:b.py"
    odd.write_text((shop / "shop/checkout.py").read_text(encoding="utf-8"), encoding="utf-8")
    assert related(conexus, f"{odd}:{PAY}")


def test_a_file_outside_the_root_is_named(conexus: Conexus, shop: Path) -> None:
    result = conexus("related", "README.md:1", "--root", "shop", cwd=shop, expect=2)
    assert result.stderr == "conexus: README.md is not in shop\n"
