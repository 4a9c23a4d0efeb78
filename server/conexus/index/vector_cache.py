"""Vectors of texts that were embedded before, in whatever folder, branch, clone or process: one database a model.

SQLite and not a LanceDB table: several processes write it, and what is asked of it are single keys. It is a cache:
where it cannot be used everything goes on without it, and a damaged file is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import sqlite3
import struct
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from conexus.embedding.embedder import Vectors

log = logging.getLogger(__name__)

#: Of so many vectors none is given up, and of twice as many as there are chunks in the folders that use the model.
LEAST_KEPT = 200_000
#: Chunks of a folder that was not seen for so long do not count.
_FOLDER_SECONDS = 60 * 24 * 3600.0

#: Part of the file's name: raise it with every change of what a file holds.
_LAYOUT = 1
_KEY = struct.Struct("<qq")
_CHECKSUM = struct.Struct("<I")
#: Large enough that a row of a large model does not leave half a page empty.
_PAGE_BYTES = 16384
_BUSY_SECONDS = 5.0
_LOCK_SECONDS = 10.0
#: After a full disk or the like it is written again no sooner.
_PAUSE_SECONDS = 60.0
#: So often one process makes a damaged file anew; then it goes on without.
_MOST_REPAIRS = 5
_ROWS_AT_ONCE = 500

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS vectors (key INTEGER PRIMARY KEY, rest INTEGER NOT NULL, vector BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS uses (key INTEGER PRIMARY KEY, used INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS clock (id INTEGER PRIMARY KEY CHECK (id = 0), now INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS folders (folder TEXT PRIMARY KEY, chunks INTEGER NOT NULL, seen REAL NOT NULL);
    INSERT OR IGNORE INTO clock VALUES (0, 0);
"""
#: What is not the file's fault.
_PASSING = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_AUTH,
}


def key_of(text: str) -> bytes:
    """Identifies a text among those of all folders: 128 bits, where a folder's own digests have 64.

    A stranger's repository may lie beside the user's own here, and two texts that were made to have one key would share
    a vector; with 64 bits they can be found in hours.
    """
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_KEY.size).digest()


class VectorCache:
    """Safe to call from any thread and from several processes. Nothing here raises; a vector that is lost is missing.

    ``get_many`` waits for no writer, neither of this process nor of another one.
    """

    def __init__(self, directory: Path, fingerprint: str, dimensions: int, *, least: int = LEAST_KEPT) -> None:
        """``fingerprint`` and ``dimensions`` are the model's; the directory is made if need be."""
        name = hashlib.blake2b(f"{_LAYOUT} {dimensions} {fingerprint}".encode(), digest_size=12).hexdigest()
        self._directory, self._name = directory, name
        self._dimensions, self._least = dimensions, least
        self._vector_bytes = 2 * dimensions
        #: Held for all that may wait: writing, opening. Taken before the other one.
        self._writing = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        #: Guards what follows, and is held for moments only.
        self._reading = threading.Lock()
        self._reader: sqlite3.Connection | None = None
        self._used: set[int] = set()
        self._damage = ""
        self._generation = 0
        self._repairs = 0
        self._not_before = 0.0
        self._closed = False
        with self._writing:
            self._usable()

    @property
    def path(self) -> Path:
        """The database. Its name changes when a damaged one is made anew."""
        return self._directory / f"{self._name}-{self._generation}.sqlite3"

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, Vectors]:
        """The vectors that are known, by key: float32 of shape (dimensions,), with the precision of float16."""
        wanted = {_KEY.unpack(key)[0]: key for key in keys}
        firsts = list(wanted)
        found: dict[bytes, Vectors] = {}
        with self._reading:
            if self._reader is None or self._damage:
                return {}
            try:
                for start in range(0, len(firsts), _ROWS_AT_ONCE):
                    some = firsts[start : start + _ROWS_AT_ONCE]
                    marks = ",".join("?" * len(some))
                    select = f"SELECT key, rest, vector FROM vectors WHERE key IN ({marks})"  # noqa: S608  only marks
                    for first, rest, stored in self._reader.execute(select, some):
                        vector = self._unpacked(wanted[first], first, rest, stored)
                        if vector is not None:
                            found[wanted[first]] = vector
                            self._used.add(first)
            except sqlite3.Error as error:
                self._note(error)
        return found

    def put_many(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Keep vectors, shape (len(keys), dimensions)."""
        rows = []
        for key, vector in zip(keys, vectors.astype(np.float16), strict=True):
            body = vector.tobytes()
            rows.append((*_KEY.unpack(key), body + _CHECKSUM.pack(zlib.crc32(key + body))))
        with self._writing, self._transaction() as database:
            if database is not None:
                now = self._tick(database)
                database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
                database.executemany("INSERT OR REPLACE INTO uses VALUES (?, ?)", [(row[0], now) for row in rows])

    def collect(self, live: Mapping[str, int]) -> None:
        """Give up what was not used for longest, as far as there is too much. For a time when nothing else is done.

        ``live`` has how many chunks each folder has that this process knows; those of others are remembered.
        """
        with self._writing:
            excess = 0
            with self._transaction() as database:
                if database is not None:
                    self._tick(database)
                    seen = time.time()
                    rows = [(folder, chunks, seen) for folder, chunks in live.items()]
                    database.executemany("INSERT OR REPLACE INTO folders VALUES (?, ?, ?)", rows)
                    database.execute("DELETE FROM folders WHERE seen < ?", (seen - _FOLDER_SECONDS,))
                    chunks = database.execute("SELECT coalesce(sum(chunks), 0) FROM folders").fetchone()[0]
                    excess = len(self) - max(self._least, 2 * chunks)
            while excess > 0:
                with self._transaction() as database:
                    if database is None:
                        return
                    # In small pieces, so that other processes get to write.
                    oldest = "SELECT key FROM uses ORDER BY used, key LIMIT ?"
                    keys = database.execute(oldest, (min(excess, _ROWS_AT_ONCE),)).fetchall()
                    database.executemany("DELETE FROM vectors WHERE key = ?", keys)
                    database.executemany("DELETE FROM uses WHERE key = ?", keys)
                    excess -= max(len(keys), 1)
                with contextlib.suppress(sqlite3.Error):
                    if self._writer is not None:
                        self._writer.execute("PRAGMA incremental_vacuum").fetchall()

    def __len__(self) -> int:
        """How many vectors there are; 0 where that cannot be told."""
        with self._reading:
            if self._reader is None or self._damage:
                return 0
            try:
                return int(self._reader.execute("SELECT count(*) FROM uses").fetchone()[0])
            except sqlite3.Error as error:
                self._note(error)
                return 0

    def close(self) -> None:
        """Remember what was used. Afterwards nothing is known and nothing is kept. Idempotent."""
        with self._writing:
            if self._used and self._writer is not None:
                with self._transaction() as database:
                    if database is not None:
                        self._tick(database)
            self._closed = True
            self._disconnect()

    # --- inside ---

    def _unpacked(self, key: bytes, first: int, rest: int, stored: object) -> Vectors | None:
        if not isinstance(stored, bytes) or len(stored) != self._vector_bytes + _CHECKSUM.size:
            return None
        body, checksum = stored[: self._vector_bytes], stored[self._vector_bytes :]
        # Another text whose key begins alike, or a flipped bit.
        if (first, rest) != _KEY.unpack(key) or _CHECKSUM.unpack(checksum)[0] != zlib.crc32(key + body):
            return None
        return np.frombuffer(body, np.float16).astype(np.float32)

    def _tick(self, database: sqlite3.Connection) -> int:
        """The present moment on the database's clock, which no system clock can set back; what was used, was now."""
        database.execute("UPDATE clock SET now = now + 1")
        now = int(database.execute("SELECT now FROM clock").fetchone()[0])
        with self._reading:
            used, self._used = self._used, set()
        database.executemany("UPDATE uses SET used = ? WHERE key = ?", [(now, key) for key in used])
        return now

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection | None]:
        """All or nothing; None where the cache cannot be written now. ``_writing`` is held."""
        database = self._begun()
        try:
            yield database
            if database is not None:
                database.execute("COMMIT")
        except sqlite3.Error as error:
            with self._reading:
                self._note(error)
            if database is not None:
                with contextlib.suppress(sqlite3.Error):
                    database.rollback()

    def _begun(self) -> sqlite3.Connection | None:
        database = self._usable()
        try:
            if database is not None:
                database.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            with self._reading:
                self._note(error)
            return None
        return database

    def _note(self, error: sqlite3.Error) -> None:
        """``_reading`` is held."""
        if (getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF) not in _PASSING:
            self._damage = str(error)
            return
        if time.monotonic() >= self._not_before:
            log.warning("the vector cache cannot be used for now: %s", error)
        self._not_before = time.monotonic() + _PAUSE_SECONDS

    def _usable(self) -> sqlite3.Connection | None:
        """The connection to write with, made if need be. ``_writing`` is held."""
        if self._closed or time.monotonic() < self._not_before:
            return None
        if self._damage and self._repairs == _MOST_REPAIRS:
            return None
        for _ in range(2):  # what is there may turn out to be damaged
            if self._writer is not None and not self._damage:
                break
            try:
                self._connect()
            except sqlite3.Error as error:
                with self._reading:
                    self._note(error)
            except (OSError, Timeout) as error:
                log.warning("the vector cache cannot be used: %s", getattr(error, "strerror", "it is locked"))
                self._not_before = time.monotonic() + _PAUSE_SECONDS
        return None if self._damage else self._writer

    def _connect(self) -> None:
        self._disconnect()
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory.chmod(0o700)
        with FileLock(str(self._directory / "vectors.lock"), timeout=_LOCK_SECONDS, mode=0o600):
            generations = [self._generation, *self._generations()]
            newest = max(generations)
            if self._damage:
                self._repairs += 1
                log.warning("the vector cache is damaged and is made anew: %s", self._damage)
                # Not under the same name: a process that still has the old file open would remove the new one's log.
                newest += newest == self._generation
            self._generation = newest
            for generation in generations:
                if generation < newest:
                    for path in self._directory.glob(f"{self._name}-{generation}.sqlite3*"):
                        path.unlink(missing_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            self.path.chmod(0o600)
            self._damage = ""
            writer = self._connection()
            writer.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            writer.execute("PRAGMA auto_vacuum = INCREMENTAL")
            writer.execute("PRAGMA journal_mode = WAL").fetchall()
            writer.execute("PRAGMA synchronous = NORMAL")
            writer.execute(f"PRAGMA journal_size_limit = {1 << 24}").fetchall()
            writer.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}COMMIT;")
            reader = self._connection()
            reader.execute("PRAGMA query_only = ON")
        self._writer = writer
        with self._reading:
            self._reader = reader

    def _connection(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)

    def _generations(self) -> list[int]:
        pattern = re.compile(rf"{self._name}-(\d+)\.sqlite3")
        matches = (pattern.fullmatch(path.name) for path in self._directory.iterdir())
        return [int(match[1]) for match in matches if match is not None]

    def _disconnect(self) -> None:
        with self._reading:
            reader, self._reader = self._reader, None
        writer, self._writer = self._writer, None
        for connection in (reader, writer):
            if connection is not None:
                with contextlib.suppress(sqlite3.Error):
                    connection.close()
