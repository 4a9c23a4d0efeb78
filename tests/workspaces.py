"""Workspaces for tests, written as one string, and how to look into the index that an engine made of one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conexus.config import Settings
from conexus.engine import Engine
from conexus.segments.snapshot import Snapshot
from conexus.text.positions import Encoding
from conexus.values import Event

#: No test should wait this long; one that does has found a defect.
PATIENCE = 60.0

#: One chunk as the index holds it: path, language, first and last line, kind, symbol, breadcrumb, text digest, tokens,
#: vector.
Row = tuple[object, ...]


def parse(fixture: str) -> dict[str, str]:
    """``//- /path`` lines start files; the text after each is its content."""
    files: dict[str, str] = {}
    path = None
    for line in fixture.splitlines(keepends=True):
        if line.startswith("//- /"):
            path = line[len("//- /") :].strip()
            files[path] = ""
        elif path is not None:
            files[path] += line
    return files


def write(root: Path, files: Mapping[str, str] | str) -> None:
    """Write a fixture or files below a folder."""
    for path, text in (parse(files) if isinstance(files, str) else files).items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="")


class OneClient:
    """An engine and its only session: what an editor has. Every call goes to the session if it knows it."""

    def __init__(
        self,
        settings: Settings,
        *,
        encoding: Encoding = Encoding.UTF16,
        listener: Callable[[Event], None] | None = None,
        **more: Any,
    ) -> None:
        self.engine = Engine(settings, **more)
        self.session = self.engine.open_session(encoding=encoding, listener=listener)

    def start(self, folders: Sequence[Path]) -> None:
        self.session.set_folders(folders)

    def close(self) -> None:
        self.engine.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session if hasattr(self.session, name) else self.engine, name)

    @property
    def _folders(self) -> Mapping[str, Any]:
        return self.engine.indexer._folders.by_root


@contextmanager
def running(root: Path, data: Path, *, stored: bool = False, **settings: object) -> Iterator[OneClient]:
    """A real engine on a real folder, quiescent; in the end its tables are in step, if they are to be ``stored``."""
    engine = OneClient(Settings(**{"watcher": "off", **settings}), data_directory=data)  # type: ignore[arg-type]
    try:
        engine.start([root])
        assert engine.wait(PATIENCE), engine.status()
        yield engine
        assert not stored or engine.store(PATIENCE), engine.status()
    finally:
        engine.close()


def rows(snapshot: Snapshot) -> list[Row]:
    """Every live chunk, in an order that does not depend on how the segments came about."""
    found: list[Row] = []
    for view in snapshot.views:
        segment = view.segment
        for row in range(len(segment)):
            if view.live[row]:
                facts = segment.files[segment.file_of[row]]
                vector = segment.vectors[row].astype("float16").tobytes()
                place = (int(segment.start_lines[row]), int(segment.end_lines[row]), int(segment.parts[row]))
                name = (segment.kind(row), segment.symbols[row], segment.containers[row])
                tokens = tuple(segment.tokens.row(row).tolist())
                found.append((facts.path, facts.language, place, name, int(segment.digests[row]), tokens, vector))
    return sorted(found, key=repr)


def lexical(snapshot: Snapshot) -> dict[str, dict[str, float]]:
    """Occurrences of every term in each file's live chunks: postings compared without regard to row numbers."""
    found: dict[str, dict[str, float]] = {}
    for view in snapshot.views:
        for name in ("body", "names", "references"):
            postings = getattr(view.segment, name)
            for term in postings.vocabulary():
                owners, counts = postings.rows_with(term)
                for row, count in zip(owners.tolist(), counts.tolist(), strict=True):
                    if view.live[row]:
                        path = view.segment.files[view.segment.file_of[row]].path
                        terms = found.setdefault(f"{name} {path}", {})
                        terms[term] = terms.get(term, 0.0) + count
    return found


def snapshot_of(engine: OneClient) -> Snapshot:
    """What the engine's readers see now."""
    return engine.searchable.snapshot


def stored_rows(engine: OneClient) -> list[Row]:
    """Every row that the LanceDB tables of a closed engine hold."""
    from conexus.indexing.folder_index import FolderIndex
    from conexus.storage.lance.tables import LanceTables

    found: list[Row] = []
    for tracked in engine._folders.values():
        store = LanceTables(tracked.stored.directory, tracked.embedder.dimensions)
        index = FolderIndex(tracked.root, tracked.embedder.fingerprint, tracked.embedder.dimensions)
        for segment, _ in store.load():
            index.adopt(segment)
        found += rows(Snapshot(0, index.views()))
    return sorted(found, key=repr)


class Call(threading.Event):
    """An event that calls a function where it is set: a command that has it runs the function in the indexer thread."""

    def __init__(self, action: Callable[[], object]) -> None:
        super().__init__()
        self._action = action

    def set(self) -> None:
        self._action()
        super().set()


def until(engine: OneClient, condition: Callable[[], object]) -> None:
    """Wait for a condition that the engine announces by a status event or a tick of its thread."""
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, engine.status()
        pause.wait(0.02)
