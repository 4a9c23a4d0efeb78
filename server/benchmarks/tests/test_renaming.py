"""Renaming does not break code, and copies of a workspace are made once."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tree_sitter_language_pack import get_parser

from benchmarks.harness.copies import make_copies
from benchmarks.harness.renaming import KEPT, LANGUAGES, Renamer
from benchmarks.tests.workspace import write_workspace

SAMPLES = {
    "bash": """\
#!/usr/bin/env bash
list_users() {
  local names="$1"
  for name in $names; do echo "user: $name"; done
}
""",
    "c": """\
#include <stdio.h>
#ifdef DEBUG_BUILD
static int counter = 0x1fUL;
#endif
int read_all(struct buffer *input) {
  return printf("%s\\n", input->bytes) ? sizeof(struct buffer) : 0;
}
""",
    "cpp": """\
template <typename Value> class Holder : public Base<Value> {
 public:
  virtual auto current() const -> Value override { return static_cast<Value>(value_); }
};
""",
    "csharp": """\
namespace Shop.Orders;
public record Order(int Number) {
  public string Label { get; init; } = nameof(Number);
}
""",
    "elixir": """\
defmodule Shop.Order do
  @moduledoc "Orders"
  def total(items) when is_list(items), do: Enum.sum(items)
end
""",
    "go": """\
package orders

import "errors"

func (o *Order) Total(prices []float64) (float64, error) {
    if len(prices) == 0 {
        return 0, errors.New("nothing")
    }
    return prices[0], nil
}
""",
    "haskell": """\
{-# LANGUAGE LambdaCase #-}
module Shop.Order (total) where

import qualified Data.Map as Map

total :: Map.Map String Int -> Int
total prices = sum (Map.elems prices)
""",
    "java": """\
package shop;
public final class Order implements Runnable {
  private final int number = 42;
  @Override public void run() { throw new IllegalStateException(); }
}
""",
    "javascript": """\
export class Order extends Base {
  static #count = 0;
  async total({ prices }) { return await sum(prices.map((price) => `${price} each`)); }
}
""",
    "kotlin": """\
package shop

data class Order(val number: Int) {
    companion object { const val LIMIT = 10 }
    suspend fun total(prices: List<Int>): Int = prices.sum()
}
""",
    "lua": """\
local function total(prices)
  local result = 0
  for _, price in ipairs(prices) do result = result + price end
  return result
end
""",
    "php": """\
<?php
declare(strict_types=1);
namespace Shop;
final class Order {
  public function total(array $prices): int { return array_sum($prices); }
}
""",
    "python": """\
from __future__ import annotations

class Order(Base):
    async def total(self, prices: list[int]) -> int:
        if not prices:
            raise ValueError(f"no {prices!r}\\nfound")
        return await sum_of(price for price in prices)
""",
    "ruby": """\
require 'json'
module Shop
  class Order < Base
    attr_reader :number
    def total(prices)
      prices.sum { |price| price.to_i } unless prices.empty?
    end
  end
end
""",
    "rust": """\
macro_rules! order { ($name:ident) => { struct $name; }; }
pub(crate) async fn total<'a>(prices: &'a [u64]) -> Option<u64> {
    prices.iter().copied().map(|price| price + 10_u64).max()
}
""",
    "scala": """\
package shop

sealed trait Order extends Base {
  def total(prices: List[Int]): Int = prices match {
    case Nil => 0
    case first :: others => first
  }
}
""",
    "swift": """\
import Foundation

public struct Order: Codable {
    private let number: Int
    func total(prices: [Int]) throws -> Int { guard let first = prices.first else { throw Missing() }; return first }
}
""",
    "typescript": """\
export interface Order { readonly number: number; }
export abstract class Shop<Value extends Order> {
  private async total(prices: unknown[]): Promise<void> { return undefined as never; }
}
""",
    "tsx": """\
export const Label = ({ name }: Props) => <span className="label">{name ?? 'nobody'}</span>;
""",
    "zig": """\
const std = @import("std");
pub fn total(prices: []const u32) !u32 {
    var result: u32 = 0;
    for (prices) |price| result += price;
    return if (prices.len == 0) error.Nothing else result;
}
""",
}


@pytest.mark.parametrize("language", SAMPLES)
def test_renamed_code_has_the_same_syntax(language: str) -> None:
    source = SAMPLES[language]
    renamed = Renamer(3).text(source, language)
    assert renamed != source
    assert _shape(language, renamed) == _shape(language, source)


def test_every_language_with_an_extension_has_a_list_of_kept_words() -> None:
    assert set(LANGUAGES.values()) == set(KEPT)


def test_the_first_code_base_is_the_original() -> None:
    assert Renamer(0).text(SAMPLES["python"], "python") == SAMPLES["python"]
    assert Renamer(0).path(PurePosixPath("src/reader.py")) == PurePosixPath("src/reader.py")


def test_a_word_is_renamed_alike_in_all_its_spellings() -> None:
    for number in range(1, 8):
        text = Renamer(number).text("scheduler Scheduler SCHEDULER my_scheduler MySchedulers")
        first, title, capitals, snake, _ = text.split()
        syllable = first.removeprefix("scheduler")
        assert (title, capitals) == (f"Scheduler{syllable}", f"SCHEDULER{syllable.upper()}")
        assert snake == f"my_scheduler{syllable}"


def test_code_bases_differ_and_are_made_again_alike() -> None:
    text = " ".join(f"word{letter * 4} other{letter * 4}" for letter in "abcdefghij")
    versions = [Renamer(number).text(text) for number in range(4)]
    assert len(set(versions)) == 4
    assert versions == [Renamer(number).text(text) for number in range(4)]


def test_short_words_numbers_and_escapes_stay() -> None:
    text = r"a be see 0xdeadbeef 10usize 1e5 \x41 \n"
    assert Renamer(1).text(text, "rust") == text


@given(st.text(max_size=200), st.integers(1, 5), st.sampled_from(sorted(KEPT)))
def test_renaming_only_adds_letters(text: str, number: int, language: str) -> None:
    left = iter(Renamer(number).text(text, language))
    assert all(character in left for character in text)


def test_names_of_source_files_change_and_others_stay() -> None:
    renamers = [Renamer(number) for number in range(1, 8)]
    names = {renamer.path(PurePosixPath("scheduler/worker_pool.rs")) for renamer in renamers}
    assert len(names) > 2
    assert all(name.parent == PurePosixPath("scheduler") and name.suffix == ".rs" for name in names)
    for kept in (".gitignore", "package.json", "Makefile", "test_.py"):
        assert {renamer.path(PurePosixPath(kept)) for renamer in renamers} == {PurePosixPath(kept)}


def test_copies_are_made_once(tmp_path: Path) -> None:
    source = write_workspace(tmp_path / "source")
    workspace = make_copies(source, tmp_path, 3)
    assert sorted(path.name for path in workspace.iterdir()) == ["copy_00", "copy_01", "copy_02"]
    assert (workspace / "copy_00/app/file0.py").read_bytes() == (source / "app/file0.py").read_bytes()
    assert sum(1 for path in workspace.rglob("*") if path.is_file()) == 3 * 12
    mark = workspace / "mark"
    mark.touch()
    make_copies(source, tmp_path, 3)
    assert mark.exists()
    make_copies(source, tmp_path, 2)
    assert not mark.exists()


def _shape(language: str, source: str) -> list[tuple[str, bool]]:
    """The types of all nodes of the syntax tree, and whether each is an error."""
    stack = [get_parser(language).parse(source.encode()).root_node]  # type: ignore[arg-type]
    shape = []
    while stack:
        node = stack.pop()
        shape.append((node.type, node.is_error or node.is_missing))
        stack += node.children
    return shape
