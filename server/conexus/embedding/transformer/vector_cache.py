"""Caches vectors of texts for all folders, branches, clones and processes: one database for each model.

It uses SQLite and not a LanceDB table, because several processes write it and look up single keys. It is a cache: if it
cannot be used, everything goes on without it, and a damaged file is replaced.
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

#: Least number of vectors kept. Twice as many as there are chunks in the folders that use the model are kept, too.
LEAST_KEPT = 200_000
#: Seconds after which the chunks of a folder that was not seen do not count any more.
_FOLDER_SECONDS = 60 * 24 * 3600.0

#: Version of the layout, which is part of the file's name. Raise it with every change of what a file holds.
_LAYOUT = 1
_KEY = struct.Struct("<qq")
_CHECKSUM = struct.Struct("<I")
#: Bytes of a database page: large enough that a row of a large model does not leave half a page empty.
_PAGE_BYTES = 16384
_BUSY_SECONDS = 5.0
_LOCK_SECONDS = 10.0
#: Seconds that writing pauses after a transient error, such as a full disk.
_PAUSE_SECONDS = 60.0
#: Most times that one process replaces a damaged file; after that it goes on without the cache.
_MOST_REPAIRS = 5
_ROWS_AT_ONCE = 500

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS vectors (key INTEGER PRIMARY KEY, rest INTEGER NOT NULL, vector BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS uses (key INTEGER PRIMARY KEY, used INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS clock (id INTEGER PRIMARY KEY CHECK (id = 0), now INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS folders (folder TEXT PRIMARY KEY, chunks INTEGER NOT NULL, seen REAL NOT NULL);
    INSERT OR IGNORE INTO clock VALUES (0, 0);
"""
#: Codes of transient errors, for which the file is not at fault.
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
    """Returns the key of a text among the texts of all folders: 128 bits, while digests in a folder's index have 64.

    The cache also holds texts of strangers' repositories. Two texts that were made to have one key would share a
    vector; with 64 bits such texts can be found in hours.
    """
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_KEY.size).digest()


class VectorCache:
    """Vectors by key, on disk. Safe to call from any thread and from several processes.

    No method raises: a vector that is lost is missing. ``get_many`` waits for no writer, in this process or in another
    one.
    """

    def __init__(self, directory: Path, fingerprint: str, dimensions: int, *, least: int = LEAST_KEPT) -> None:
        """``fingerprint`` and ``dimensions`` are the model's. Creates the directory if there is none."""
        name = hashlib.blake2b(f"{_LAYOUT} {dimensions} {fingerprint}".encode(), digest_size=12).hexdigest()
        self._directory, self._name = directory, name
        self._dimensions, self._least = dimensions, least
        self._vector_bytes = 2 * dimensions
        #: Held for everything that may wait: writing, opening. Taken before ``_reading``.
        self._writing = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        #: Guards the attributes that follow, and is held for moments only.
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
        """Path of the database. It changes when a damaged database is replaced."""
        return self._directory / f"{self._name}-{self._generation}.sqlite3"

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, Vectors]:
        """Returns the vectors that are cached, by key: float32, shape (dimensions,), with the precision of float16."""
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
        """Caches vectors, shape (len(keys), dimensions)."""
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
        """Deletes the least recently used vectors, if there are too many. Call it when nothing else is to be done.

        ``live``: number of chunks of each folder that this process knows; the numbers of other folders are remembered.
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
                    # In small transactions, so that other processes can write between them.
                    oldest = "SELECT key FROM uses ORDER BY used, key LIMIT ?"
                    keys = database.execute(oldest, (min(excess, _ROWS_AT_ONCE),)).fetchall()
                    database.executemany("DELETE FROM vectors WHERE key = ?", keys)
                    database.executemany("DELETE FROM uses WHERE key = ?", keys)
                    excess -= max(len(keys), 1)
                with contextlib.suppress(sqlite3.Error):
                    if self._writer is not None:
                        self._writer.execute("PRAGMA incremental_vacuum").fetchall()

    def __len__(self) -> int:
        """Returns the number of vectors; 0 if it cannot be read."""
        with self._reading:
            if self._reader is None or self._damage:
                return 0
            try:
                return int(self._reader.execute("SELECT count(*) FROM uses").fetchone()[0])
            except sqlite3.Error as error:
                self._note(error)
                return 0

    def close(self) -> None:
        """Records which vectors were used and closes the database. Afterwards the cache finds and keeps nothing.

        It may be called again.
        """
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
        # The row belongs to another text whose key begins alike, or a bit was flipped.
        if (first, rest) != _KEY.unpack(key) or _CHECKSUM.unpack(checksum)[0] != zlib.crc32(key + body):
            return None
        return np.frombuffer(body, np.float16).astype(np.float32)

    def _tick(self, database: sqlite3.Connection) -> int:
        """Advances the database's clock and returns its time, at which the vectors read since the last call were used.

        The clock is a counter, so that no system clock can set it back.
        """
        database.execute("UPDATE clock SET now = now + 1")
        now = int(database.execute("SELECT now FROM clock").fetchone()[0])
        with self._reading:
            used, self._used = self._used, set()
        database.executemany("UPDATE uses SET used = ? WHERE key = ?", [(now, key) for key in used])
        return now

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection | None]:
        """Runs the block as one transaction; yields None if the cache cannot be written now. ``_writing`` is held."""
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
        """Records an error: damage, or a transient error after which writing pauses. ``_reading`` is held."""
        if (getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF) not in _PASSING:
            self._damage = str(error)
            return
        if time.monotonic() >= self._not_before:
            log.warning("the vector cache cannot be used for now: %s", error)
        self._not_before = time.monotonic() + _PAUSE_SECONDS

    def _usable(self) -> sqlite3.Connection | None:
        """Returns the connection to write with, opened if need be; None if it cannot be used. ``_writing`` is held."""
        if self._closed or time.monotonic() < self._not_before:
            return None
        if self._damage and self._repairs == _MOST_REPAIRS:
            return None
        for _ in range(2):  # the database that is there may turn out to be damaged
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
                log.warning("the vector cache is damaged and is rebuilt: %s", self._damage)
                # Under a new name, because a process that still has the old file open would remove the new file's log.
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
