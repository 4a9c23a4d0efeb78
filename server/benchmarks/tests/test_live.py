"""The live benchmark judges what it measured rightly, and draws it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from benchmarks import live_plot
from benchmarks.harness.branches import make_branches
from benchmarks.harness.compare import comparison_rows, defects_of
from benchmarks.harness.data_directory import size_of, trouble
from benchmarks.harness.edits import has_word
from benchmarks.harness.figure import Figure, Row, table
from benchmarks.harness.pulse import Latencies
from benchmarks.harness.samples import phrases, sentences, words_of_one_file
from benchmarks.harness.table import percentile
from benchmarks.scenarios import SCENARIOS
from benchmarks.scenarios.faults import KINDS, damage
from benchmarks.scenarios.first import Asked, wrong_states
from benchmarks.tests.workspace import write_workspace


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
    assert "cold" in SCENARIOS


def test_a_hit_by_meaning_has_not_the_word() -> None:
    hit = {"preview": "def other():", "reasons": ["meaning"], "matches": []}
    assert not has_word(hit, "qwrtz")
    assert has_word({**hit, "reasons": ["words: qwrtz", "meaning"]}, "Qwrtz")
    assert has_word({**hit, "preview": "QWRTZ = 1"}, "qwrtz")


def test_words_of_one_file_stand_in_that_file_alone(tmp_path: Path) -> None:
    folder = write_workspace(tmp_path)
    found = words_of_one_file(folder, 5, random.Random(0))  # noqa: S311  repeatable, not secret
    assert len(found) == 5
    for word, path in found.items():
        assert [file.relative_to(folder).as_posix() for file in folder.rglob("*.py") if word in file.read_text()] == [
            path
        ]
    assert len(phrases(folder, 4, random.Random(0))) == 4  # noqa: S311  repeatable, not secret


def test_sentences_are_those_of_comments(tmp_path: Path) -> None:
    code = "# Opens the file again.\nx = 1  # Opens no file at all.\n#: No.\n# of two\n# Closes it, then (opens) it.\n"
    for name in ("one.py", "two.py"):
        (tmp_path / name).write_text(code)
    assert sentences(tmp_path, 9, random.Random(0)) == ["Opens the file again"]  # noqa: S311  repeatable, not secret


def test_differences_are_counted_and_told() -> None:
    same = {"counts": {"files": 1}, "freshCounts": {"files": 1}, "misplaced": {}, "ghosts": [], "asked": 9}
    equal = {**same, "sameContent": True, "different": {}, "reordered": []}
    other = {**same, "sameContent": False, "ghosts": ["gone.py"], "different": {"a": {}}, "reordered": ["b", "c"]}
    assert defects_of(equal, "now") == []
    assert len(defects_of(other, "now")) == 2
    assert [row.value for row in comparison_rows("mid", equal, other)] == [0, 0, 1, 1, 2]


def test_the_branches_differ_by_words_that_stand_on_one_of_them(tmp_path: Path) -> None:
    folder = write_workspace(tmp_path)
    probes = make_branches(folder, random.Random(0))  # noqa: S311  repeatable, not secret
    assert {probe.branch for probe in probes} == {"a", "b"}
    for probe in probes:  # a is checked out
        stands = probe.file.exists() and probe.word in probe.file.read_text()
        assert stands == (probe.branch == "a")


@pytest.mark.parametrize("kind", KINDS)
def test_half_of_the_files_are_damaged_and_no_lock(tmp_path: Path, kind: str) -> None:
    files = [tmp_path / f"{number}.segment" for number in range(6)]
    for file in (*files, tmp_path / "writer.lock"):
        file.write_bytes(bytes(100))
    damage(tmp_path, kind=kind, dice=random.Random(0))  # noqa: S311  repeatable, not secret
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
