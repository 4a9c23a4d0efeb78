"""The index follows the workspace: files, buffers, ignore rules, restarts, several processes, faults."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from conexus.config import Settings
from conexus.indexing import bulk_reader as bulk
from conexus.indexing import maintenance, merging
from conexus.indexing import workspace_folder as tracked
from conexus.indexing import write_behind as persistence
from conexus.indexing.commands import Rescan, Verify
from conexus.indexing.folder_index import FolderIndex, Merge
from conexus.indexing.merging import Merging
from conexus.indexing.worker_tasks import Job, Outcome
from conexus.indexing.workspace_folder import WorkspaceFolder
from conexus.segments.segment import MemorySegment
from conexus.values import BadQuery, Event, IndexChanged, Place, Position, Progress, StatusChanged, TextRange
from tests.faults import hurry
from tests.workspaces import PATIENCE, rows, running, snapshot_of, stored_rows, until, write
from tests.workspaces import OneClient as Engine

FIXTURE = """
//- /app/session.py
class SessionStore:
    '''Keeps the sessions of signed-in users.'''

    def renew(self, token):
        return self.expiry_of(token)

    def expiry_of(self, token):
        return lookup_table[token]
//- /app/mail.py
def send_newsletter(recipients):
    for each in recipients:
        deliver(each)
//- /README.md
# Example

How to run it.
"""


def found(engine: Engine, query: str) -> list[str]:
    return [Path(hit.document).name for hit in engine.search(query).hits]


def settle(engine: Engine) -> None:
    assert engine.wait(PATIENCE), engine.status()


def test_a_search_finds_the_definition(root: Path, data: Path) -> None:
    with running(root, data) as engine:
        answer = engine.search("when does a session expire")
        best = answer.hits[0]
        assert Path(best.document) == root / "app/session.py"
        assert answer.index.complete
        assert (answer.index.indexed_files, answer.index.total_files) == (3, 3)
        assert best.preview in (root / "app/session.py").read_text()
        assert 0 <= best.score <= 1
        assert best.reasons


def test_hits_lie_where_they_say(root: Path, data: Path) -> None:
    with running(root, data) as engine:
        hit = next(hit for hit in engine.search("expiry_of").hits if hit.symbol == "expiry_of")
        lines = (root / "app/session.py").read_text().split("\n")
        assert hit.name_range is not None
        start, end = hit.name_range.start, hit.name_range.end
        assert lines[start.line][start.column : end.column] == "expiry_of"
        assert hit.container == "SessionStore"
        for match in hit.matches:
            assert lines[match.start.line][match.start.column : match.end.column].lower() in "expiry_of"


def test_a_saved_file_a_new_one_and_a_deleted_one(root: Path, data: Path) -> None:
    with running(root, data) as engine:
        write(
            root, {"app/mail.py": "def zebra_crossing():\n    pass\n", "app/new.py": "def giraffe_neck():\n    pass\n"}
        )
        (root / "README.md").unlink()
        engine.hint([root / "app", root / "README.md"])
        settle(engine)
        assert found(engine, "zebra_crossing")[0] == "mail.py"
        assert found(engine, "giraffe_neck")[0] == "new.py"
        assert engine.status().files == 3
        assert "README.md" not in found(engine, "how to run the example")


def test_an_unsaved_buffer_is_found_and_closing_it_restores_the_disk(root: Path, data: Path) -> None:
    path = str(root / "app/mail.py")
    with running(root, data) as engine:
        before = rows(snapshot_of(engine))
        engine.open_document(path, "def walrus_tusk():\n    return 1\n", 7, "python")
        settle(engine)
        hit = engine.search("walrus_tusk").hits[0]
        assert (hit.document, hit.version) == (path, 7)
        assert engine.status().dirty_buffers == 1
        assert "send_newsletter" not in {hit.symbol for hit in engine.search("send_newsletter recipients").hits}
        engine.change_document(path, "def walrus_tusk():\n    return 1\n\n\ndef otter_paw():\n    return 2\n", 8)
        settle(engine)
        hit = engine.search("otter_paw").hits[0]
        assert (hit.symbol, hit.version, hit.range.start.line) == ("otter_paw", 8, 4)
        engine.close_document(path)
        settle(engine)
        assert rows(snapshot_of(engine)) == before
        assert engine.status().dirty_buffers == 0
    with running(root, data) as engine:
        assert rows(snapshot_of(engine)) == before


def test_what_waits_to_be_stored_keeps_no_old_segment(root: Path, data: Path) -> None:
    others = _segments()  # of other tests, which this list keeps
    with running(root, data, stored=True) as engine:
        for number in range(40):
            # While questions come, writing waits.
            engine.search("renew the session")
            file = root / f"app/file_{number}.py"
            file.write_text(f"def saved_{number}():\n    return {number}\n", encoding="utf-8")
            engine.hint([file])
            settle(engine)
        assert len(_segments()) < len(others) + 20
    assert any("saved_39" in repr(row) for row in stored_rows(engine))


def _segments() -> list[MemorySegment]:
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, MemorySegment)]


def test_what_workers_merged_keeps_no_old_segment(root: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even until Python looks for circles of references, which may take minutes."""
    monkeypatch.setattr(merging, "_FEW_ROWS", 0)
    monkeypatch.setattr(bulk, "_MOST_LOOKED_AT", 0)
    write(root, {f"app/file_{number}.py": f"def numbered_{number}(): ...\n" for number in range(120)})
    merged: list[weakref.ref[MemorySegment]] = []
    finished = FolderIndex.merged

    def watched(index: FolderIndex, merge: Merge, *made: object) -> None:
        merged.extend(weakref.ref(part.segment) for part in merge.parts)
        finished(index, merge, *made)  # type: ignore[arg-type]

    monkeypatch.setattr(FolderIndex, "merged", watched)
    gc.collect()
    gc.disable()
    try:
        with running(root, data) as engine:
            until(engine, lambda: len(snapshot_of(engine).views) == 1)
            assert merged
            until(engine, lambda: not any(segment() for segment in merged))
    finally:
        gc.enable()


def test_what_can_wait_is_merged_when_all_is_stored(root: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes that write and merge take as much memory each."""
    monkeypatch.setattr(maintenance, "_MAINTENANCE_IDLE_SECONDS", 0.0)
    seen: set[tuple[bool, bool]] = set()
    consider = Merging.consider

    def watched(merging: Merging, tracked: WorkspaceFolder, *, quiet: bool) -> None:
        seen.add((quiet, tracked.write_behind.writes))
        consider(merging, tracked, quiet=quiet)

    monkeypatch.setattr(Merging, "consider", watched)
    with running(root, data, stored=True) as engine:
        write(root, {f"app/file_{number}.py": f"def numbered_{number}(): ...\n" for number in range(20)})
        engine.hint([root])
        settle(engine)
        assert engine.store(PATIENCE)
        until(engine, lambda: {(False, True), (True, False)} <= seen)
    assert (True, True) not in seen


def merges_at_once(monkeypatch: pytest.MonkeyPatch, *, longest_yield: float) -> None:
    """Has what changed merged into the base at once, but for requests in flight."""
    monkeypatch.setattr(maintenance, "_MAINTENANCE_IDLE_SECONDS", 0.0)
    monkeypatch.setattr(maintenance, "_REST_SECONDS", 0.0)
    monkeypatch.setattr(maintenance, "_LONGEST_YIELD_SECONDS", longest_yield)


def test_merging_waits_for_a_request_in_flight(root: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    merges_at_once(monkeypatch, longest_yield=2 * PATIENCE)
    with running(root, data) as engine:
        until(engine, lambda: len(snapshot_of(engine).views) == 1)
        with engine.engine.indexer.requests.answering():
            (root / "app/new.py").write_text("def wombat_burrow():\n    pass\n", encoding="utf-8")
            engine.hint([root / "app/new.py"])
            settle(engine)
            assert len(snapshot_of(engine).views) == 2
        until(engine, lambda: len(snapshot_of(engine).views) == 1)


def test_merging_goes_on_under_requests_without_a_pause(
    root: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    merges_at_once(monkeypatch, longest_yield=0.05)
    with running(root, data) as engine, engine.engine.indexer.requests.answering():
        (root / "app/new.py").write_text("def wombat_burrow():\n    pass\n", encoding="utf-8")
        engine.hint([root / "app/new.py"])
        settle(engine)
        until(engine, lambda: len(snapshot_of(engine).views) == 1)


def test_what_changed_is_prepared_for_queries_as_the_rest_is(root: Path, data: Path) -> None:
    with running(root, data) as engine:
        until(engine, lambda: all(view.segment.dense._float32 for view in snapshot_of(engine).views))
        (root / "app/new.py").write_text("def wombat_burrow():\n    pass\n", encoding="utf-8")
        engine.hint([root / "app/new.py"])
        settle(engine)
        assert len(snapshot_of(engine).views) > 1
        until(engine, lambda: all(view.segment.dense._float32 for view in snapshot_of(engine).views))


def test_an_unsaved_buffer_never_reaches_the_tables(root: Path, data: Path) -> None:
    with running(root, data) as engine:
        engine.open_document(str(root / "app/mail.py"), "def secret_draft():\n    pass\n", 1, "python")
        settle(engine)
        assert engine.store(PATIENCE)
    assert not any("secret_draft" in repr(row) for row in stored_rows(engine))


def test_a_buffer_without_a_file_and_one_outside_the_folders(root: Path, data: Path, tmp_path: Path) -> None:
    write(tmp_path, {"elsewhere.py": "def on_disk():\n    pass\n"})
    with running(root, data) as engine:
        engine.open_document("untitled:Untitled-1", "def platypus_bill():\n    pass\n", 1, "python")
        engine.open_document(str(tmp_path / "elsewhere.py"), "def armadillo_shell():\n    pass\n", 1, "python")
        settle(engine)
        assert engine.search("platypus_bill").hits[0].document == "untitled:Untitled-1"
        hit = engine.search("armadillo_shell").hits[0]
        assert (hit.document, hit.folder) == (str(tmp_path / "elsewhere.py"), "")
        engine.close_document("untitled:Untitled-1")
        engine.close_document(str(tmp_path / "elsewhere.py"))
        settle(engine)
        assert not {"untitled:Untitled-1", "elsewhere.py"} & set(found(engine, "platypus_bill armadillo_shell"))


def test_an_ignored_file_is_found_only_while_it_is_open(root: Path, data: Path) -> None:
    write(root, {".gitignore": "*.log.py\n", "x.log.py": "def pelican_beak():\n    pass\n"})
    with running(root, data) as engine:
        assert "x.log.py" not in found(engine, "pelican_beak")
        engine.open_document(str(root / "x.log.py"), "def pelican_beak():\n    pass\n", 1, "python")
        settle(engine)
        assert found(engine, "pelican_beak")[0] == "x.log.py"
        engine.close_document(str(root / "x.log.py"))
        settle(engine)
        assert "x.log.py" not in found(engine, "pelican_beak")


def test_a_changed_ignore_file_takes_effect(root: Path, data: Path) -> None:
    with running(root, data) as engine:
        write(root, {".conexusignore": "app/\n"})
        engine.hint([root / ".conexusignore"])
        settle(engine)
        assert engine.status().files == 2
        (root / ".conexusignore").unlink()
        engine.hint([root / ".conexusignore"])
        settle(engine)
        assert engine.status().files == 3


def test_the_setting_exclude_takes_effect_while_running(root: Path, data: Path) -> None:
    with running(root, data) as engine:
        engine.configure(Settings(watcher="off", exclude=("*.md",)))
        settle(engine)
        assert engine.status().files == 2


def test_files_that_cannot_be_indexed_are_counted_by_reason(root: Path, data: Path) -> None:
    (root / "picture.bin").write_bytes(b"\x00\x01\x02")
    (root / "latin.txt").write_bytes("früh".encode("latin-1"))
    (root / "huge.txt").write_text("word " * 1000)
    with running(root, data, max_file_bytes=2000) as engine:
        assert engine.status().folders[0].skipped == {"binary": 1, "not UTF-8": 1, "larger than maxFileBytes": 1}
        assert engine.status().files == 3
        (root / "latin.txt").write_text("the text is readable now")
        engine.hint([root / "latin.txt"])
        settle(engine)
        assert engine.status().files == 4
        assert "not UTF-8" not in engine.status().folders[0].skipped


def test_a_file_that_becomes_text_right_after_it_was_left_out(
    root: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No one tells of it: the next scan sees that it is not what was left out."""
    odd = root / "notes.txt"
    odd.write_bytes(b"\x00\x01")
    read = tracked.read_and_analyse

    def and_then_written(job: Job, *others: Any, **options: Any) -> Outcome:
        outcome = read(job, *others, **options)
        if job.path == odd.name:
            odd.write_text("wombats dig burrows", encoding="utf-8")
        return outcome

    monkeypatch.setattr(tracked, "read_and_analyse", and_then_written)
    with running(root, data) as engine:
        engine.engine.indexer._loop.post(Rescan(str(root), "a test"))
        settle(engine)
        assert found(engine, "wombats")[0] == odd.name


def test_a_second_start_reads_the_tables_and_only_what_changed(root: Path, data: Path) -> None:
    with running(root, data, stored=True) as engine:
        first = rows(snapshot_of(engine))
    assert stored_rows(engine) == first
    write(root, {"app/mail.py": "def quokka_smile():\n    pass\n"})
    with running(root, data, stored=True) as engine:
        assert found(engine, "quokka_smile")[0] == "mail.py"
        again = rows(snapshot_of(engine))
        unchanged = [row for row in first if row[0] != "app/mail.py"]
        assert [row for row in again if row[0] != "app/mail.py"] == unchanged
        assert engine.status().embedded_chunks == 1  # the one that changed


def test_rows_by_another_version_are_made_anew(root: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(root, data, stored=True) as engine:
        fresh = rows(snapshot_of(engine))
    monkeypatch.setattr("conexus.segments.analysis.CHUNKER_VERSION", -1)
    with running(root, data, stored=True) as engine:
        assert rows(snapshot_of(engine)) == fresh
        stored = engine._folders[str(root)].stored
    assert stored.state.size_bytes > 0
    from conexus.storage.lance.tables import LanceTables

    versions = {each.version for each in LanceTables(stored.directory, 256).files().values()}
    assert len(versions) == 1
    assert "chunker -1," in next(iter(versions))


def test_damaged_tables_are_built_anew(root: Path, data: Path) -> None:
    with running(root, data, stored=True) as engine:
        expected = rows(snapshot_of(engine))
    broken = 0
    for path in data.rglob("*.lance"):
        if path.is_file():
            path.write_bytes(b"not a table")
            broken += 1
    assert broken
    with running(root, data, stored=True) as engine:
        assert rows(snapshot_of(engine)) == expected
    assert stored_rows(engine) == expected


def test_directory_and_files_of_the_index_are_private(root: Path, data: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; os.umask(0o077)\n"
        "from conexus.engine import Engine; from conexus.config import Settings\n"
        "engine = Engine(Settings(watcher='off'), data_directory=Path(sys.argv[2]))\n"
        "engine.open_session().set_folders([Path(sys.argv[1])]); assert engine.store(60); engine.close()\n"
    )
    subprocess.run([sys.executable, "-c", script, str(root), str(data)], check=True, timeout=PATIENCE)
    indexed = next((data / "indexes").iterdir())
    assert indexed.stat().st_mode & 0o777 == 0o700
    modes = {path.stat().st_mode & 0o777 for path in indexed.rglob("*") if path.is_file()}
    assert modes == {0o600}


def test_one_writer_and_a_reader_that_takes_over(root: Path, data: Path) -> None:
    with running(root, data) as writer:
        reader = Engine(Settings(watcher="off"), data_directory=data)
        try:
            reader.start([root])
            settle(reader)
            until(writer, lambda: writer.status().role == "writer")
            assert reader.status().role == "reader"
            assert rows(snapshot_of(reader)) == rows(snapshot_of(writer))
            write(root, {"app/mail.py": "def lemur_tail():\n    pass\n"})
            reader.hint([root / "app/mail.py"])
            settle(reader)
            writer.close()
            until(reader, lambda: reader.status().role == "writer")
            assert reader.store(PATIENCE)
            expected = rows(snapshot_of(reader))
        finally:
            reader.close()
    assert stored_rows(reader) == expected


def test_a_killed_process_loses_nothing(root: Path, data: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path\n"
        "from conexus.engine import Engine; from conexus.config import Settings\n"
        "engine = Engine(Settings(watcher='off'), data_directory=Path(sys.argv[2]))\n"
        "engine.open_session().set_folders([Path(sys.argv[1])]); engine.wait(60)\n"
        "print('ready', flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(root), str(data)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    process.kill()
    process.wait()
    with running(root, data) as engine:
        expected = rows(snapshot_of(engine))
        until(engine, lambda: engine.status().role == "writer")
    with running(root, data.with_name("fresh")) as engine:
        assert rows(snapshot_of(engine)) == expected


def test_an_index_directory_that_cannot_be_written_is_said_and_searching_goes_on(root: Path, data: Path) -> None:
    data.mkdir()
    (data / "indexes").write_text("in the way")
    with running(root, data) as engine:
        until(engine, lambda: engine.status().health == "warning")
        status = engine.status()
        assert "index directory" in status.message
        assert str(data) not in status.message
        assert found(engine, "renew the session")[0] == "session.py"


def test_several_folders_and_their_changes(root: Path, data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write(other, {"tool.py": "def hedgehog_spine():\n    pass\n"})
    with running(root, data) as engine:
        engine.set_folders([root, other, root / "app"])
        settle(engine)
        assert [Path(folder.path) for folder in engine.status().folders] == [root, other]
        assert engine.search("hedgehog_spine").hits[0].folder == str(other)
        engine.set_folders([other])
        settle(engine)
        assert {hit.folder for hit in engine.search("hedgehog session newsletter").hits} == {str(other)}


def test_no_folder_means_buffers_only(data: Path) -> None:
    engine = Engine(Settings(watcher="off"), data_directory=data)
    try:
        engine.start([])
        settle(engine)
        assert engine.search("anything").hits == ()
        engine.open_document("untitled:1", "def narwhal_horn():\n    pass\n", 1, "python")
        settle(engine)
        assert engine.search("narwhal_horn").hits[0].symbol == "narwhal_horn"
    finally:
        engine.close()


def test_a_home_directory_waits_for_consent(root: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(root))
    with running(root, data) as engine:
        status = engine.status()
        assert (status.health, status.files) == ("warning", 0)
        assert "allowLargeFolders" in status.message
        engine.configure(Settings(watcher="off", allow_large_folders=True))
        until(engine, lambda: engine.status().files == 3)
        assert engine.status().health == "ok"


def test_more_files_than_allowed_wait_for_consent(root: Path, data: Path) -> None:
    with running(root, data, max_files=2) as engine:
        assert engine.status().files == 0
        assert "maxFiles" in engine.status().message or "more than 2 files" in engine.status().message


def test_pause_leaves_files_alone_and_resume_catches_up(root: Path, data: Path) -> None:
    with running(root, data) as engine:
        engine.pause()
        settle(engine)
        assert engine.status().paused
        assert engine.status().phase == "paused"
        engine.open_document("untitled:1", "def ibex_climb():\n    pass\n", 1, "python")
        settle(engine)
        assert engine.search("ibex_climb").hits[0].symbol == "ibex_climb"
        engine.resume()
        settle(engine)
        assert not engine.status().paused


def test_reindex_and_clear_end_with_the_same_index(root: Path, data: Path) -> None:
    with running(root, data, stored=True) as engine:
        expected = rows(snapshot_of(engine))
        for command in (engine.reindex, lambda: engine.reindex(paths=[str(root / "app")]), engine.clear):
            command()
            settle(engine)
            assert rows(snapshot_of(engine)) == expected
    assert stored_rows(engine) == expected


@pytest.mark.parametrize(
    ("asked", "read"),
    [([], {"app/mail.py", "app/session.py", "README.md"}), (["app"], {"app/mail.py", "app/session.py"})],
)
def test_reindex_reads_files_again_that_did_not_change(
    root: Path, data: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str], read: set[str]
) -> None:
    seen: set[str] = set()
    real = tracked.read_and_analyse

    def noted(job: Job, *arguments: Any, **options: Any) -> Outcome:
        seen.add(job.path)
        return real(job, *arguments, **options)

    with running(root, data) as engine:
        monkeypatch.setattr(tracked, "read_and_analyse", noted)
        engine.reindex(paths=[str(root / path) for path in asked])
        settle(engine)
        assert seen == read
        seen.clear()
        engine.hint([root / path for path in read])
        settle(engine)
        assert not seen  # once


def test_many_files_go_through_worker_processes(root: Path, data: Path) -> None:
    write(root, {f"many/module_{n}.py": f"def function_{n}():\n    return {n}\n" for n in range(150)})
    events: list[Event] = []
    engine = Engine(Settings(watcher="off", workers=2), data_directory=data, listener=events.append)
    try:
        engine.start([root])
        settle(engine)
        assert engine.status().files == 153
        assert engine.search("function_77").hits[0].symbol == "function_77"
        assert engine.store(PATIENCE)
        expected = rows(snapshot_of(engine))
    finally:
        engine.close()
    bars = [event for event in events if isinstance(event, Progress)]
    assert bars[-1].done == bars[-1].total
    assert any(0 < bar.done < bar.total for bar in bars)
    generations = [event.generation for event in events if isinstance(event, IndexChanged)]
    assert generations == sorted(set(generations))
    assert any(isinstance(event, StatusChanged) for event in events)
    assert stored_rows(engine) == expected


def test_a_killed_worker_loses_no_file(root: Path, data: Path) -> None:
    write(root, {f"many/module_{n}.py": f"def function_{n}():\n    return {n}\n" * 20 for n in range(300)})
    engine = Engine(Settings(watcher="off", workers=2), data_directory=data)
    try:
        engine.start([root])
        executor = None
        while executor is None or not executor._processes:
            executor = engine._processes._executor
        os.kill(next(iter(executor._processes)), 9)
        settle(engine)
        assert engine.status().files == 303
    finally:
        engine.close()


def test_our_watcher_sees_changes_from_outside(root: Path, data: Path) -> None:
    with running(root, data, watcher="server") as engine:
        write(root, {"deep/er/still/fox.py": "def fennec_ears():\n    pass\n"})
        until(engine, lambda: "fox.py" in found(engine, "fennec_ears"))
        shutil.rmtree(root / "deep")
        until(engine, lambda: "fox.py" not in found(engine, "fennec_ears"))


def test_the_reconcile_scan_finds_what_no_one_reported(root: Path, data: Path) -> None:
    with running(root, data) as engine:
        write(root, {"quiet.py": "def silent_owl():\n    pass\n"})
        until(engine, lambda: "quiet.py" in found(engine, "silent_owl"))


def test_related_code_of_a_buffer_and_of_a_place_outside(root: Path, data: Path) -> None:
    cursor = TextRange(Position(4, 8), Position(4, 8))
    with running(root, data) as engine:
        place = Place(str(root / "app/session.py"), cursor)
        hits = engine.related(place).hits
        assert "expiry_of" in {hit.symbol for hit in hits if hit.relation == "callee"}
        assert all(hit.relation for hit in hits)
        assert not any(hit.symbol == "renew" for hit in hits)
        with pytest.raises(BadQuery, match="neither in a workspace folder nor open"):
            engine.related(Place("/somewhere/else.py", cursor))


@pytest.mark.parametrize("query", ["", "   ", "\n"])
def test_an_empty_query_is_refused_politely(root: Path, data: Path, query: str) -> None:
    with running(root, data) as engine, pytest.raises(BadQuery, match="empty"):
        engine.search(query)


def test_close_is_idempotent_and_stops_everything(root: Path, data: Path) -> None:
    before = threading.active_count()
    with running(root, data, watcher="server") as engine:
        engine.close()
    assert threading.active_count() <= before


def test_modules_of_the_workspace_are_never_run(root: Path, data: Path, tmp_path: Path) -> None:
    # Editors start the server in the workspace, where a file may have the name of one of Python's modules.
    trap = f"open({str(tmp_path / 'sprung')!r}, 'a').write(__name__)\nraise ImportError\n"
    names = ("types", "functools", "multiprocessing", "numpy", "tokenizers", "conexus", "sitecustomize")
    write(root, {f"{name}.py": trap for name in names})
    write(root, {f"many/module_{n}.py": f"def function_{n}():\n    return {n}\n" for n in range(120)})
    command = str(Path(sys.executable).with_name("conexus"))
    # What measures the tests' coverage would leave files of its own in the workspace.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    environment["CONEXUS_DATA_DIR"] = str(data)
    found = subprocess.run(
        [command, "index", "."], cwd=root, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert f"{123 + len(names)} files" in found.stdout
    assert "failed" not in found.stderr
    assert not (tmp_path / "sprung").exists()


def test_where_no_worker_can_run_files_are_read_here(root: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, {f"many/module_{n}.py": f"def function_{n}():\n    return {n}\n" for n in range(120)})
    monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setattr("multiprocessing.spawn._python_exe", os.fsencode("/bin/false"))
    with running(root, data, workers=2) as engine:
        assert engine.status().files == 123
        assert engine.status().folders[0].skipped == {}


def test_upkeep_does_not_take_back_that_all_is_searchable(root: Path, data: Path) -> None:
    """What is merged and stored in quiet moments changes no answer: nobody should wait for it."""
    with running(root, data) as engine:
        sync = engine.engine.indexer
        within, go_on, run_due = threading.Event(), threading.Event(), sync._maintenance.run_due

        def slow(*given: object) -> None:
            sync._publisher.mark_dirty(str(root), content_changed=False)
            within.set()
            assert go_on.wait(PATIENCE)
            run_due(*given)

        sync._maintenance.run_due = slow
        sync._loop.post(Verify(), awaited=False)
        try:
            assert within.wait(PATIENCE)
            assert engine.status().quiescent
            assert engine.wait(0)
        finally:
            go_on.set()
            sync._maintenance.run_due = run_due


def test_what_changed_is_stored_though_questions_go_on(root: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persistence, "_PAUSE_SECONDS", 3600.0)
    monkeypatch.setattr(persistence, "_LONGEST_HOLD_SECONDS", 0.5)
    with running(root, data, stored=True) as engine:
        write(root, {"app/late.py": "def stored_in_the_end(): ...\n"})
        engine.hint([root / "app/late.py"])
        settle(engine)
        waiting = next(iter(engine._folders.values())).write_behind

        def asked() -> bool:
            assert "late.py" in found(engine, "stored_in_the_end")
            return not waiting._waiting and waiting._work is None

        until(engine, asked)
    assert any("stored_in_the_end" in repr(row) for row in stored_rows(engine))


def test_nothing_that_was_replaced_stays_on_disk_after_a_rest(
    root: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    monkeypatch.setattr(persistence, "KEEP_SECONDS", 0.5)
    monkeypatch.setattr(persistence, "MAINTENANCE_SECONDS", 0.1)
    with running(root, data, stored=True) as engine:
        until(engine, lambda: data_files(data))
        (root / "app/mail.py").write_text("def send_newsletter():\n    return 1\n")
        engine.hint([root / "app/mail.py"])
        until(engine, lambda: len(data_files(data)) > 1)
        until(engine, lambda: len(data_files(data)) == 1)
        expected = rows(snapshot_of(engine))
    assert stored_rows(engine) == expected


def data_files(data: Path) -> list[Path]:
    """The files that hold the rows of the chunks' table."""
    return list(data.rglob("chunks_*.lance/data/*"))


def test_files_that_are_left_out_do_not_count(root: Path, data: Path) -> None:
    (root / "picture.dat").write_bytes(b"\0\1\2")
    (root / "old.txt").write_bytes("grün".encode("latin-1"))
    with running(root, data) as engine:
        index = engine.search("newsletter").index
        assert (index.complete, index.indexed_files, index.total_files) == (True, 3, 3)
        assert engine.status().folders[0].skipped == {"binary": 1, "not UTF-8": 1}


def test_being_told_of_a_file_that_did_not_change_changes_nothing(root: Path, data: Path) -> None:
    with running(root, data) as engine:
        before = snapshot_of(engine)
        engine.hint(each for each in root.rglob("*") if each.is_file())
        assert engine.wait(PATIENCE)
        after = snapshot_of(engine)
        assert after.generation == before.generation
