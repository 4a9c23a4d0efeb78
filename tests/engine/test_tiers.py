"""An index beyond the memory budget: LanceDB's indices find candidates, and everything else is as before."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from conexus.config import Settings
from conexus.storage.lance.candidates import TableSearch
from conexus.storage.lance.process import LanceProcess
from conexus.storage.lance.requests import FindCandidates
from conexus.storage.lance.tables import LanceTables, StoreError
from tests.workspaces import PATIENCE, running, until, write
from tests.workspaces import OneClient as Engine

WORDS = (
    *("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath"),
    *("inlet", "jetty", "knoll", "ledge", "marsh", "north", "ocean", "plain"),
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make(tmp_path / "work")


def make(folder: Path) -> Path:
    """A workspace of 120 files, two chunks each."""
    for number in range(120):
        one, other = WORDS[number % 16], WORDS[number // 16]
        write(
            folder,
            {
                f"{other}/{one}_{number}.py": (
                    f"def load_{one}_{other}(path):\n    '''Reads the {one} of the {other} from a file.'''\n"
                    f"    return open(path).read()\n\n\n"
                    f"class {one.title()}{other.title()}:\n    def store_{number}(self, value):\n"
                    f"        '''Keeps a {other} value for the {one}.'''\n        self.{one} = value\n"
                )
            },
        )
    return folder


def tier(engine: Engine) -> str:
    return engine.status().folders[0].search_mode


def best(engine: Engine, query: str) -> list[tuple[str, int]]:
    return [(Path(hit.document).name, hit.range.start.line) for hit in engine.search(query, limit=5).hits]


QUERIES = ["load_amber_birch", "reads the fjord of the delta", "keeps a grove value", "OceanCedar", "store_77"]


def test_a_large_index_is_found_by_its_indices(root: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(root, data, stored=True) as engine:
        assert tier(engine) == "exact"
        expected = {query: best(engine, query) for query in QUERIES}
    with running(root, data, memory_mib=0) as engine:
        assert engine.store(PATIENCE)
        until(engine, lambda: tier(engine) == "indexed")
        engine.wait(PATIENCE)
        for query, answers in expected.items():
            found = best(engine, query)
            assert found[0] == answers[0], query
            assert len(set(found) & set(answers)) >= 4, query
        # What changes is found at once, by looking at it, and what is gone is gone at once.
        changed = root / "birch" / "amber_16.py"
        changed.write_text("def zebra_crossing():\n    pass\n", encoding="utf-8")
        engine.hint([changed])
        assert engine.wait(PATIENCE)
        assert best(engine, "zebra_crossing")[0] == ("amber_16.py", 0)
        assert all(name != "amber_16.py" for name, _ in best(engine, "load_amber_birch")[:1])
        engine.open_document(str(root / "amber/birch_1.py"), "def unsaved_otter():\n    pass\n", 1, "python")
        assert engine.wait(PATIENCE)
        assert best(engine, "unsaved_otter")[0] == ("birch_1.py", 0)
        assert engine.store(PATIENCE)
    with running(root, data, memory_mib=0) as engine:
        until(engine, lambda: tier(engine) == "indexed")
        assert best(engine, "zebra_crossing")[0] == ("amber_16.py", 0)
        assert best(engine, "load_fjord_amber")[0] == ("fjord_5.py", 0)
        engine.configure(Settings(watcher="off", memory_mib=1000))
        until(engine, lambda: tier(engine) == "exact")
        assert best(engine, "load_fjord_amber")[0] == ("fjord_5.py", 0)


def test_words_count_as_if_every_row_were_looked_at(root: Path, tmp_path: Path) -> None:
    """How rare a word is, and how much a likeness says, is told by all rows, and not by the candidates."""
    data = tmp_path / "data"
    with running(root, data, stored=True) as engine:
        expected = {query: scores(engine, query) for query in QUERIES}
    with running(root, data, memory_mib=0) as engine:
        assert engine.store(PATIENCE)
        until(engine, lambda: tier(engine) == "indexed")
        for query, answers in expected.items():
            found = scores(engine, query)
            assert len(found.keys() & answers.keys()) >= 4
            for place in found.keys() & answers.keys():
                assert found[place] == pytest.approx(answers[place], abs=1e-4), (query, place)


def scores(engine: Engine, query: str) -> dict[tuple[str, int], float]:
    hits = engine.search(query, limit=5).hits
    return {(Path(hit.document).name, hit.range.start.line): hit.score for hit in hits}


def test_where_the_process_that_is_asked_dies_every_row_is_looked_at(root: Path, tmp_path: Path) -> None:
    with running(root, tmp_path / "data", memory_mib=0) as engine:
        assert engine.store(PATIENCE)
        until(engine, lambda: tier(engine) == "indexed")
        process = engine.engine.indexer._maintenance.search_modes._reading._child._process
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert best(engine, "load_amber_birch")[0] == ("amber_16.py", 0)
        # The next question starts another one.
        assert best(engine, "load_amber_birch")[0] == ("amber_16.py", 0)
        assert tier(engine) == "indexed"


def test_an_index_that_was_cleared_is_found_by_its_new_indices(root: Path, tmp_path: Path) -> None:
    with running(root, tmp_path / "data", memory_mib=0) as engine:
        assert engine.store(PATIENCE)
        until(engine, lambda: tier(engine) == "indexed")
        expected = {query: best(engine, query)[0] for query in QUERIES}
        # Files that come first now shift the addresses of all others.
        write(root, {f"aaa/new_{number}.py": f"def fresh_{number}():\n    return {number}\n" for number in range(40)})
        engine.clear()
        assert engine.wait(PATIENCE)
        assert engine.store(PATIENCE)
        until(engine, lambda: asks_indices(engine))
        assert {query: best(engine, query)[0] for query in QUERIES} == expected
        (candidate_sources,) = engine.searchable.candidate_sources.values()
        assert candidate_sources.candidates(None, ["fresh"]).keys() == {f"aaa/new_{number}.py" for number in range(40)}


def asks_indices(engine: Engine) -> bool:
    now = engine.searchable
    return bool(now.candidate_sources) and all(view.indexed for view in now.snapshot.views)


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The directory of tables that have indices, and the dimensions of their vectors."""
    folder = tmp_path_factory.mktemp("indexed")
    with running(make(folder / "work"), folder / "data", memory_mib=0) as engine:
        assert engine.store(PATIENCE)
        until(engine, lambda: asks_indices(engine))
        (tracked,) = engine._folders.values()
        return tracked.stored.directory, tracked.stored.dimensions


@pytest.fixture
def directory(indexed: tuple[Path, int], tmp_path: Path) -> Path:
    """A copy of those tables."""
    return Path(shutil.copytree(indexed[0], tmp_path / "tables"))


def test_rows_are_the_same_chunks_whether_fetched_or_known(directory: Path, indexed: tuple[Path, int]) -> None:
    search, store = TableSearch(directory), LanceTables(directory, indexed[1])

    def found() -> dict[str, list[int]]:
        chunks = search.find_candidates(None, ("amber", "fjord", "store"), nearest=0, by_words=600, by_names=300)
        return {path: sorted(ordinals) for path, ordinals in sorted(chunks.items())}

    try:
        fetched = found()
        assert {"birch/amber_16.py", "amber/fjord_5.py"} <= fetched.keys()
        search.prepare()
        assert found() == fetched
        # Compaction gives rows other addresses.
        store.compact(0)
        assert found() == fetched
        search.prepare()
        assert found() == fetched
    finally:
        search.close()


def test_tables_that_are_gone_are_told_of_and_found_again(directory: Path, tmp_path: Path) -> None:
    tables = LanceProcess(low_priority=False)
    request = FindCandidates(directory, None, ("amber",), 0, 10, 10)
    try:
        expected = tables.ask(request)
        moved = directory.rename(tmp_path / "moved")
        with pytest.raises(StoreError, match="cannot be searched"):
            tables.ask(request)
        moved.rename(directory)
        assert tables.ask(request) == expected
    finally:
        tables.close()
