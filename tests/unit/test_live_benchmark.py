"""The live benchmark renames without breaking code, and judges what it measured rightly."""

from __future__ import annotations

import json
import random
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tree_sitter_language_pack import get_parser

from benchmarks import live_plot
from benchmarks.edits import has_word
from benchmarks.live import FIGURES, table
from benchmarks.live_branches import make_branches
from benchmarks.live_compare import comparison_rows, defects_of, phrases, sentences, words_of_one_file
from benchmarks.live_copies import make_copies
from benchmarks.live_faults import KINDS, damage
from benchmarks.live_first import Asked, wrong_states
from benchmarks.live_job import Figure, Row, size_of, trouble
from benchmarks.live_pulse import Latencies
from benchmarks.renaming import KEPT, LANGUAGES, Renamer
from benchmarks.table import percentile

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


# --- renaming ---


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
    source = _workspace(tmp_path / "source")
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


# --- judging ---


def test_percentile_is_a_value_that_was_measured() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [percentile(values, percent) for percent in (0, 20, 21, 50, 95, 100)] == [1, 1, 2, 3, 5, 5]


def test_latencies_tell_when_the_longest_was() -> None:
    latencies = Latencies(at=[0.0, 1.0, 2.0, 3.0], ms=[1.0, 9.0, 2.0, 50.0])
    assert latencies.summary(until=3.0) == {
        "count": 3,
        "p50": 2.0,
        "p95": 9.0,
        "p99": 9.0,
        "max": 9.0,
        "maxAtSeconds": 1.0,
    }
    assert latencies.summary(4.0) == {}


def test_a_row_is_held_to_its_bar() -> None:
    assert Row("a", "mid", 5, "ms", most=5).met is True
    assert Row("a", "mid", 5.1, "ms", most=5).met is False
    assert Row("a", "mid", 1, "", most=0.0).met is False
    assert Row("a", "mid", 95, "%", least=95).met is True
    assert Row("a", "mid", 94.9, "%", least=95).met is False
    assert Row("a", "mid", 5, "s", most_ratio=0.8, peer=10).met is True
    assert Row("a", "mid", 9, "s", most_ratio=0.8, peer=10).met is False
    assert Row("a", "mid", 9, "s", most_ratio=0.8).met is None
    assert Row("a", "mid", 9, "s").met is None


def test_what_is_used_of_a_bar() -> None:
    assert Row("a", "mid", 4, "ms", most=5).share == 0.8
    assert Row("a", "mid", 50, "%", least=75).share == 1.5
    assert Row("a", "mid", 4, "s", most_ratio=0.8, peer=10).share == 0.5
    assert Row("a", "mid", 4, "s", most_ratio=0.8).share is None
    assert Row("a", "mid", 0, "", most=0.0).share is None
    assert Row("a", "mid", 0, "%", least=75).share is None
    assert Row("a", "mid", 4, "s").share is None


def test_figures_are_drawn_from_what_was_written() -> None:
    rows = [Row("keystrokes", "mid", 4, "ms", most=5), Row("… longest", "mid", 9, "s", most_ratio=0.8, peer=10)]
    figure = Figure(rows, {"singleMs": [1.0]})
    report = json.loads(json.dumps({"figures": {"typing": figure.as_json(), "saves": Figure().as_json()}}))
    assert live_plot.figures_of(report) == {"typing": figure}
    assert live_plot.labels(rows) == ["keystrokes", "keystrokes, longest"]


def test_of_a_figure_measured_twice_the_later_one_of_each_workspace_is_drawn() -> None:
    small, mid, again = (Row("a", size, value, "s") for size, value in (("small", 1), ("mid", 2), ("mid", 3)))
    earlier = Figure([small, mid], {"small": 1, "mid": 2})
    assert live_plot.with_later(earlier, Figure([again], {"mid": 3})) == Figure([small, again], {"small": 1, "mid": 3})
    assert live_plot.with_later(Figure([mid], {"ms": 2}), Figure([again], {})) == Figure([again], {})


def test_the_table_shows_bars_misses_and_defects() -> None:
    rows = [
        Row("slow", "mid", 9, "s", most_ratio=0.8, peer=10),
        Row("quick", "mid", 1, "ms", most=2),
        Row("right", "mid", 97.25, "%", least=95),
    ]
    text = table("cold", Figure(rows=rows, defects=["it burns"]))
    assert "| slow | mid | 9.00 s | ≤ 0.8 × | 10.00 s | 0.90 | MISSED |" in text
    assert "| quick | mid | 1.0 ms | ≤ 2.0 ms | – | – | met |" in text
    assert "| right | mid | 97.2 % | ≥ 95.0 % | – | – | met |" in text
    assert text.endswith("DEFECT: it burns")
    assert "cold" in FIGURES


def test_a_hit_by_meaning_has_not_the_word() -> None:
    hit = {"preview": "def other():", "reasons": ["meaning"], "matches": []}
    assert not has_word(hit, "qwrtz")
    assert has_word({**hit, "reasons": ["words: qwrtz", "meaning"]}, "Qwrtz")
    assert has_word({**hit, "preview": "QWRTZ = 1"}, "qwrtz")


def test_words_of_one_file_stand_in_that_file_alone(tmp_path: Path) -> None:
    folder = _workspace(tmp_path)
    found = words_of_one_file(folder, 5, random.Random(0))  # noqa: S311
    assert len(found) == 5
    for word, path in found.items():
        assert [file.relative_to(folder).as_posix() for file in folder.rglob("*.py") if word in file.read_text()] == [
            path
        ]
    assert len(phrases(folder, 4, random.Random(0))) == 4  # noqa: S311


def test_sentences_are_those_of_comments(tmp_path: Path) -> None:
    code = "# Opens the file again.\nx = 1  # Opens no file at all.\n#: No.\n# of two\n# Closes it, then (opens) it.\n"
    for name in ("one.py", "two.py"):
        (tmp_path / name).write_text(code)
    assert sentences(tmp_path, 9, random.Random(0)) == ["Opens the file again"]  # noqa: S311


def test_differences_are_counted_and_told() -> None:
    same = {"counts": {"files": 1}, "freshCounts": {"files": 1}, "misplaced": {}, "ghosts": [], "asked": 9}
    equal = {**same, "sameContent": True, "different": {}, "reordered": []}
    other = {**same, "sameContent": False, "ghosts": ["gone.py"], "different": {"a": {}}, "reordered": ["b", "c"]}
    assert defects_of(equal, "now") == []
    assert len(defects_of(other, "now")) == 2
    assert [row.value for row in comparison_rows("mid", equal, other)] == [0, 0, 1, 1, 2]


def test_the_branches_differ_by_words_that_stand_on_one_of_them(tmp_path: Path) -> None:
    folder = _workspace(tmp_path)
    probes = make_branches(folder, random.Random(0))  # noqa: S311
    assert {probe.branch for probe in probes} == {"a", "b"}
    for probe in probes:  # a is checked out
        stands = probe.file.exists() and probe.word in probe.file.read_text()
        assert stands == (probe.branch == "a")


@pytest.mark.parametrize("kind", KINDS)
def test_half_of_the_files_are_damaged_and_no_lock(tmp_path: Path, kind: str) -> None:
    files = [tmp_path / f"{number}.segment" for number in range(6)]
    for file in (*files, tmp_path / "writer.lock"):
        file.write_bytes(bytes(100))
    damage(tmp_path, kind=kind, dice=random.Random(0))  # noqa: S311
    same = [file for file in files if file.exists() and file.read_bytes() == bytes(100)]
    assert len(same) == 3
    assert (tmp_path / "writer.lock").read_bytes() == bytes(100)


def test_what_answers_must_not_say_of_an_index_that_is_made() -> None:
    def asked(*counts: tuple[int, int]) -> list[Asked]:
        return [Asked(float(at), 1.0, 1, count == counts[-1], *count) for at, count in enumerate(counts)]

    assert wrong_states(asked((0, 0), (3, 9), (3, 9), (9, 9)), 9) == []
    assert "fell" in wrong_states(asked((0, 0), (4, 9), (3, 9), (9, 9)), 9)[0]
    assert "more files are indexed" in wrong_states(asked((4, 3), (9, 9)), 9)[0]
    assert "8 files, and 9" in wrong_states(asked((0, 0), (8, 8)), 9)[0]
    assert "8 of 9 files" in wrong_states(asked((0, 0), (8, 9)), 8)[0]


def test_trouble_and_size_of_what_is_not_there(tmp_path: Path) -> None:
    assert trouble(tmp_path / "log") == []
    (tmp_path / "log").write_text("INFO fine\n2026 ERROR conexus: bad\nTraceback (most recent call last):\n")
    assert len(trouble(tmp_path / "log")) == 2
    error = 'Traceback (most recent call last):\n  File "spawn.py", line 132, in {}\nEOFError: Ran out of input\n'
    (tmp_path / "log").write_text(error.format("spawn_main") + "INFO fine\n" + error.format("search"))
    assert trouble(tmp_path / "log") == ["Traceback (most recent call last): EOFError: Ran out of input"]
    assert size_of(tmp_path / "nowhere") == (0, 0)
    assert size_of(tmp_path)[1] == 1


def _workspace(folder: Path) -> Path:
    """Twelve small Python files, each with a word of its own."""
    (folder / "app").mkdir(parents=True)
    for number in range(12):
        word = "".join(chr(ord("b") + (number * 7 + place * (number + 3)) % 23) for place in range(9))
        text = f"def function_{number}(argument):\n    return handler(argument, {word})\n"
        (folder / "app" / f"file{number}.py").write_text(text)
    return folder


def _shape(language: str, source: str) -> list[tuple[str, bool]]:
    """The types of all nodes of the syntax tree, and whether each is an error."""
    stack = [get_parser(language).parse(source.encode()).root_node]  # type: ignore[arg-type]
    shape = []
    while stack:
        node = stack.pop()
        shape.append((node.type, node.is_error or node.is_missing))
        stack += node.children
    return shape
